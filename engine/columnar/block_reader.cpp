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

tl::unexpected<Error> corrupt(const char* what) {
  return fail(Errc::storage_corrupt, what);
}

/// Format, rows and times; `bytes` stands behind them. False if they make no sense.
bool read_span(ByteReader& bytes, BlockSpan& span, bool& heads) {
  const auto format = bytes.be<std::uint8_t>();
  bytes.bytes(kChecksumBytes);
  const std::uint64_t rows = bytes.varint();
  span.first_time_ns = bytes.svarint();
  const std::uint64_t length = bytes.varint();
  span.rows = static_cast<std::size_t>(rows >> 1);
  heads = (rows & 1) != 0;
  span.last_time_ns = wrapping_sum(span.first_time_ns, static_cast<std::int64_t>(length));
  return bytes.ok() && format == kBlockFormat && span.rows != 0 && span.rows <= kBlockRowsMax &&
         span.last_time_ns >= span.first_time_ns;
}

bool decode_booleans(ByteReader& bytes, std::size_t rows, std::vector<std::uint8_t>& out) {
  const auto form = bytes.be<std::uint8_t>();
  if (!bytes.ok() || form > kBooleanIntegers) {
    return false;
  }
  if (form != kBooleanIntegers) {
    out.assign(rows, form == kAllTrue ? 1 : 0);
    return true;
  }
  std::vector<std::int64_t> values(rows);
  if (!decode_integers(bytes, values.data(), rows)) {
    return false;
  }
  out.resize(rows);
  for (std::size_t i = 0; i < rows; ++i) {
    if (static_cast<std::uint64_t>(values[i]) > 1) {
      return false;
    }
    out[i] = static_cast<std::uint8_t>(values[i]);
  }
  return true;
}

bool decode_sources(std::string_view column, std::size_t rows, std::vector<std::int64_t>& out) {
  out.assign(rows, static_cast<std::int64_t>(model::TsSource::device));
  if (column.empty()) {
    return true;
  }
  ByteReader bytes(column);
  return decode_integers(bytes, out.data(), rows) && bytes.empty() &&
         std::all_of(out.begin(), out.end(), [](std::int64_t source) {
           return static_cast<std::uint64_t>(source) <=
                  static_cast<std::uint64_t>(model::TsSource::corrected);
         });
}

/// One decoded field, by its class.
struct DecodedField {
  NumberColumn numbers;
  std::vector<std::uint8_t> booleans;
  std::vector<std::string_view> strings;
  std::size_t next_text = 0;
  std::uint32_t text_row = 0; ///< Of that text; none if it is no row.

  void find_text_row() {
    text_row = next_text < numbers.texts.size() ? numbers.texts[next_text].row
                                                : static_cast<std::uint32_t>(kBlockRowsMax);
  }
};

/// Bytes that a row takes at most beside its strings and texts. The last number may overwrite some.
constexpr std::size_t kSlackBytes = 16;
std::size_t plain_bytes_max(const model::Shape& shape) {
  return shape.fields().size() * model::kDecimalBytesMax + kSlackBytes;
}
std::size_t text_bytes(const model::Shape& shape, const std::vector<DecodedField>& decoded,
                       std::size_t row) {
  std::size_t bytes = 0;
  for (std::size_t f = 0; f < decoded.size(); ++f) {
    const DecodedField& field = decoded[f];
    if (shape.fields()[f].value_class == model::ValueClass::string) {
      bytes += field.strings[row].size() + model::kTextHeadBytesMax;
    } else if (field.text_row == row) {
      bytes += field.numbers.texts[field.next_text].text.size() + model::kTextHeadBytesMax;
    }
  }
  return bytes;
}

char* write_values(const model::Shape& shape, std::vector<DecodedField>& decoded, std::size_t row,
                   char* at) {
  const auto& fields = shape.fields();
  for (std::size_t f = 0; f < fields.size(); ++f) {
    DecodedField& field = decoded[f];
    if (fields[f].value_class == model::ValueClass::number) {
      const NumberColumn& column = field.numbers;
      if (field.text_row != row) {
        at = model::write_decimal(
            at, {column.mantissas[row], column.scales[column.scales.size() == 1 ? 0 : row]});
        continue;
      }
      at = model::write_number_text(at, column.texts[field.next_text++].text);
      field.find_text_row();
    } else if (fields[f].value_class == model::ValueClass::boolean) {
      at = model::write_boolean(at, field.booleans[row] != 0);
    } else {
      at = model::write_string(at, field.strings[row]);
    }
  }
  return at;
}

/// Appends the row bytes of all rows. False if they are too many.
bool append_values(const model::Shape& shape, std::vector<DecodedField>& decoded,
                   std::string& arena, std::vector<std::size_t>& ends) {
  const std::size_t begin = arena.size();
  const std::size_t plain = plain_bytes_max(shape);
  bool texts = false;
  for (std::size_t f = 0; f < decoded.size(); ++f) {
    decoded[f].find_text_row();
    texts = texts || !decoded[f].strings.empty() || !decoded[f].numbers.texts.empty();
  }
  // Room is made for some rows at once, and what they did not need is given to the next.
  constexpr std::size_t kStride = 64;
  std::size_t used = begin;
  for (std::size_t i = 0; i < ends.size(); ++i) {
    const std::size_t needed = plain + (texts ? text_bytes(shape, decoded, i) : 0);
    if (arena.size() - used < needed) {
      arena.resize(used + needed + kStride * plain);
    }
    used = static_cast<std::size_t>(write_values(shape, decoded, i, arena.data() + used) -
                                    arena.data());
    ends[i] = used;
    if (used - begin > kBlockValueBytesMax) {
      arena.resize(begin);
      return false;
    }
  }
  arena.resize(used);
  return true;
}

} // namespace

Result<BlockSpan> block_span(std::string_view block) {
  ByteReader bytes(block);
  BlockSpan span;
  bool heads = false;
  if (!read_span(bytes, span, heads)) {
    return corrupt("a block has an unknown format or a damaged head");
  }
  return span;
}

Result<BlockReader> BlockReader::open(const model::Shape& shape, std::string_view block) {
  ByteReader bytes(block);
  BlockSpan span;
  bool heads = false;
  if (!read_span(bytes, span, heads)) {
    return corrupt("a block has an unknown format or a damaged head");
  }
  std::uint32_t checksum = 0;
  std::memcpy(&checksum, block.data() + kChecksumAt, kChecksumBytes);
  if (checksum != static_cast<std::uint32_t>(hash_bytes(block.substr(kBodyAt)))) {
    return corrupt("the checksum of a block does not match");
  }
  BlockReader reader;
  reader.shape_ = &shape;
  reader.block_ = block;
  reader.rows_ = span.rows;
  reader.first_time_ns_ = span.first_time_ns;
  reader.last_time_ns_ = span.last_time_ns;
  const std::size_t fields = shape.fields().size();
  std::vector<std::uint64_t> column_bytes(kFieldColumns + fields - 1);
  for (std::uint64_t& size : column_bytes) {
    size = bytes.varint();
  }
  if (heads) {
    const std::string_view sizes = bytes.bytes(fields);
    for (const char size : sizes) {
      reader.heads_.push_back(bytes.bytes(static_cast<unsigned char>(size)));
    }
  }
  for (const std::uint64_t size : column_bytes) {
    reader.columns_.push_back(bytes.bytes(size));
  }
  reader.columns_.push_back(bytes.bytes(bytes.left()));
  if (!bytes.ok()) {
    return corrupt("the columns of a block reach beyond its end");
  }
  return reader;
}

Result<std::optional<ColumnHead>> BlockReader::head(std::size_t field) const {
  assert(field < shape_->fields().size());
  if (heads_.empty() || heads_[field].empty()) {
    return std::optional<ColumnHead>();
  }
  ByteReader bytes(heads_[field]);
  ColumnHead head;
  if (!read_head(bytes, head) || !bytes.empty()) {
    return corrupt("the head of a column makes no sense");
  }
  return std::optional<ColumnHead>(head);
}

Result<void> BlockReader::times(std::vector<std::int64_t>& out) const {
  ByteReader bytes(columns_[kTimeColumn]);
  out.resize(rows_);
  if (!decode_integers(bytes, out.data(), rows_) || !bytes.empty()) {
    return corrupt("the times of a block make no sense");
  }
  std::int64_t before = first_time_ns_;
  for (std::int64_t& time : out) {
    time = wrapping_sum(time, first_time_ns_);
    if (time < before) {
      return corrupt("the times of a block do not ascend");
    }
    before = time;
  }
  if (out.front() != first_time_ns_ || out.back() != last_time_ns_) {
    return corrupt("the times of a block do not fit its head");
  }
  return {};
}

Result<void> BlockReader::numbers(std::size_t field, NumberColumn& out) const {
  assert(shape_->fields()[field].value_class == model::ValueClass::number);
  ByteReader bytes(columns_[kFieldColumns + field]);
  if (!decode_numbers(bytes, rows_, columns_.data() + kFieldColumns, shape_->fields().size(),
                      out) ||
      !bytes.empty()) {
    return corrupt("a column of numbers makes no sense");
  }
  return {};
}

Result<void> BlockReader::booleans(std::size_t field, std::vector<std::uint8_t>& out) const {
  assert(shape_->fields()[field].value_class == model::ValueClass::boolean);
  ByteReader bytes(columns_[kFieldColumns + field]);
  if (!decode_booleans(bytes, rows_, out) || !bytes.empty()) {
    return corrupt("a column of booleans makes no sense");
  }
  return {};
}

Result<void> BlockReader::strings(std::size_t field, std::vector<std::string_view>& out,
                                  std::string& /*arena*/) const {
  assert(shape_->fields()[field].value_class == model::ValueClass::string);
  ByteReader bytes(columns_[kFieldColumns + field]);
  if (!decode_strings(bytes, rows_, out) || !bytes.empty()) {
    return corrupt("a column of strings makes no sense");
  }
  return {};
}

Result<void> BlockReader::all(std::vector<Row>& out, std::string& arena) const {
  const auto& fields = shape_->fields();
  if (rows_ * fields.size() > kBlockValueBytesMax) {
    return corrupt("a block has more values than a block may hold");
  }
  std::vector<std::int64_t> times_ns;
  if (auto done = times(times_ns); !done) {
    return fail(std::move(done.error()));
  }
  ByteReader received_bytes(columns_[kReceivedColumn]);
  std::vector<std::int64_t> received(rows_);
  std::vector<std::int64_t> sources;
  const auto to = received_bytes.be<std::uint8_t>();
  if (to > kReceivedToNothing || !decode_integers(received_bytes, received.data(), rows_) ||
      !received_bytes.empty() || !decode_sources(columns_[kSourceColumn], rows_, sources)) {
    return corrupt("the receive times or their sources make no sense");
  }
  std::vector<DecodedField> decoded(fields.size());
  for (std::size_t f = 0; f < fields.size(); ++f) {
    Result<void> done;
    switch (fields[f].value_class) {
    case model::ValueClass::number:
      done = numbers(f, decoded[f].numbers);
      break;
    case model::ValueClass::boolean:
      done = booleans(f, decoded[f].booleans);
      break;
    case model::ValueClass::string:
      done = strings(f, decoded[f].strings, arena);
      break;
    }
    if (!done) {
      return done;
    }
  }
  std::size_t begin = arena.size();
  std::vector<std::size_t> ends(rows_);
  if (!append_values(*shape_, decoded, arena, ends)) {
    return corrupt("the rows of a block take more bytes than they may");
  }
  out.reserve(out.size() + rows_);
  for (std::size_t i = 0; i < rows_; ++i) {
    const std::int64_t base = to == kReceivedToTime ? times_ns[i] / kNsPerMs : 0;
    out.push_back({times_ns[i], wrapping_sum(received[i], base),
                   static_cast<model::TsSource>(sources[i]),
                   std::string_view(arena).substr(begin, ends[i] - begin)});
    begin = ends[i];
  }
  return {};
}

} // namespace spate::columnar
