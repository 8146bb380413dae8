#include "loadgen/proof/record_sorter.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <tuple>

#include <unistd.h>

namespace spate::loadgen {

namespace {

constexpr std::size_t kRunBuffer = 8192; // Records that a run holds in memory.

/// A temporary file that is gone with the process, on whatever end. Null: errno says why.
std::FILE* unnamed_file() {
  const char* folder = std::getenv("TMPDIR");
  std::string path = std::string(folder != nullptr && *folder != 0 ? folder : "/var/tmp");
  path += "/spate-loadgen-XXXXXX";
  const int file = ::mkstemp(path.data());
  if (file < 0) {
    return nullptr;
  }
  ::unlink(path.c_str());
  return ::fdopen(file, "w+");
}

} // namespace

struct RecordSorter::Run {
  struct Close {
    void operator()(std::FILE* file) const noexcept { std::fclose(file); }
  };
  std::unique_ptr<std::FILE, Close> file;
  std::vector<SortedRecord> buffer;
  std::size_t at = 0;
};

std::uint32_t DeviceIndex::number(std::string_view device) {
  auto found = numbers_.find(device);
  if (found == numbers_.end()) {
    found = numbers_.emplace(device, size()).first;
    names_.push_back(&found->first);
  }
  return found->second;
}

bool SortedRecord::operator<(const SortedRecord& other) const noexcept {
  return std::tie(device, ts, hash, repeated) <
         std::tie(other.device, other.ts, other.hash, other.repeated);
}

RecordSorter::RecordSorter(std::size_t chunk_max) : chunk_max_(chunk_max) {}
RecordSorter::~RecordSorter() = default;

Result<void> RecordSorter::add(const SortedRecord& record) {
  if (record.device >= last_ts_.size()) {
    last_ts_.resize(record.device + std::size_t{1}, std::numeric_limits<std::int64_t>::min());
  }
  last_ts_[record.device] = std::max(last_ts_[record.device], record.ts);
  if (chunk_.size() == chunk_max_) {
    if (auto spilled = spill(); !spilled) {
      return spilled;
    }
  }
  chunk_.push_back(record);
  ++size_;
  return {};
}

Result<void> RecordSorter::spill() {
  if (runs_.size() == kRunsMax) {
    return fail(Errc::file_unreadable, "more records than can be sorted; use --sample");
  }
  std::sort(chunk_.begin(), chunk_.end());
  auto run = std::make_unique<Run>();
  run->file.reset(unnamed_file());
  if (!run->file ||
      std::fwrite(chunk_.data(), sizeof(SortedRecord), chunk_.size(), run->file.get()) !=
          chunk_.size() ||
      std::fflush(run->file.get()) != 0) {
    return fail(Errc::file_unreadable, std::string("temporary file: ") + std::strerror(errno));
  }
  std::rewind(run->file.get());
  runs_.push_back(std::move(run));
  chunk_.clear();
  return {};
}

Result<bool> RecordSorter::refill(Run& run) {
  run.buffer.resize(kRunBuffer);
  run.at = 0;
  run.buffer.resize(
      std::fread(run.buffer.data(), sizeof(SortedRecord), run.buffer.size(), run.file.get()));
  if (std::ferror(run.file.get()) != 0) {
    return fail(Errc::file_unreadable, std::string("temporary file: ") + std::strerror(errno));
  }
  return !run.buffer.empty();
}

Result<void> RecordSorter::finish() {
  if (runs_.empty()) {
    std::sort(chunk_.begin(), chunk_.end());
    return {};
  }
  if (!chunk_.empty()) {
    if (auto spilled = spill(); !spilled) {
      return spilled;
    }
  }
  chunk_.shrink_to_fit();
  for (std::size_t i = 0; i < runs_.size(); ++i) {
    if (auto filled = refill(*runs_[i]); !filled) {
      return fail(std::move(filled.error()));
    }
  }
  return {};
}

Result<bool> RecordSorter::next(SortedRecord& record) {
  if (runs_.empty()) {
    if (read_ == chunk_.size()) {
      return false;
    }
    record = chunk_[read_++];
    return true;
  }
  Run* lowest = nullptr; // Few runs: a scan is as good as a heap.
  for (const auto& run : runs_) {
    if (run->at < run->buffer.size() &&
        (lowest == nullptr || run->buffer[run->at] < lowest->buffer[lowest->at])) {
      lowest = run.get();
    }
  }
  if (lowest == nullptr) {
    return false;
  }
  record = lowest->buffer[lowest->at++];
  if (lowest->at == lowest->buffer.size()) {
    if (auto filled = refill(*lowest); !filled) {
      return filled;
    }
  }
  return true;
}

} // namespace spate::loadgen
