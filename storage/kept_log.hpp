// Spate - the write-ahead log of a data directory, kept for those who read it from a position on.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <shared_mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "engine/base/clock.hpp"
#include "engine/base/result.hpp"
#include "storage/log_page.hpp"

namespace rocksdb {
class Env;
} // namespace rocksdb

namespace spate::storage {

struct KeptLogOptions {
  std::string path;                  ///< Of the database.
  std::string name;                  ///< Of the data directory, for people.
  std::uint64_t bytes_max = 0;       ///< Live and archived files; 0: nothing is kept.
  std::int64_t age_ms_max = 0;       ///< 0: any.
  std::function<bool()> disk_scarce; ///< True: nothing is kept that need not be. Empty: never.
  std::function<std::int64_t()> now_ms = wall_ms;
  rocksdb::Env* env = nullptr; ///< Null: the real one.
};

/// RocksDB moves log files that it needs no more to `archive`; here they are read, and removed when
/// there are too many, they are too old, or an erasure asks for it. RocksDB's own limits are looked
/// at every ten minutes at most, which is far too seldom for bytes, so it gets none.
///
/// Which file tells the truth: commits count up, and a directory that is opened writes to a new
/// file. What recovery has dropped of an older file (it was never acknowledged) has a number that
/// a later file has again: commits of a file count only below the first one of every later file.
/// Each opening therefore repeats the last commit that was recovered, synced. That also makes the
/// only commit durable here that may not be: a failed sync or a kill leaves the newest one in the
/// page cache, from where recovery takes it into tables, but not into the old log file.
///
/// Thread:     committed() and trim_soon() the committer's, all else any; one thread of its own
///             looks at files and removes them.
/// Durability: a commit may be read once committed() has been told of it: after its sync with
///             Durability::fsync, after its write else.
/// Failure:    what can not be removed is logged and tried again.
class KeptLog {
public:
  /// What the recovered directory's last commit is; 0: none. Starts the thread.
  KeptLog(KeptLogOptions options, std::uint64_t sequence);
  ~KeptLog();
  KeptLog(const KeptLog&) = delete;
  KeptLog& operator=(const KeptLog&) = delete;

  /// Where a database's old log files lie.
  [[nodiscard]] static std::string archive_path(const std::string& database);
  /// Whether `database` keeps a log already: for work on directories whose configuration is not
  /// known.
  [[nodiscard]] static bool is_kept(const std::string& database);
  /// Of a directory that keeps none any more, before it is opened. Error: storage_io.
  static Result<void> remove_all(const std::string& database, rocksdb::Env* env);

  void committed(std::uint64_t sequence) noexcept {
    durable_.store(sequence, std::memory_order_release);
  }
  [[nodiscard]] std::uint64_t last_commit() const noexcept {
    return durable_.load(std::memory_order_acquire);
  }
  /// The thread looks whether something is to be removed.
  void trim_soon();
  /// No file is removed while it lives: for copies of the database, whose list of files must stay
  /// true.
  [[nodiscard]] std::shared_lock<std::shared_mutex> hold() const {
    return std::shared_lock(files_mutex_);
  }
  /// Removes the archived files with a number below `file`, durably. Error: storage_io.
  Result<void> drop_below(std::uint64_t file);
  /// As of the last look of the thread, but for last_commit.
  [[nodiscard]] KeptLogFigures figures() const;

  struct Commit {
    std::uint64_t sequence = 0;
    std::string_view bytes; ///< LogEncoder's; until the visitor returns.
    bool damaged = false;   ///< A file before it could not be read to its end.
    LogHint here;           ///< Where it lies,
    LogHint behind;         ///< and what follows it.
  };
  /// Gives commits from number `from` on in their order, as far as they are there, until `visit`
  /// returns false. Numbers that are missing are not asked for again. Error: storage_io.
  Result<void> read(std::uint64_t from, const LogHint& hint,
                    const std::function<bool(const Commit&)>& visit) const;

private:
  struct File {
    std::uint64_t number = 0;
    bool archived = false;
    std::uint64_t bytes = 0;
    std::uint64_t first_commit = 0; ///< 0: none so far.
    std::int64_t first_ms = 0;
    std::uint64_t bound = 0; ///< Its commits count up to here.
  };
  struct Head {
    std::uint64_t first_commit = 0;
    std::int64_t first_ms = 0;
    std::uint64_t place = 0; ///< Looked at so far.
  };

  void run();
  void trim();
  [[nodiscard]] std::string path_of(const File& file) const;
  bool open(class WalFile& reader, const File& file, std::uint64_t place) const;
  Result<std::vector<File>> list() const;
  void look_at_head(File& file) const;
  Result<void> remove(const File& file);
  Result<void> sync_directories();

  const KeptLogOptions options_;
  rocksdb::Env& env_;
  std::atomic<std::uint64_t> durable_;
  mutable std::shared_mutex files_mutex_; ///< Held alone to remove files. Before mutex_.
  mutable std::mutex mutex_;
  mutable std::map<std::uint64_t, Head> heads_; ///< By file number.
  KeptLogFigures figures_;
  std::condition_variable wake_;
  bool poked_ = true;
  bool stopping_ = false;
  std::thread thread_;
};

} // namespace spate::storage
