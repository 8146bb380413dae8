// Spate - what a subscriber received, in the place of what an API gives back.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "loadgen/proof/page_source.hpp"
#include "loadgen/proof/record_sorter.hpp"

namespace spate::loadgen {

/// Gives the records of a received ledger as pages. They come from a sorted stream, so devices and
/// times must be asked for in the order of the sorter, as Verifier does.
///
/// A copy that was marked with DUP is no second record: QoS 1 allows it. Copies without the mark
/// are given as they are, unless `allow_doubled`: a publisher that lost its connection sends again,
/// and a server need not notice.
/// Thread: the verifier's.
class ReceivedSource final : public PageSource {
public:
  static constexpr std::size_t kPageRecords = 4096;

  /// Borrows a finish()ed sorter and the index of its devices.
  ReceivedSource(RecordSorter& received, DeviceIndex& devices, bool allow_doubled)
      : received_(received), devices_(devices), allow_doubled_(allow_doubled) {}

  /// Errors: those of the sorter.
  Result<RecordPage> fetch(std::string_view device, std::int64_t from_ms, std::int64_t to_ms,
                           const std::string& cursor) override;
  /// Reads what is left; after the last fetch().
  Result<void> finish();

  /// Copies that were left out, and records that were never asked for.
  [[nodiscard]] std::uint64_t repeated() const noexcept { return repeated_; }
  [[nodiscard]] std::uint64_t unasked() const noexcept { return unasked_; }

private:
  /// Puts the next record that is no copy into next_; false at the end.
  Result<bool> advance();

  RecordSorter& received_;
  DeviceIndex& devices_;
  const bool allow_doubled_;
  SortedRecord next_;
  bool begun_ = false, ended_ = false;
  std::uint64_t repeated_ = 0, unasked_ = 0;
};

} // namespace spate::loadgen
