// Spate - ledger records whose devices are known by name only, as a subscriber sees them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "engine/base/hash.hpp"
#include "loadgen/proof/ledger_writer.hpp"

namespace spate::loadgen {

/// Numbers devices as they come and writes their names before their records.
/// Thread: one. Memory: about 100 bytes and the name for each device.
/// Limit:  kLedgerDevicesMax devices; records of others are not taken.
class NamedLines {
public:
  /// Adds a cohort of that name to `writer`, which is borrowed.
  NamedLines(LedgerWriter& writer, std::string_view cohort);

  /// `device` is_ledger_name(). Gives its number in the cohort, or kNone if it is one too many.
  std::uint32_t add(std::string_view device, std::int64_t ts, std::uint64_t hash,
                    bool repeated = false);
  /// Hands over what is there.
  void flush();

  static constexpr std::uint32_t kNone = ~std::uint32_t{0};

private:
  LedgerWriter& writer_;
  const std::uint32_t cohort_;
  std::unordered_map<std::string, std::uint32_t, TextHash, std::equal_to<>> numbers_;
  std::vector<std::string> fresh_; ///< Not yet in the file.
  LedgerLines lines_, repeated_;
};

} // namespace spate::loadgen
