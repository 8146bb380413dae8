// Spate - reads a ledger, block by block.
#pragma once

#include <cstdint>
#include <cstdio>
#include <memory>
#include <string>
#include <string_view>

#include "engine/base/bytes.hpp"
#include "engine/base/result.hpp"
#include "loadgen/proof/ledger_format.hpp"
#include "loadgen/proof/ledger_names.hpp"

namespace spate::loadgen {

/// A generator that was killed leaves a ledger without its end block, and maybe a torn last one.
enum class LedgerEnd : std::uint8_t { required, optional };

/// Decodes the blocks of a ledger; the bytes come from elsewhere.
///
///   take(type, body); while (next(record)) { ... } again and again; then finish()
///
/// Thread: one. Errors: malformed_payload, with what is wrong; nothing more may be read after one.
class LedgerDecoder {
public:
  /// Takes a block whose checksum held. `body` is borrowed until the next call.
  Result<void> take(char type, std::string_view body);
  /// The next record of the block; false at its end.
  Result<bool> next(LedgerRecord& record);

  [[nodiscard]] const LedgerNames& names() const noexcept { return names_; }
  [[nodiscard]] std::uint64_t records() const noexcept { return records_; }
  [[nodiscard]] std::uint64_t blocks() const noexcept { return blocks_; }
  [[nodiscard]] bool ended() const noexcept { return ended_; }

private:
  Result<void> take_cohort(ByteReader body);
  Result<void> take_rule(ByteReader body);
  Result<void> take_listed(ByteReader body);
  Result<void> take_records(ByteReader body, bool repeated);
  Result<void> take_end(ByteReader body);
  Result<std::uint32_t> cohort_of(ByteReader& body) const;

  LedgerNames names_;
  ByteReader body_{{}};
  std::uint64_t left_ = 0; ///< Records of the block that were not read yet.
  LedgerRecord last_;
  std::uint64_t records_ = 0, blocks_ = 0;
  bool ended_ = false;
};

/// Reads the records of a ledger file, one after the other, in fixed memory but for listed names.
class LedgerReader {
public:
  LedgerReader(std::string path, LedgerEnd end) : path_(std::move(path)), end_(end) {}

  /// Errors: file_unreadable, malformed_payload (no ledger).
  Result<void> open();
  /// False at the end: that of the file, or with LedgerEnd::optional of its last whole block.
  /// Errors: file_unreadable, malformed_payload with the byte where the block begins.
  Result<bool> next(LedgerRecord& record);

  [[nodiscard]] const LedgerNames& names() const noexcept { return decoder_.names(); }
  /// Read so far.
  [[nodiscard]] std::uint64_t records() const noexcept { return decoder_.records(); }
  [[nodiscard]] std::uint64_t blocks() const noexcept { return decoder_.blocks(); }
  [[nodiscard]] std::uint64_t bytes() const noexcept { return at_; }
  /// After the end: the file has its end block.
  [[nodiscard]] bool whole() const noexcept { return decoder_.ended(); }

private:
  struct Close {
    void operator()(std::FILE* file) const noexcept { std::fclose(file); }
  };
  /// Reads the next block; false at the end.
  Result<bool> next_block();
  Result<std::size_t> read(char* to, std::size_t bytes);
  /// The rest is no whole block.
  Result<bool> torn(const std::string& what);
  [[nodiscard]] tl::unexpected<Error> bad(const std::string& what) const;

  const std::string path_;
  const LedgerEnd end_;
  std::unique_ptr<std::FILE, Close> file_;
  std::string block_;
  std::uint64_t at_ = 0;    ///< Bytes of whole blocks.
  std::uint64_t begin_ = 0; ///< Where the last one begins.
  LedgerDecoder decoder_;
};

} // namespace spate::loadgen
