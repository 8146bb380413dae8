#include "loadgen/proof/ledger_import.hpp"

#include "engine/base/bytes.hpp"
#include "engine/base/hash.hpp"

namespace spate::loadgen {

Result<void> LedgerImport::take(std::string_view blocks) {
  while (!blocks.empty()) {
    constexpr std::size_t kAround = kLedgerBlockHeadBytes + kLedgerBlockTailBytes;
    if (blocks.size() < kAround) {
      return fail(Errc::malformed_payload, "half a block of a ledger");
    }
    const std::size_t bytes = kAround + get_be<std::uint32_t>(blocks.data() + 1);
    if (bytes > kAround + kLedgerBodyBytesMax || bytes > blocks.size()) {
      return fail(Errc::malformed_payload, "half a block of a ledger");
    }
    if (auto taken = take_block(blocks.substr(0, bytes)); !taken) {
      return taken;
    }
    blocks.remove_prefix(bytes);
  }
  return {};
}

Result<void> LedgerImport::take_block(std::string_view block) {
  const std::string_view summed = block.substr(0, block.size() - kLedgerBlockTailBytes);
  if (hash_bytes(summed) != get_be<std::uint64_t>(block.data() + summed.size())) {
    return fail(Errc::malformed_payload, "a block of a ledger with a wrong checksum");
  }
  const auto type = static_cast<LedgerBlockType>(block[0]);
  if (type == LedgerBlockType::end) {
    return fail(Errc::malformed_payload, "the end of a ledger that goes on");
  }
  if (auto taken = decoder_.take(block[0], summed.substr(kLedgerBlockHeadBytes)); !taken) {
    return taken;
  }
  LedgerRecord record;
  std::uint64_t records = 0;
  for (;;) {
    auto more = decoder_.next(record);
    if (!more) {
      return fail(std::move(more.error()));
    }
    if (!*more) {
      break;
    }
    ++records;
  }
  if (type == LedgerBlockType::cohort) {
    cohorts_.push_back(
        writer_.add_cohort(decoder_.names().cohort(decoder_.names().cohorts() - 1), DeviceNames()));
    return {};
  }
  ByteReader body(summed.substr(kLedgerBlockHeadBytes));
  std::string ours = with_cohort(block, cohorts_[static_cast<std::size_t>(body.varint())]);
  if (records == 0) {
    writer_.write_names(std::move(ours));
  } else {
    writer_.write({std::move(ours), records});
  }
  return {};
}

} // namespace spate::loadgen
