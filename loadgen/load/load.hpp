// Spate - what a thread's devices send, and when.
#pragma once

#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <vector>

#include "loadgen/load/device_names.hpp"
#include "loadgen/load/message.hpp"
#include "loadgen/load/message_faults.hpp"
#include "loadgen/load/payload.hpp"
#include "loadgen/load/schedule.hpp"
#include "loadgen/load/sensor_models.hpp"

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

/// How the load of a cohort runs: the same for all its threads.
struct GeneratedPlan {
  bool closed_loop = false;
  /// Messages a second of the cohort over time; null in a closed loop.
  std::shared_ptr<const RateCurve> curve;
  Arrival arrival = Arrival::fixed;
  std::uint64_t count_max = 0; ///< Messages of the cohort in all; 0 = no limit.
  std::uint64_t seed = 1;
  /// Only malformed and oversized go with a closed loop.
  std::vector<MessageFaultPlan> faults;
};

/// Where payloads come from. Borrowed; shared by all threads.
struct PayloadSource {
  // Without names: a load takes whichever its caller has.
  PayloadSource(const std::vector<Template>& from) noexcept : templates(&from) {}
  PayloadSource(const SensorPayload& from) noexcept : sensors(&from) {}

  const std::vector<Template>* templates = nullptr; ///< Not empty.
  const SensorPayload* sensors = nullptr;
};

/// Generated payloads, of the devices in turn (turns.hpp). Device times are the wall clock's, but
/// always increase within a device, except where a fault says otherwise: a record is known by
/// (device, ts), and no two messages have the same, unless one is a duplicate.
class GeneratedLoad final : public Load {
public:
  GeneratedLoad(GeneratedPlan plan, const DeviceShare& share, PayloadSource source);

  [[nodiscard]] Payloads& payloads() noexcept override;
  void begin(std::int64_t start_ns) override;
  void stop_at(std::int64_t end_ns) override;
  [[nodiscard]] std::int64_t next_ns() override;
  Due take(std::int64_t now_ns, std::int64_t wall_ms) override;
  bool take_for(std::uint32_t connection, std::int64_t now_ns, std::int64_t wall_ms,
                Message& message) override;
  [[nodiscard]] bool ended() const override;
  [[nodiscard]] std::uint64_t left() const override;

private:
  [[nodiscard]] Schedule schedule_from(std::int64_t start_ns) const;
  Message make(std::uint32_t connection, std::uint32_t member, std::int64_t intended_ns,
               std::int64_t wall_ms);

  GeneratedPlan plan_;
  const DeviceShare share_;
  const PayloadSource source_;
  std::unique_ptr<Payloads> good_;
  std::unique_ptr<FaultyPayloads> faulty_; ///< Null without faults.
  MessageFaults faults_;
  std::vector<std::int64_t> last_ts_;      ///< By connection, then member.
  std::vector<std::uint32_t> next_member_; ///< Of a closed loop with gateways, by connection.
  std::shared_ptr<const RateCurve> curve_;
  Turns turns_;
  Schedule schedule_;
  std::optional<Due> again_;    ///< The second of a duplicate.
  std::uint32_t next_text_ = 0; ///< Of the templates.
  std::uint64_t taken_ = 0;     ///< Without the second of duplicates.
  std::uint64_t quota_ = 0;     ///< Of the count.
  std::int64_t start_ns_ = 0;
  std::int64_t end_ns_ = kNever;
  bool begun_ = false;
  bool stopped_ = false;
};

} // namespace spate::loadgen
