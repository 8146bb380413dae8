#include "storage/log_codec.hpp"

#include <algorithm>

#include "engine/model/row.hpp"

namespace spate::storage {

namespace {

constexpr std::int64_t kMsNs = 1'000'000;
constexpr unsigned kLateBit = 1u << 4;
constexpr unsigned kSameSeriesBit = 1u << 5;
constexpr unsigned kSameReceivedBit = 1u << 6;
constexpr unsigned kBareBit = 1u << 7;
/// Fields of a row that may be bare.
constexpr std::size_t kBareFieldsMax = 256;
constexpr std::size_t kHeadMax = 1 + 4 * kVarintBytesMax;
constexpr std::size_t kSealMax = 2 * kVarintBytesMax + 1;
constexpr std::size_t kRowHeadMax = 1 + 5 * kVarintBytesMax;

/// The scales of a row of decimals. False if it is none.
bool scales_of(std::string_view values, std::vector<std::uint8_t>& scales) {
  ByteReader reader(values);
  while (reader.ok() && !reader.empty()) {
    scales.push_back(reader.be<std::uint8_t>());
    (void)reader.varint();
    if (scales.back() > model::kScaleMax || scales.size() > kBareFieldsMax) {
      return false;
    }
  }
  return reader.ok();
}

} // namespace

void LogEncoder::begin(std::uint64_t first_row, std::int64_t time_ns, std::int64_t received_ms,
                       const std::vector<SealRecord>& seals) {
  const std::int64_t base_ms = time_ns / kMsNs;
  base_time_ns_ = base_ms * kMsNs;
  base_received_ms_ = received_ms;
  bytes_.clear();
  values_.clear();
  series_ = scales_series_ = 0;
  scales_.clear();
  char* at = bytes_.reserve(kHeadMax + seals.size() * kSealMax);
  *at++ = static_cast<char>(kLogFormat);
  at = write_varint(at, first_row);
  at = write_svarint(at, base_ms);
  at = write_svarint(at, received_ms);
  at = write_varint(at, seals.size());
  for (const SealRecord& seal : seals) {
    at = write_varint(at, seal.device);
    at = write_varint(at, seal.series);
    *at++ = static_cast<char>(seal.kind);
  }
  bytes_.advance(at);
}

std::size_t LogEncoder::add(std::uint32_t device, std::uint32_t series, bool late,
                            const model::Shape& shape, const RowView& row) {
  char* kept = values_.reserve(row.values.size());
  std::memcpy(kept, row.values.data(), row.values.size());
  values_.advance(kept + row.values.size());

  char* at = bytes_.reserve(kRowHeadMax + row.values.size());
  char* const head = at++;
  const std::int64_t time = wrapping_difference(row.time_ns, base_time_ns_);
  const TimeUnit unit = unit_of(time);
  unsigned bits = static_cast<unsigned>(row.source) | (static_cast<unsigned>(unit) << 2) |
                  (late ? kLateBit : 0);
  at = write_varint(at, device);
  if (series == series_) {
    bits |= kSameSeriesBit;
  } else {
    at = write_varint(at, series);
  }
  at = write_svarint(at, unit == TimeUnit::ms   ? time / kMsNs
                         : unit == TimeUnit::us ? time / 1'000
                                                : time);
  if (series_ != 0 && row.received_ms == received_ms_) {
    bits |= kSameReceivedBit;
  } else {
    at = write_svarint(at, wrapping_difference(row.received_ms, base_received_ms_));
  }
  series_ = series;
  received_ms_ = row.received_ms;
  char* const bare = scales_series_ == series ? write_bare(at, row.values) : nullptr;
  if (bare != nullptr) {
    bits |= kBareBit;
    at = bare;
  } else {
    at = write_varint(at, row.values.size());
    std::memcpy(at, row.values.data(), row.values.size());
    at += row.values.size();
    take_scales(shape, row.values);
    scales_series_ = scales_.empty() ? 0 : series;
  }
  *head = static_cast<char>(bits);
  bytes_.advance(at);
  return values_.size() - row.values.size();
}

/// Null if the row has other scales.
char* LogEncoder::write_bare(char* at, std::string_view values) const noexcept {
  const char* from = values.data();
  const char* const end = from + values.size();
  for (const std::uint8_t scale : scales_) {
    if (from == end || static_cast<std::uint8_t>(*from++) != scale) {
      return nullptr;
    }
    do {
      *at++ = *from;
    } while ((*from++ & 0x80) != 0);
  }
  return at;
}

void LogEncoder::take_scales(const model::Shape& shape, std::string_view values) {
  if (&shape != numbers_) {
    numbers_ = &shape;
    only_numbers_ = shape.fields().size() <= kBareFieldsMax &&
                    std::all_of(shape.fields().begin(), shape.fields().end(), [](const auto& f) {
                      return f.value_class == model::ValueClass::number;
                    });
  }
  scales_.clear();
  if (only_numbers_ && !scales_of(values, scales_)) {
    scales_.clear(); // Some number is kept as text.
  }
}

bool LogDecoder::begin(std::string_view commit) noexcept {
  reader_ = ByteReader(commit);
  const auto format = reader_.be<std::uint8_t>();
  next_row_ = reader_.varint();
  base_time_ns_ = difference_ns(reader_.svarint(), static_cast<unsigned>(TimeUnit::ms));
  base_received_ms_ = reader_.svarint();
  seals_left_ = reader_.varint();
  first_ = true;
  whole_ = {};
  whole_series_ = 0;
  scales_.clear();
  return reader_.ok() && format == kLogFormat;
}

bool LogDecoder::next_seal(SealRecord& seal) noexcept {
  if (seals_left_ == 0 || !reader_.ok()) {
    return false;
  }
  --seals_left_;
  seal.device = static_cast<std::uint32_t>(reader_.varint());
  seal.series = static_cast<std::uint32_t>(reader_.varint());
  seal.kind = static_cast<BlockKind>(reader_.be<std::uint8_t>() & 1);
  return reader_.ok();
}

bool LogDecoder::next_row(LogRow& row) {
  if (reader_.empty() || !reader_.ok()) {
    return false;
  }
  const auto head = reader_.be<std::uint8_t>();
  row.device = static_cast<std::uint32_t>(reader_.varint());
  row.series =
      (head & kSameSeriesBit) != 0 ? series_ : static_cast<std::uint32_t>(reader_.varint());
  row.kind = (head & kLateBit) != 0 ? BlockKind::late : BlockKind::main;
  row.row.source = static_cast<model::TsSource>(head & 3);
  row.row.time_ns = wrapping_sum(base_time_ns_, difference_ns(reader_.svarint(), (head >> 2) & 3u));
  row.row.received_ms = (head & kSameReceivedBit) != 0
                            ? received_ms_
                            : wrapping_sum(base_received_ms_, reader_.svarint());
  const bool sound = !first_ || (head & (kSameSeriesBit | kSameReceivedBit | kBareBit)) == 0;
  first_ = false;
  series_ = row.series;
  received_ms_ = row.row.received_ms;
  if ((head & kBareBit) != 0) {
    if (!sound || !read_bare(row.row)) {
      reader_.fail();
    }
  } else {
    row.row.values = reader_.bytes(reader_.varint());
    whole_ = row.row.values;
    whole_series_ = row.series;
    scales_.clear();
  }
  if (!sound) {
    reader_.fail();
  }
  ++next_row_;
  return reader_.ok();
}

bool LogDecoder::read_bare(RowView& row) {
  if (series_ != whole_series_ || whole_.empty() ||
      (scales_.empty() && !scales_of(whole_, scales_))) {
    return false;
  }
  bare_.resize(scales_.size() * (1 + kVarintBytesMax));
  char* at = bare_.data();
  for (const std::uint8_t scale : scales_) {
    *at++ = static_cast<char>(scale);
    at = write_varint(at, reader_.varint());
  }
  row.values = {bare_.data(), static_cast<std::size_t>(at - bare_.data())};
  return reader_.ok();
}

bool LogDecoder::complete() const noexcept {
  return reader_.ok() && reader_.empty() && seals_left_ == 0;
}

} // namespace spate::storage
