// Spate - messages that are wrong on purpose.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "loadgen/load/message.hpp"
#include "loadgen/load/payload.hpp"

namespace spate::loadgen {

/// A fault that strikes a share of a cohort's messages for some time.
struct MessageFaultPlan {
  enum class Kind : std::uint8_t {
    clock_skew,   ///< The device time is `by_ms` off.
    duplicates,   ///< The message is sent twice.
    out_of_order, ///< The device time is up to `by_ms` earlier than it would be.
    malformed,    ///< The payload breaks off.
    oversized     ///< The payload has `bytes`.
  };
  Kind kind = Kind::malformed;
  std::int64_t begin_ns = 0; ///< After the begin of the load.
  std::int64_t end_ns = 0;
  double share = 1;
  std::int64_t by_ms = 0;
  std::size_t bytes = 0;
};

/// Faults of one cohort that change times.
inline constexpr std::size_t kTimeFaultsMax = 7;

/// Decides which messages are struck: by a hash of seed, fault and the message's number, so that a
/// seed repeats a run. Thread: one.
class MessageFaults {
public:
  /// At most kTimeFaultsMax plans change times.
  MessageFaults(std::vector<MessageFaultPlan> plans, std::uint64_t seed);

  [[nodiscard]] bool empty() const noexcept { return plans_.empty(); }
  /// Device times of messages without a fault are multiples of this: what is between them is for
  /// times that are off, so that no two messages of a device have the same time.
  [[nodiscard]] std::int64_t ts_step_ms() const noexcept { return ts_step_ms_; }
  /// Message `number` of the cohort, due `since_ns` after the begin. Changes its time or marks it;
  /// true if it is to be sent twice.
  bool strike(Message& message, std::uint64_t number, std::int64_t since_ns) const noexcept;

private:
  std::vector<MessageFaultPlan> plans_;
  std::uint64_t seed_;
  std::int64_t ts_step_ms_ = 1;
};

/// Payloads of which those that are marked break off or are padded.
class FaultyPayloads final : public Payloads {
public:
  /// Borrows `good`. The oversized have the bytes of the first plan that says so.
  FaultyPayloads(Payloads& good, const std::vector<MessageFaultPlan>& plans);

  [[nodiscard]] std::string_view text(const Message& message) override;
  [[nodiscard]] std::uint64_t hash(const Message& message) override { return good_.hash(message); }
  void release(const Message& message) override { good_.release(message); }

private:
  Payloads& good_;
  std::size_t bytes_ = 0;
  std::string text_;
};

} // namespace spate::loadgen
