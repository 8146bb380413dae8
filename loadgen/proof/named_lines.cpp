#include "loadgen/proof/named_lines.hpp"

namespace spate::loadgen {

NamedLines::NamedLines(LedgerWriter& writer, std::string_view cohort)
    : writer_(writer), cohort_(writer.add_cohort(cohort, DeviceNames())), lines_(cohort_),
      repeated_(cohort_, true) {}

std::uint32_t NamedLines::add(std::string_view device, std::int64_t ts, std::uint64_t hash,
                              bool repeated) {
  auto found = numbers_.find(device);
  if (found == numbers_.end()) {
    if (numbers_.size() == kLedgerDevicesMax) {
      return kNone;
    }
    found = numbers_.emplace(device, static_cast<std::uint32_t>(numbers_.size())).first;
    fresh_.push_back(found->first);
  }
  LedgerLines& to = repeated ? repeated_ : lines_;
  to.add(found->second, ts, hash);
  if (to.full()) {
    flush();
  }
  return found->second;
}

void NamedLines::flush() {
  if (!fresh_.empty()) {
    writer_.add_devices(cohort_, fresh_);
    fresh_.clear();
  }
  for (LedgerLines* lines : {&lines_, &repeated_}) {
    if (!lines->empty()) {
      writer_.write(lines->take());
    }
  }
}

} // namespace spate::loadgen
