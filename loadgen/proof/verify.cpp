#include "loadgen/proof/verify.hpp"

#include <algorithm>
#include <limits>

namespace spate::loadgen {

namespace {

/// The end of a range that has `ts` in it; times come from a file.
std::int64_t after(std::int64_t ts) noexcept {
  return ts == std::numeric_limits<std::int64_t>::max() ? ts : ts + 1;
}

} // namespace

std::string_view name_of(Finding::Kind kind) noexcept {
  switch (kind) {
  case Finding::Kind::missing:
    return "missing";
  case Finding::Kind::differing:
    return "different";
  case Finding::Kind::doubled:
    return "doubled";
  }
  return "";
}

/// The stored records of one device from a time on, one after the other.
struct Verifier::Reader {
  PageSource& source;
  std::uint64_t& pages;
  std::string device;
  std::int64_t from_ms;
  std::int64_t to_ms;
  RecordPage page;
  std::size_t at = 0;
  bool started = false;

  /// Null at the end.
  Result<const StoredRecord*> peek() {
    while (at == page.records.size()) {
      if (started && page.next_cursor.empty()) {
        return nullptr;
      }
      const std::string cursor = page.next_cursor;
      auto next = source.fetch(device, from_ms, to_ms, cursor);
      if (!next) {
        return fail(std::move(next.error()));
      }
      if (started && next->records.empty() && next->next_cursor == cursor) {
        return fail(Errc::malformed_payload, "the cursor of " + device + " does not move on");
      }
      ++pages;
      page = std::move(*next);
      at = 0;
      started = true;
    }
    return &page.records[at];
  }
};

void Verifier::judge(VerifyResult& result, const std::string& device, std::int64_t ts,
                     std::vector<std::uint64_t>& promised,
                     std::vector<std::uint64_t>& stored) const {
  const auto found = [&](Finding::Kind kind, std::uint64_t& count) {
    ++count;
    const Finding finding{kind, device, ts};
    if (tell_) {
      tell_(finding);
    }
    if (result.findings.size() < VerifyResult::kFindingsMax) {
      result.findings.push_back(finding);
    }
  };
  // The same record acknowledged twice (sent again after a lost connection) is one record.
  std::sort(promised.begin(), promised.end());
  promised.erase(std::unique(promised.begin(), promised.end()), promised.end());
  std::sort(stored.begin(), stored.end());
  std::size_t others = 0; // Stored, and not promised for this time.
  for (auto at = stored.begin(); at != stored.end(); at = std::upper_bound(at, stored.end(), *at)) {
    others += std::binary_search(promised.begin(), promised.end(), *at) ? 0 : 1;
  }
  result.unacknowledged += others;
  for (const std::uint64_t hash : promised) {
    const auto [first, last] = std::equal_range(stored.begin(), stored.end(), hash);
    ++result.checked;
    if (last - first > 1) {
      found(Finding::Kind::doubled, result.doubled);
    } else if (first == last && others != 0) {
      found(Finding::Kind::differing, result.differing);
    } else if (first == last) {
      found(Finding::Kind::missing, result.missing);
    }
  }
  result.records += promised.size();
}

Result<VerifyResult> Verifier::all(RecordSorter& acks, const Watch& watch) {
  VerifyResult result;
  result.lines = acks.size();
  SortedRecord ack;
  auto more = acks.next(ack);
  while (more && *more && !stop_) {
    // One device: its acknowledged records and its stored ones walk side by side in order of time.
    const std::uint32_t device = ack.device;
    const std::string& name = devices_.name(device);
    Reader reader{source_, result.pages, name, ack.ts, after(acks.last_ts(device)), {}};
    ++result.devices;
    while (more && *more && ack.device == device && !stop_) {
      const std::int64_t ts = ack.ts;
      std::vector<std::uint64_t> promised;
      std::vector<std::uint64_t> stored;
      while (more && *more && ack.device == device && ack.ts == ts) {
        promised.push_back(ack.hash);
        more = acks.next(ack);
      }
      for (;;) {
        auto record = reader.peek();
        if (!record) {
          return fail(std::move(record.error()));
        }
        if (*record == nullptr || (*record)->ts > ts) {
          break;
        }
        if ((*record)->ts == ts) {
          stored.push_back((*record)->hash);
        } else {
          ++result.unacknowledged;
        }
        ++reader.at;
      }
      judge(result, name, ts, promised, stored);
      watch(result);
    }
  }
  if (!more) {
    return fail(std::move(more.error()));
  }
  result.interrupted = stop_;
  return result;
}

Result<VerifyResult> Verifier::some(const Sample& sample, const Watch& watch) {
  const std::vector<SortedRecord>& acks = sample.records;
  VerifyResult result;
  result.lines = sample.total;
  result.sampled = acks.size();
  std::uint32_t last_device = 0;
  for (std::size_t i = 0; i < acks.size() && !stop_;) {
    const SortedRecord first = acks[i];
    result.devices += i == 0 || first.device != last_device ? 1 : 0;
    last_device = first.device;
    std::vector<std::uint64_t> promised;
    std::vector<std::uint64_t> stored;
    for (; i < acks.size() && acks[i].device == first.device && acks[i].ts == first.ts; ++i) {
      promised.push_back(acks[i].hash);
    }
    Reader reader{source_,  result.pages,    devices_.name(first.device),
                  first.ts, after(first.ts), {}};
    for (;;) {
      auto record = reader.peek();
      if (!record) {
        return fail(std::move(record.error()));
      }
      if (*record == nullptr) {
        break;
      }
      if ((*record)->ts == first.ts) {
        stored.push_back((*record)->hash);
      }
      ++reader.at;
    }
    judge(result, devices_.name(first.device), first.ts, promised, stored);
    watch(result);
  }
  result.interrupted = stop_;
  return result;
}

} // namespace spate::loadgen
