#include "storage/log_windows.hpp"

#include <algorithm>
#include <utility>

#include "storage/rocks_options.hpp"

namespace spate::storage {

LogWindows::LogWindows(rocksdb::DB& db, rocksdb::ColumnFamilyOptions options, Limits limits,
                       ErrorHandler on_error)
    : db_(db), options_(std::move(options)), limits_(limits), on_error_(std::move(on_error)),
      next_id_(limits.next_id) {}

LogWindows::~LogWindows() {
  if (thread_.joinable()) {
    {
      const std::scoped_lock lock(mutex_);
      stopping_ = true;
    }
    wake_.notify_one();
    thread_.join();
  }
  for (const auto& list : {windows_, spare_}) {
    for (const Window& window : list) {
      db_.DestroyColumnFamilyHandle(window.handle);
    }
  }
}

void LogWindows::adopt(rocksdb::ColumnFamilyHandle* handle) {
  windows_.push_back({handle});
  active_ = handle;
}

void LogWindows::replayed(std::size_t index, std::uint64_t last_sequence, std::size_t bytes) {
  windows_[index].last_sequence = last_sequence;
  windows_[index].bytes = bytes;
}

Result<void> LogWindows::start() {
  // Each opening without a commit would leave one more.
  while (windows_.size() > 1 && windows_.back().last_sequence == 0) {
    spare_.push_front(windows_.back());
    windows_.pop_back();
    active_ = windows_.back().handle;
  }
  if (windows_.empty()) {
    Window first;
    if (const auto created = create(first); !created.ok()) {
      return fail(error_of(created));
    }
    windows_.push_back(first);
    active_ = first.handle;
  }
  thread_ = std::thread([this] { run(); });
  return {};
}

bool LogWindows::wrote(std::uint64_t sequence, std::size_t bytes) {
  const std::scoped_lock lock(mutex_);
  Window& window = windows_.back();
  window.last_sequence = sequence;
  window.bytes += bytes;
  if (front_below(floor_)) {
    wake_.notify_one(); // What kept the oldest was that no later one held a commit.
  }
  // A spare that is not ready yet is not waited for: this window just grows a little more.
  return window.bytes >= limits_.window_bytes && open_next();
}

bool LogWindows::rotate() {
  const std::scoped_lock lock(mutex_);
  return windows_.back().last_sequence == 0 || open_next(); // A new one is as good as the next.
}

bool LogWindows::open_next() {
  if (spare_.empty()) {
    return false;
  }
  windows_.push_back(spare_.front());
  spare_.pop_front();
  active_ = windows_.back().handle;
  wake_.notify_one();
  return true;
}

bool LogWindows::holds(std::uint64_t sequence) const {
  const std::scoped_lock lock(mutex_);
  return dropping_ || std::any_of(windows_.begin(), windows_.end(), [&](const Window& window) {
           return window.last_sequence != 0 && window.last_sequence <= sequence;
         });
}

bool LogWindows::releasable(std::uint64_t floor) const {
  const std::scoped_lock lock(mutex_);
  return front_below(floor);
}

bool LogWindows::unreleased(std::uint64_t floor) const {
  const std::scoped_lock lock(mutex_);
  return front_below(floor) && !front_below(floor_);
}

void LogWindows::released(std::uint64_t floor) {
  const std::scoped_lock lock(mutex_);
  floor_ = floor;
  if (front_below(floor_)) {
    wake_.notify_one();
  }
}

bool LogWindows::front_below(std::uint64_t floor) const noexcept {
  // A later window must hold a commit: then it, not this one, keeps the newest sequence.
  return windows_.size() > 1 && windows_.front().last_sequence < floor &&
         std::any_of(windows_.begin() + 1, windows_.end(),
                     [](const Window& later) { return later.last_sequence != 0; });
}

void LogWindows::run() {
  std::unique_lock lock(mutex_);
  for (;;) {
    wake_.wait(lock, [this] { return stopping_ || spare_.empty() || front_below(floor_); });
    if (stopping_) {
      return;
    }
    const bool create_one = spare_.empty();
    std::vector<Window> old;
    while (front_below(floor_)) {
      old.push_back(windows_.front());
      windows_.pop_front();
    }
    dropping_ = !old.empty();
    lock.unlock();
    Window made;
    rocksdb::Status status = create_one ? create(made) : rocksdb::Status::OK();
    if (status.ok() && !old.empty()) {
      status = drop(old);
    }
    for (const Window& window : old) {
      db_.DestroyColumnFamilyHandle(window.handle);
    }
    lock.lock();
    dropping_ = false;
    if (made.handle != nullptr) {
      spare_.push_back(made);
    }
    if (!status.ok()) {
      lock.unlock();
      on_error_(status);
      return;
    }
  }
}

rocksdb::Status LogWindows::create(Window& window) {
  return create_family(db_, options_, std::string(kWindowPrefix) + std::to_string(next_id_++),
                       window.handle);
}

rocksdb::Status LogWindows::drop(const std::vector<Window>& windows) {
  rocksdb::Status status;
  for (std::size_t i = 0; i < windows.size() && status.ok(); ++i) {
    status = db_.DropColumnFamily(windows[i].handle);
  }
  return status;
}

} // namespace spate::storage
