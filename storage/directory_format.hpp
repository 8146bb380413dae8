// Spate - what a data directory says about itself, and who holds it.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "engine/base/result.hpp"

namespace spate::storage {

/// Written into every data directory. Another one is refused.
inline constexpr std::uint32_t kDirectoryFormat = 2;

/// The file `format`: lines of text, so that people can read it too.
struct DirectoryFormat {
  std::uint32_t version = kDirectoryFormat;
  std::uint32_t shards = 0;
  std::uint32_t index = 0; ///< Position of this directory among those of its store.
  std::uint32_t count = 0; ///< Directories of its store.
  std::uint64_t store = 0; ///< The same in all directories of a store.
};

/// Databases beside that of telemetry, in the first data directory, by the name of their folder.
inline constexpr std::array<std::string_view, 2> kSmallDatabases = {"commands", "sessions"};
[[nodiscard]] constexpr bool is_small_database(std::string_view name) noexcept {
  return name == kSmallDatabases[0] || name == kSmallDatabases[1];
}

/// Creates the directory if need be and holds it against other processes until destroyed.
class DirectoryLock {
public:
  /// Errors: storage_locked (with the process that holds it), storage_io.
  static Result<DirectoryLock> take(const std::string& directory);
  DirectoryLock(DirectoryLock&& other) noexcept;
  DirectoryLock& operator=(DirectoryLock&&) = delete;
  ~DirectoryLock();

private:
  explicit DirectoryLock(int fd) noexcept : fd_(fd) {}
  int fd_;
};

/// Nothing if the directory is new. Errors: storage_format, storage_io.
Result<std::optional<DirectoryFormat>> read_format(const std::string& directory);
/// Durable when it returns. Error: storage_io.
Result<void> write_format(const std::string& directory, const DirectoryFormat& format);

/// Creates it if need be; its entry in its parent is durable then. Error: storage_io.
Result<void> make_directory(const std::string& directory);

/// Where the database lies.
[[nodiscard]] std::string database_path(const std::string& directory);
/// Makes room for a database that is not there yet. Errors: storage_io; storage_corrupt if there is
/// data without the file that describes it, which must not be built over.
Result<void> prepare_database(const std::string& directory);
/// Whether a database was begun there.
[[nodiscard]] bool has_database(const std::string& directory);
/// Both for a database that lies at `path` itself.
Result<void> prepare_database_at(const std::string& path);
[[nodiscard]] bool has_database_at(const std::string& path);

struct DiskSpace {
  std::uint64_t free_bytes = 0; ///< For ordinary users.
  std::uint64_t total_bytes = 0;
};
/// Of the file system that holds `directory`; nothing if it can not be asked.
[[nodiscard]] std::optional<DiskSpace> disk_space(const std::string& directory);
/// What the files in it take on the disk, those of its directories left out.
[[nodiscard]] std::uint64_t bytes_on_disk(const std::string& directory);

} // namespace spate::storage
