#include "storage/directory_format.hpp"

#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <filesystem>
#include <utility>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

namespace spate::storage {

namespace {

constexpr const char* kFormatFile = "format";
constexpr const char* kNewFormatFile = "format.new";
constexpr const char* kLockFile = "lock";
constexpr const char* kDatabase = "db";
constexpr const char* kFirstLine = "spate data directory\n";
constexpr std::size_t kFormatBytesMax = 4096;

Error io_error(const std::string& path) {
  return {Errc::storage_io, path + ": " + std::strerror(errno)};
}

std::string in(const std::string& directory, const char* name) {
  return directory + "/" + name;
}

/// A descriptor that closes itself.
class File {
public:
  File(const std::string& path, int flags) : fd_(::open(path.c_str(), flags | O_CLOEXEC, 0640)) {}
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  ~File() {
    if (fd_ >= 0) {
      ::close(fd_);
    }
  }
  [[nodiscard]] int fd() const noexcept { return fd_; }
  [[nodiscard]] int release() noexcept { return std::exchange(fd_, -1); }

private:
  int fd_;
};

std::string read_some(int fd) {
  std::string text(kFormatBytesMax, '\0');
  const ssize_t size = ::pread(fd, text.data(), text.size(), 0);
  text.resize(size < 0 ? 0 : static_cast<std::size_t>(size));
  return text;
}

template <class UInt>
bool take_line(std::string_view& text, std::string_view name, UInt& value) {
  const std::size_t end = text.find('\n');
  if (end == std::string_view::npos || text.substr(0, name.size()) != name ||
      text.size() == name.size() || text[name.size()] != '=') {
    return false;
  }
  const char* last = text.data() + end;
  const auto parsed = std::from_chars(text.data() + name.size() + 1, last, value);
  text.remove_prefix(end + 1);
  return parsed.ec == std::errc() && parsed.ptr == last;
}

/// Whether there is nothing but what an interrupted creation or an empty file system leaves.
Result<bool> is_new(const std::string& directory) {
  std::error_code error;
  for (std::filesystem::directory_iterator at(directory, error), end; !error && at != end;
       at.increment(error)) {
    const std::string name = at->path().filename();
    if (name != kLockFile && name != kNewFormatFile && name != "lost+found") {
      return false;
    }
  }
  if (error) {
    return fail(Errc::storage_io, directory + ": " + error.message());
  }
  return true;
}

/// Makes the entries of a directory durable.
Result<void> sync_directory(const std::string& directory) {
  const File file(directory, O_RDONLY | O_DIRECTORY);
  if (file.fd() < 0 || ::fsync(file.fd()) != 0) {
    return fail(io_error(directory));
  }
  return {};
}

} // namespace

Result<DirectoryLock> DirectoryLock::take(const std::string& directory) {
  if (auto made = make_directory(directory); !made) {
    return fail(std::move(made.error()));
  }
  File file(in(directory, kLockFile), O_RDWR | O_CREAT);
  if (file.fd() < 0) {
    return fail(io_error(in(directory, kLockFile)));
  }
  if (::flock(file.fd(), LOCK_EX | LOCK_NB) != 0) {
    std::string holder = read_some(file.fd());
    holder.erase(holder.find_last_not_of('\n') + 1);
    return fail(Errc::storage_locked, directory + " is in use by process " +
                                          (holder.empty() ? "(unknown)" : holder) +
                                          ": stop that one first, or give another --data-dir");
  }
  const std::string pid = std::to_string(::getpid()) + "\n";
  if (::ftruncate(file.fd(), 0) != 0 ||
      ::pwrite(file.fd(), pid.data(), pid.size(), 0) != static_cast<ssize_t>(pid.size())) {
    // The lock holds without it; only the message to others would be poorer.
    errno = 0;
  }
  return DirectoryLock(file.release());
}

DirectoryLock::DirectoryLock(DirectoryLock&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}

DirectoryLock::~DirectoryLock() {
  if (fd_ >= 0) {
    ::close(fd_);
  }
}

Result<std::optional<DirectoryFormat>> read_format(const std::string& directory) {
  const std::string path = in(directory, kFormatFile);
  const File file(path, O_RDONLY);
  if (file.fd() < 0) {
    if (errno != ENOENT) {
      return fail(io_error(path));
    }
    const auto fresh = is_new(directory);
    if (!fresh) {
      return fail(fresh.error());
    }
    if (!*fresh) {
      return fail(Errc::storage_format,
                  directory + " is not empty and no Spate data directory: give a new or empty one");
    }
    return std::optional<DirectoryFormat>();
  }
  const std::string bytes = read_some(file.fd());
  std::string_view text = bytes;
  DirectoryFormat format;
  const std::string_view first = kFirstLine;
  const bool ours = text.substr(0, first.size()) == first;
  text.remove_prefix(ours ? first.size() : 0);
  if (!ours || !take_line(text, "format", format.version)) {
    return fail(Errc::storage_format,
                path + " can not be read: this is no Spate data directory, or it is damaged");
  }
  if (format.version != kDirectoryFormat) {
    return fail(Errc::storage_format,
                directory + " was written in format " + std::to_string(format.version) +
                    " and this version reads format " + std::to_string(kDirectoryFormat) +
                    ": start the version that wrote it, or give a new --data-dir");
  }
  if (!take_line(text, "shards", format.shards) || !take_line(text, "directory", format.index) ||
      !take_line(text, "directories", format.count) || !take_line(text, "store", format.store)) {
    return fail(Errc::storage_format, path + " is damaged: put it back from a copy");
  }
  return std::optional<DirectoryFormat>(format);
}

Result<void> write_format(const std::string& directory, const DirectoryFormat& format) {
  const std::string text = kFirstLine + ("format=" + std::to_string(format.version)) +
                           "\nshards=" + std::to_string(format.shards) +
                           "\ndirectory=" + std::to_string(format.index) +
                           "\ndirectories=" + std::to_string(format.count) +
                           "\nstore=" + std::to_string(format.store) + "\n";
  const std::string path = in(directory, kNewFormatFile);
  {
    const File file(path, O_WRONLY | O_CREAT | O_TRUNC);
    if (file.fd() < 0 ||
        ::write(file.fd(), text.data(), text.size()) != static_cast<ssize_t>(text.size()) ||
        ::fsync(file.fd()) != 0) {
      return fail(io_error(path));
    }
  }
  if (::rename(path.c_str(), in(directory, kFormatFile).c_str()) != 0) {
    return fail(io_error(path));
  }
  return sync_directory(directory);
}

Result<void> make_directory(const std::string& directory) {
  std::error_code error;
  const bool made = std::filesystem::create_directories(directory, error);
  if (error) {
    return fail(Errc::storage_io, directory + ": " + error.message());
  }
  if (!made) {
    return {};
  }
  auto path = std::filesystem::absolute(directory).lexically_normal();
  if (!path.has_filename()) { // "data/": its parent would be itself.
    path = path.parent_path();
  }
  return sync_directory(path.parent_path());
}

std::string database_path(const std::string& directory) {
  return in(directory, kDatabase);
}

Result<void> prepare_database(const std::string& directory) {
  return prepare_database_at(database_path(directory));
}

Result<void> prepare_database_at(const std::string& path) {
  if (auto made = make_directory(path); !made) {
    return made;
  }
  std::error_code error;
  if (!has_database_at(path)) {
    for (std::filesystem::directory_iterator at(path, error), end; !error && at != end;
         at.increment(error)) {
      if (at->path().extension() == ".sst") {
        return fail(Errc::storage_corrupt,
                    path + " holds data but its file CURRENT is missing: put it back from a copy");
      }
    }
  }
  if (error) {
    return fail(Errc::storage_io, path + ": " + error.message());
  }
  return {};
}

bool has_database(const std::string& directory) {
  return has_database_at(database_path(directory));
}

bool has_database_at(const std::string& path) {
  std::error_code error;
  return std::filesystem::exists(in(path, "CURRENT").c_str(), error);
}

std::optional<DiskSpace> disk_space(const std::string& directory) {
  struct statvfs info {};
  if (::statvfs(directory.c_str(), &info) != 0) {
    return std::nullopt;
  }
  return DiskSpace{info.f_bavail * info.f_frsize, info.f_blocks * info.f_frsize};
}

std::uint64_t bytes_on_disk(const std::string& directory) {
  constexpr std::uint64_t kUnitBytes = 512; // Of st_blocks, whatever the file system's blocks are.
  std::uint64_t bytes = 0;
  std::error_code error;
  auto at = std::filesystem::directory_iterator(directory, error);
  for (; !error && at != std::filesystem::directory_iterator(); at.increment(error)) {
    struct stat info {};
    if (::lstat(at->path().c_str(), &info) == 0 && S_ISREG(info.st_mode)) {
      bytes += static_cast<std::uint64_t>(info.st_blocks) * kUnitBytes;
    }
  }
  return bytes;
}

} // namespace spate::storage
