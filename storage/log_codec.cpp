#include "storage/log_codec.hpp"

namespace spate::storage {

namespace {

constexpr std::int64_t kMsNs = 1'000'000;
constexpr unsigned kLateBit = 1u << 4;
constexpr std::size_t kHeadMax = 1 + 4 * kVarintBytesMax;
constexpr std::size_t kSealMax = 2 * kVarintBytesMax + 1;
constexpr std::size_t kRowHeadMax = 1 + 5 * kVarintBytesMax;

} // namespace

void LogEncoder::begin(std::uint64_t first_row, std::int64_t time_ns, std::int64_t received_ms,
                       const std::vector<SealRecord>& seals) {
  const std::int64_t base_ms = time_ns / kMsNs;
  base_time_ns_ = base_ms * kMsNs;
  base_received_ms_ = received_ms;
  bytes_.clear();
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
                            const RowView& row) {
  char* at = bytes_.reserve(kRowHeadMax + row.values.size());
  const std::int64_t time = wrapping_difference(row.time_ns, base_time_ns_);
  const TimeUnit unit = unit_of(time);
  *at++ = static_cast<char>(static_cast<unsigned>(row.source) | (static_cast<unsigned>(unit) << 2) |
                            (late ? kLateBit : 0));
  at = write_varint(at, device);
  at = write_varint(at, series);
  at = write_svarint(at, unit == TimeUnit::ms   ? time / kMsNs
                         : unit == TimeUnit::us ? time / 1'000
                                                : time);
  at = write_svarint(at, wrapping_difference(row.received_ms, base_received_ms_));
  at = write_varint(at, row.values.size());
  std::memcpy(at, row.values.data(), row.values.size());
  bytes_.advance(at + row.values.size());
  return bytes_.size() - row.values.size();
}

bool LogDecoder::begin(std::string_view commit) noexcept {
  reader_ = ByteReader(commit);
  const auto format = reader_.be<std::uint8_t>();
  next_row_ = reader_.varint();
  base_time_ns_ = difference_ns(reader_.svarint(), static_cast<unsigned>(TimeUnit::ms));
  base_received_ms_ = reader_.svarint();
  seals_left_ = reader_.varint();
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

bool LogDecoder::next_row(LogRow& row) noexcept {
  if (reader_.empty() || !reader_.ok()) {
    return false;
  }
  const auto head = reader_.be<std::uint8_t>();
  row.device = static_cast<std::uint32_t>(reader_.varint());
  row.series = static_cast<std::uint32_t>(reader_.varint());
  row.kind = (head & kLateBit) != 0 ? BlockKind::late : BlockKind::main;
  row.row.source = static_cast<model::TsSource>(head & 3);
  row.row.time_ns = wrapping_sum(base_time_ns_, difference_ns(reader_.svarint(), (head >> 2) & 3u));
  row.row.received_ms = wrapping_sum(base_received_ms_, reader_.svarint());
  row.row.values = reader_.bytes(reader_.varint());
  ++next_row_;
  return reader_.ok();
}

bool LogDecoder::complete() const noexcept {
  return reader_.ok() && reader_.empty() && seals_left_ == 0;
}

} // namespace spate::storage
