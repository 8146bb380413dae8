#include "storage/kept_log.hpp"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <filesystem>
#include <set>
#include <utility>

#include <rocksdb/env.h>

#include "engine/base/log.hpp"
#include "storage/log_codec.hpp"
#include "storage/rocks_options.hpp"
#include "storage/wal_file.hpp"

namespace spate::storage {

namespace {

namespace fs = std::filesystem;

constexpr std::string_view kSuffix = ".log";

/// RocksDB's name of a log file, without its directory.
std::string file_name(std::uint64_t number) {
  std::string digits = std::to_string(number);
  return std::string(digits.size() < 6 ? 6 - digits.size() : 0, '0') + digits +
         std::string(kSuffix);
}

std::optional<std::uint64_t> number_of(const std::string& name) {
  std::uint64_t number = 0;
  const auto parsed = std::from_chars(name.data(), name.data() + name.size(), number);
  const std::string_view rest(parsed.ptr, name.data() + name.size());
  return parsed.ec == std::errc() && rest == kSuffix ? std::optional(number) : std::nullopt;
}

Result<void> add_numbers(const std::string& directory, std::set<std::uint64_t>& out) {
  std::error_code error;
  for (fs::directory_iterator each(directory, error), end; !error && each != end;
       each.increment(error)) {
    if (const auto number = number_of(each->path().filename().string())) {
      out.insert(*number);
    }
  }
  if (error && error != std::errc::no_such_file_or_directory) {
    return fail(Errc::storage_io, directory + ": " + error.message());
  }
  return {};
}

} // namespace

KeptLog::KeptLog(KeptLogOptions options, std::uint64_t sequence)
    : options_(std::move(options)),
      env_(options_.env != nullptr ? *options_.env : *rocksdb::Env::Default()), durable_(sequence),
      thread_([this] { run(); }) {}

KeptLog::~KeptLog() {
  {
    const std::scoped_lock lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_one();
  thread_.join();
}

std::string KeptLog::archive_path(const std::string& database) {
  return database + "/archive"; // RocksDB's name for it.
}

bool KeptLog::is_kept(const std::string& database) {
  std::error_code error;
  return fs::is_directory(archive_path(database), error);
}

Result<void> KeptLog::remove_all(const std::string& database, rocksdb::Env* env) {
  if (!is_kept(database)) {
    return {};
  }
  rocksdb::Env& with = env != nullptr ? *env : *rocksdb::Env::Default();
  std::set<std::uint64_t> numbers;
  if (auto listed = add_numbers(archive_path(database), numbers); !listed) {
    return listed;
  }
  for (const std::uint64_t number : numbers) {
    if (const auto gone = with.DeleteFile(archive_path(database) + "/" + file_name(number));
        !gone.ok()) {
      return fail(error_of(gone));
    }
  }
  if (const auto gone = with.DeleteDir(archive_path(database)); !gone.ok()) {
    return fail(error_of(gone));
  }
  return {};
}

void KeptLog::trim_soon() {
  {
    const std::scoped_lock lock(mutex_);
    poked_ = true;
  }
  wake_.notify_one();
}

KeptLogFigures KeptLog::figures() const {
  const std::scoped_lock lock(mutex_);
  KeptLogFigures out = figures_;
  out.last_commit = last_commit();
  return out;
}

void KeptLog::run() {
  std::unique_lock lock(mutex_);
  for (;;) {
    wake_.wait(lock, [this] { return stopping_ || poked_; });
    if (stopping_) {
      return;
    }
    poked_ = false;
    lock.unlock();
    trim();
    lock.lock();
  }
}

std::string KeptLog::path_of(const File& file) const {
  return (file.archived ? archive_path(options_.path) : options_.path) + "/" +
         file_name(file.number);
}

/// Also if it has moved to the archive since it was listed.
bool KeptLog::open(WalFile& reader, const File& file, std::uint64_t place) const {
  File archived = file;
  archived.archived = true;
  return reader.open(path_of(file), place) ||
         (reader.stop() == WalFile::Stop::gone && reader.open(path_of(archived), place));
}

/// By number, with what counts in each.
Result<std::vector<KeptLog::File>> KeptLog::list() const {
  std::set<std::uint64_t> live;
  std::set<std::uint64_t> archived;
  // In this order: files only move that way, so none is missed.
  auto listed = add_numbers(options_.path, live);
  listed = listed ? add_numbers(archive_path(options_.path), archived) : std::move(listed);
  if (!listed) {
    return fail(std::move(listed.error()));
  }
  std::vector<File> files;
  std::set<std::uint64_t> all = live;
  all.insert(archived.begin(), archived.end());
  for (const std::uint64_t number : all) {
    File file{number, archived.count(number) != 0};
    std::error_code error;
    const auto bytes = fs::file_size(path_of(file), error);
    file.bytes = error ? 0 : bytes;
    look_at_head(file);
    files.push_back(file);
  }
  std::uint64_t bound = UINT64_MAX;
  for (auto file = files.rbegin(); file != files.rend(); ++file) {
    file->bound = bound;
    if (file->first_commit != 0) {
      bound = std::min(bound, file->first_commit - 1);
    }
  }
  const std::scoped_lock lock(mutex_);
  heads_.erase(heads_.begin(), heads_.lower_bound(all.empty() ? UINT64_MAX : *all.begin()));
  return files;
}

/// What a file begins with never changes.
void KeptLog::look_at_head(File& file) const {
  Head head;
  {
    const std::scoped_lock lock(mutex_);
    head = heads_[file.number];
  }
  WalFile reader;
  if (head.first_commit == 0 && open(reader, file, head.place)) {
    for (std::string_view record; head.first_commit == 0 && reader.next(record);
         head.place = reader.place()) {
      commits_in(record, [&](std::uint64_t sequence, std::string_view bytes) {
        LogDecoder decoder;
        if (decoder.begin(bytes)) {
          head.first_commit = sequence;
          head.first_ms = decoder.received_ms();
        }
        return head.first_commit == 0;
      });
    }
    const std::scoped_lock lock(mutex_);
    heads_[file.number] = head;
  }
  file.first_commit = head.first_commit;
  file.first_ms = head.first_ms;
}

Result<void> KeptLog::remove(const File& file) {
  if (const auto gone = env_.DeleteFile(path_of(file)); !gone.ok()) {
    return fail(Errc::storage_io, path_of(file) + ": " + describe(gone));
  }
  return {};
}

void KeptLog::trim() {
  const std::unique_lock alone(files_mutex_, std::try_to_lock);
  auto files = list();
  if (!files) {
    log::warn("kept-log", "the archive of the write-ahead log can not be looked at",
              {{"data_dir", std::string_view(options_.name)},
               {"reason", std::string_view(files.error().detail)}});
    return;
  }
  std::uint64_t bytes = 0;
  for (const File& file : *files) {
    bytes += file.bytes;
  }
  const std::int64_t now_ms = options_.now_ms();
  auto first = files->begin();
  // While somebody copies or reads, the next look does it.
  while (alone.owns_lock() && first != files->end() && first->archived) {
    const auto later = std::find_if(first + 1, files->end(),
                                    [](const File& file) { return file.first_commit != 0; });
    // All in it was written before the next file's first commit.
    const bool old = options_.age_ms_max != 0 && later != files->end() &&
                     now_ms - later->first_ms > options_.age_ms_max;
    if (!old && bytes <= options_.bytes_max && !(options_.disk_scarce && options_.disk_scarce())) {
      break;
    }
    if (auto removed = remove(*first); !removed) {
      log::warn("kept-log", "a file of the kept log can not be removed",
                {{"data_dir", std::string_view(options_.name)},
                 {"reason", std::string_view(removed.error().detail)}});
      break;
    }
    bytes -= first->bytes;
    ++first;
  }
  const auto oldest = std::find_if(first, files->end(), [](const File& file) {
    return file.first_commit != 0 && file.first_commit <= file.bound;
  });
  const std::scoped_lock lock(mutex_);
  figures_.bytes = bytes;
  figures_.first_commit = oldest == files->end() ? 0 : oldest->first_commit;
  figures_.first_ms = oldest == files->end() ? 0 : oldest->first_ms;
}

Result<void> KeptLog::drop_below(std::uint64_t file) {
  {
    const std::unique_lock alone(files_mutex_);
    auto files = list();
    if (!files) {
      return fail(std::move(files.error()));
    }
    for (const File& each : *files) {
      if (each.archived && each.number < file) {
        if (auto removed = remove(each); !removed) {
          return removed;
        }
      }
    }
    // Else a power cut brings them back, and nobody hides their rows any more.
    if (auto synced = sync_directories(); !synced) {
      return synced;
    }
  }
  trim_soon();
  return {};
}

Result<void> KeptLog::sync_directories() {
  for (const std::string& path : {options_.path, archive_path(options_.path)}) {
    std::unique_ptr<rocksdb::Directory> directory;
    auto status = env_.NewDirectory(path, &directory);
    if (status.ok()) {
      status = directory->Fsync();
    }
    if (!status.ok()) {
      return fail(Errc::storage_io, path + ": " + describe(status));
    }
  }
  return {};
}

Result<void> KeptLog::read(std::uint64_t from, const LogHint& hint,
                           const std::function<bool(const Commit&)>& visit) const {
  const auto stay = hold();
  // Before the files are looked at: all of these commits are whole in them.
  const std::uint64_t last = last_commit();
  auto files = list();
  if (!files) {
    return fail(std::move(files.error()));
  }
  std::uint64_t next = std::max<std::uint64_t>(from, 1);
  auto file = files->begin();
  for (auto each = files->begin(); each != files->end(); ++each) {
    if (each->first_commit != 0 && each->first_commit <= next) {
      file = each;
    }
  }
  bool damaged = false;
  bool go_on = true;
  for (; file != files->end() && go_on && next <= last; ++file) {
    const std::uint64_t bound = std::min(file->bound, last);
    const bool known = hint.file == file->number && hint.commit == next;
    WalFile reader;
    if (file->first_commit == 0 || next > bound || !open(reader, *file, known ? hint.place : 0)) {
      damaged = damaged || reader.stop() == WalFile::Stop::damaged;
      continue;
    }
    bool inside = true;
    std::uint64_t begin = reader.place();
    for (std::string_view record; inside && go_on && reader.next(record); begin = reader.place()) {
      const bool sound = commits_in(record, [&](std::uint64_t sequence, std::string_view bytes) {
        if (sequence > bound) {
          inside = false;
        } else if (sequence >= next) {
          next = sequence + 1;
          go_on = visit({sequence,
                         bytes,
                         damaged,
                         {sequence, file->number, begin},
                         {next, file->number, reader.place()}});
        }
        return inside && go_on;
      });
      if (!sound) {
        damaged = true;
        break;
      }
    }
    damaged = damaged || (reader.stop() == WalFile::Stop::damaged && next <= bound);
  }
  return {};
}

} // namespace spate::storage
