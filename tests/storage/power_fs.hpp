// Spate - a file system for RocksDB that keeps only what was synced, and fails when told to.
#pragma once

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <random>
#include <sstream>
#include <string>
#include <thread>

#include <rocksdb/env.h>
#include <rocksdb/file_system.h>
#include <rocksdb/system_clock.h>

namespace spate::storage::test {

/// Files are real; beside them stands what a power cut would leave of each: bytes since the last
/// sync may go, wholly or from any point on; a file or a link whose directory was not synced since
/// it was made vanishes; a rename that was not synced is undone, or not; a file that was deleted
/// without a sync of its directory may come back.
class PowerFs final : public rocksdb::FileSystemWrapper {
public:
  using Options = rocksdb::IOOptions;
  using Context = rocksdb::IODebugContext;
  using IOStatus = rocksdb::IOStatus;

  PowerFs() : rocksdb::FileSystemWrapper(rocksdb::FileSystem::Default()) {}
  const char* Name() const override { return "PowerFs"; }

  enum class Fault { none, sync_eio, write_eio, write_enospc };

  /// From now on, until clear(): each operation of the kind fails, if `suffix` is not empty only on
  /// files whose name ends so.
  void fail(Fault fault, std::string suffix = {}) {
    const std::scoped_lock lock(mutex_);
    fault_ = fault;
    suffix_ = std::move(suffix);
    fault_once_at_.reset();
  }
  /// The n-th write or sync from now fails, once.
  void fail_once(Fault fault, std::uint64_t n) {
    const std::scoped_lock lock(mutex_);
    fault_ = fault;
    suffix_.clear();
    fault_once_at_ = operations_ + n;
  }
  /// The next one of the write-ahead log fails, once, whatever else goes on in the background.
  void fail_next_of_wal(Fault fault) {
    fail_once(fault, 1);
    const std::scoped_lock lock(mutex_);
    suffix_ = ".log";
  }
  void clear() { fail(Fault::none); }
  /// The power goes at the n-th write or sync from now: nothing reaches the disk any more.
  void die_after(std::uint64_t n) {
    const std::scoped_lock lock(mutex_);
    dies_at_ = operations_ + n;
  }
  [[nodiscard]] bool dead() const {
    const std::scoped_lock lock(mutex_);
    return dead_;
  }
  /// The process was killed and the power stayed: the kernel still has all that was written.
  void revive() {
    const std::scoped_lock lock(mutex_);
    dead_ = false;
    dies_at_.reset();
  }

  /// What a power cut leaves; to be called when no database is open. Returns the bytes that went.
  std::uint64_t cut(std::mt19937& random, bool torn) {
    const std::scoped_lock lock(mutex_);
    std::uint64_t lost = 0;
    for (auto& [name, file] : files_) {
      std::error_code error;
      const auto size = std::filesystem::file_size(name, error);
      if (error) {
        continue;
      }
      if (!file.entry_synced) {
        if (file.moved_from) { // It was safe under its old name, and is under one of both.
          const auto kept = std::min<std::uint64_t>(size, file.bytes->synced);
          std::filesystem::resize_file(name, kept, error);
          if (random() % 2 == 0) {
            std::filesystem::rename(name, *file.moved_from, error);
          }
          continue;
        }
        lost += size;
        if (file.replaced) {
          std::ofstream(name, std::ios::trunc | std::ios::binary) << *file.replaced;
        } else {
          std::filesystem::remove(name, error);
        }
        continue;
      }
      const std::uint64_t synced = file.bytes->synced;
      if (size > synced) {
        const auto kept = synced + (torn ? random() % (size - synced + 1) : 0);
        lost += size - kept;
        std::filesystem::resize_file(name, kept, error);
      }
    }
    for (const auto& [name, bytes] : removed_) {
      if (random() % 2 == 0 && !std::filesystem::exists(name)) {
        std::ofstream(name, std::ios::binary) << bytes;
      }
    }
    files_.clear();
    removed_.clear();
    dead_ = false;
    dies_at_.reset();
    return lost;
  }

  IOStatus NewWritableFile(const std::string& name, const rocksdb::FileOptions& options,
                           std::unique_ptr<rocksdb::FSWritableFile>* result,
                           Context* context) override {
    if (auto status = gate(Kind::other); !status.ok()) {
      return status;
    }
    rocksdb::FileOptions plain = options;
    plain.use_mmap_writes = false;
    auto status = target()->NewWritableFile(name, plain, result, context);
    if (status.ok()) {
      {
        const std::scoped_lock lock(mutex_);
        files_[name] = {};
        removed_.erase(name);
      }
      result->reset(new File(std::move(*result), *this, name));
    }
    return status;
  }
  /// RocksDB syncs the files that it ingests so.
  IOStatus ReopenWritableFile(const std::string& name, const rocksdb::FileOptions& options,
                              std::unique_ptr<rocksdb::FSWritableFile>* result,
                              Context* context) override {
    if (auto status = gate(Kind::other); !status.ok()) {
      return status;
    }
    rocksdb::FileOptions plain = options;
    plain.use_mmap_writes = false;
    auto status = target()->ReopenWritableFile(name, plain, result, context);
    if (status.ok()) {
      {
        const std::scoped_lock lock(mutex_);
        if (!files_.contains(name)) {
          State known;
          known.bytes->size = known.bytes->synced = std::filesystem::file_size(name);
          known.entry_synced = true;
          files_[name] = std::move(known);
        }
      }
      result->reset(new File(std::move(*result), *this, name));
    }
    return status;
  }
  /// Both names share the bytes; the new one is gone after a cut until its directory is synced.
  IOStatus LinkFile(const std::string& from, const std::string& to, const Options& options,
                    Context* context) override {
    if (auto status = gate(Kind::other); !status.ok()) {
      return status;
    }
    auto status = target()->LinkFile(from, to, options, context);
    if (status.ok()) {
      const std::scoped_lock lock(mutex_);
      State linked;
      if (const auto known = files_.find(from); known != files_.end()) {
        linked.bytes = known->second.bytes;
      } else { // From before the last cut, so it is on the disk.
        linked.bytes->size = linked.bytes->synced = std::filesystem::file_size(from);
      }
      files_[to] = std::move(linked);
    }
    return status;
  }
  IOStatus ReuseWritableFile(const std::string&, const std::string&, const rocksdb::FileOptions&,
                             std::unique_ptr<rocksdb::FSWritableFile>*, Context*) override {
    return IOStatus::NotSupported("PowerFs");
  }
  IOStatus NewDirectory(const std::string& name, const Options& options,
                        std::unique_ptr<rocksdb::FSDirectory>* result, Context* context) override {
    auto status = target()->NewDirectory(name, options, result, context);
    if (status.ok()) {
      result->reset(new Directory(*this, name));
    }
    return status;
  }
  IOStatus RenameFile(const std::string& from, const std::string& to, const Options& options,
                      Context* context) override {
    if (auto status = gate(Kind::other); !status.ok()) {
      return status;
    }
    std::optional<std::string> replaced;
    if (std::ifstream old(to, std::ios::binary); old) {
      replaced = (std::ostringstream() << old.rdbuf()).str();
    }
    auto status = target()->RenameFile(from, to, options, context);
    if (status.ok()) {
      const std::scoped_lock lock(mutex_);
      State moved;
      if (const auto known = files_.find(from); known != files_.end()) {
        moved = known->second;
      } else { // From before the last cut, so it is on the disk.
        moved.bytes->size = moved.bytes->synced = std::filesystem::file_size(to);
        moved.entry_synced = true;
      }
      moved.moved_from = moved.entry_synced && !replaced ? std::optional(from) : std::nullopt;
      moved.entry_synced = false;
      moved.replaced = std::move(replaced);
      files_.erase(from);
      files_[to] = std::move(moved);
    }
    return status;
  }
  IOStatus DeleteFile(const std::string& name, const Options& options, Context* context) override {
    if (auto status = gate(Kind::other); !status.ok()) {
      return status;
    }
    {
      const std::scoped_lock lock(mutex_);
      const auto known = files_.find(name);
      if (known == files_.end() || known->second.entry_synced || known->second.moved_from) {
        if (std::ifstream old(name, std::ios::binary); old) {
          std::string bytes = (std::ostringstream() << old.rdbuf()).str();
          if (known != files_.end()) {
            bytes.resize(std::min<std::size_t>(bytes.size(), known->second.bytes->synced));
          }
          removed_[known != files_.end() && known->second.moved_from ? *known->second.moved_from
                                                                     : name] = std::move(bytes);
        }
      }
      files_.erase(name);
    }
    return target()->DeleteFile(name, options, context);
  }

private:
  enum class Kind { write, sync, other };

  struct Bytes {
    std::uint64_t size = 0;
    std::uint64_t synced = 0;
  };
  struct State {
    std::shared_ptr<Bytes> bytes = std::make_shared<Bytes>(); ///< All links of a file share them.
    bool entry_synced = false;
    std::optional<std::string> moved_from; ///< A synced name that it had.
    std::optional<std::string> replaced;   ///< What an undone rename brings back.
  };

  class File final : public rocksdb::FSWritableFileOwnerWrapper {
  public:
    File(std::unique_ptr<rocksdb::FSWritableFile>&& file, PowerFs& fs, std::string name)
        : rocksdb::FSWritableFileOwnerWrapper(std::move(file)), fs_(fs), name_(std::move(name)) {}
    using rocksdb::FSWritableFileOwnerWrapper::Append;
    IOStatus Append(const rocksdb::Slice& data, const Options& options, Context* context) override {
      if (auto status = fs_.gate(Kind::write, name_); !status.ok()) {
        return status;
      }
      auto status = rocksdb::FSWritableFileOwnerWrapper::Append(data, options, context);
      if (status.ok()) {
        fs_.grown(name_, data.size());
      }
      return status;
    }
    IOStatus Append(const rocksdb::Slice& data, const Options& options,
                    const rocksdb::DataVerificationInfo&, Context* context) override {
      return Append(data, options, context);
    }
    IOStatus Sync(const Options&, Context*) override {
      if (auto status = fs_.gate(Kind::sync, name_); !status.ok()) {
        return status;
      }
      fs_.synced(name_);
      return IOStatus::OK();
    }
    IOStatus Fsync(const Options& options, Context* context) override {
      return Sync(options, context);
    }
    IOStatus RangeSync(std::uint64_t, std::uint64_t, const Options&, Context*) override {
      return IOStatus::OK();
    }
    IOStatus Allocate(std::uint64_t, std::uint64_t, const Options&, Context*) override {
      return IOStatus::OK();
    }

  private:
    PowerFs& fs_;
    const std::string name_;
  };

  class Directory final : public rocksdb::FSDirectory {
  public:
    Directory(PowerFs& fs, std::string name) : fs_(fs), name_(std::move(name)) {}
    IOStatus Fsync(const Options&, Context*) override {
      if (auto status = fs_.gate(Kind::other); !status.ok()) {
        return status;
      }
      fs_.directory_synced(name_);
      return IOStatus::OK();
    }
    IOStatus FsyncWithDirOptions(const Options& options, Context* context,
                                 const rocksdb::DirFsyncOptions&) override {
      return Fsync(options, context);
    }

  private:
    PowerFs& fs_;
    const std::string name_;
  };

  IOStatus gate(Kind kind, const std::string& name = {}) {
    const std::scoped_lock lock(mutex_);
    if (kind != Kind::other) {
      ++operations_;
      dead_ = dead_ || (dies_at_ && operations_ >= *dies_at_);
    }
    if (dead_) {
      return IOStatus::IOError("the power is off");
    }
    const bool hit = fault_ == Fault::sync_eio ? kind == Kind::sync : kind == Kind::write;
    if (fault_ == Fault::none || !hit || !name.ends_with(suffix_) ||
        (fault_once_at_ && operations_ < *fault_once_at_)) {
      return IOStatus::OK();
    }
    const Fault fault = fault_;
    if (fault_once_at_) {
      fault_ = Fault::none;
      fault_once_at_.reset();
    }
    // As RocksDB words what the kernel says.
    return fault == Fault::sync_eio ? IOStatus::IOError("While fdatasync: x", "Input/output error")
           : fault == Fault::write_eio
               ? IOStatus::IOError("While appending to file: x", "Input/output error")
               : IOStatus::NoSpace("While appending to file: x", "No space left on device");
  }
  void grown(const std::string& name, std::uint64_t bytes) {
    const std::scoped_lock lock(mutex_);
    files_[name].bytes->size += bytes;
  }
  void synced(const std::string& name) {
    const std::scoped_lock lock(mutex_);
    Bytes& file = *files_[name].bytes;
    file.synced = file.size;
  }
  void directory_synced(std::string directory) {
    const std::scoped_lock lock(mutex_);
    while (directory.size() > 1 && directory.back() == '/') {
      directory.pop_back();
    }
    for (auto& [name, file] : files_) {
      if (std::filesystem::path(name).parent_path() == directory) {
        file.entry_synced = true;
        file.replaced.reset();
        file.moved_from.reset();
      }
    }
    std::erase_if(removed_, [&](const auto& each) {
      return std::filesystem::path(each.first).parent_path() == directory;
    });
  }

  mutable std::mutex mutex_;
  std::map<std::string, State> files_;
  std::map<std::string, std::string> removed_; ///< Bytes of what a cut may bring back.
  Fault fault_ = Fault::none;
  std::string suffix_;
  std::optional<std::uint64_t> fault_once_at_;
  std::optional<std::uint64_t> dies_at_;
  std::uint64_t operations_ = 0;
  bool dead_ = false;
};

/// RocksDB sleeps a second after each error in the background; tests need not.
class NoSleep final : public rocksdb::SystemClockWrapper {
public:
  NoSleep() : rocksdb::SystemClockWrapper(rocksdb::SystemClock::Default()) {}
  const char* Name() const override { return "NoSleep"; }
  void SleepForMicroseconds(int) override { std::this_thread::yield(); }
};

/// The world of a RocksDB that stands on a PowerFs.
class PowerEnv final : public rocksdb::EnvWrapper {
public:
  explicit PowerEnv(const std::shared_ptr<PowerFs>& fs)
      : rocksdb::EnvWrapper(rocksdb::NewCompositeEnv(fs)) {
    file_system_ = fs;
    system_clock_ = std::make_shared<NoSleep>();
  }
};

} // namespace spate::storage::test
