// Spate - what a thread's devices send, and when.
#pragma once

#include <cstdint>
#include <limits>
#include <vector>

#include "loadgen/load/device_names.hpp"
#include "loadgen/load/message.hpp"
#include "loadgen/load/payload.hpp"
#include "loadgen/load/schedule.hpp"

namespace spate::loadgen {

/// A message and the connection (index within its group) that it goes out on.
struct Due {
  std::uint32_t connection = 0;
  Message message;
};

/// Messages in the order in which they are due (open loop), or whenever a device has room (closed
/// loop). Thread: its group's.
class Load {
public:
  static constexpr std::int64_t kNever = std::numeric_limits<std::int64_t>::max();
  static constexpr std::int64_t kAtOnce = 0;

  virtual ~Load() = default;
  [[nodiscard]] virtual Payloads& payloads() noexcept = 0;
  /// The load begins at `start_ns`.
  virtual void begin(std::int64_t start_ns) = 0;
  /// Nothing that is due at `end_ns` or later is given any more.
  virtual void stop_at(std::int64_t end_ns) = 0;
  /// When the next message is due; kAtOnce if as soon as possible; kNever if there is none (yet),
  /// which a closed loop always says.
  [[nodiscard]] virtual std::int64_t next_ns() = 0;
  /// Takes the message that next_ns() spoke of.
  virtual Due take(std::int64_t now_ns, std::int64_t wall_ms) = 0;
  /// A closed loop's next message on a connection, if it still sends.
  virtual bool take_for(std::uint32_t, std::int64_t, std::int64_t, Message&) { return false; }
  /// No message will come any more.
  [[nodiscard]] virtual bool ended() const = 0;
  /// Messages that were due before the end and are still here.
  [[nodiscard]] virtual std::uint64_t left() const = 0;
};

/// How a generated load runs.
struct GeneratedPlan {
  bool closed_loop = false;
  double rate = 0; ///< Messages a second of this group (open loop).
  Arrival arrival = Arrival::fixed;
  std::int64_t phase_ns = 0;   ///< First message after the start.
  std::uint64_t count_max = 0; ///< Messages in all; 0 = no limit.
  bool empty = false;          ///< A share of a count that is nothing.
  std::uint64_t seed = 1;
};

/// Payloads from templates, connections in turn, and the devices behind each in turn. Device times
/// are the wall clock's, but always increase within a device: a record is known by (device, ts).
class GeneratedLoad final : public Load {
public:
  GeneratedLoad(GeneratedPlan plan, const DeviceShare& share,
                const std::vector<Template>& templates);

  [[nodiscard]] Payloads& payloads() noexcept override { return payloads_; }
  void begin(std::int64_t start_ns) override;
  void stop_at(std::int64_t end_ns) override;
  [[nodiscard]] std::int64_t next_ns() override;
  Due take(std::int64_t now_ns, std::int64_t wall_ms) override;
  bool take_for(std::uint32_t connection, std::int64_t now_ns, std::int64_t wall_ms,
                Message& message) override;
  [[nodiscard]] bool ended() const override;
  [[nodiscard]] std::uint64_t left() const override;

private:
  Message make(std::uint32_t connection, std::int64_t intended_ns, std::int64_t wall_ms);

  GeneratedPlan plan_;
  const DeviceShare share_;
  TemplatePayloads payloads_;
  std::vector<std::int64_t> last_ts_;      ///< By connection, then member.
  std::vector<std::uint32_t> next_member_; ///< By connection; empty without gateways.
  Schedule schedule_;
  std::uint64_t taken_ = 0;
  std::int64_t end_ns_ = kNever;
  std::uint32_t next_connection_ = 0;
  bool begun_ = false;
  bool stopped_ = false;
};

} // namespace spate::loadgen
