// Spate - the command router as an actor on the API loop, with its log.
#pragma once

#include <memory>
#include <string_view>

#include <caf/actor.hpp>
#include <caf/actor_system.hpp>

#include "actors/command_router.hpp"
#include "actors/commands.hpp"
#include "actors/loop_executor.hpp"
#include "actors/presence.hpp"
#include "engine/net/loop.hpp"

namespace spate::actors {

struct CommandServiceOptions {
  CommandLimits limits;
  storage::CommandLogOptions log;
  bool priorities = true; ///< False: its messages are like all others. For comparisons.
};

/// HTTP reaches the router by a direct call on the API loop, sessions and the log as urgent
/// messages, which are resumed on the same loop: so its state has one thread without a lock.
///
/// Thread: the API loop's, but for open(), metrics and the listener's calls.
/// Stop:   drain(), wait for drained(), stop_log() while the loop still runs, quit(), Loop::stop(),
///         then before_poll() until it is false, all on the loop's thread but for stop_log().
class CommandService final : public Commands {
public:
  /// Errors of CommandLog::open. All borrowed; they outlive it.
  static Result<std::unique_ptr<CommandService>> open(net::Loop& loop, caf::actor_system& system,
                                                      const Presence& presence,
                                                      CommandServiceOptions options);
  ~CommandService() override;

  /// Whom sessions tell.
  [[nodiscard]] const caf::actor& router() const noexcept;

  void create(CommandRequest request, CommandDone done) override;
  void find(std::string_view device, const Uuid& id, std::int64_t wait_ms,
            CommandDone done) override;
  void cancel(std::string_view device, const Uuid& id, CommandDone done) override;
  [[nodiscard]] bool is_ready(std::string_view device) const override;
  [[nodiscard]] storage::CommandLog& log() noexcept override;

  bool before_poll() override;
  void after_poll() override;
  void between_reads() override;
  void drain() override;
  [[nodiscard]] bool drained() const noexcept override;
  /// Writes and answers what the log was given. Any thread but the loop's.
  void stop_log();
  /// The actor ends. Loop thread.
  void quit();

  /// Any thread.
  [[nodiscard]] const CommandCounts& counts() const noexcept;
  [[nodiscard]] const LoopExecutor& executor() const noexcept;

private:
  class Actor;
  struct Impl;
  explicit CommandService(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

} // namespace spate::actors
