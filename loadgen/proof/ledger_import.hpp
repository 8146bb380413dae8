// Spate - blocks of another process's ledger, into ours.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "engine/base/result.hpp"
#include "loadgen/proof/ledger_reader.hpp"
#include "loadgen/proof/ledger_writer.hpp"

namespace spate::loadgen {

/// Takes the blocks of one stream, checks each to its last record, and writes it under a cohort
/// number of our file. What came before a bad block is in the file.
/// Thread: one for each stream; several may share a writer.
class LedgerImport {
public:
  explicit LedgerImport(LedgerWriter& writer) : writer_(writer) {}

  /// Whole blocks, without head and end of a file. Error: malformed_payload; nothing more may be
  /// taken.
  Result<void> take(std::string_view blocks);
  [[nodiscard]] std::uint64_t records() const noexcept { return decoder_.records(); }

private:
  Result<void> take_block(std::string_view block);

  LedgerWriter& writer_;
  LedgerDecoder decoder_;
  std::vector<std::uint32_t> cohorts_; ///< Our numbers of theirs.
};

} // namespace spate::loadgen
