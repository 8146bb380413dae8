#include "storage/wal_file.hpp"

#include <array>
#include <cerrno>
#include <cstring>

#include <fcntl.h>
#include <unistd.h>

#include <rocksdb/write_batch.h>

#include "engine/base/bytes.hpp"
#include "storage/rocks_options.hpp"

namespace spate::storage {

namespace {

// Blocks of 32 KiB, no fragment crosses their ends; before each fragment LE32 masked CRC-32C of
// type and content | LE16 length | u8 type. A record is one full fragment, or first, middle, last.
constexpr std::size_t kBlockBytes = 32u << 10;
constexpr std::size_t kHeaderBytes = 7;
enum Fragment : unsigned { kZero = 0, kFull = 1, kFirst = 2, kMiddle = 3, kLast = 4 };

/// Notes of newer versions that readers may pass over.
constexpr unsigned kSafeToIgnore = 128;

constexpr char kCommitMarker = 'C';
constexpr char kRepeatMarker = 'R';

/// Eight bytes a step: a log of a GiB is read in seconds.
constexpr std::array<std::array<std::uint32_t, 256>, 8> make_tables() {
  std::array<std::array<std::uint32_t, 256>, 8> tables{};
  for (std::uint32_t i = 0; i < 256; ++i) {
    std::uint32_t value = i;
    for (int bit = 0; bit < 8; ++bit) {
      value = (value >> 1) ^ ((value & 1) != 0 ? 0x82F63B78u : 0);
    }
    tables[0][i] = value;
  }
  for (std::size_t i = 0; i < 256; ++i) {
    for (std::size_t k = 1; k < 8; ++k) {
      tables[k][i] = tables[0][tables[k - 1][i] & 0xFF] ^ (tables[k - 1][i] >> 8);
    }
  }
  return tables;
}
constexpr auto kTables = make_tables();

std::uint32_t masked_crc(std::string_view bytes) noexcept {
  std::uint32_t crc = ~0u;
  const char* at = bytes.data();
  std::size_t left = bytes.size();
  for (; left >= 8; left -= 8, at += 8) {
    std::uint64_t word = 0;
    std::memcpy(&word, at, 8); // Little-endian, as all that Spate runs on.
    word ^= crc;
    crc = 0;
    for (std::size_t k = 0; k < 8; ++k) {
      crc ^= kTables[7 - k][(word >> (8 * k)) & 0xFF];
    }
  }
  for (; left != 0; --left) {
    crc = kTables[0][(crc ^ static_cast<unsigned char>(*at++)) & 0xFF] ^ (crc >> 8);
  }
  crc = ~crc;
  return ((crc >> 15) | (crc << 17)) + 0xA282EAD8u;
}

unsigned byte_at(const char* at) noexcept {
  return static_cast<unsigned char>(*at);
}

/// Finds marked commits among the entries of a batch.
class CommitFinder final : public rocksdb::WriteBatch::Handler {
public:
  using Visit = std::function<bool(std::uint64_t, std::string_view)>;
  explicit CommitFinder(const Visit& visit) : visit_(visit) {}

  void LogData(const rocksdb::Slice& blob) override {
    const auto marker = view_of(blob);
    if (marker.size() == 1 && marker[0] == kCommitMarker) {
      marked_ = true;
    } else if (marker.size() > 1 + sizeof(std::uint64_t) && marker[0] == kRepeatMarker) {
      commit(get_be<std::uint64_t>(marker.data() + 1), marker.substr(1 + sizeof(std::uint64_t)));
    } // What later versions may write is theirs.
  }
  rocksdb::Status PutCF(std::uint32_t, const rocksdb::Slice& key,
                        const rocksdb::Slice& value) override {
    if (marked_) {
      marked_ = false;
      if (key.size() != sizeof(std::uint64_t)) {
        return rocksdb::Status::Corruption("a marker stands before something else");
      }
      commit(get_be<std::uint64_t>(key.data()), view_of(value));
    }
    return rocksdb::Status::OK();
  }
  rocksdb::Status DeleteCF(std::uint32_t, const rocksdb::Slice&) override { return other(); }
  rocksdb::Status SingleDeleteCF(std::uint32_t, const rocksdb::Slice&) override { return other(); }
  rocksdb::Status DeleteRangeCF(std::uint32_t, const rocksdb::Slice&,
                                const rocksdb::Slice&) override {
    return other();
  }
  rocksdb::Status MergeCF(std::uint32_t, const rocksdb::Slice&, const rocksdb::Slice&) override {
    return other();
  }
  rocksdb::Status MarkNoop(bool) override { return rocksdb::Status::OK(); }
  bool Continue() override { return go_on_; }

private:
  rocksdb::Status other() const {
    return marked_ ? rocksdb::Status::Corruption("a marker stands before something else")
                   : rocksdb::Status::OK();
  }
  void commit(std::uint64_t sequence, std::string_view bytes) {
    go_on_ = go_on_ && visit_(sequence, bytes);
  }

  const Visit& visit_;
  bool marked_ = false;
  bool go_on_ = true;
};

} // namespace

void mark_commit(rocksdb::WriteBatch& batch) {
  batch.PutLogData(rocksdb::Slice(&kCommitMarker, 1));
}

void repeat_commit(rocksdb::WriteBatch& batch, std::uint64_t sequence, std::string_view commit) {
  std::string blob(1, kRepeatMarker);
  put_be(blob, sequence);
  blob.append(commit);
  batch.PutLogData(blob);
}

bool commits_in(std::string_view record,
                const std::function<bool(std::uint64_t, std::string_view)>& visit) {
  constexpr std::size_t kBatchHeader = 12;
  if (record.size() < kBatchHeader) {
    return false;
  }
  const rocksdb::WriteBatch batch{std::string(record)};
  CommitFinder finder(visit);
  return batch.Iterate(&finder).ok();
}

WalFile::~WalFile() {
  if (fd_ >= 0) {
    ::close(fd_);
  }
}

bool WalFile::open(const std::string& path, std::uint64_t place) {
  if (fd_ >= 0) {
    ::close(fd_);
  }
  fd_ = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  error_ = fd_ < 0 ? errno : 0;
  stop_ = fd_ >= 0 ? Stop::none : error_ == ENOENT ? Stop::gone : Stop::damaged;
  place_ = place;
  block_begin_ = UINT64_MAX;
  return fd_ >= 0;
}

bool WalFile::load_block(std::uint64_t begin) {
  block_.resize(kBlockBytes);
  std::size_t size = 0;
  while (size < kBlockBytes) {
    const ssize_t got =
        ::pread(fd_, block_.data() + size, kBlockBytes - size, static_cast<off_t>(begin + size));
    if (got < 0 && errno == EINTR) {
      continue;
    }
    if (got < 0) {
      error_ = errno;
      stop_ = Stop::damaged;
      return false;
    }
    if (got == 0) {
      break;
    }
    size += static_cast<std::size_t>(got);
  }
  block_.resize(size);
  block_begin_ = begin;
  return true;
}

bool WalFile::next(std::string_view& record) {
  bool inside = false;
  std::uint64_t at = place_;
  while (stop_ == Stop::none) {
    if (kBlockBytes - at % kBlockBytes < kHeaderBytes) {
      at += kBlockBytes - at % kBlockBytes; // Filled with zeros.
    }
    const std::uint64_t begin = at - at % kBlockBytes;
    if (begin != block_begin_ && !load_block(begin)) {
      break;
    }
    const std::size_t offset = at - begin;
    if (offset + kHeaderBytes > block_.size()) {
      stop_ = Stop::end;
      break;
    }
    const char* const head = block_.data() + offset;
    const std::size_t length = byte_at(head + 4) | byte_at(head + 5) << 8;
    const unsigned type = byte_at(head + 6);
    if (offset + kHeaderBytes + length > block_.size() || (type == kZero && length == 0)) {
      stop_ = Stop::end; // Cut there, or never written.
      break;
    }
    std::uint32_t crc = 0;
    std::memcpy(&crc, head, sizeof crc);
    const bool ignored = type >= kSafeToIgnore;
    if (type == kZero || (type > kLast && !ignored) ||
        (!ignored && (type == kFull || type == kFirst) == inside) ||
        crc != masked_crc({head + 6, length + 1})) {
      stop_ = Stop::damaged;
      break;
    }
    at += kHeaderBytes + length;
    if (ignored) {
      continue;
    }
    const std::string_view content(head + kHeaderBytes, length);
    if (type == kFull) {
      record = content;
      place_ = at;
      return true;
    }
    if (type == kFirst) {
      record_.clear();
    }
    record_.append(content);
    inside = type != kLast;
    if (!inside) {
      record = record_;
      place_ = at;
      return true;
    }
  }
  return false;
}

} // namespace spate::storage
