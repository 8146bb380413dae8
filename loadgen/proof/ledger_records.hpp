// Spate - the records of a ledger file, for sorting or as a sample.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <vector>

#include "engine/base/result.hpp"
#include "loadgen/proof/ledger_reader.hpp"
#include "loadgen/proof/record_sorter.hpp"

namespace spate::loadgen {

/// Reads a ledger into `sorter` and finish()es it; devices get their numbers from `devices`. `stop`
/// ends the reading early; what the sorter then has is of no use.
/// Errors: file_unreadable, malformed_payload with the place.
Result<void> read_ledger(const std::string& path, LedgerEnd end, DeviceIndex& devices,
                         RecordSorter& sorter, const std::atomic<bool>& stop);

/// Records of a ledger, drawn at random.
struct Sample {
  std::vector<SortedRecord> records; ///< Sorted.
  std::uint64_t total = 0;           ///< Of the whole file.
};

/// Takes `count` records of a ledger at random, each as likely as any other, in memory for these
/// alone.
Result<Sample> sample_ledger(const std::string& path, LedgerEnd end, std::size_t count,
                             std::uint64_t seed, DeviceIndex& devices,
                             const std::atomic<bool>& stop);

} // namespace spate::loadgen
