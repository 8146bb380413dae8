// The options of what a run tells, and of what compares it.
#include "loadgen/option_words.hpp"
#include "loadgen/report/objectives.hpp"

namespace spate::loadgen {

void add_report_options(CLI::App& app, FleetOptions& to) {
  app.add_option("--report", to.report,
                 "NAME: write NAME.json, NAME.html (open it in a browser), NAME.xml (JUnit) and "
                 "NAME.hlog; with an ending only that one; - = JSON on standard output")
      ->type_name("NAME");
  app.add_option("--slo", to.objectives,
                 "What must be reached, as 'ack_p99<50ms, lost==0'; may be given several times. "
                 "What is missed makes the exit code 3. --slo help lists what can be measured")
      ->type_name("OBJECTIVES")
      ->each([](const std::string& word) {
        if (word == "help") {
          throw CLI::CallForHelp(metrics_text(), 0);
        }
      });
  auto* pid = app.add_option("--server-pid", to.server_pids,
                             "Process of the server on this machine, several for several: tells "
                             "its CPU a message and memory")
                  ->type_name("PID");
  auto* metrics = app.add_option("--server-metrics", to.server_metrics,
                                 "The same from its Prometheus metrics, http://HOST:PORT/metrics")
                      ->type_name("URL")
                      ->excludes(pid);
  app.add_option("--server-counter", to.server_counters,
                 "A series of these metrics: tells by how much it grew while the load ran")
      ->type_name("NAME")
      ->needs(metrics);
}

} // namespace spate::loadgen
