#include "loadgen/agents/agent_session.hpp"

#include <algorithm>
#include <chrono>
#include <optional>

#include <sys/resource.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "engine/base/clock.hpp"
#include "loadgen/agents/clock_offset.hpp"
#include "loadgen/base/version.hpp"
#include "loadgen/scenario/read_scenario.hpp"

namespace spate::loadgen {

namespace {

using Json = nlohmann::json;

constexpr std::int64_t kGreetingNs = 10'000'000'000;
constexpr std::chrono::milliseconds kLookMs{100};
constexpr std::int64_t kReportNs = 1'000'000'000;
constexpr std::uint32_t kThreadsMax = 256;

std::uint64_t descriptors() {
  rlimit limit{};
  return ::getrlimit(RLIMIT_NOFILE, &limit) == 0 ? static_cast<std::uint64_t>(limit.rlim_max) : 0;
}

std::string host_name() {
  char name[256] = "";
  ::gethostname(name, sizeof name - 1);
  return name;
}

} // namespace

AgentSession::AgentSession(Channel& channel, const std::string& token,
                           const std::atomic<bool>& stop, Claim claim)
    : channel_(channel), token_(token), process_stop_(stop), claim_(std::move(claim)) {}

AgentSession::~AgentSession() {
  stop_ = true;
  if (thread_.joinable()) {
    thread_.join();
  }
}

void AgentSession::complain(const std::string& text) {
  channel_.send(Json{{"type", "error"}, {"text", text}});
}

bool AgentSession::greet() {
  Json hello;
  auto got = Result<Channel::Got>(Channel::Got::nothing);
  for (const std::int64_t until_ns = steady_ns() + kGreetingNs;
       got && *got == Channel::Got::nothing && steady_ns() < until_ns && !process_stop_;) {
    got = channel_.receive(hello, kLookMs);
  }
  if (!got || *got != Channel::Got::frame || text_in(hello, "type") != "hello") {
    return false;
  }
  if (number_in(hello, "protocol") != kAgentProtocol) {
    complain("the agent is of version " + std::string(kVersion) + " and speaks protocol " +
             std::to_string(kAgentProtocol));
    return false;
  }
  if (!token_.empty() && !equal_secrets(text_in(hello, "token"), token_)) {
    complain("the token is wrong");
    return false;
  }
  if (!claim_()) {
    complain("the agent is busy with another run");
    return false;
  }
  channel_.set_bytes_max(kFrameBytesMax);
  return channel_.send(Json{{"type", "hello"},
                            {"protocol", kAgentProtocol},
                            {"version", kVersion},
                            {"host", host_name()},
                            {"cores", std::thread::hardware_concurrency()},
                            {"descriptors", descriptors()}});
}

void AgentSession::run() {
  if (greet()) {
    std::int64_t heard_ns = steady_ns();
    for (;;) {
      Json message;
      auto got = channel_.receive(message, kLookMs);
      stop_ = stop_ || process_stop_;
      if (!got || *got == Channel::Got::closed) {
        break;
      }
      if (*got == Channel::Got::frame) {
        heard_ns = steady_ns();
        if (!on_message(message)) {
          break;
        }
      } else if (steady_ns() - heard_ns > kSilenceNs || (process_stop_ && !thread_.joinable())) {
        break;
      }
    }
  }
  stop_ = true;
  if (thread_.joinable()) {
    thread_.join();
  }
  channel_.finish();
}

bool AgentSession::on_message(const Json& message) {
  const std::string type = text_in(message, "type");
  if (type == "ping") {
    return channel_.send(Json{{"type", "pong"},
                              {"number", number_in(message, "number")},
                              {"steady_ns", steady_ns()},
                              {"wall_ns", wall_ns()}});
  }
  if (type == "prepare" && !run_) {
    auto prepared = prepare(message);
    if (!prepared) {
      complain(prepared.error().detail);
      return false;
    }
    return channel_.send(Json{{"type", "prepared"}, {"connections", run_->plan().connections()}});
  }
  if (type == "connect" && run_ && !thread_.joinable()) {
    thread_ =
        std::thread([this, plan = run_->take_plan()]() mutable { run_load(std::move(plan)); });
    return true;
  }
  if (type == "start") {
    start_ns_ = std::max<std::int64_t>(number_in(message, "steady_ns"), 1);
    return true;
  }
  if (type == "stop") {
    stop_ = true;
    return true;
  }
  if (type == "alive") {
    return true;
  }
  if (type != "bye") {
    complain("\"" + type.substr(0, 40) + "\" may not come now");
  }
  return false;
}

Result<void> AgentSession::prepare(const Json& message) {
  auto scenario = parse_scenario(text_in(message, "scenario"), "scenario");
  if (!scenario) {
    return fail(std::move(scenario.error()));
  }
  RunSettings settings;
  settings.threads = static_cast<std::uint32_t>(
      std::clamp<std::int64_t>(number_in(message, "threads"), 1, kThreadsMax));
  settings.precise = message.value("precise", Json()) == true;
  settings.sources = text_in(message, "sources");
  ledger_ = message.value("ledger", Json()) == true;
  auto made = PlannedRun::make(*scenario, settings);
  if (!made) {
    return fail(std::move(made.error()));
  }
  run_ = std::move(*made);
  return {};
}

void AgentSession::run_load(FleetPlan plan) {
  std::string blocks;
  for (std::size_t i = 0; i < plan.cohorts.size(); ++i) {
    CohortPlan& cohort = plan.cohorts[i];
    cohorts_.push_back(cohort.name);
    if (ledger_) {
      cohort.group.ledger_cohort = static_cast<std::uint32_t>(i);
      append_cohort_block(blocks, cohort.group.ledger_cohort, cohort.name);
      append_names_blocks(blocks, cohort.group.ledger_cohort, cohort.names);
      cohort.group.write_ledger = [this](const LedgerBlock& block) {
        channel_.send(FrameKind::ledger, block.bytes);
      };
    }
  }
  for_each_block(blocks, [this](std::string_view b) { channel_.send(FrameKind::ledger, b); });
  plan.start_at = [this]() -> std::optional<std::int64_t> {
    if (!ready_) {
      ready_ = true;
      channel_.send(Json{{"type", "ready"}});
    }
    const std::int64_t start_ns = start_ns_;
    return start_ns == 0 ? std::nullopt : std::optional(start_ns);
  };
  plan.on_second = [this](const Second& second, const Stats& recent) {
    seconds_.push_back({second, recent.latency});
  };
  FleetResult result;
  {
    Fleet fleet(std::move(plan), stop_);
    result = fleet.run([this](const FleetProgress& progress, const StatsBoards& boards) {
      report(progress, boards);
    });
  }
  channel_.send(Json{{"type", "result"},
                     {"result", json_of(result)},
                     {"seconds", take_seconds()},
                     {"fault", run_->fault()}});
}

Json AgentSession::take_seconds() {
  Json seconds = Json::array();
  for (const AgentSecond& second : seconds_) {
    seconds.push_back(json_of(second));
  }
  seconds_.clear();
  return seconds;
}

void AgentSession::report(const FleetProgress& progress, const StatsBoards& boards) {
  const std::int64_t now_ns = steady_ns();
  if (now_ns < next_report_ns_) {
    return;
  }
  next_report_ns_ = now_ns + kReportNs;
  // All that was counted so far, as if the run had ended: if the agent is lost, this is its result.
  FleetResult so_far;
  for (std::size_t i = 0; i < boards.size(); ++i) {
    CohortResult& cohort = so_far.cohorts.emplace_back();
    cohort.name = cohorts_[i];
    cohort.stats = boards.cohort(i).totals();
    so_far.stats.merge(cohort.stats);
  }
  so_far.connections = progress.connections;
  so_far.connected = progress.online;
  so_far.seen = progress.online;
  so_far.sending_s = progress.elapsed_s;
  so_far.measured_s = progress.elapsed_s;
  channel_.send(Json{{"type", "report"},
                     {"phase", name_of(progress.phase)},
                     {"elapsed_s", progress.elapsed_s},
                     {"connections", progress.connections},
                     {"online", progress.online},
                     {"settled", progress.settled},
                     {"in_flight", progress.in_flight},
                     {"result", json_of(so_far)},
                     {"seconds", take_seconds()}});
}

} // namespace spate::loadgen
