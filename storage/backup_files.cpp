#include "storage/backup_files.hpp"

#include <cerrno>
#include <cstring>
#include <filesystem>

#include <fcntl.h>
#include <unistd.h>

#include "storage/rocks_options.hpp"

namespace spate::storage {

namespace {

constexpr std::size_t kSmallBytesMax = 1u << 20;

tl::unexpected<Error> failed(const std::string& path) {
  return fail(errno == ENOSPC ? Errc::storage_full : Errc::storage_io,
              path + ": " + std::strerror(errno));
}

} // namespace

std::string manifests_path(const std::string& target) {
  return target + "/manifests";
}

Result<std::string> read_small_file(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) {
    return failed(path);
  }
  std::string bytes(kSmallBytesMax, '\0');
  const ssize_t size = ::pread(fd, bytes.data(), bytes.size(), 0);
  const int error = errno;
  ::close(fd);
  errno = error;
  if (size < 0) {
    return failed(path);
  }
  bytes.resize(static_cast<std::size_t>(size));
  return bytes;
}

Result<void> write_durably(const std::string& path, std::string_view bytes) {
  const std::string fresh = path + ".new";
  const int fd = ::open(fresh.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
  if (fd < 0) {
    return failed(fresh);
  }
  const bool written =
      ::write(fd, bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size()) &&
      ::fsync(fd) == 0;
  const int error = errno;
  ::close(fd);
  errno = error;
  if (!written || ::rename(fresh.c_str(), path.c_str()) != 0) {
    auto failure = failed(fresh);
    ::unlink(fresh.c_str());
    return failure;
  }
  return sync_path(std::filesystem::path(path).parent_path());
}

Result<void> sync_path(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) {
    return failed(path);
  }
  const bool synced = ::fsync(fd) == 0;
  const int error = errno;
  ::close(fd);
  errno = error;
  return synced ? Result<void>() : failed(path);
}

Result<void> sync_files(const std::string& directory) {
  std::error_code error;
  for (std::filesystem::directory_iterator each(directory, error), end; !error && each != end;
       each.increment(error)) {
    if (each->is_regular_file(error)) {
      if (auto synced = sync_path(each->path()); !synced) {
        return synced;
      }
    }
  }
  if (error) {
    return fail(Errc::storage_io, directory + ": " + error.message());
  }
  return sync_path(directory);
}

rocksdb::BackupEngineOptions engine_options(const std::string& directory,
                                            std::uint64_t bytes_per_second_max) {
  rocksdb::BackupEngineOptions options(directory);
  options.backup_rate_limit = bytes_per_second_max;
  options.callback_trigger_interval_size = 1u << 20;
  return options;
}

Result<std::unique_ptr<rocksdb::BackupEngine>> open_engine(const std::string& directory,
                                                           std::uint64_t bytes_per_second_max) {
  rocksdb::BackupEngine* engine = nullptr;
  const auto opened = rocksdb::BackupEngine::Open(engine_options(directory, bytes_per_second_max),
                                                  rocksdb::Env::Default(), &engine);
  if (!opened.ok()) {
    return fail(error_of(opened));
  }
  return std::unique_ptr<rocksdb::BackupEngine>(engine);
}

Result<std::unique_ptr<rocksdb::BackupEngineReadOnly>>
open_engine_to_read(const std::string& directory) {
  rocksdb::BackupEngineReadOnly* engine = nullptr;
  const auto opened = rocksdb::BackupEngineReadOnly::Open(engine_options(directory, 0),
                                                          rocksdb::Env::Default(), &engine);
  if (!opened.ok()) {
    return fail(error_of(opened));
  }
  return std::unique_ptr<rocksdb::BackupEngineReadOnly>(engine);
}

} // namespace spate::storage
