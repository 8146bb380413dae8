#include "loadgen/proof/ledger_records.hpp"

#include <algorithm>

#include "loadgen/base/random.hpp"

namespace spate::loadgen {

namespace {

/// Turns cohort and number of a device into its number in an index, each name asked for once.
class Numbers {
public:
  explicit Numbers(DeviceIndex& devices) : devices_(devices) {}

  std::uint32_t of(const LedgerRecord& record, const LedgerNames& names) {
    if (record.cohort >= known_.size()) {
      known_.resize(record.cohort + std::size_t{1});
    }
    std::vector<std::uint32_t>& known = known_[record.cohort];
    if (record.device >= known.size()) {
      known.resize(std::max<std::size_t>(record.device + std::size_t{1}, 2 * known.size()),
                   kUnknown);
    }
    std::uint32_t& number = known[record.device];
    if (number == kUnknown) {
      char buffer[DeviceNames::kNameBytesMax];
      number = devices_.number(names.name(record.cohort, record.device, buffer));
    }
    return number;
  }

private:
  static constexpr std::uint32_t kUnknown = ~std::uint32_t{0};
  DeviceIndex& devices_;
  std::vector<std::vector<std::uint32_t>> known_;
};

template <class Take>
Result<void> for_each_record(const std::string& path, LedgerEnd end, const std::atomic<bool>& stop,
                             Take&& take) {
  LedgerReader reader(path, end);
  if (auto opened = reader.open(); !opened) {
    return opened;
  }
  LedgerRecord record;
  while (!stop.load(std::memory_order_relaxed)) {
    auto more = reader.next(record);
    if (!more) {
      return fail(std::move(more.error()));
    }
    if (!*more) {
      return {};
    }
    if (auto taken = take(record, reader.names()); !taken) {
      return taken;
    }
  }
  return {};
}

} // namespace

Result<void> read_ledger(const std::string& path, LedgerEnd end, DeviceIndex& devices,
                         RecordSorter& sorter, const std::atomic<bool>& stop) {
  Numbers numbers(devices);
  auto read =
      for_each_record(path, end, stop, [&](const LedgerRecord& record, const LedgerNames& names) {
        return sorter.add({numbers.of(record, names), record.repeated, record.ts, record.hash});
      });
  return read ? sorter.finish() : read;
}

Result<Sample> sample_ledger(const std::string& path, LedgerEnd end, std::size_t count,
                             std::uint64_t seed, DeviceIndex& devices,
                             const std::atomic<bool>& stop) {
  Sample sample; // Reservoir sampling: one pass, `count` records in memory.
  Numbers numbers(devices);
  Random random(seed);
  auto read = for_each_record(
      path, end, stop, [&](const LedgerRecord& record, const LedgerNames& names) -> Result<void> {
        const std::uint64_t place =
            sample.total < count ? sample.total : random.next() % (sample.total + 1);
        ++sample.total;
        if (place >= count) {
          return {};
        }
        const SortedRecord drawn{numbers.of(record, names), record.repeated, record.ts,
                                 record.hash};
        if (place == sample.records.size()) {
          sample.records.push_back(drawn);
        } else {
          sample.records[static_cast<std::size_t>(place)] = drawn;
        }
        return {};
      });
  if (!read) {
    return fail(std::move(read.error()));
  }
  std::sort(sample.records.begin(), sample.records.end());
  return sample;
}

} // namespace spate::loadgen
