// Spate - RocksDB's write-ahead log files, read without RocksDB: which commits they hold.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

namespace rocksdb {
class WriteBatch;
} // namespace rocksdb

namespace spate::storage {

// What tells a commit's rows from other entries. A log file names column families by number, and
// those of log windows are dropped long before their files: so each commit says in the batch itself
// where it stands. Markers go to the log only (PutLogData): replay and memory never see them, and
// older versions of this program pass over them.

/// In front of the entry of a commit: the next entry has its number as key and LogEncoder's bytes
/// as value.
void mark_commit(rocksdb::WriteBatch& batch);
/// The whole commit once more, for readers of the log alone.
void repeat_commit(rocksdb::WriteBatch& batch, std::uint64_t sequence, std::string_view commit);

/// Reads the records of one file, from its beginning or from a place that place() gave.
/// Thread: one at a time. Another process or thread may append meanwhile.
class WalFile {
public:
  enum class Stop : std::uint8_t { none, end, damaged, gone };

  WalFile() = default;
  ~WalFile();
  WalFile(const WalFile&) = delete;
  WalFile& operator=(const WalFile&) = delete;

  /// False if there is no such file, or it can not be read: see error().
  bool open(const std::string& path, std::uint64_t place = 0);
  /// The next record, until the next call. False at the end of what is whole: see stop(). A record
  /// that was cut, as by a crash, ends the file.
  bool next(std::string_view& record);
  /// Where the record after the last one begins.
  [[nodiscard]] std::uint64_t place() const noexcept { return place_; }
  [[nodiscard]] Stop stop() const noexcept { return stop_; }
  [[nodiscard]] int error() const noexcept { return error_; } ///< errno, 0: none.

private:
  bool load_block(std::uint64_t begin);

  int fd_ = -1;
  std::uint64_t place_ = 0;
  std::string block_;
  std::uint64_t block_begin_ = UINT64_MAX;
  std::string record_; ///< Of several fragments.
  Stop stop_ = Stop::none;
  int error_ = 0;
};

/// Calls `visit` for each commit in a record of the log; it returns false to stop. False if the
/// record is no batch or a marker does not fit what follows it.
bool commits_in(std::string_view record,
                const std::function<bool(std::uint64_t sequence, std::string_view commit)>& visit);

} // namespace spate::storage
