#include "storage/manifest_check.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <string_view>

#include <fcntl.h>
#include <unistd.h>

#include "engine/base/log.hpp"

namespace spate::storage {

namespace {

// The format of RocksDB's logs: blocks of 32 KiB, no record crosses their ends; before each record
// LE32 masked CRC-32C of type and content | LE16 length | u8 type.
constexpr std::size_t kBlockBytes = 32u << 10;
constexpr std::size_t kHeaderBytes = 7;
constexpr unsigned kLastType =
    4; ///< Zero, full, first, middle, last; those of reused files follow.

constexpr std::array<std::uint32_t, 256> make_crc_table() {
  std::array<std::uint32_t, 256> table{};
  for (std::uint32_t i = 0; i < table.size(); ++i) {
    std::uint32_t value = i;
    for (int bit = 0; bit < 8; ++bit) {
      value = (value >> 1) ^ ((value & 1) != 0 ? 0x82F63B78u : 0);
    }
    table[i] = value;
  }
  return table;
}
constexpr auto kCrcTable = make_crc_table();

std::uint32_t step(std::uint32_t crc, char byte) noexcept {
  return kCrcTable[(crc ^ static_cast<unsigned char>(byte)) & 0xFF] ^ (crc >> 8);
}
std::uint32_t masked(std::uint32_t crc) noexcept {
  crc = ~crc;
  return ((crc >> 15) | (crc << 17)) + 0xA282EAD8u;
}

unsigned at(std::string_view bytes, std::size_t index) noexcept {
  return static_cast<unsigned char>(bytes[index]);
}

/// Whether the record that begins here, whose length says that it ends behind the bytes, is whole
/// with another length. One that was cut passes for whole with a chance of 1 : 100,000 at most.
bool whole_with_other_length(std::string_view bytes) noexcept {
  std::uint32_t crc = 0;
  for (std::size_t i = 4; i-- > 0;) {
    crc = crc << 8 | at(bytes, i);
  }
  std::uint32_t sum = step(~0u, bytes[6]);
  for (std::size_t end = kHeaderBytes;; ++end) {
    if (masked(sum) == crc) {
      return true;
    }
    if (end == bytes.size()) {
      return false;
    }
    sum = step(sum, bytes[end]);
  }
}

enum class Finding { none, length, type, zeros };

struct Walk {
  Finding finding = Finding::none;
  std::uint64_t position = 0; ///< Of the record that is not as it was written.
  int error = 0;              ///< errno, if the file can not be read.
};

/// Walks the records' headers as RocksDB's reader does; their contents it checks itself.
Walk walk(const std::string& path) {
  Walk out;
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) {
    out.error = errno;
    return out;
  }
  std::string buffer(kBlockBytes, '\0');
  bool zeros = false; ///< From out.position on nothing else may come.
  for (std::uint64_t begin = 0;;) {
    const ssize_t got = ::pread(fd, buffer.data(), buffer.size(), static_cast<off_t>(begin));
    if (got < 0 && errno == EINTR) {
      continue;
    }
    if (got <= 0) {
      out.error = got < 0 ? errno : 0;
      break;
    }
    std::string_view block(buffer.data(), static_cast<std::size_t>(got));
    const bool last = block.size() < kBlockBytes;
    std::size_t next = 0;
    while (!zeros && next + kHeaderBytes <= block.size()) {
      const std::string_view rest = block.substr(next);
      const std::size_t length = at(rest, 4) | at(rest, 5) << 8;
      const unsigned type = at(rest, 6);
      out.position = begin + next;
      if (type > kLastType) {
        out.finding = Finding::type;
      } else if (type == 0 && length == 0) {
        zeros = true;
        block.remove_prefix(next);
        break;
      } else if (kHeaderBytes + length > rest.size()) {
        // Before the last block RocksDB knows that it is damage.
        out.finding = last && whole_with_other_length(rest) ? Finding::length : Finding::none;
        ::close(fd);
        return out;
      }
      if (out.finding != Finding::none) {
        ::close(fd);
        return out;
      }
      next += kHeaderBytes + length;
    }
    if (zeros && block.find_first_not_of('\0') != std::string_view::npos) {
      out.finding = Finding::zeros;
      break;
    }
    begin += static_cast<std::uint64_t>(got);
  }
  ::close(fd);
  return out;
}

std::string read_current(const std::string& database) {
  std::string name(256, '\0');
  const int fd = ::open((database + "/CURRENT").c_str(), O_RDONLY | O_CLOEXEC);
  const ssize_t size = fd < 0 ? 0 : ::pread(fd, name.data(), name.size(), 0);
  if (fd >= 0) {
    ::close(fd);
  }
  name.resize(size < 0 ? 0 : static_cast<std::size_t>(size));
  name.resize(std::min(name.size(), name.find('\n')));
  return name;
}

} // namespace

Result<void> check_manifest(const std::string& database) {
  const std::string name = read_current(database);
  if (name.rfind("MANIFEST-", 0) != 0 || name.find('/') != std::string::npos) {
    return {};
  }
  const std::string path = database + "/" + name;
  const Walk walked = walk(path);
  if (walked.error == ENOENT) {
    return {};
  }
  if (walked.error != 0) {
    return fail(Errc::storage_io, path + ": " + std::strerror(walked.error));
  }
  if (walked.finding != Finding::none) {
    return fail(Errc::storage_corrupt, path + " is damaged at " + std::to_string(walked.position) +
                                           ": put the directory back from a backup");
  }
  return {};
}

std::string DamagedLog::place() const {
  return path.substr(path.rfind('/') + 1) + " at " + std::to_string(position);
}

std::vector<DamagedLog> find_damaged_logs(const std::string& database) {
  std::vector<DamagedLog> damaged;
  std::error_code error;
  for (std::filesystem::directory_iterator each(database, error), end; !error && each != end;
       each.increment(error)) {
    if (each->path().extension() == ".log") {
      const Walk walked = walk(each->path().string());
      if (walked.finding == Finding::type) {
        damaged.push_back({each->path().string(), walked.position});
      }
    }
  }
  std::sort(damaged.begin(), damaged.end(),
            [](const DamagedLog& a, const DamagedLog& b) { return a.path < b.path; });
  return damaged;
}

Result<void> cut_damaged_logs(const std::string& database, std::string_view name) {
  for (const DamagedLog& each : find_damaged_logs(database)) {
    log::warn("log-cut", "a record of the write-ahead log is damaged; what came behind it is lost",
              {{"data_dir", name}, {"reason", std::string_view(each.place())}});
    const int fd = ::open(each.path.c_str(), O_WRONLY | O_CLOEXEC);
    const bool cut =
        fd >= 0 && ::ftruncate(fd, static_cast<off_t>(each.position)) == 0 && ::fsync(fd) == 0;
    const int reason = errno;
    if (fd >= 0) {
      ::close(fd);
    }
    if (!cut) {
      return fail(Errc::storage_io, each.path + ": " + std::strerror(reason));
    }
  }
  return {};
}

} // namespace spate::storage
