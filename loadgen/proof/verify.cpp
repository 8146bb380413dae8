#include "loadgen/proof/verify.hpp"

#include <algorithm>

#include "loadgen/base/random.hpp"

namespace spate::loadgen {

namespace {

template <class Take>
Result<void> for_each_ack(const std::string& path, AcksEnd end, Take&& take) {
  AcksReader reader(path, end);
  if (auto opened = reader.open(); !opened) {
    return opened;
  }
  AckRecord ack;
  for (;;) {
    auto more = reader.next(ack);
    if (!more) {
      return fail(std::move(more.error()));
    }
    if (!*more) {
      return {};
    }
    if (auto taken = take(ack); !taken) {
      return taken;
    }
  }
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

Result<void> read_acks(const std::string& path, AcksEnd end, AcksSorter& sorter) {
  auto read = for_each_ack(
      path, end, [&](const AckRecord& ack) { return sorter.add(ack.device, ack.ts, ack.hash); });
  return read ? sorter.finish() : read;
}

Result<Sample> sample_acks(const std::string& path, AcksEnd end, std::size_t count,
                           std::uint64_t seed) {
  Sample sample; // Reservoir sampling: one pass, `count` records in memory.
  std::unordered_map<std::string, std::uint32_t, TextHash, std::equal_to<>> numbers;
  Random random(seed);
  auto read = for_each_ack(path, end, [&](const AckRecord& ack) -> Result<void> {
    const std::uint64_t place =
        sample.lines < count ? sample.lines : random.next() % (sample.lines + 1);
    ++sample.lines;
    if (place >= count) {
      return {};
    }
    auto found = numbers.find(ack.device);
    if (found == numbers.end()) {
      found = numbers.emplace(ack.device, static_cast<std::uint32_t>(sample.devices.size())).first;
      sample.devices.emplace_back(ack.device);
    }
    const SortedAck record{found->second, ack.ts, ack.hash};
    if (place == sample.acks.size()) {
      sample.acks.push_back(record);
    } else {
      sample.acks[static_cast<std::size_t>(place)] = record;
    }
    return {};
  });
  if (!read) {
    return fail(std::move(read.error()));
  }
  std::sort(sample.acks.begin(), sample.acks.end());
  return sample;
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

Result<VerifyResult> Verifier::all(AcksSorter& acks, const Watch& watch) {
  VerifyResult result;
  result.lines = acks.size();
  SortedAck ack;
  auto more = acks.next(ack);
  while (more && *more && !stop_) {
    // One device: its acknowledged records and its stored ones walk side by side in order of time.
    const std::uint32_t device = ack.device;
    const std::string& name = acks.devices()[device];
    Reader reader{source_, result.pages, name, ack.ts, acks.last_ts(device) + 1, {}};
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
  const std::vector<SortedAck>& acks = sample.acks;
  VerifyResult result;
  result.lines = sample.lines;
  result.sampled = acks.size();
  std::uint32_t last_device = 0;
  for (std::size_t i = 0; i < acks.size() && !stop_;) {
    const SortedAck first = acks[i];
    result.devices += i == 0 || first.device != last_device ? 1 : 0;
    last_device = first.device;
    std::vector<std::uint64_t> promised;
    std::vector<std::uint64_t> stored;
    for (; i < acks.size() && acks[i].device == first.device && acks[i].ts == first.ts; ++i) {
      promised.push_back(acks[i].hash);
    }
    Reader reader{source_, result.pages, sample.devices[first.device], first.ts, first.ts + 1, {}};
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
    judge(result, sample.devices[first.device], first.ts, promised, stored);
    watch(result);
  }
  result.interrupted = stop_;
  return result;
}

} // namespace spate::loadgen
