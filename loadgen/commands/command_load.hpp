// Spate - commands posted to a node on schedule, and what came of each.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "engine/base/histogram.hpp"
#include "loadgen/load/load.hpp"
#include "loadgen/load/schedule.hpp"

namespace spate::loadgen {

/// One command under way.
struct CommandPost {
  std::uint32_t device = 0;
  std::uint64_t number = 0;     ///< Of all commands, from 1.
  std::int64_t intended_ns = 0; ///< When it was due: latency counts from here.
  std::int64_t sent_ns = 0;     ///< When it was posted: service time counts from here.
};

/// What came back. `status` 0: no HTTP answer, and `fault` says why.
struct CommandReply {
  long status = 0;
  std::string_view body;
  std::string_view fault;
};

/// The connections to the node, a request at a time on each. Tests put a pretended node here.
class CommandPort {
public:
  virtual ~CommandPort() = default;
  /// A connection is free, or another one may be opened.
  [[nodiscard]] virtual bool can_post() const = 0;
  /// CommandLoad::on_reply() follows, never within the call.
  virtual void post(const CommandPost& post) = 0;
};

/// What an answer's body says; empty or -1 where it says nothing.
struct CommandBody {
  std::string state; ///< Of the command itself, or of the `command` in a problem.
  std::string code;  ///< Of a problem.
  std::int64_t total_us = -1;
};
[[nodiscard]] CommandBody parse_command_body(std::string_view body);

struct CommandStats {
  std::uint64_t posted = 0;
  std::uint64_t succeeded = 0;
  std::uint64_t lost = 0;   ///< Posted and no HTTP answer.
  std::uint64_t unsent = 0; ///< Due and never posted.
  std::uint64_t measured = 0;
  Histogram
      latency; ///< Intended time to answer, of commands that ended or were waited for in vain.
  Histogram service; ///< The same from the actual time.
  Histogram node;    ///< The node's own account, from accepting to the end.
  Histogram lag;     ///< How late the generator itself was.
  std::map<std::string, std::uint64_t, std::less<>> states;
  std::map<long, std::uint64_t> statuses;
  std::map<std::string, std::uint64_t, std::less<>> errors;
};

struct CommandLoadPlan {
  double rate = 500; ///< Commands a second.
  Arrival arrival = Arrival::fixed;
  std::uint32_t devices = 1;
  std::uint64_t seed = 1;
};

/// An open loop: commands are due whatever the node does. One that finds no free connection stays
/// in the schedule with its intended time, so that nothing is queued and a node that stalls shows
/// in each command that was due meanwhile.
///
/// Flow:   schedule -> tick() -> CommandPort; on_reply() -> CommandStats
/// Thread: one.
class CommandLoad {
public:
  /// Borrows `port`.
  CommandLoad(CommandLoadPlan plan, CommandPort& port);

  void begin(std::int64_t start_ns, std::int64_t measure_from_ns);
  /// Nothing that is due at `end_ns` or later is posted; what was due before still is.
  void stop(std::int64_t end_ns);
  /// Posts what is due, as far as there are connections.
  void tick(std::int64_t now_ns);
  void on_reply(const CommandPost& post, const CommandReply& reply, std::int64_t now_ns);
  /// Counts what was due and not posted. Those under way are the port's: it replies for each first.
  void finish();

  /// When tick() has something to do; Load::kNever if a reply must come first, or nothing is left.
  [[nodiscard]] std::int64_t next_ns() const;
  [[nodiscard]] bool drained() const;
  [[nodiscard]] std::uint64_t in_flight() const noexcept { return in_flight_; }
  [[nodiscard]] const CommandStats& stats() const noexcept { return stats_; }

private:
  static constexpr int kPostsPerTickMax = 256; ///< Then answers are read.

  [[nodiscard]] bool ended() const { return !begun_ || schedule_.next_ns() >= end_ns_; }
  [[nodiscard]] std::uint32_t next_device();
  void error(std::string reason);

  CommandLoadPlan plan_;
  CommandPort& port_;
  CommandStats stats_;
  Schedule schedule_;
  Random random_;
  std::vector<std::uint32_t> order_; ///< All devices in random order, anew for each round.
  std::size_t at_ = 0;
  std::uint64_t in_flight_ = 0;
  std::int64_t end_ns_ = Load::kNever;
  std::int64_t measure_from_ns_ = 0;
  bool begun_ = false;
  bool behind_ = false; ///< No connection was free: the lateness is not the generator's.
};

} // namespace spate::loadgen
