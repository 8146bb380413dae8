#include "loadgen/run_scenario.hpp"

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <fstream>

#include <nlohmann/json.hpp>

#include "loadgen/commands_beside.hpp"
#include "loadgen/exit_codes.hpp"
#include "loadgen/report/document.hpp"
#include "loadgen/report/report_files.hpp"
#include "loadgen/run_agents.hpp"
#include "loadgen/run_view.hpp"
#include "loadgen/scenario/read_scenario.hpp"

namespace spate::loadgen {

namespace {

std::atomic<bool>* g_stop = nullptr; // What the signal handler may touch.
static_assert(std::atomic<bool>::is_always_lock_free);

extern "C" void on_signal(int) {
  if (g_stop->exchange(true)) {
    RunView::give_terminal_back();
    std::_Exit(130);
  }
}

nlohmann::json config_json(const CohortPlan& plan, const Cohort& cohort) {
  return {{"name", cohort.name},
          {"devices", plan.names.size()},
          {"connections", plan.clients.size()},
          {"topic", cohort.topic},
          {"qos", cohort.qos},
          {"mqtt", cohort.mqtt},
          {"window", window_of(cohort)},
          {"keep_alive_s", cohort.keep_alive_s},
          {"clean", cohort.clean},
          {"reconnect", cohort.reconnect},
          {"ramp_per_s", cohort.connects_per_s},
          {"answer_after_s", cohort.answer_after_ns >= 0
                                 ? nlohmann::json(static_cast<double>(cohort.answer_after_ns) / 1e9)
                                 : nlohmann::json()},
          {"answer_jitter_s", static_cast<double>(cohort.answer_jitter_ns) / 1e9}};
}

nlohmann::json config_json(const FleetPlan& plan, const Scenario& scenario,
                           const RunSettings& settings, const RunOutputs& outputs) {
  nlohmann::json cohorts = nlohmann::json::array();
  for (std::size_t i = 0; i < plan.cohorts.size(); ++i) {
    cohorts.push_back(config_json(plan.cohorts[i], scenario.cohorts[i]));
  }
  return {{"scenario", scenario.name},
          {"threads", plan.threads},
          {"precise", plan.precise},
          {"sources", settings.sources},
          {"connect_timeout_s", static_cast<double>(scenario.connect_timeout_ns) / 1e9},
          {"warm_up_s", static_cast<double>(plan.warm_up_ns) / 1e9},
          {"duration_s", static_cast<double>(plan.duration_ns) / 1e9},
          {"drain_s", static_cast<double>(plan.drain_ns) / 1e9},
          {"seed", scenario.seed},
          {"ledger", outputs.proof.ledger},
          {"cohorts", cohorts}};
}

std::string load_text(const Cohort& cohort, std::uint32_t devices) {
  const std::string payload = ", payload " + cohort.payload;
  switch (cohort.pace.kind) {
  case Pace::Kind::idle:
    return "idle: connections only";
  case Pace::Kind::recorded:
    return "replay of " + cohort.replay->file +
           (cohort.replay->speed > 0 ? formatted(" at %g times its pace", cohort.replay->speed)
                                     : " as fast as the windows take it (closed loop)");
  case Pace::Kind::flood:
    return cohort.qos == 0
               ? "flood of QoS 0: as fast as the connections take it" + payload
               : "flood: " + std::to_string(window_of(cohort)) +
                     " unacknowledged messages a device (closed loop: the server sets the pace)" +
                     payload;
  case Pace::Kind::every:
    break;
  }
  return formatted("open loop: %.0f messages/s, ",
                   devices * 1e9 / static_cast<double>(cohort.pace.every_ns)) +
         (cohort.pace.arrival == Arrival::fixed ? "fixed" : "Poisson") + " arrivals" + payload;
}

ReportHead head_of(const Scenario& scenario, const FleetPlan& plan, const RunOutputs& outputs) {
  ReportHead head;
  head.command_line = without_passwords(outputs.command_line);
  const Cohort& first = scenario.cohorts.front();
  head.target = (plan.cohorts.front().tls ? "mqtts://" : "mqtt://") + plan.target.text() +
                (first.mqtt == 5 ? " (MQTT 5, QoS " : " (MQTT 3.1.1, QoS ") +
                std::to_string(first.qos) + ")";
  head.qos = 0;
  head.idle = true;
  head.reconnect = !scenario.faults.empty();
  head.precise = plan.precise;
  head.devices = plan.connections();
  for (std::size_t i = 0; i < scenario.cohorts.size(); ++i) {
    const Cohort& cohort = scenario.cohorts[i];
    const Pace& pace = cohort.pace;
    head.load += (i == 0 ? "" : "; ") +
                 (scenario.cohorts.size() > 1 ? cohort.name + ": " : std::string()) +
                 load_text(cohort, plan.cohorts[i].names.size());
    head.closed_loop |= pace.kind == Pace::Kind::flood ||
                        (pace.kind == Pace::Kind::recorded && cohort.replay->speed == 0);
    head.idle &= pace.kind == Pace::Kind::idle;
    head.reconnect |= cohort.reconnect;
    head.answering |= cohort.answer_after_ns >= 0;
    head.qos = std::max(head.qos, static_cast<std::uint8_t>(cohort.qos));
    if (pace.kind == Pace::Kind::every) {
      head.rate += plan.cohorts[i].names.size() * 1e9 / static_cast<double>(pace.every_ns);
    }
  }
  return head;
}

Result<std::vector<Objective>> objectives_of(const Scenario& scenario, const RunOutputs& outputs) {
  std::vector<std::string> texts = scenario.objectives;
  texts.insert(texts.end(), outputs.objectives.begin(), outputs.objectives.end());
  auto objectives = parse_objectives(texts);
  if (!objectives) {
    return objectives;
  }
  std::vector<std::string> cohorts;
  for (const Cohort& cohort : scenario.cohorts) {
    cohorts.push_back(cohort.name);
  }
  if (auto known = check_cohorts(*objectives, cohorts); !known) {
    return fail(std::move(known.error()));
  }
  return objectives;
}

/// Null if nothing is to be watched.
Result<std::unique_ptr<ServerWatch>> server_watch(const RunOutputs& outputs) {
  if (outputs.server_pids.empty() && outputs.server_metrics.empty()) {
    return std::unique_ptr<ServerWatch>();
  }
  auto probe = outputs.server_metrics.empty()
                   ? probe_processes({outputs.server_pids.begin(), outputs.server_pids.end()})
                   : probe_metrics(outputs.server_metrics, outputs.server_counters);
  return probe ? ServerWatch::start(std::move(*probe)) : fail(std::move(probe.error()));
}

Measured measured_of(const FleetResult& result, const std::optional<ServerFigures>& server,
                     const CommandsBeside* commands) {
  Measured measured(result);
  if (commands != nullptr) {
    const CommandStats& stats = commands->result().stats;
    measured.command_latency = &stats.latency;
    measured.commands_failed = stats.posted - stats.succeeded + stats.unsent;
  }
  if (server) {
    const auto rss = server->rss_bytes_max();
    const auto cpu_s = server->cpu_s();
    measured.server_rss_bytes = rss ? std::optional(static_cast<double>(*rss)) : std::nullopt;
    if (cpu_s && result.stats.sent != 0) {
      measured.server_cpu_us_per_message = 1e6 * *cpu_s / static_cast<double>(result.stats.sent);
    }
  }
  return measured;
}

void blame(ReportHead& head, const std::string& fault) {
  head.beside_fault += head.beside_fault.empty() || fault.empty() ? "" : "; ";
  head.beside_fault += fault;
}

/// The end of a run that could not begin: with a report too, unless the words were wrong.
int not_begun(const Error& error, ReportHead head, const nlohmann::json& config,
              const std::vector<Objective>& objectives, ReportParts parts,
              const RunOutputs& outputs) {
  const int code = complain(error);
  if (code == kExitUsage || outputs.report.empty()) {
    return code;
  }
  head.begun = false;
  head.beside_fault = error.detail;
  const FleetResult nothing;
  parts.objectives = judge(objectives, measured_of(nothing, std::nullopt, nullptr));
  if (auto written = write_reports(outputs.report, report_json(head, config, nothing, parts));
      !written) {
    (void)complain(written.error());
  }
  return code;
}

} // namespace

int complain(const Error& error) {
  std::fprintf(stderr, "spate-loadgen: %s\n", error.detail.c_str());
  const bool words = error.code == Errc::usage || error.code == Errc::address_invalid ||
                     error.code == Errc::config_invalid;
  return words ? kExitUsage : kExitFailed;
}

void stop_on_signals(std::atomic<bool>& stop) {
  g_stop = &stop;
  struct sigaction action {};
  action.sa_handler = &on_signal;
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
}

int run_scenario(const Scenario& scenario, const RunSettings& settings, const RunOutputs& outputs) {
  static std::atomic<bool> stop{false};
  for (const Cohort& cohort : scenario.cohorts) {
    if (cohort.replay && !outputs.quiet) {
      std::fprintf(stderr, "reading %s\n", cohort.replay->file.c_str());
    }
  }
  const auto objectives = objectives_of(scenario, outputs);
  if (!objectives) {
    return complain(objectives.error());
  }
  auto made = PlannedRun::make(scenario, settings);
  if (!made) {
    return complain(made.error());
  }
  PlannedRun& run = **made;
  FleetPlan plan = run.take_plan();
  ReportHead head = head_of(scenario, plan, outputs);
  ReportParts parts;
  parts.course = course_of(scenario, write_scenario(without_passwords(scenario)));
  const auto give_up = [&](const Error& error) {
    return not_begun(error, head, config_json(plan, scenario, settings, outputs), *objectives,
                     parts, outputs);
  };
  std::unique_ptr<CommandsBeside> commands;
  if (scenario.commands) {
    auto opened = CommandsBeside::open(*scenario.commands, plan.cohorts[plan.commanded].names,
                                       scenario.seed, settings.precise);
    if (!opened) {
      return give_up(opened.error());
    }
    commands = std::move(*opened);
    plan.companion = &commands->companion();
    // Commands that were posted at the end are waited for.
    plan.drain_ns =
        std::max(plan.drain_ns, (scenario.commands->wait_s + 1) * std::int64_t{1'000'000'000});
  }
  const nlohmann::json config = config_json(plan, scenario, settings, outputs);

  auto watched = server_watch(outputs);
  if (!watched) {
    return give_up(watched.error());
  }

  stop_on_signals(stop);
  auto proof = RunProof::open(outputs.proof, scenario, plan, !settings.agents.empty(), stop);
  if (!proof) {
    return give_up(proof.error());
  }
  RunView view(outputs.quiet,
               {scenario.name, parts.course, run.messages(), run.duration_s(), head.qos != 0},
               watched->get());
  FleetResult result;
  AgentsResult agents;
  if (!settings.agents.empty()) {
    auto done = run_on_agents(scenario, settings, **proof, view, stop);
    if (!done) {
      view.finish();
      return give_up(done.error());
    }
    agents = std::move(*done);
    result = std::move(agents.fleet);
  } else {
    Fleet running(std::move(plan), stop);
    result = running.run([&](const FleetProgress& progress, const StatsBoards& boards) {
      if ((*proof)->failed()) {
        stop = true; // What follows could not be proven.
      }
      view.watch(
          progress, [&boards] { return boards.totals(); }, commands ? commands->status() : "");
    });
  }
  view.finish();
  parts.started_ms = view.started_ms();
  std::optional<ServerFigures> server;
  if (*watched) {
    server = (*watched)->finish();
    parts.server = &*server;
  }
  const std::string fault = run.fault();
  if (commands) {
    head.beside_fault = commands->finish();
    head.beside_rows = commands->table();
  }
  blame(head, agents.fault);
  head.beside_rows += agents_rows(agents);
  blame(head, (*proof)->finish(result.stats.acked, scenario.drain_ns, stop));
  head.beside_rows += (*proof)->table();
  bool ok = judge(head, result).ok;
  if (!fault.empty()) {
    (void)complain({Errc::file_unreadable, fault});
    ok = false;
  }
  parts.objectives = judge(*objectives, measured_of(result, server, commands.get()));
  // The table goes where the document does not.
  std::FILE* const people = outputs.report == "-" ? stderr : stdout;
  std::fputs(report_table(head, result).c_str(), people);
  std::fputs(parts_table(parts, result).c_str(), people);
  if (!outputs.report.empty()) {
    nlohmann::json document = report_json(head, config, result, parts);
    if (commands) {
      document["commands"] = commands->report();
    }
    (*proof)->report(document);
    if (!settings.agents.empty()) {
      document["agents"] = agents_json(agents);
    }
    if (auto written = write_reports(outputs.report, document); !written) {
      (void)complain(written.error());
      ok = false;
    }
  }
  if (commands && !outputs.hdr.empty() && commands->result().stats.posted != 0) {
    std::ofstream file(outputs.hdr, std::ios::trunc);
    file << hdr_text(commands->result().stats.latency);
    file.close();
    if (!file) {
      (void)complain({Errc::file_unreadable, outputs.hdr + " can not be written"});
      ok = false;
    }
  }
  const bool missed = !missed_text(parts.objectives).empty();
  return !ok ? kExitFailed : missed ? kExitMissed : kExitOk;
}

} // namespace spate::loadgen
