#include "loadgen/proof/ledger_block.hpp"

#include <algorithm>
#include <cassert>

#include "engine/base/hash.hpp"

namespace spate::loadgen {

namespace {

void put_text(std::string& out, std::string_view text) {
  put_varint(out, text.size());
  out.append(text);
}

/// Completes the block that begins at `begin` and ends with the body.
void seal(std::string& out, std::size_t begin, LedgerBlockType type) {
  const auto body_bytes = static_cast<std::uint32_t>(out.size() - begin - kLedgerBlockHeadBytes);
  assert(body_bytes <= kLedgerBodyBytesMax);
  out[begin] = static_cast<char>(type);
  for (std::size_t i = 0; i < sizeof body_bytes; ++i) {
    out[begin + 1 + i] = static_cast<char>(body_bytes >> (24 - 8 * i));
  }
  put_be(out, hash_bytes(std::string_view(out).substr(begin)));
}

std::size_t open_block(std::string& out) {
  out.append(kLedgerBlockHeadBytes, '\0');
  return out.size() - kLedgerBlockHeadBytes;
}

} // namespace

LedgerBlock LedgerLines::take() {
  assert(!empty());
  std::string counts;
  put_varint(counts, cohort_);
  put_varint(counts, count_);
  bytes_.resize(bytes());
  const std::size_t begin = kRecordsAt - counts.size() - kLedgerBlockHeadBytes;
  counts.copy(bytes_.data() + begin + kLedgerBlockHeadBytes, counts.size());
  LedgerBlock block{bytes_.substr(begin), count_};
  seal(block.bytes, 0, repeated_ ? LedgerBlockType::repeated : LedgerBlockType::records);
  device_ = 0;
  ts_ = 0;
  count_ = 0;
  return block;
}

std::string with_cohort(std::string_view block, std::uint32_t cohort) {
  std::string out;
  const std::size_t begin = open_block(out);
  put_varint(out, cohort);
  ByteReader body(block.substr(kLedgerBlockHeadBytes,
                               block.size() - kLedgerBlockHeadBytes - kLedgerBlockTailBytes));
  (void)body.varint();
  out.append(body.position(), body.left());
  seal(out, begin, static_cast<LedgerBlockType>(block[0]));
  return out;
}

void append_cohort_block(std::string& out, std::uint32_t cohort, std::string_view name) {
  const std::size_t begin = open_block(out);
  put_varint(out, cohort);
  put_text(out, name.substr(0, kLedgerNameBytesMax));
  seal(out, begin, LedgerBlockType::cohort);
}

void append_names_blocks(std::string& out, std::uint32_t cohort, const DeviceNames& names) {
  if (!names.listed().empty()) {
    append_listed_blocks(out, cohort, names.listed());
    return;
  }
  const std::size_t begin = open_block(out);
  put_varint(out, cohort);
  put_varint(out, names.size());
  put_varint(out, names.first());
  put_text(out, names.before());
  put_text(out, names.after());
  seal(out, begin, LedgerBlockType::rule);
}

void append_listed_blocks(std::string& out, std::uint32_t cohort,
                          const std::vector<std::string>& names) {
  constexpr std::size_t kTextsBytes = std::size_t{64} << 10; // Of a block; one more name fits.
  for (std::size_t from = 0; from < names.size();) {
    std::size_t to = from;
    for (std::size_t bytes = 0; to < names.size() && bytes < kTextsBytes; ++to) {
      bytes += names[to].size();
    }
    const std::size_t begin = open_block(out);
    put_varint(out, cohort);
    put_varint(out, to - from);
    for (; from < to; ++from) {
      put_text(out, names[from]);
    }
    seal(out, begin, LedgerBlockType::listed);
  }
}

void append_end_block(std::string& out, std::uint64_t records, std::uint64_t blocks) {
  const std::size_t begin = open_block(out);
  put_varint(out, records);
  put_varint(out, blocks);
  seal(out, begin, LedgerBlockType::end);
}

} // namespace spate::loadgen
