#include "loadgen/run_fleet.hpp"

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <fstream>

#include <nlohmann/json.hpp>

#include "engine/base/clock.hpp"
#include "engine/model/device_id.hpp"
#include "loadgen/proof/ledger_writer.hpp"
#include "loadgen/receive/receiver_report.hpp"
#include "loadgen/report/progress.hpp"

namespace spate::loadgen {

namespace {

std::atomic<bool>* g_stop = nullptr; // What the signal handler may touch.
static_assert(std::atomic<bool>::is_always_lock_free);

extern "C" void on_signal(int) {
  if (g_stop->exchange(true)) {
    std::_Exit(130);
  }
}

nlohmann::json config_json(const FleetPlan& plan, const FleetOptions& fleet) {
  const GroupPlan& group = plan.cohorts.front().group;
  const SessionOptions& session = group.session;
  return {{"devices", plan.cohorts.front().names.size()},
          {"threads", plan.threads},
          {"topic", fleet.topic},
          {"qos", session.qos},
          {"mqtt", fleet.mqtt},
          {"window", session.window},
          {"keep_alive_s", session.keep_alive_s},
          {"clean", session.clean},
          {"reconnect", group.reconnect},
          {"precise", plan.precise},
          {"ramp_per_s", group.connects_per_s},
          {"connect_timeout_s", static_cast<double>(group.connect_timeout_ns) / 1e9},
          {"sources", fleet.sources},
          {"warm_up_s", static_cast<double>(plan.warm_up_ns) / 1e9},
          {"duration_s", static_cast<double>(plan.duration_ns) / 1e9},
          {"drain_s", static_cast<double>(plan.drain_ns) / 1e9},
          {"answer_after_s", session.commands
                                 ? nlohmann::json(static_cast<double>(fleet.answer_after_ns) / 1e9)
                                 : nlohmann::json()},
          {"answer_jitter_s", static_cast<double>(fleet.answer_jitter_ns) / 1e9},
          {"seed", fleet.seed},
          {"ledger", fleet.ledger}};
}

/// Puts the options into the plan. Errors: those of the target, the sources and the limits.
Result<void> complete(FleetTask& task, const FleetOptions& fleet) {
  auto target = target_of(fleet.target);
  if (!target) {
    return fail(std::move(target.error()));
  }
  auto address = resolve(*target, 1883);
  if (!address) {
    return fail(std::move(address.error()));
  }
  auto sources = SourcePool::parse(fleet.sources, *address);
  if (!sources) {
    return fail(std::move(sources.error()));
  }
  if (auto room = make_room(task.plan.connections()); !room) {
    return room;
  }
  CohortPlan& cohort = task.plan.cohorts.front();
  for (std::uint32_t i = 0; i < cohort.names.size(); ++i) {
    const std::string device = cohort.names.text(i);
    if (const char* fault = model::device_id_fault(device)) {
      return fail(Errc::usage, "the device \"" + device + "\" " + fault);
    }
  }
  FleetPlan& plan = task.plan;
  plan.target = *address;
  plan.sources = *sources;
  plan.threads = fleet.threads;
  plan.precise = fleet.precise;
  plan.drain_ns = fleet.drain_ns;
  GroupPlan& group = cohort.group;
  group.session.version = fleet.mqtt == 5 ? wire::Version::v5 : wire::Version::v311;
  group.session.qos = static_cast<std::uint8_t>(fleet.qos);
  group.session.clean = fleet.clean || !fleet.reconnect;
  group.session.keep_alive_s = fleet.keep_alive_s;
  group.session.window = fleet.window != 0 ? fleet.window : task.window;
  group.session.topic = TopicTemplate(fleet.topic);
  group.session.commands = fleet.answer_after_ns != kNoAnswers;
  group.answer_after_ns = std::max<std::int64_t>(fleet.answer_after_ns, 0);
  group.answer_jitter_ns = fleet.answer_jitter_ns;
  group.reconnect = fleet.reconnect;
  group.connect_timeout_ns = fleet.connect_timeout_ns;
  group.connects_per_s = fleet.connects_per_s;
  group.seed = fleet.seed;
  return {};
}

/// Every acknowledged record of the plan goes to `ledger`, which must outlive the fleet.
void keep_ledger(FleetPlan& plan, LedgerWriter& ledger) {
  for (CohortPlan& cohort : plan.cohorts) {
    cohort.group.ledger_cohort = ledger.add_cohort(cohort.name, cohort.names);
    cohort.group.write_ledger = [&ledger](LedgerBlock block) { ledger.write(std::move(block)); };
  }
}

void blame(ReportHead& head, const std::string& fault) {
  head.beside_fault += (head.beside_fault.empty() ? "" : "; ") + fault;
}

} // namespace

int complain(const Error& error) {
  std::fprintf(stderr, "spate-loadgen: %s\n", error.detail.c_str());
  return error.code == Errc::usage || error.code == Errc::address_invalid ? kExitUsage
                                                                          : kExitFailed;
}

bool write_json(const std::string& path, const nlohmann::json& document) {
  const std::string text =
      document.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
  if (path == "-") {
    return std::fwrite(text.data(), 1, text.size(), stdout) == text.size() &&
           std::fflush(stdout) == 0;
  }
  std::ofstream file(path, std::ios::trunc);
  file << text;
  file.close();
  if (!file) {
    (void)complain({Errc::file_unreadable, path + " can not be written"});
    return false;
  }
  return true;
}

void stop_on_signals(std::atomic<bool>& stop) {
  g_stop = &stop;
  struct sigaction action {};
  action.sa_handler = &on_signal;
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
}

int run_fleet(const Options& options, const FleetOptions& fleet, FleetTask task) {
  static std::atomic<bool> stop{false};
  if (auto completed = complete(task, fleet); !completed) {
    return complain(completed.error());
  }
  std::unique_ptr<LedgerWriter> ledger;
  if (!fleet.ledger.empty()) {
    auto created = LedgerWriter::create(fleet.ledger);
    if (!created) {
      return complain(created.error());
    }
    ledger = std::move(*created);
    keep_ledger(task.plan, *ledger);
  }
  task.head.command_line = options.command_line;
  task.head.target = "mqtt://" + task.plan.target.text() +
                     (fleet.mqtt == 5 ? " (MQTT 5, QoS " : " (MQTT 3.1.1, QoS ") +
                     std::to_string(fleet.qos) + ")";
  task.head.qos = static_cast<std::uint8_t>(fleet.qos);
  task.head.precise = fleet.precise;
  task.head.reconnect = fleet.reconnect;
  task.head.devices = task.plan.connections();
  task.head.answering = task.plan.cohorts.front().group.session.commands;
  task.plan.companion = task.beside != nullptr ? &task.beside->companion() : nullptr;
  const nlohmann::json config = config_json(task.plan, fleet);

  stop_on_signals(stop);
  std::unique_ptr<Receiver> receiver;
  if (!fleet.receive.empty()) {
    auto opened = Receiver::open(
        plan_receiver(fleet.receive, fleet.receive_connections, task.plan, {fleet.topic}), stop);
    if (!opened) {
      return complain(opened.error());
    }
    receiver = std::move(*opened);
  }
  StatusLine status(fleet.quiet);
  FleetStatus lines(task.total, task.duration_s);
  FleetResult result;
  {
    Fleet running(std::move(task.plan), stop);
    result = running.run([&](const FleetProgress& progress, const StatsBoards& boards) {
      const std::int64_t now_ns = steady_ns();
      if (status.due(now_ns)) {
        std::string line = lines.line(progress, boards.totals(), now_ns);
        line += task.beside != nullptr ? task.beside->status() : "";
        status.show(line, now_ns);
      }
    });
  }
  status.clear();
  if (task.on_end) {
    task.on_end();
  }
  if (task.beside != nullptr) {
    task.head.beside_fault = task.beside->finish(result);
    task.head.beside_rows = task.beside->table();
  }
  if (ledger) {
    if (auto finished = ledger->finish(); !finished) {
      blame(task.head, finished.error().detail);
    }
  }
  ReceiverCounts received;
  if (receiver) {
    auto finished = receiver->finish(result.stats.acked, fleet.drain_ns, stop);
    if (!finished) {
      blame(task.head, finished.error().detail);
    } else {
      received = *finished;
    }
    table_row(task.head.beside_rows, "received", received_row(received));
  }
  bool ok = judge(task.head, result).ok;
  if (const std::string fault = task.fault ? task.fault() : ""; !fault.empty()) {
    (void)complain({Errc::file_unreadable, fault});
    ok = false;
  }
  // The table goes where the document does not.
  std::fputs(report_table(task.head, result).c_str(), fleet.report == "-" ? stderr : stdout);
  if (!fleet.report.empty()) {
    nlohmann::json document = report_json(task.head, config, result);
    if (task.beside != nullptr) {
      document["commands"] = task.beside->report();
    }
    if (receiver) {
      document["received"] = received_json(received);
    }
    ok = write_json(fleet.report, document) && ok;
  }
  return ok ? kExitOk : kExitFailed;
}

} // namespace spate::loadgen
