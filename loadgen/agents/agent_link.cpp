#include "loadgen/agents/agent_link.hpp"

#include <algorithm>
#include <chrono>

#include <nlohmann/json.hpp>

#include "engine/base/clock.hpp"
#include "loadgen/agents/agent_session.hpp"
#include "loadgen/scenario/read_scenario.hpp"

namespace spate::loadgen {

namespace {

using Json = nlohmann::json;
using namespace std::chrono_literals;

constexpr auto kPatience = 10s;
constexpr auto kPreparePatience = 120s; // It may read a large recording.
constexpr auto kLook = 100ms;
constexpr int kPings = 15;
/// By so much an agent's clock may go faster than ours, and its load begin earlier.
constexpr std::int64_t kSecondsAheadMax = 5;
constexpr double kElapsedMaxS = 1e9;

/// What comes from outside may be negative or huge; sums of it stay right.
std::uint64_t count_in(const Json& message, const char* name) {
  return static_cast<std::uint64_t>(
      std::clamp<std::int64_t>(number_in(message, name), 0, std::int64_t{1} << 48));
}

Phase phase_of(const std::string& name) {
  for (const Phase phase :
       {Phase::connecting, Phase::warming_up, Phase::sending, Phase::draining, Phase::closing}) {
    if (name_of(phase) == name) {
      return phase;
    }
  }
  return Phase::connecting;
}

} // namespace

AgentLink::AgentLink(AgentTask task) : task_(std::move(task)) {
  if (task_.ledger != nullptr) {
    ledger_ = std::make_unique<LedgerImport>(*task_.ledger);
  }
  thread_ = std::thread([this] { run(); });
}

AgentLink::~AgentLink() {
  quit_ = true;
  thread_.join();
}

AgentState AgentLink::state() const {
  const std::lock_guard lock(mutex_);
  return state_;
}

AgentState::Step AgentLink::step() const {
  const std::lock_guard lock(mutex_);
  return state_.step;
}

std::string AgentLink::fault() const {
  const std::lock_guard lock(mutex_);
  return state_.fault;
}

FleetProgress AgentLink::progress() const {
  const std::lock_guard lock(mutex_);
  FleetProgress progress;
  progress.connections = state_.connections;
  if (state_.step >= AgentState::Step::finished) {
    progress.phase = Phase::done;
    return progress;
  }
  progress.phase = phase_of(state_.phase);
  progress.elapsed_s = state_.elapsed_s;
  progress.online = state_.online;
  progress.in_flight = state_.in_flight;
  return progress;
}

void AgentLink::add_to(Stats& totals) const {
  const std::lock_guard lock(mutex_);
  totals.merge(state_.result.stats);
}

std::vector<AgentSecond> AgentLink::take_seconds() {
  const std::lock_guard lock(mutex_);
  return std::exchange(seconds_, {});
}

void AgentLink::start(std::int64_t steady_ns) {
  const std::lock_guard lock(mutex_);
  if (state_.step == AgentState::Step::ready) {
    state_.step = AgentState::Step::running;
    start_ns_ = steady_ns;
    channel_->send(
        Json{{"type", "start"}, {"steady_ns", steady_ns + state_.clock.steady_offset_ns()}});
  }
}

void AgentLink::stop() {
  stopped_ = true;
  const std::lock_guard lock(mutex_);
  if (channel_) {
    channel_->send(Json{{"type", "stop"}});
  }
}

void AgentLink::alive() {
  const std::lock_guard lock(mutex_);
  if (channel_) {
    channel_->send(Json{{"type", "alive"}});
  }
}

void AgentLink::run() {
  Result<void> went = greet();
  went = went ? measure_clock() : std::move(went);
  went = went ? prepare() : std::move(went);
  went = went ? follow() : std::move(went);
  const std::lock_guard lock(mutex_);
  if (went) {
    state_.step = AgentState::Step::finished;
    channel_->send(Json{{"type", "bye"}});
    channel_->finish();
  } else if (stopped_ && state_.step == AgentState::Step::greeting) {
    state_.step = AgentState::Step::finished;
    state_.result.interrupted = true;
    if (channel_) {
      channel_->finish(); // It hears the end, and is free.
    }
  } else {
    state_.step = AgentState::Step::lost;
    state_.fault = went.error().detail;
  }
}

Result<Json> AgentLink::await(const std::string& type, std::chrono::milliseconds patience) {
  const std::int64_t until_ns = steady_ns() + std::chrono::nanoseconds(patience).count();
  while (!quit_ && !stopped_ && steady_ns() < until_ns) {
    Json message;
    auto got = channel_->receive(message, kLook);
    if (!got) {
      return fail(std::move(got.error()));
    }
    if (*got == Channel::Got::closed) {
      return fail(Errc::connect_failed, "closed the connection");
    }
    if (*got == Channel::Got::nothing) {
      continue;
    }
    if (text_in(message, "type") == "error") {
      return fail(Errc::connect_failed, text_in(message, "text"));
    }
    if (text_in(message, "type") != type) {
      return fail(Errc::protocol_error, "sent \"" + text_in(message, "type").substr(0, 40) +
                                            "\" instead of \"" + type + "\"");
    }
    return message;
  }
  return fail(Errc::connect_failed, "did not answer");
}

Result<void> AgentLink::greet() {
  auto channel = Channel::connect(task_.address, kPatience);
  if (!channel) {
    return fail(std::move(channel.error()));
  }
  (*channel)->set_bytes_max(kFrameBytesMax);
  (*channel)->send(Json{{"type", "hello"}, {"protocol", kAgentProtocol}, {"token", task_.token}});
  {
    // Only now: alive() and stop() send as soon as they see it, and nothing goes before the hello.
    const std::lock_guard lock(mutex_);
    channel_ = std::move(*channel);
  }
  auto hello = await("hello", kPatience);
  if (!hello) {
    return fail(std::move(hello.error()));
  }
  const std::lock_guard lock(mutex_);
  state_.version = text_in(*hello, "version");
  state_.host = text_in(*hello, "host");
  state_.cores = count_in(*hello, "cores");
  state_.descriptors = count_in(*hello, "descriptors");
  return {};
}

Result<void> AgentLink::measure_clock() {
  ClockOffset clock;
  for (int i = 0; i < kPings; ++i) {
    const std::int64_t asked_ns = steady_ns();
    const std::int64_t wall = wall_ns();
    channel_->send(Json{{"type", "ping"}, {"number", i}});
    auto pong = await("pong", kPatience);
    if (!pong) {
      return fail(std::move(pong.error()));
    }
    const std::int64_t came_ns = steady_ns();
    clock.add(asked_ns, came_ns, number_in(*pong, "steady_ns"), wall + (came_ns - asked_ns) / 2,
              number_in(*pong, "wall_ns"));
  }
  const std::lock_guard lock(mutex_);
  state_.clock = clock;
  return {};
}

Result<void> AgentLink::prepare() {
  channel_->send(Json{{"type", "prepare"},
                      {"scenario", write_scenario(task_.share)},
                      {"threads", task_.settings.threads},
                      {"precise", task_.settings.precise},
                      {"sources", task_.settings.sources},
                      {"ledger", task_.ledger != nullptr}});
  auto prepared = await("prepared", kPreparePatience);
  if (!prepared) {
    return fail(std::move(prepared.error()));
  }
  channel_->send(Json{{"type", "connect"}});
  const std::lock_guard lock(mutex_);
  state_.connections = count_in(*prepared, "connections");
  state_.step = AgentState::Step::connecting;
  return {};
}

Result<void> AgentLink::follow() {
  std::int64_t heard_ns = steady_ns();
  while (!quit_) {
    AgentFrame frame;
    auto got = channel_->receive(frame, kLook);
    if (!got) {
      return fail(std::move(got.error()));
    }
    if (*got == Channel::Got::closed) {
      return fail(Errc::connect_failed, "closed the connection");
    }
    if (*got == Channel::Got::nothing) {
      if (steady_ns() - heard_ns > 2 * kSilenceNs) {
        return fail(Errc::connect_failed, "was silent for 10 s");
      }
      continue;
    }
    heard_ns = steady_ns();
    if (frame.kind == FrameKind::ledger) {
      auto taken = ledger_ ? ledger_->take(frame.body)
                           : fail(Errc::protocol_error, "sent a ledger that was not asked for");
      if (!taken) {
        return taken;
      }
      continue;
    }
    auto message = read_message(frame);
    if (!message) {
      return fail(std::move(message.error()));
    }
    auto more = on_message(*message);
    if (!more) {
      return fail(std::move(more.error()));
    }
    if (!*more) {
      return {};
    }
  }
  return fail(Errc::connect_failed, "was given up");
}

Result<bool> AgentLink::on_message(const Json& message) {
  const std::string type = text_in(message, "type");
  if (type == "ready") {
    const std::lock_guard lock(mutex_);
    state_.step = AgentState::Step::ready;
    return true;
  }
  if (type == "error") {
    return fail(Errc::connect_failed, text_in(message, "text"));
  }
  if (type != "report" && type != "result") {
    return fail(Errc::protocol_error, "sent \"" + type.substr(0, 40) + "\"");
  }
  if (auto read = on_report(message); !read) {
    return fail(std::move(read.error()));
  }
  return type == "report";
}

Result<void> AgentLink::on_report(const Json& message) {
  if (!message.contains("result") || !message.contains("seconds") ||
      !message["seconds"].is_array() || message["seconds"].size() > Fleet::kTimelineSecondsMax) {
    return fail(Errc::malformed_payload, "sent half a report");
  }
  auto result = read_result(message["result"]);
  if (!result) {
    return fail(std::move(result.error()));
  }
  std::vector<AgentSecond> seconds;
  const std::int64_t start_ns = start_ns_;
  const std::int64_t spent_s = start_ns == 0 ? 0 : (steady_ns() - start_ns) / 1'000'000'000;
  for (const Json& one : message["seconds"]) {
    auto second = read_second(
        one, static_cast<std::uint64_t>(std::max<std::int64_t>(spent_s + kSecondsAheadMax, 0)));
    if (!second) {
      return fail(std::move(second.error()));
    }
    seconds.push_back(std::move(*second));
  }
  const std::lock_guard lock(mutex_);
  seconds_.insert(seconds_.end(), std::make_move_iterator(seconds.begin()),
                  std::make_move_iterator(seconds.end()));
  state_.result = std::move(*result);
  if (text_in(message, "type") == "result") {
    state_.fault = text_in(message, "fault");
    return {};
  }
  state_.phase = text_in(message, "phase");
  state_.elapsed_s = message.value("elapsed_s", Json()).is_number()
                         ? std::clamp(message["elapsed_s"].get<double>(), 0.0, kElapsedMaxS)
                         : 0;
  state_.connections = count_in(message, "connections");
  state_.online = count_in(message, "online");
  state_.in_flight = count_in(message, "in_flight");
  return {};
}

} // namespace spate::loadgen
