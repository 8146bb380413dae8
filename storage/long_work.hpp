// Spate - the operations of a data directory that take long: erasing for good, compacting,
// checking.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <thread>

#include "engine/base/result.hpp"
#include "storage/live_directory.hpp"
#include "storage/operation.hpp"
#include "storage/store.hpp"

namespace spate::storage {

/// What the work needs of its data directory. Calls may wait. Errors: storage_unavailable while the
/// directory is closed; what was asked may then not have happened.
class LongWorkHost {
public:
  virtual ~LongWorkHost() = default;
  /// Runs `change` on the committer between two commits, then makes one; it writes nothing if there
  /// is nothing to write.
  virtual Result<void> on_committer(const std::function<void(LiveDirectory&)>& change) = 0;
  /// Runs `use` while the database is kept open.
  virtual Result<void> with_open(const std::function<Result<void>(LiveDirectory&)>& use) = 0;
  /// Somebody waits to close it: what with_open() runs is to end soon. Any thread.
  [[nodiscard]] virtual bool closing() const noexcept = 0;
  /// Share of one core that work in the background may take.
  [[nodiscard]] virtual double background_cpu_max() const noexcept = 0;
  [[nodiscard]] virtual std::int64_t now_ms() const = 0;
  [[nodiscard]] virtual const std::string& name() const = 0; ///< Of the directory, for people.
};

/// How long an erasure waits that damage keeps from ending: doubled each time.
struct LongWorkPauses {
  std::chrono::milliseconds damaged_min{500};
  std::chrono::milliseconds damaged_max{3'600'000};
};

/// Flow:       erase(), compact(), check(): durable, then done by the thread, one after the other;
/// what a
///             restart has interrupted begins again.
/// Thread:     one of its own, idle most of the time. erase(), compact() and check() from any that
///             may wait.
/// Durability: when erase() returns the records are hidden for ever and the operation is recorded.
/// Failure:    while the directory is closed the work waits; each step may be done again. An
///             operation that meets damage has failed; an erasure goes on without it, ever less
///             often, since what it hides is still on the disk.
class LongWork {
public:
  explicit LongWork(LongWorkHost& host, LongWorkPauses pauses = {});
  ~LongWork();
  LongWork(const LongWork&) = delete;
  LongWork& operator=(const LongWork&) = delete;

  /// As Store.
  Result<Operation> erase(const EraseRequest& request);
  Result<Operation> compact(const Uuid& id) { return begin(id, OperationType::store_compact); }
  Result<Operation> check(const Uuid& id) { return begin(id, OperationType::store_check); }
  /// Erasures that damage keeps from ending. Any thread.
  [[nodiscard]] std::uint64_t erasures_blocked() const noexcept {
    return blocked_count_.load(std::memory_order_relaxed);
  }
  /// Ends the step at hand. Idempotent; before the committer ends.
  void stop();

private:
  Result<Operation> begin(const Uuid& id, OperationType type);
  void run();
  void poke();
  bool work();
  Result<void> erase_bytes(const Erasure& erasure, Operation* operation);
  Result<void> compact_all(Operation& operation);
  Result<void> check_all(Operation& operation);
  Result<void> drop_log(std::uint64_t& old_log);
  Result<void> seal_through(std::uint64_t sequence);
  Result<void> flush();
  Result<void> erase_register(const Erasure& erasure);
  bool erase_alone(const Erasure& erasure);
  void note(const Erasure& erasure, const Result<void>& how);
  Result<void> await(const std::function<Result<bool>(LiveDirectory&)>& done, bool ticks);
  Result<void> record(const Operation& operation);
  Result<void> finish(Operation operation, const Result<void>& how);
  [[nodiscard]] bool pause(std::chrono::nanoseconds time);

  /// An erasure without an operation that met damage.
  struct Blocked {
    std::chrono::milliseconds pause{0};
    std::chrono::steady_clock::time_point until{};
  };

  LongWorkHost& host_;
  const LongWorkPauses pauses_;
  std::map<std::uint32_t, Blocked> blocked_; ///< By number. The thread's.
  std::atomic<std::uint64_t> blocked_count_{0};
  std::mutex beginning_; ///< From where an erasure hides records until its operation is recorded.
  std::mutex mutex_;
  std::condition_variable wake_;
  bool stopping_ = false;
  bool poked_ = true;    ///< A restart may have interrupted something.
  std::mutex accepting_; ///< One request at a time looks for its key and records itself.
  std::thread thread_;
};

} // namespace spate::storage
