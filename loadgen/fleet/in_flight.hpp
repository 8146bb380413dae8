// Spate - the messages of one device that wait for their acknowledgement.
#pragma once

#include <cstdint>
#include <vector>

#include "loadgen/load/message.hpp"

namespace spate::loadgen {

struct InFlight {
  Message message;
  std::uint32_t order =
      0;                 ///< Counts up a device's messages: the order in which they are sent again.
  std::uint16_t id = 0;  ///< Packet identifier; 0 = the slot is free.
  bool received = false; ///< QoS 2: PUBREC came, PUBCOMP is awaited.
};

/// Packet identifiers and what they stand for. Identifiers count up and wrap, so that one is not
/// used again at once: a late second acknowledgement is then seen as unknown instead of being taken
/// for another message's. The table doubles as it fills, up to 32,768 messages: an idle device
/// holds a few bytes.
class InFlightTable {
public:
  static constexpr std::size_t kMessagesMax = 32'768;
  /// Those above are left to SUBSCRIBE and to the answers to commands.
  static constexpr std::uint16_t kIdMax = 0xefff;

  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  [[nodiscard]] bool empty() const noexcept { return size_ == 0; }

  /// Takes the next free identifier. The caller keeps size() below kMessagesMax.
  InFlight& add(const Message& message);
  /// Null if nothing waits under this identifier.
  [[nodiscard]] InFlight* find(std::uint16_t id) noexcept {
    if (slots_.empty() || id == 0) {
      return nullptr;
    }
    InFlight& slot = slots_[id & (slots_.size() - 1)];
    return slot.id == id ? &slot : nullptr;
  }
  void remove(InFlight& entry) noexcept {
    entry.id = 0;
    --size_;
  }
  /// Everything that waits, oldest first.
  [[nodiscard]] std::vector<InFlight*> in_order();
  void clear() noexcept;

private:
  void grow();

  std::vector<InFlight> slots_; ///< A power of two; an entry lies at its identifier modulo that.
  std::size_t size_ = 0;
  std::uint32_t next_order_ = 0;
  std::uint16_t next_id_ = 1;
};

} // namespace spate::loadgen
