// The options of what a run tells, and of what compares it.
#include "loadgen/option_words.hpp"
#include "loadgen/report/comparison.hpp"

namespace spate::loadgen {

void add_report_options(CLI::App& app, FleetOptions& to) {
  app.add_option("--report", to.report,
                 "NAME: write NAME.json, NAME.html (open it in a browser), NAME.xml (JUnit) and "
                 "NAME.hlog; with an ending only that one; - = JSON on standard output")
      ->type_name("NAME");
  app.add_option("--slo", to.objectives,
                 "What must be reached, as 'ack_p99<50ms, lost==0'; may be given several times. "
                 "What is missed makes the exit code 3. run --help lists what can be measured")
      ->type_name("OBJECTIVES")
      ->allow_extra_args(false);
  auto* pid =
      app.add_option("--server-pid", to.server_pids,
                     "Process of the server on this machine, may be given several times: tells "
                     "its CPU a message and memory")
          ->type_name("PID")
          ->allow_extra_args(false);
  auto* metrics = app.add_option("--server-metrics", to.server_metrics,
                                 "The same from its Prometheus metrics, http://HOST:PORT/metrics")
                      ->type_name("URL")
                      ->excludes(pid);
  app.add_option("--server-counter", to.server_counters,
                 "A series of these metrics: tells by how much it grew while the load ran")
      ->type_name("NAME")
      ->allow_extra_args(false)
      ->needs(metrics);
}

void add_compare(CLI::App& app, CompareOptions& compare) {
  app.add_option("FILES", compare.sides,
                 "JSON reports of run, replay or commands: the first is compared with each of the "
                 "others. Several runs of one side are joined by commas: a1.json,a2.json")
      ->required()
      ->expected(2, static_cast<int>(kSidesMax));
  app.add_option("--fail-above", compare.fail_above,
                 "RATIO:METRIC, as 1.1:ack_p99: exit code 3 if the whole interval of the ratio is "
                 "above it (where there is no interval: the ratio); may be given several times")
      ->type_name("GATE")
      ->allow_extra_args(false);
  app.add_option("--fail-below", compare.fail_below, "The same for ratios below, as 0.9:rate")
      ->type_name("GATE")
      ->allow_extra_args(false);
  app.add_option("--json", compare.json, "Write the comparison to this file (- = standard output)");
  app.add_option("--seed", compare.seed, "Seed of the resampling")->capture_default_str();
  app.footer(
      "Example:\n  spate-loadgen compare before1.json,before2.json after1.json,after2.json "
      "--fail-above 1.1:ack_p99\n\n"
      "Metrics: " +
      compared_metrics() +
      "\nThe intervals hold the true ratio with 95 % confidence: blocks of seconds are drawn "
      "anew from the\ntimelines (moving-block bootstrap), and runs where a side has "
      "several.");
}

void add_compare_servers(CLI::App& app, CompareServersOptions& compare) {
  app.add_option("SCENARIO", compare.scenario,
                 "A file, or the name of one of `spate-loadgen scenarios`")
      ->required();
  app.add_option("SERVERS", compare.servers,
                 "spate, mosquitto and nats-server are started here, each with a directory of its "
                 "own; HOST:PORT or HOST:PORT@PID runs already; NAME= before any of them names it. "
                 "The first is what the others are compared with (default: those three, if they "
                 "are installed)")
      ->expected(0, static_cast<int>(kSidesMax));
  app.add_option("--repetitions", compare.repetitions, "Runs of each server, in turn")
      ->check(CLI::Range(1, static_cast<int>(kRunsMax)))
      ->capture_default_str();
  app.add_option("--mqtt", compare.mqtt,
                 "Version for all, 3 (3.1.1) or 5, whatever the scenario says; nats-server only "
                 "knows 3.1.1")
      ->check(CLI::IsMember({3, 5}));
  app.add_option("--threads", compare.threads, "Threads of the generator")
      ->check(CLI::Range(1, 256))
      ->capture_default_str();
  app.add_option("--out", compare.out, "Directory for the reports of all runs")
      ->capture_default_str();
  app.add_option("--fail-above", compare.fail_above,
                 "RATIO:METRIC, as 0.5:server_cpu_us_per_message: exit code 3 if the whole "
                 "interval of a server's ratio to the first is above it (where there is no "
                 "interval, as with fewer than 3 repetitions: the ratio)")
      ->type_name("GATE")
      ->allow_extra_args(false);
  app.add_option("--fail-below", compare.fail_below, "The same for ratios below, as 0.9:rate")
      ->type_name("GATE")
      ->allow_extra_args(false);
  app.add_option("--seed", compare.seed, "Seed of the resampling")->capture_default_str();
  app.footer("Examples:\n"
             "  spate-loadgen compare-servers steady\n"
             "  spate-loadgen compare-servers steady mosquitto spate --fail-above "
             "1.0:server_cpu_us_per_message\n"
             "  spate-loadgen compare-servers my.toml old=127.0.0.1:1883@4711 "
             "new=127.0.0.1:2883@4712\n\n"
             "Metrics: " +
             compared_metrics());
}

} // namespace spate::loadgen
