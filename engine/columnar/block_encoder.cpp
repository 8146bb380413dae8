#include <algorithm>
#include <cassert>

#include "engine/base/bytes.hpp"
#include "engine/base/hash.hpp"
#include "engine/columnar/bits.hpp"
#include "engine/columnar/block.hpp"
#include "engine/columnar/block_head.hpp"
#include "engine/columnar/block_layout.hpp"
#include "engine/columnar/integers.hpp"
#include "engine/columnar/numbers.hpp"
#include "engine/columnar/strings.hpp"

namespace spate::columnar {

namespace {

/// The values of one field of all rows, by its class.
struct FieldValues {
  NumberValues numbers;
  std::vector<std::uint8_t> booleans;
  std::vector<std::string_view> strings;
};

void clear(FieldValues& field, std::size_t rows) {
  field.numbers.mantissas.resize(rows);
  field.numbers.scales.resize(rows);
  field.numbers.text_rows.clear();
  field.numbers.texts.clear();
  field.booleans.resize(rows);
  field.strings.resize(rows);
}

} // namespace

struct BlockEncoder::Buffers {
  std::vector<FieldValues> fields;
  std::vector<std::int64_t> integers;
  IntegerEncoder encoder;
  SharedIndexes shared;
  std::string columns;
  std::string heads;
  std::vector<std::size_t> column_bytes;
  std::vector<std::size_t> head_bytes;
};

BlockEncoder::BlockEncoder() : buffers_(std::make_unique<Buffers>()) {}
BlockEncoder::~BlockEncoder() = default;

namespace {

void take_row(const model::Shape& shape, std::string_view values, std::size_t row,
              std::vector<FieldValues>& fields) {
  ByteReader bytes(values);
  for (std::size_t f = 0; f < shape.fields().size(); ++f) {
    FieldValues& field = fields[f];
    switch (shape.fields()[f].value_class) {
    case model::ValueClass::boolean:
      field.booleans[row] = bytes.be<std::uint8_t>() != 0 ? 1 : 0;
      break;
    case model::ValueClass::string:
      field.strings[row] = bytes.bytes(bytes.varint());
      break;
    case model::ValueClass::number: {
      const auto head = bytes.be<std::uint8_t>();
      if (head == model::kNumberTextHead) {
        field.numbers.text_rows.push_back(static_cast<std::uint32_t>(row));
        field.numbers.texts.push_back(bytes.bytes(bytes.varint()));
      } else {
        field.numbers.scales[row] = head;
        field.numbers.mantissas[row] = bytes.svarint();
      }
      break;
    }
    }
  }
  assert(bytes.ok() && bytes.empty());
}

/// Times are mostly whole milliseconds, seconds or minutes.
void encode_times(IntegerEncoder& encoder, const std::vector<std::int64_t>& since_first,
                  Effort effort, std::string& out) {
  const auto multiples_of = [&](auto unit) {
    return std::all_of(since_first.begin(), since_first.end(),
                       [&](std::int64_t time) { return time % unit() == 0; });
  };
  if (effort == Effort::quick && since_first.back() >= kNsPerMs &&
      multiples_of([] { return kNsPerMs; })) {
    encoder.encode_multiples(since_first.data(), since_first.size(), kNsPerMs, effort, out);
    return;
  }
  encoder.encode(since_first.data(), since_first.size(), effort, out);
}

void encode_booleans(IntegerEncoder& encoder, const std::vector<std::uint8_t>& values,
                     std::size_t rows, std::vector<std::int64_t>& scratch, Effort effort,
                     std::string& out) {
  const auto trues = std::count(values.begin(), values.begin() + static_cast<long>(rows), 1);
  if (trues == 0 || trues == static_cast<long>(rows)) {
    out.push_back(static_cast<char>(trues == 0 ? kAllFalse : kAllTrue));
    return;
  }
  out.push_back(static_cast<char>(kBooleanIntegers));
  scratch.assign(values.begin(), values.begin() + static_cast<long>(rows));
  encoder.encode(scratch.data(), rows, effort, out);
}

} // namespace

void BlockEncoder::encode(const model::Shape& shape, const std::vector<Row>& rows, Heads heads,
                          std::string& out) {
  assert(!rows.empty() && rows.size() <= kBlockRowsMax);
  Buffers& b = *buffers_;
  const Effort effort = heads == Heads::with ? Effort::thorough : Effort::quick;
  const std::size_t count = rows.size();
  const std::size_t fields = shape.fields().size();
  if (b.fields.size() < fields) {
    b.fields.resize(fields);
  }
  for (std::size_t f = 0; f < fields; ++f) {
    clear(b.fields[f], count);
  }
  for (std::size_t i = 0; i < count; ++i) {
    take_row(shape, rows[i].values, i, b.fields);
  }

  b.columns.clear();
  b.shared.clear();
  b.heads.clear();
  b.column_bytes.clear();
  b.head_bytes.clear();
  std::size_t end = 0;
  const auto column_done = [&] {
    b.column_bytes.push_back(b.columns.size() - end);
    end = b.columns.size();
  };

  b.integers.resize(count);
  for (std::size_t i = 0; i < count; ++i) {
    b.integers[i] = wrapping_difference(rows[i].time_ns, rows[0].time_ns);
  }
  encode_times(b.encoder, b.integers, effort, b.columns);
  column_done();

  for (std::size_t i = 0; i < count; ++i) {
    b.integers[i] = wrapping_difference(rows[i].received_ms, rows[i].time_ns / kNsPerMs);
  }
  b.columns.push_back(static_cast<char>(kReceivedToTime));
  b.encoder.encode(b.integers.data(), count, effort, b.columns);
  column_done();

  const auto same_source = [&](const Row& row) { return row.source == rows[0].source; };
  if (!std::all_of(rows.begin(), rows.end(), same_source)) {
    for (std::size_t i = 0; i < count; ++i) {
      b.integers[i] = static_cast<std::int64_t>(rows[i].source);
    }
    b.encoder.encode(b.integers.data(), count, effort, b.columns);
  } else if (rows[0].source != model::TsSource::device) {
    const auto source = static_cast<std::int64_t>(rows[0].source);
    b.encoder.encode(&source, 1, effort,
                     b.columns); // All the same is the same for any number of rows.
  }
  column_done();

  for (std::size_t f = 0; f < fields; ++f) {
    FieldValues& field = b.fields[f];
    const model::ValueClass kind = shape.fields()[f].value_class;
    const std::size_t head_begin = b.heads.size();
    if (heads == Heads::with && kind != model::ValueClass::string) {
      const auto head = kind == model::ValueClass::number ? head_of(field.numbers, count)
                                                          : head_of(field.booleans, count);
      if (head) {
        append_head(b.heads, *head);
      }
    }
    b.head_bytes.push_back(b.heads.size() - head_begin);
    switch (kind) {
    case model::ValueClass::number:
      encode_numbers(b.encoder, b.shared, f, field.numbers, count, effort, b.columns);
      break;
    case model::ValueClass::boolean:
      encode_booleans(b.encoder, field.booleans, count, b.integers, effort, b.columns);
      break;
    case model::ValueClass::string:
      encode_strings(b.encoder, field.strings, count, effort, b.columns);
      break;
    }
    column_done();
  }

  const std::size_t begin = out.size();
  out.push_back(static_cast<char>(kBlockFormat));
  out.append(kChecksumBytes, '\0');
  put_varint(out, count << 1 | (heads == Heads::with ? 1 : 0));
  put_svarint(out, rows.front().time_ns);
  put_varint(out, static_cast<std::uint64_t>(rows.back().time_ns) -
                      static_cast<std::uint64_t>(rows.front().time_ns));
  for (std::size_t c = 0; c + 1 < b.column_bytes.size(); ++c) {
    put_varint(out, b.column_bytes[c]);
  }
  if (heads == Heads::with) {
    for (const std::size_t bytes : b.head_bytes) {
      out.push_back(static_cast<char>(bytes));
    }
    out.append(b.heads);
  }
  out.append(b.columns);
  const auto checksum =
      static_cast<std::uint32_t>(hash_bytes(std::string_view(out).substr(begin + kBodyAt)));
  std::memcpy(out.data() + begin + kChecksumAt, &checksum, kChecksumBytes);
}

} // namespace spate::columnar
