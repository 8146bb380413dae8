// Spate - where commands are durable: a small database of its own, so that none waits behind
// telemetry.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "engine/base/histogram.hpp"
#include "engine/base/result.hpp"
#include "engine/model/command.hpp"
#include "storage/store.hpp"

namespace rocksdb {
class Env;
} // namespace rocksdb

namespace spate::storage {

struct CommandLogOptions {
  std::string directory;                     ///< Created if it is not there; its parent must be.
  Durability durability = Durability::fsync; ///< Of commands, whatever telemetry has.
  std::size_t open_max = 1'000'000;          ///< Commands that are not final, all devices.
  std::size_t open_per_device_max = 1000;
  std::int64_t history_ms = 7ll * 86'400'000; ///< Final commands are kept so long,
  std::size_t history_max = 1'000'000;        ///< and so many; then the oldest go.
  /// Idempotency keys are kept so long; at most as long as the command that they made.
  std::int64_t key_ms = 86'400'000;
  std::size_t waiting_max = 100'000;    ///< Entries that wait for the log's thread; 64 MiB at most.
  std::function<std::int64_t()> now_ms; ///< Wall clock; empty: the real one. Tests.
  rocksdb::Env* env = nullptr;          ///< Tests only.
};

/// A new command. It is logged only if neither the key nor a limit stands against it.
struct CommandCreation {
  model::Command command;
  std::string idempotency_key;    ///< Empty: none.
  std::uint64_t request_hash = 0; ///< Of the request that came with the key.
  bool key_only = false; ///< Only looks the key up; `logged` without a record: it is not known.
};
/// A new state. What needs `sync` is answered when it is on disk. What does not is not answered: it
/// goes to the kernel within milliseconds (from then on it survives kill -9) and to the disk with
/// the next group.
struct CommandUpdate {
  std::string device;
  Uuid id;
  model::CommandProgress progress;
  bool sync = false;
};
/// Asks for one command of the device: by id, or an open one by alias. Sees all that was submitted
/// before it.
struct CommandLoad {
  std::string device;
  std::variant<Uuid, std::uint32_t> id; ///< Id or alias.
};
/// Asks for open commands of a device, urgent ones first, then by age: a page behind `after`.
struct CommandPageLoad {
  std::string device;
  std::optional<std::pair<model::CommandPriority, Uuid>> after;
  std::size_t limit = 32;
};

using CommandEntry = std::variant<CommandCreation, CommandUpdate, CommandLoad, CommandPageLoad>;

enum class CommandLogStatus : std::uint8_t {
  logged,      ///< Durable. Of a load: it was answered.
  replayed,    ///< The key was used for the same request, or the id: `record` is what it made.
  key_reused,  ///< The key was used for another request.
  queue_full,  ///< The device, or the node, has as many open commands as it may.
  disk_full,   ///< Nothing is logged for want of space.
  unavailable, ///< The log failed, is being reopened, or stops. It may or may not be on disk.
};

/// What came of an entry; `ticket` is what submit() was given.
struct CommandReceipt {
  std::uint64_t ticket = 0;
  CommandLogStatus status = CommandLogStatus::logged;
  std::optional<model::CommandRecord> record; ///< Of `replayed`, and of a load that found it.
  std::vector<model::CommandRecord> page;     ///< Of a page load.
  bool more = false;                          ///< Behind the page.
  std::string detail; ///< Why it failed; of a page, why commands are missing in it.
};

/// Called by the log's thread, after stop() by that of submit(): only pass on, never block.
class CommandLogListener {
public:
  virtual ~CommandLogListener() = default;
  /// In the order of submission.
  virtual void on_logged(std::vector<CommandReceipt> receipts) = 0;
  /// Open commands whose `expires_ms` has come, at most 256. Whoever hears it submits their final
  /// state: then come the next ones; told again after a second if nobody did.
  virtual void on_due(std::vector<model::CommandRecord> due) = 0;
};

struct CommandQuery {
  std::string device;
  std::vector<model::CommandState> states; ///< Empty: all.
  std::size_t limit = 100;
  std::optional<Uuid> before; ///< Continue behind this command.
};
struct CommandPage {
  std::vector<model::CommandRecord> commands; ///< Newest first.
  bool more = false;
  std::optional<Uuid> position; ///< Of the last command that was looked at: the next `before`.
};

struct CommandLogStats {
  std::uint64_t open = 0;    ///< Commands that are not final, now.
  std::uint64_t history = 0; ///< Final ones that are kept, now.
  std::uint64_t waiting = 0; ///< Entries that wait for the log's thread, now.
  std::uint64_t groups = 0;
  std::uint64_t reopens = 0;
  std::int64_t oldest_ns = 0; ///< steady_ns() when the oldest waiting entry came; 0: none waits.
  Histogram sync_us;          ///< Duration of a synced write.
  Histogram wait_us;          ///< From submit() to the receipt, of what was synced.
};

/// Commands, their states, the open ones by device, what is due when, and idempotency keys.
///
/// Flow:       router -> submit() -> thread: gather, WriteBatch, one sync -> CommandLogListener
/// Thread:     submit(), stats(), open_commands() from any and never block; find() and list() from
///             any that may wait for the disk (never a loop). One thread of its own.
/// Durability: a creation or an update with `sync` whose receipt says `logged` is fdatasynced.
/// Failure:    as in Store: after a failed write or sync everything is refused, the database is
///             closed and reopened with growing pauses; a failed sync is never retried.
/// Memory:     independent of how many commands it holds.
class CommandLog {
public:
  /// Opens or creates it. `listener` is borrowed and outlives the log. One that was used before and
  /// can not be opened for want of space is tried again and again, and refuses meanwhile. Errors:
  /// storage_io, storage_full, storage_corrupt, storage_format; one sentence for people.
  static Result<std::unique_ptr<CommandLog>> open(CommandLogOptions options,
                                                  CommandLogListener& listener);
  virtual ~CommandLog() = default;
  CommandLog(const CommandLog&) = delete;
  CommandLog& operator=(const CommandLog&) = delete;

  /// False if so much waits as may: nothing was taken.
  [[nodiscard]] virtual bool submit(std::uint64_t ticket, CommandEntry entry) = 0;
  /// How many commands are not final: 0 tells a reconnecting device apart from one with a queue.
  [[nodiscard]] virtual std::uint64_t open_commands() const noexcept = 0;
  /// Nullopt if it works, else why not.
  [[nodiscard]] virtual std::optional<std::string> fault() const = 0;
  [[nodiscard]] virtual CommandLogStats stats() const = 0;

  /// Errors: storage_unavailable, storage_corrupt. nullopt: there is none.
  virtual Result<std::optional<model::CommandRecord>> find(const std::string& device,
                                                           const Uuid& id) = 0;
  virtual Result<CommandPage> list(const CommandQuery& query) = 0;

  /// As Store::with_databases().
  virtual Result<void> with_database(const DatabaseUser& use) = 0;

  /// Looks at the clock at once; tests move it.
  virtual void poke() = 0;
  /// Writes and answers what was submitted, then closes. submit() afterwards answers
  /// `unavailable`.
  virtual void stop() = 0;

protected:
  CommandLog() = default;
};

} // namespace spate::storage
