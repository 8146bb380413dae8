// Spate - the `spate` program.
#include <chrono>
#include <csignal>
#include <cstdio>
#include <ctime>
#include <string>
#include <utility>

#include <sys/resource.h>
#include <systemd/sd-daemon.h>

#include "engine/base/log.hpp"
#include "node/node.hpp"
#include "node/options.hpp"
#include "node/version.hpp"

namespace spate::node {
namespace {

constexpr auto kStopPatience = std::chrono::seconds(30);

void complain(const Error& error) {
  if (!error.detail.empty()) {
    std::fprintf(stderr, "spate: %s\n", error.detail.c_str());
  }
}

/// Connections need descriptors: take what the system grants without asking.
void raise_descriptor_limit() {
  rlimit files{};
  if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur < files.rlim_max) {
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
  }
}

int check_config(const Options& options) {
  const Config& config = options.config;
  std::printf("%s: ok\n  MQTT %s, HTTP %s, %zu route(s), %u shards in", options.config_file.c_str(),
              config.mqtt.text().c_str(), config.http.text().c_str(), config.routes.size(),
              config.store.shards);
  for (const std::string& directory : config.store.data_dirs) {
    std::printf(" %s", directory.c_str());
  }
  std::printf(", durability %s\n", std::string(name_of(config.store.durability)).c_str());
  return kExitOk;
}

/// Sleeps until a signal comes; meanwhile tells systemd's watchdog that the loops move.
void wait_for_signal(const sigset_t& signals, const Node& node) {
  for (;;) {
    const timespec second{1, 0};
    const int signal = sigtimedwait(&signals, nullptr, &second);
    if (signal > 0) {
      log::info("stopping",
                "Stopping: no new messages are read, what was read is committed and acknowledged.",
                {{"signal", std::string_view(signal == SIGTERM ? "SIGTERM" : "SIGINT")}});
      return;
    }
    if (const auto stuck = node.stuck()) {
      log::error("stuck", *stuck);
    } else {
      sd_notify(0, "WATCHDOG=1");
    }
  }
}

int serve(const Options& options) {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr); // Before any thread: they inherit it.
  raise_descriptor_limit();
  log::start(options.config.log_level, options.config.log_format);

  auto node = Node::start(options.config);
  if (!node) {
    log::stop();
    complain(node.error());
    return kExitFailed;
  }
  const std::string mqtt = (*node)->mqtt_address().text();
  const std::string http = (*node)->http_address().text();
  log::info("ready", "Ready: devices connect over MQTT, the API is on HTTP.",
            {{"mqtt", std::string_view(mqtt)},
             {"http", std::string_view(http)},
             {"durability", name_of(options.config.store.durability)},
             {"version", version()}});
  sd_notifyf(0, "READY=1\nSTATUS=MQTT %s, HTTP %s", mqtt.c_str(), http.c_str());

  wait_for_signal(signals, **node);
  sd_notify(0, "STOPPING=1");
  const bool answered = (*node)->stop(kStopPatience);
  node->reset();
  if (answered) {
    log::info("stopped", "Stopped: everything that was read is committed and answered.");
  } else {
    log::warn("stopped", "Stopped, but not everything that was read could be answered in 30 s; "
                         "devices send it again.");
  }
  log::stop();
  return answered ? kExitOk : kExitFailed;
}

} // namespace
} // namespace spate::node

int main(int argc, char** argv) {
  using namespace spate::node;
  const auto options = read_options(argc, argv);
  if (!options) {
    complain(options.error());
    const bool usage = options.error().code == spate::Errc::usage ||
                       options.error().code == spate::Errc::config_invalid ||
                       options.error().code == spate::Errc::address_invalid;
    return usage ? kExitUsage : kExitFailed;
  }
  switch (options->action) {
  case Action::serve:
    return serve(*options);
  case Action::config_check:
    return check_config(*options);
  case Action::run:
    return options->run();
  case Action::done:
    break;
  }
  return kExitOk;
}
