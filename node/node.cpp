#include "node/node.hpp"

#include <algorithm>
#include <future>
#include <utility>

#include "engine/base/process.hpp"
#include "engine/base/thread.hpp"
#include "node/metrics.hpp"
#include "node/version.hpp"

namespace spate::node {

namespace {

/// A loop turns at least once a second (device loops for their timers, the API's for time-outs);
/// one that has not for this long does not serve its devices.
constexpr std::uint64_t kStuckMs = 10'000;

constexpr std::uint64_t kDrainPollMs = 10;

/// CAF's scheduler runs no hot path here; by default its idle workers would poll away 5 % of a
/// core.
void tune(caf::actor_system_config& config) {
  config.set("scheduler.max-threads", 1u);
  config.set("work-stealing.aggressive-poll-attempts", 1u);
  config.set("work-stealing.moderate-poll-attempts", 1u);
  config.set("work-stealing.relaxed-sleep-duration", caf::timespan{std::chrono::milliseconds(20)});
}

bool is_stuck(const net::Loop& loop) {
  const auto now_ms = static_cast<std::uint64_t>(steady_ns() / 1'000'000);
  const std::uint64_t turned_ms = loop.last_turn_ms();
  return turned_ms != 0 && now_ms > turned_ms + kStuckMs;
}

/// HTTP has no topics. Its bodies keep `auto`, since arrays are batches there, but the fleet's
/// times are those of its first route, and its records are kept as long.
telemetry::Route http_route(const std::vector<telemetry::Route>& routes) {
  telemetry::Route route;
  route.time_field = routes.front().time_field;
  route.time_unit = routes.front().time_unit;
  route.future_max_ms = routes.front().future_max_ms;
  route.retention_s = routes.front().retention_s;
  return route;
}

} // namespace

Node::Node(Config config)
    : config_(std::move(config)), started_ms_(wall_ms()),
      shapes_({.shapes_per_origin_max = std::max(model::ShapeLimits().shapes_per_origin_max,
                                                 config_.store.shapes_per_device_max)}) {
  tune(caf_config_);
}

Node::~Node() {
  stop(std::chrono::milliseconds(0));
}

Result<std::unique_ptr<Node>> Node::start(Config config) {
  settle_defaults(config);
  std::unique_ptr<Node> node(new Node(std::move(config)));
  if (auto opened = node->open(); !opened) {
    return fail(std::move(opened.error()));
  }
  return node;
}

Result<void> Node::open() {
  auto routes = telemetry::RouteTable::compile(config_.routes);
  if (!routes) {
    return fail(std::move(routes.error()));
  }
  routes_ = std::move(*routes);
  auto store = storage::Store::open(config_.store, shapes_);
  if (!store) {
    return fail(std::move(store.error()));
  }
  store_ = std::move(*store);
  caf_ = std::make_unique<caf::actor_system>(caf_config_);
  if (auto commands = open_commands(); !commands) {
    return fail(std::move(commands.error()));
  }
  if (auto sessions = open_sessions(); !sessions) {
    return fail(std::move(sessions.error()));
  }
  if (auto mqtt = open_mqtt(); !mqtt) {
    return fail(std::move(mqtt.error()));
  }
  if (auto http = open_http(); !http) {
    return fail(std::move(http.error()));
  }
  session_hub_.begin();
  for (std::uint32_t i = 0; i < device_loops_.size(); ++i) {
    device_loops_[i]->start(i);
  }
  api_thread_ = std::thread([this] {
    name_this_thread("api");
    prefer_this_thread();
    api_loop_.run();
    while (commands_->before_poll()) { // The last words of the router and of sessions to it.
    }
  });
  phase_ = api::Phase::running;
  return {};
}

Result<void> Node::open_commands() {
  actors::CommandServiceOptions options = config_.commands;
  options.log.directory = config_.store.data_dirs.front() + "/commands";
  options.log.durability = config_.store.durability;
  auto commands = actors::CommandService::open(api_loop_, *caf_, presence_, std::move(options));
  if (!commands) {
    return fail(std::move(commands.error()));
  }
  commands_ = std::move(*commands);
  return {};
}

Result<void> Node::open_sessions() {
  storage::SessionStoreOptions options = config_.sessions;
  options.directory = config_.store.data_dirs.front() + "/sessions";
  options.durability = config_.store.durability;
  auto sessions = storage::SessionStore::open(std::move(options), session_hub_);
  if (!sessions) {
    return fail(std::move(sessions.error()));
  }
  sessions_ = std::move(*sessions);
  session_hub_.open(*sessions_);
  return {};
}

Result<void> Node::open_mqtt() {
  actors::DeviceLoopOptions options;
  options.session = config_.session;
  options.parser = config_.parser;
  options.durability = name_of(config_.store.durability);
  options.connections_max = std::max(1u, config_.connections_max / config_.loops);
  options.writer.in_flight_bytes_max =
      std::clamp<std::size_t>(config_.memory_limit_bytes / 16 / config_.loops, 1u << 20, 32u << 20);
  options.incomplete_bytes_max =
      std::max<std::size_t>(config_.memory_limit_bytes / 8 / config_.loops, 4u << 20);
  options.priorities = config_.commands.priorities;
  const actors::DeviceLoopServices services{
      *caf_,     *store_,   shapes_,      *routes_,    registry_,
      presence_, messages_, session_hub_, sys_topics_, commands_->router()};
  mqtt_ = config_.mqtt;
  for (std::uint32_t i = 0; i < config_.loops; ++i) {
    options.number = i;
    options.sys_figures =
        i == 0 ? [this] { return sys_figures(); } : std::function<actors::SysFigures()>();
    auto& loop =
        device_loops_.emplace_back(std::make_unique<actors::DeviceLoop>(services, options));
    auto address = loop->listen(mqtt_, config_.loops > 1);
    if (!address) {
      return fail(std::move(address.error()));
    }
    mqtt_ = *address; // Port 0 is chosen by the first and shared by the others.
  }
  return {};
}

actors::SysFigures Node::sys_figures() {
  actors::SysFigures out;
  const storage::SessionStoreStats kept = sessions_->stats();
  std::uint64_t kept_connections = 0;
  for (const auto& loop : device_loops_) {
    const actors::SessionCounters& counters = loop->counters();
    out.clients_connected += counters.connections.get();
    kept_connections += counters.kept_connections.get();
    out.packets_received += counters.packets.get();
    out.bytes_received += counters.bytes.get();
    out.connects += counters.connects.get();
    for (std::size_t qos = 0; qos < 3; ++qos) {
      out.publishes_received += counters.publishes[qos].get();
      out.publishes_sent += counters.deliveries[qos].get();
    }
    out.publishes_dropped += counters.dropped_slow.get() + counters.dropped_full.get() +
                             counters.dropped_large.get() + counters.dropped_expired.get();
  }
  out.version = version();
  out.uptime_s = static_cast<std::uint64_t>((wall_ms() - started_ms_) / 1000);
  out.clients_disconnected =
      kept.sessions > kept_connections ? kept.sessions - kept_connections : 0;
  out.subscriptions = messages_.index().size();
  out.retained = kept.retained;
  out.queued = kept.queued;
  out.queued_bytes = kept.queued_bytes;
  out.publishes_dropped += kept.dropped_full + kept.dropped_expired;
  out.rss_bytes = resident_bytes();
  return out;
}

Result<void> Node::open_http() {
  storage::BackupDatabases databases;
  databases.telemetry = [this](const storage::DatabaseUser& use) {
    return store_->with_databases(use);
  };
  databases.small.emplace_back("commands", [this](const storage::DatabaseUser& use) {
    return commands_->log().with_database(use);
  });
  databases.small.emplace_back("sessions", [this](const storage::DatabaseUser& use) {
    return sessions_->with_database(use);
  });
  backups_ = std::make_unique<api::Backups>(api::BackupOptions{
      config_.backup_directory, std::string(version()), std::move(databases), {}});
  api_ = std::make_unique<api::Server>(api_loop_, services());
  if (auto opened = api_->open(config_.http); !opened) {
    return fail(std::move(opened.error()));
  }
  http_ = api_->address();
  return {};
}

api::Services Node::services() {
  api::ServiceLimits limits;
  limits.http.request.body_bytes_max = config_.http_body_bytes_max;
  limits.http.buffered_bytes_max = config_.http_buffered_bytes_max;
  limits.parser = config_.parser;
  limits.store_queue_bytes_max = config_.store.queue_bytes_max;
  return {.store = *store_,
          .shapes = shapes_,
          .route = http_route(config_.routes),
          .durability = name_of(config_.store.durability),
          .backups = backups_.get(),
          .commands = commands_.get(),
          .ledger = [this] { return ledger(); },
          .phase = [this] { return phase_.load(); },
          .stuck = [this] { return stuck(); },
          .connectivity = [this](std::string_view device) { return presence_.find(device); },
          .metrics =
              [this](std::vector<api::Metric>& out) {
                add_session_metrics(out, device_loops_);
                add_command_metrics(out, *commands_, device_loops_);
                add_message_metrics(out, device_loops_, *sessions_);
              },
          .version = {std::string(version()), std::string(commit()), built_ms()},
          .started_ms = started_ms_,
          .loopback = config_.http.loopback(),
          .limits = limits};
}

model::LedgerCounts Node::ledger() const {
  model::LedgerCounts sum = api_->ledger().snapshot();
  for (const auto& loop : device_loops_) {
    sum += loop->ledger();
  }
  return sum;
}

std::optional<std::string> Node::stuck() const {
  for (std::size_t i = 0; i < device_loops_.size(); ++i) {
    if (is_stuck(device_loops_[i]->loop())) {
      return "loop " + std::to_string(i) + " has not moved for more than 10 s";
    }
  }
  if (is_stuck(api_loop_)) {
    return "the API loop has not moved for more than 10 s";
  }
  return std::nullopt;
}

std::future<void> Node::drain_api() {
  auto done = std::make_shared<std::promise<void>>();
  api_loop_.post([this, done] {
    api_->drain();
    auto told = std::make_shared<bool>(false);
    api_loop_.every(kDrainPollMs, [this, done, told] {
      if (api_->drained() && !std::exchange(*told, true)) {
        done->set_value();
      }
    });
  });
  return done->get_future();
}

bool Node::stop(std::chrono::milliseconds patience) {
  if (phase_.exchange(api::Phase::draining) == api::Phase::draining) {
    return true;
  }
  bool answered = true;
  if (api_thread_.joinable()) {
    const auto deadline = std::chrono::steady_clock::now() + patience;
    const auto in_time = [deadline](const std::future<void>& future) {
      return future.wait_until(deadline) == std::future_status::ready;
    };
    std::vector<std::future<void>> drained;
    for (auto& loop : device_loops_) {
      auto done = std::make_shared<std::promise<void>>();
      drained.push_back(done->get_future());
      loop->drain([done] { done->set_value(); });
    }
    for (const auto& future : drained) {
      answered = in_time(future) && answered;
    }
    // Last, so that /readyz says `draining` and /metrics shows how far it is.
    answered = in_time(drain_api()) && answered;
  }
  if (api_) {
    backups_->stop();   // It holds the databases open.
    api_->stop_reads(); // Drained, it may still read for clients that have hung up.
  }
  if (commands_) {
    commands_->stop_log();
  }
  if (store_) {
    store_->stop(); // Answers whatever is still queued, so that no block is left behind.
  }
  for (auto& loop : device_loops_) {
    loop->stop();
  }
  if (sessions_) {
    sessions_->stop(); // After the loops: each connection that ended is told to it.
    session_hub_.close();
  }
  if (api_thread_.joinable()) {
    api_loop_.post([this] { commands_->quit(); });
    api_loop_.stop();
    api_thread_.join();
  }
  device_loops_.clear();
  api_.reset();
  backups_.reset();
  commands_.reset();
  caf_.reset();
  return answered;
}

} // namespace spate::node
