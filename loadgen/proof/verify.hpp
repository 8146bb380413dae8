// Spate - is every acknowledged record there, once, with its values?
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "engine/base/result.hpp"
#include "loadgen/proof/ledger_records.hpp"
#include "loadgen/proof/page_source.hpp"
#include "loadgen/proof/record_sorter.hpp"

namespace spate::loadgen {

struct Finding {
  enum class Kind : std::uint8_t {
    missing,   ///< Acknowledged, and nothing is stored for its time.
    differing, ///< Acknowledged; only records with other values are stored for its time.
    doubled    ///< Stored more than once.
  };
  Kind kind = Kind::missing;
  std::string device;
  std::int64_t ts = 0;
};
[[nodiscard]] std::string_view name_of(Finding::Kind kind) noexcept;

struct VerifyResult {
  static constexpr std::size_t kFindingsMax = 20;

  std::uint64_t lines = 0;   ///< Acknowledged, as the ledger says.
  std::uint64_t sampled = 0; ///< Of them drawn for checking; 0: all.
  std::uint64_t records = 0; ///< Of those different: a record that was sent twice counts once.
  std::uint64_t checked = 0;
  std::uint64_t devices = 0;
  std::uint64_t missing = 0;
  std::uint64_t differing = 0;
  std::uint64_t doubled = 0;
  std::uint64_t unacknowledged = 0; ///< Stored though no acknowledgement came: allowed.
  std::uint64_t repeated = 0;       ///< Received again as QoS 1 allows it.
  std::uint64_t pages = 0;
  std::vector<Finding> findings; ///< The first kFindingsMax; Verifier::Tell gets all.
  bool interrupted = false;

  /// Nothing checked is nothing shown.
  [[nodiscard]] bool ok() const noexcept {
    return missing == 0 && differing == 0 && doubled == 0 && !interrupted && checked == records &&
           checked != 0;
  }
};

/// Compares what a ledger promises with what an API gives back, or a subscriber received.
class Verifier {
public:
  using Watch = std::function<void(const VerifyResult&)>;
  using Tell = std::function<void(const Finding&)>;

  /// Borrows `source`, and `devices`, the index of the promised records; `stop` ends the work
  /// early; `tell`, if any, gets every finding.
  Verifier(PageSource& source, const DeviceIndex& devices, const std::atomic<bool>& stop,
           Tell tell = {})
      : source_(source), devices_(devices), stop_(stop), tell_(std::move(tell)) {}

  /// Reads every record back. The sorter is finish()ed. Errors: those of the source and the sorter.
  Result<VerifyResult> all(RecordSorter& acks, const Watch& watch);
  /// Reads back only these records, each by its time.
  Result<VerifyResult> some(const Sample& sample, const Watch& watch);

private:
  struct Reader;
  /// Judges the acknowledged records of one device and time against the stored ones.
  void judge(VerifyResult& result, const std::string& device, std::int64_t ts,
             std::vector<std::uint64_t>& promised, std::vector<std::uint64_t>& stored) const;

  PageSource& source_;
  const DeviceIndex& devices_;
  const std::atomic<bool>& stop_;
  const Tell tell_;
};

} // namespace spate::loadgen
