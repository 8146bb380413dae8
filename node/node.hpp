// Spate - a running node: what is started in which order, and stopped in the opposite one.
#pragma once

#include <atomic>
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include <caf/actor_system.hpp>
#include <caf/actor_system_config.hpp>

#include "actors/command_service.hpp"
#include "actors/device_loop.hpp"
#include "actors/presence.hpp"
#include "actors/session_registry.hpp"
#include "api/backups.hpp"
#include "api/server.hpp"
#include "api/services.hpp"
#include "node/config.hpp"

namespace spate::node {

/// Start: store (replays its log) -> CAF -> command log -> sessions -> device loops -> API loop.
/// Stop: accept and read no more -> commit and answer what was read -> say goodbye -> close the
/// store.
///
/// Thread: one thread starts, watches and stops it.
class Node {
public:
  /// Blocks until the store is open and all doors listen. Errors of Store::open and bind_failed.
  static Result<std::unique_ptr<Node>> start(Config config);
  ~Node();
  Node(const Node&) = delete;
  Node& operator=(const Node&) = delete;

  [[nodiscard]] net::Address mqtt_address() const { return mqtt_; }
  [[nodiscard]] net::Address http_address() const { return http_; }

  /// What has not moved for too long, for the watchdog.
  [[nodiscard]] std::optional<std::string> stuck() const;
  /// The whole stop. False if something could not be answered in `patience`.
  bool stop(std::chrono::milliseconds patience);

private:
  explicit Node(Config config);
  Result<void> open();
  Result<void> open_commands();
  Result<void> open_sessions();
  Result<void> open_mqtt();
  Result<void> open_http();
  /// Ready once all HTTP requests are answered and their connections closed.
  [[nodiscard]] std::future<void> drain_api();
  [[nodiscard]] api::Services services();
  [[nodiscard]] model::LedgerCounts ledger() const;
  [[nodiscard]] actors::SysFigures sys_figures();
  Config config_;
  const std::int64_t started_ms_;
  std::atomic<api::Phase> phase_{api::Phase::starting};
  model::ShapeTable shapes_;
  std::optional<telemetry::RouteTable> routes_;
  std::unique_ptr<storage::Store> store_;
  caf::actor_system_config caf_config_;
  std::unique_ptr<caf::actor_system> caf_;
  actors::SessionRegistry registry_;
  actors::Presence presence_;
  actors::MessageHub messages_;
  actors::SessionHub session_hub_{messages_};
  actors::SysTopics sys_topics_;
  std::unique_ptr<storage::SessionStore> sessions_;
  net::Loop api_loop_;
  std::unique_ptr<actors::CommandService> commands_;
  std::vector<std::unique_ptr<actors::DeviceLoop>> device_loops_;
  std::unique_ptr<api::Backups> backups_;
  std::unique_ptr<api::Server> api_;
  std::thread api_thread_;
  net::Address mqtt_;
  net::Address http_;
};

} // namespace spate::node
