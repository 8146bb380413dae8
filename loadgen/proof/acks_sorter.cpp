#include "loadgen/proof/acks_sorter.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace spate::loadgen {

namespace {

constexpr std::size_t kRunBuffer = 8192; // Records that a run holds in memory.

} // namespace

struct AcksSorter::Run {
  struct Close {
    void operator()(std::FILE* file) const noexcept { std::fclose(file); }
  };
  std::unique_ptr<std::FILE, Close> file;
  std::vector<SortedAck> buffer;
  std::size_t at = 0;
};

AcksSorter::AcksSorter(std::size_t chunk_max) : chunk_max_(chunk_max) {}
AcksSorter::~AcksSorter() = default;

Result<void> AcksSorter::add(std::string_view device, std::int64_t ts, std::uint64_t hash) {
  auto found = numbers_.find(device);
  if (found == numbers_.end()) {
    found = numbers_.emplace(device, static_cast<std::uint32_t>(devices_.size())).first;
    devices_.emplace_back(device);
    last_ts_.push_back(ts);
  }
  last_ts_[found->second] = std::max(last_ts_[found->second], ts);
  if (chunk_.size() == chunk_max_) {
    if (auto spilled = spill(); !spilled) {
      return spilled;
    }
  }
  chunk_.push_back({found->second, ts, hash});
  ++size_;
  return {};
}

Result<void> AcksSorter::spill() {
  if (runs_.size() == kRunsMax) {
    return fail(Errc::file_unreadable,
                "more acknowledged records than can be sorted; use --sample");
  }
  std::sort(chunk_.begin(), chunk_.end());
  auto run = std::make_unique<Run>();
  run->file.reset(std::tmpfile()); // Unnamed: gone with the process.
  if (!run->file ||
      std::fwrite(chunk_.data(), sizeof(SortedAck), chunk_.size(), run->file.get()) !=
          chunk_.size() ||
      std::fflush(run->file.get()) != 0) {
    return fail(Errc::file_unreadable, std::string("temporary file: ") + std::strerror(errno));
  }
  std::rewind(run->file.get());
  runs_.push_back(std::move(run));
  chunk_.clear();
  return {};
}

Result<bool> AcksSorter::refill(Run& run) {
  run.buffer.resize(kRunBuffer);
  run.at = 0;
  run.buffer.resize(
      std::fread(run.buffer.data(), sizeof(SortedAck), run.buffer.size(), run.file.get()));
  if (std::ferror(run.file.get()) != 0) {
    return fail(Errc::file_unreadable, std::string("temporary file: ") + std::strerror(errno));
  }
  return !run.buffer.empty();
}

Result<void> AcksSorter::finish() {
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

Result<bool> AcksSorter::next(SortedAck& ack) {
  if (runs_.empty()) {
    if (read_ == chunk_.size()) {
      return false;
    }
    ack = chunk_[read_++];
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
  ack = lowest->buffer[lowest->at++];
  if (lowest->at == lowest->buffer.size()) {
    if (auto filled = refill(*lowest); !filled) {
      return filled;
    }
  }
  return true;
}

} // namespace spate::loadgen
