// Spate - what a run counts, per thread and gathered.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "engine/base/histogram.hpp"

namespace spate::loadgen {

/// Counts and times of some stretch of a run. All times in nanoseconds.
struct Stats {
  std::uint64_t connects = 0; ///< CONNACKs with success, those after a lost connection included.
  std::uint64_t connect_failures = 0; ///< Attempts that got none,
  std::uint64_t refused_expired = 0;  ///< but for those with credentials that a fault made expire.
  std::uint64_t connections_lost = 0; ///< Closed by the server or the network while in use.
  std::uint64_t connections_cut = 0;  ///< By a fault of the scenario.
  std::uint64_t half_open = 0;        ///< Connections that said nothing, by a fault,
  std::uint64_t half_open_closed = 0; ///< and those of them that the server closed.
  std::uint64_t sent = 0;             ///< Messages sent for the first time.
  std::uint64_t sent_bytes = 0;       ///< Their payloads.
  std::uint64_t resent = 0;           ///< Sent again after a lost connection.
  std::uint64_t acked = 0;   ///< Answered with success; with QoS 0, known to be read by the server.
  std::uint64_t refused = 0; ///< Answered with a reason of 0x80 or above.
  std::uint64_t lost = 0;    ///< Sent and never answered, but for the next three.
  std::uint64_t faulty_answered = 0;   ///< Wrong on purpose, and acknowledged or refused;
  std::uint64_t faulty_unanswered = 0; ///< or neither: these are not sent again.
  /// Sent into a connection that a fault then cut, and not to be sent again (QoS 0, or the device
  /// does not come back): whether they arrived nobody can know.
  std::uint64_t cut_unknown = 0;
  std::uint64_t unsent = 0;        ///< Due and never sent,
  std::uint64_t withheld = 0;      ///< but for those of devices that a fault cut for good.
  std::uint64_t measured_sent = 0; ///< Sent between warm-up and end of sending.
  /// Acked in that time; with QoS 0, sent in it and known to be read, however late that was asked.
  std::uint64_t measured_acked = 0;

  std::uint64_t received = 0;       ///< Messages that came by subscriptions,
  std::uint64_t received_bytes = 0; ///< and their payloads.

  // Devices that answer commands.
  std::uint64_t commands = 0;              ///< Came for the first time,
  std::uint64_t commands_repeated = 0;     ///< came again,
  std::uint64_t commands_unanswerable = 0; ///< named no place for an answer, or were too many.
  std::uint64_t answers = 0;               ///< Sent for the first time,
  std::uint64_t answers_resent = 0;        ///< sent again after a lost connection,
  std::uint64_t answers_acked = 0;
  std::uint64_t answers_refused = 0; ///< acknowledged with a reason of 0x80 or above,
  std::uint64_t answers_lost = 0;    ///< due or sent, and never acknowledged.

  Histogram answer_lag; ///< How late the generator sent answers.
  Histogram latency;    ///< Intended send time to answer.
  Histogram service;    ///< Actual send time to answer.
  Histogram delivery;   ///< Device time to subscriber, in whole milliseconds.
  Histogram connect;    ///< connect() to CONNACK.
  Histogram lag;        ///< How late the generator itself was.

  std::map<std::string, std::uint64_t, std::less<>> errors; ///< By reason.
  std::array<std::uint64_t, 256> reasons{};                 ///< MQTT 5 reason codes of answers.

  void error(std::string_view reason, std::uint64_t count = 1);
  void merge(const Stats& other);
  void clear() { *this = Stats(); }
  [[nodiscard]] std::uint64_t error_count() const noexcept;
};

/// Texts in `errors` are at most this many; what is above counts as "other".
inline constexpr std::size_t kErrorReasonsMax = 64;

/// One line of the report's timeline: a second of the run.
struct Second {
  std::uint64_t second =
      0; ///< Since the load began; the connecting before it is not in the timeline.
  std::uint64_t sent = 0, acked = 0, errors = 0, in_flight = 0, connected = 0;
  std::uint64_t p50_ns = 0, p90_ns = 0, p99_ns = 0, max_ns = 0;
  std::string latency_hdr; ///< hdr_base64() of the latencies of its answers; empty without any.

  void set_latency(const Histogram& latency);
};

/// Where threads hand over what they counted, a few times a second. Thread-safe.
class StatsBoard {
public:
  /// Adds `recent` to the totals and to the current stretch, and clears it.
  void publish(Stats& recent);
  [[nodiscard]] Stats totals() const;
  /// What was published since the last call.
  [[nodiscard]] Stats take_recent();

private:
  mutable std::mutex mutex_;
  Stats totals_;
  Stats recent_;
};

/// A board for each cohort. Thread-safe.
class StatsBoards {
public:
  explicit StatsBoards(std::size_t cohorts) : boards_(cohorts) {}

  [[nodiscard]] StatsBoard& cohort(std::size_t index) noexcept { return boards_[index]; }
  [[nodiscard]] const StatsBoard& cohort(std::size_t index) const noexcept {
    return boards_[index];
  }
  [[nodiscard]] std::size_t size() const noexcept { return boards_.size(); }
  /// Of all cohorts together.
  [[nodiscard]] Stats totals() const;
  [[nodiscard]] Stats take_recent();

private:
  std::deque<StatsBoard> boards_; ///< They do not move.
};

} // namespace spate::loadgen
