#include "loadgen/proof/received_source.hpp"

namespace spate::loadgen {

Result<bool> ReceivedSource::advance() {
  for (;;) {
    SortedRecord record;
    auto more = received_.next(record);
    if (!more) {
      return more;
    }
    const bool copy = begun_ && *more && record.device == next_.device && record.ts == next_.ts &&
                      record.hash == next_.hash;
    if (copy && (record.repeated || allow_doubled_)) {
      ++repeated_;
      continue;
    }
    begun_ = true;
    ended_ = !*more;
    next_ = record;
    return *more;
  }
}

Result<RecordPage> ReceivedSource::fetch(std::string_view device, std::int64_t from_ms,
                                         std::int64_t to_ms, const std::string&) {
  RecordPage page;
  const std::uint32_t number = devices_.number(device);
  if (!begun_) {
    if (auto first = advance(); !first) {
      return fail(std::move(first.error()));
    }
  }
  while (!ended_ && (next_.device < number || (next_.device == number && next_.ts < to_ms))) {
    if (next_.device == number && next_.ts >= from_ms) {
      if (page.records.size() == kPageRecords) {
        page.next_cursor = std::to_string(next_.ts);
        return page;
      }
      page.records.push_back({next_.ts, next_.hash});
    } else {
      ++unasked_;
    }
    if (auto more = advance(); !more) {
      return fail(std::move(more.error()));
    }
  }
  return page;
}

Result<void> ReceivedSource::finish() {
  if (!begun_) {
    if (auto first = advance(); !first) {
      return fail(std::move(first.error()));
    }
  }
  while (!ended_) {
    ++unasked_;
    if (auto more = advance(); !more) {
      return fail(std::move(more.error()));
    }
  }
  return {};
}

} // namespace spate::loadgen
