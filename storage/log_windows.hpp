// Spate - the commit log as column families, each dropped whole when all its rows are sealed.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include <rocksdb/db.h>

#include "engine/base/result.hpp"

namespace spate::storage {

/// Prefix of the windows' column families: log0, log1, ...
inline constexpr std::string_view kWindowPrefix = "log";

/// Flow:    recovery adopts what is there; the committer writes to active() and reports wrote(),
/// released(). Thread:  the committer's; one thread of its own creates the next window ahead of
/// time and drops old ones,
///          since both write and sync the MANIFEST.
/// Crash:   a window is dropped only after a synced write (see released()), since the drop is
///          durable at once while the seals that made it superfluous may be in the unsynced log.
///          Dropped late, it is replayed with its seals and does no harm. The window with the
///          newest commit always stays: it holds the sequence.
/// Failure: reported once to `on_error`; nothing is created or dropped after it.
class LogWindows {
public:
  struct Limits {
    std::size_t window_bytes = 32u << 20;
    std::uint64_t next_id = 0; ///< Above all windows that exist.
  };
  using ErrorHandler = std::function<void(const rocksdb::Status&)>;

  /// `db` outlives it.
  LogWindows(rocksdb::DB& db, rocksdb::ColumnFamilyOptions options, Limits limits,
             ErrorHandler on_error);
  ~LogWindows();
  LogWindows(const LogWindows&) = delete;
  LogWindows& operator=(const LogWindows&) = delete;

  /// Recovery, in ascending order of id, before start(). Owns the handle from then on.
  void adopt(rocksdb::ColumnFamilyHandle* handle);
  /// What the `index`-th adopted window holds.
  void replayed(std::size_t index, std::uint64_t last_sequence, std::size_t bytes);
  /// Creates the first window if there is none, keeps empty ones at the end for later, and starts
  /// the thread. Error: storage_io.
  Result<void> start();

  /// Where the next commit goes.
  [[nodiscard]] rocksdb::ColumnFamilyHandle* active() const noexcept { return active_; }
  /// After a commit: counts it and goes on to the next window if this one is full: then true.
  bool wrote(std::uint64_t sequence, std::size_t bytes);
  /// The next commit goes to the next window. False if there is none yet.
  bool rotate();
  /// Windows are left whose last commit is `sequence` or one before it.
  [[nodiscard]] bool holds(std::uint64_t sequence) const;
  /// Whether released(floor) would drop a window.
  [[nodiscard]] bool releasable(std::uint64_t floor) const;
  /// The same, and it was not called for it yet.
  [[nodiscard]] bool unreleased(std::uint64_t floor) const;
  /// Commits below `floor` hold only sealed rows, and their seals are synced.
  void released(std::uint64_t floor);

private:
  struct Window {
    rocksdb::ColumnFamilyHandle* handle = nullptr;
    std::uint64_t last_sequence = 0; ///< 0: nothing was written to it.
    std::size_t bytes = 0;
  };

  void run();
  rocksdb::Status create(Window& window);
  rocksdb::Status drop(const std::vector<Window>& windows);
  bool open_next(); ///< Mutex held. False if there is no spare one yet.
  [[nodiscard]] bool front_below(std::uint64_t floor) const noexcept;

  rocksdb::DB& db_;
  const rocksdb::ColumnFamilyOptions options_;
  const Limits limits_;
  const ErrorHandler on_error_;
  std::uint64_t next_id_;
  rocksdb::ColumnFamilyHandle* active_ = nullptr; ///< Committer.

  mutable std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Window> windows_; ///< Oldest first; the last is active.
  std::deque<Window> spare_;   ///< Made ahead: one, or what was found empty.
  std::uint64_t floor_ = 0;
  bool dropping_ = false;
  bool stopping_ = false;
  std::thread thread_;
};

} // namespace spate::storage
