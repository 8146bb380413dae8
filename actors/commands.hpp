// Spate - commands as the HTTP doors see them.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "engine/model/command.hpp"
#include "storage/command_log.hpp"

namespace spate::actors {

struct CommandRequest {
  std::string device;
  std::string name;
  std::string args; ///< One JSON value as text; empty: none.
  model::CommandPriority priority = model::CommandPriority::normal;
  model::IfOffline if_offline = model::IfOffline::fail;
  model::CompleteOn complete_on = model::CompleteOn::response;
  std::int64_t ttl_ms = 0; ///< > 0.
  std::string idempotency_key;
  std::uint64_t request_hash = 0;
  std::int64_t wait_ms = 0; ///< How long the answer may wait for the final state; 0: not at all.
};

enum class CommandResult : std::uint8_t {
  ok,              ///< `record` is its state: final, or not if that was not waited for.
  wait_over,       ///< The wait ended first; `record` is its state of now.
  draining,        ///< The node stops before the wait is over; `record` is its state of now.
  device_offline,  ///< Not connected, or did not subscribe to this command; `detail` says which.
  queue_full,      ///< The device, or the node, has as many open commands as it may.
  not_found,       ///< Of find() and cancel().
  already_sent,    ///< Of cancel(); `record` is its state.
  key_in_progress, ///< The first request with this key is still running.
  key_reused,      ///< The key was used for another request.
  disk_full,
  unavailable, ///< The command log can not be written or read now.
  overloaded,  ///< Too many commands are under way on this node.
};

struct CommandReply {
  CommandResult result = CommandResult::ok;
  std::optional<model::CommandRecord> record;
  bool replayed = false; ///< The key was used before for the same request.
  std::string detail;    ///< For people, where there is more to say.
};

/// Called once, on the API loop, perhaps within the call that it was given to.
using CommandDone = std::function<void(CommandReply)>;

/// Thread: the API loop's.
class Commands {
public:
  virtual ~Commands() = default;

  /// The caller has checked that the device is known. `done` is told once the command is durable,
  /// final or waited for long enough.
  virtual void create(CommandRequest request, CommandDone done) = 0;
  virtual void find(std::string_view device, const Uuid& id, std::int64_t wait_ms,
                    CommandDone done) = 0;
  virtual void cancel(std::string_view device, const Uuid& id, CommandDone done) = 0;
  /// Whether the device's session takes commands now.
  [[nodiscard]] virtual bool is_ready(std::string_view device) const = 0;

  /// For lists: any thread that may wait for the disk.
  [[nodiscard]] virtual storage::CommandLog& log() noexcept = 0;

  // The hooks of the API loop, as in net::LoopHooks.
  virtual bool before_poll() = 0;
  virtual void after_poll() = 0;
  virtual void between_reads() = 0;
  /// Nobody waits any more: at the stop each waiting request is answered with the state of now.
  virtual void drain() = 0;
  [[nodiscard]] virtual bool drained() const noexcept = 0;
};

} // namespace spate::actors
