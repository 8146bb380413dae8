#include "storage/data_directory.hpp"

#include <algorithm>
#include <utility>

#include "engine/base/clock.hpp"
#include "engine/base/log.hpp"

namespace spate::storage {

namespace {

constexpr std::uint64_t kFreeMinBytes = 1u << 30;
constexpr std::uint64_t kFreeMinShare = 20; ///< A twentieth of the disk.
constexpr std::chrono::seconds kUsedEvery{10};

std::string mebibytes(std::uint64_t bytes) {
  return std::to_string(bytes >> 20) + " MiB";
}

} // namespace

DataDirectory::DataDirectory(DataDirectoryOptions options, DirectoryLock lock,
                             model::ShapeTable& shapes, std::atomic<std::uint64_t>& devices_total)
    : options_(std::move(options)), lock_(std::move(lock)), shapes_(shapes),
      devices_total_(devices_total),
      queue_({.interval = std::chrono::microseconds(options_.commit_interval_us)}),
      pause_(options_.internals.reopen_pause_min, options_.internals.reopen_pause_max) {}

DataDirectory::~DataDirectory() {
  stop();
}

Result<std::unique_ptr<DataDirectory>>
DataDirectory::open(DataDirectoryOptions options, DirectoryLock lock, model::ShapeTable& shapes,
                    std::atomic<std::uint64_t>& devices_total) {
  std::unique_ptr<DataDirectory> made(
      new DataDirectory(std::move(options), std::move(lock), shapes, devices_total));
  auto opened = prepare_database(made->options_.path);
  const bool used = has_database(made->options_.path) ||
                    (!opened && opened.error().code == Errc::storage_corrupt);
  if (opened) {
    opened = made->open_live(nullptr, !used);
  }
  if (opened) {
    made->check_space();
  } else if (!used) {
    return fail(std::move(opened.error()));
  } else {
    made->stay_closed(opened.error());
    made->open_error_ = std::move(opened.error());
  }
  made->check_used();
  made->thread_ = std::thread([directory = made.get()] { directory->run(); });
  made->work_ = std::make_unique<LongWork>(static_cast<LongWorkHost&>(*made));
  return made;
}

void DataDirectory::stay_closed(const Error& error) {
  set_fault(error.detail + "; reopening");
  log::error(
      "data-dir-open-failed", "a data directory can not be opened, and is tried again",
      {{"data_dir", std::string_view(options_.path)}, {"reason", std::string_view(error.detail)}});
  Blocks none;
  queue_.refuse(none, none,
                error.code == Errc::storage_full ? model::CommitStatus::full
                                                 : model::CommitStatus::unavailable,
                error.detail);
}

Result<void> DataDirectory::open_live(const DeviceTable* earlier, bool create) {
  LiveOptions options = options_.live;
  // Before telemetry is refused for want of space, the kept log goes.
  options.disk_scarce = [this] {
    const auto space = options_.internals.disk_space(options_.path);
    return space && space->free_bytes < 2 * floor_bytes(*space);
  };
  options.create = create;
  auto live = LiveDirectory::open(options, shapes_, earlier, devices_total_,
                                  [this](const rocksdb::Status& s) { on_background_error(s); });
  if (!live) {
    return fail(std::move(live.error()));
  }
  const std::scoped_lock lock(open_mutex_);
  live_ = std::move(*live);
  open_.store(true, std::memory_order_release);
  return {};
}

void DataDirectory::run() {
  if (open_error_) {
    queue_.take(taken_, CommitQueue::Clock::now() + pause_.attempt());
    reopen(nullptr, open_error_->code == Errc::storage_full);
  }
  next_tick_ = CommitQueue::Clock::now() + options_.internals.tick;
  for (;;) {
    const bool stopping =
        queue_.stopping(); // Asked first: what was submitted before stop() is taken.
    queue_.take(taken_, next_tick_);
    if (auto error = take_background_error(); error && live_ != nullptr) {
      recover(describe(*error), is_no_space(*error));
    }
    if (CommitQueue::Clock::now() >= next_tick_) {
      tick();
    }
    if (live_ != nullptr) {
      run_requests();
    }
    if (live_ != nullptr && !taken_.empty()) {
      commit_taken();
    } else if (stopping) {
      break;
    }
  }
  queue_.refuse(turn_, taken_, model::CommitStatus::unavailable, "the node is stopping");
  turn_away();
  refuse_requests("the node is stopping");
  const std::scoped_lock lock(open_mutex_);
  if (live_ != nullptr && options_.live.durability != Durability::fsync) {
    // A clean stop keeps everything, whatever was promised.
    if (const auto synced = live_->sync(); !synced.ok()) {
      log::error("stop-sync-failed", "the last commits may not be on the disk",
                 {{"data_dir", std::string_view(options_.path)}, {"reason", describe(synced)}});
    }
  }
  live_.reset();
}

void DataDirectory::commit_taken() {
  taken_next_ = 0;
  while (next_turn()) {
    if (full_) {
      queue_.answer(turn_, model::CommitStatus::full, full_reason_);
    } else if (!commit_turn()) {
      return;
    }
  }
  taken_.clear();
}

/// Moves the next blocks into turn_, as many as one commit may take.
bool DataDirectory::next_turn() {
  std::size_t rows = 0;
  std::size_t bytes = 0;
  while (taken_next_ < taken_.size() && rows < options_.internals.turn_rows_max &&
         bytes < options_.internals.turn_bytes_max) {
    auto& block = taken_[taken_next_++];
    rows += block->rows.size();
    bytes += block->bytes();
    turn_.push_back(std::move(block));
  }
  return !turn_.empty();
}

/// False if the database failed; then everything is answered and the directory open again, or
/// stopping.
bool DataDirectory::commit_turn() {
  const auto give_up = [this](std::string reason, bool no_space) {
    taken_.erase(taken_.begin(), taken_.begin() + static_cast<std::ptrdiff_t>(taken_next_));
    recover(std::move(reason), no_space);
    return false;
  };
  if (const auto built = live_->build(turn_, options_.internals.now_ms()); !built) {
    return give_up(built.error().detail, false);
  }
  const bool before_write = options_.live.durability == Durability::memory;
  if (before_write) {
    live_->last().name_devices(turn_);
    queue_.answer(turn_, model::CommitStatus::committed);
  }
  const bool counts = !turn_.empty() || !live_->last().empty();
  if (const auto written = live_->write(); !written.ok()) {
    return give_up(describe(written), is_no_space(written));
  }
  const CommitBuilder& commit = live_->last();
  {
    const std::scoped_lock lock(status_mutex_);
    stats_.commits += counts ? 1 : 0;
    stats_.rows_stored += commit.rows_stored();
    stats_.rows_duplicate += commit.rows_duplicate();
    stats_.log_bytes += commit.logged() ? commit.log_bytes() : 0;
    stats_.blocks_sealed += commit.blocks_sealed();
    stats_.commit_rows.record(commit.rows_stored());
    if (options_.live.durability == Durability::fsync && live_->last_write_us() != 0) {
      stats_.sync_us.record(live_->last_write_us());
    }
  }
  if (!before_write) {
    commit.name_devices(turn_);
    queue_.answer(turn_, model::CommitStatus::committed);
  }
  return true;
}

void DataDirectory::tick() {
  next_tick_ = CommitQueue::Clock::now() + options_.internals.tick;
  check_space();
  if (CommitQueue::Clock::now() >= next_used_) {
    check_used();
  }
  taken_next_ = 0;
  if (live_ == nullptr) {
    return;
  }
  live_->tick(!taken_.empty());
  // A node that nobody sends to still seals what has become old.
  if (!full_ && taken_.empty() && live_->aged(options_.internals.now_ms())) {
    commit_turn();
  }
}

void DataDirectory::check_space() {
  std::string why;
  const bool full = below_floor(why);
  if (full != full_) {
    if (full) {
      log::warn("disk-full", why + "; telemetry is refused until there is more",
                {{"data_dir", std::string_view(options_.path)}});
    } else {
      log::info("disk-space-back", "there is space again; telemetry is taken",
                {{"data_dir", std::string_view(options_.path)}});
    }
  }
  full_ = full;
  full_reason_ = why;
  set_fault(std::move(why));
}

void DataDirectory::check_used() {
  next_used_ = CommitQueue::Clock::now() + kUsedEvery;
  used_bytes_.store(bytes_on_disk(options_.live.path) +
                        bytes_on_disk(KeptLog::archive_path(options_.live.path)),
                    std::memory_order_relaxed);
}

/// Free bytes below which telemetry is refused.
std::uint64_t DataDirectory::floor_bytes(const DiskSpace& space) const {
  return options_.disk_free_min_bytes != 0
             ? options_.disk_free_min_bytes
             : std::max(kFreeMinBytes, space.total_bytes / kFreeMinShare);
}

bool DataDirectory::below_floor(std::string& why) {
  const auto space = options_.internals.disk_space(options_.path);
  if (!space) {
    return false;
  }
  const std::uint64_t floor = floor_bytes(*space);
  if (space->free_bytes >= floor) {
    return false;
  }
  why = "free space of " + mebibytes(space->free_bytes) + " is below the floor of " +
        mebibytes(floor);
  return true;
}

/// The database is closed next: readers and requests turn away.
void DataDirectory::turn_away() {
  StoreStats counts;
  if (live_ != nullptr) {
    live_->add_to(counts);
  }
  const std::scoped_lock lock(status_mutex_);
  add_counts(stats_, counts);
  open_.store(false, std::memory_order_release);
}

void DataDirectory::recover(std::string reason, bool no_space) {
  const auto status = no_space ? model::CommitStatus::full : model::CommitStatus::unavailable;
  set_fault(reason + "; reopening");
  log::error("data-dir-failed", "a data directory failed and is reopened",
             {{"data_dir", std::string_view(options_.path)}, {"reason", std::string_view(reason)}});
  // Before anybody hears of it: who is refused and then reads is told the same.
  turn_away();
  queue_.refuse(turn_, taken_, status, reason);
  DeviceTable devices;
  {
    const std::scoped_lock lock(open_mutex_);
    devices = live_->take_devices();
    live_.reset();
  }
  refuse_requests(reason); // Who waits for them may be who is to stop.
  const auto until = CommitQueue::Clock::now() + pause_.failed(CommitQueue::Clock::now());
  while (!queue_.stopping() && CommitQueue::Clock::now() < until) {
    queue_.take(taken_, until);
  }
  reopen(&devices, no_space);
}

/// Tries until it works or the node stops. `earlier` as LiveDirectory::open(). The queue refuses
/// meanwhile.
void DataDirectory::reopen(const DeviceTable* earlier, bool no_space) {
  while (!queue_.stopping()) {
    const auto pause = pause_.attempt();
    std::string why;
    if (no_space && below_floor(why)) {
      set_fault(std::move(why));
    } else {
      (void)take_background_error(); // What the closed database said.
      auto opened = open_live(earlier, false);
      if (opened) {
        const std::scoped_lock lock(status_mutex_);
        ++stats_.reopens;
        break;
      }
      no_space = opened.error().code == Errc::storage_full;
      set_fault(opened.error().detail + "; reopening");
      log::error("data-dir-reopen-failed", opened.error().detail,
                 {{"data_dir", std::string_view(options_.path)}});
    }
    queue_.take(taken_, CommitQueue::Clock::now() + pause);
  }
  if (live_ == nullptr) {
    return;
  }
  pause_.opened(CommitQueue::Clock::now());
  log::info("data-dir-reopened", "a data directory works again",
            {{"data_dir", std::string_view(options_.path)}});
  check_space();
  queue_.accept();
}

Result<void> DataDirectory::on_committer(const std::function<void(LiveDirectory&)>& change) {
  const auto request = std::make_shared<Request>();
  request->change = &change;
  auto done = request->done.get_future();
  {
    const std::scoped_lock lock(status_mutex_);
    // Closing sets it before it refuses what is here.
    if (!open_.load(std::memory_order_acquire)) {
      return fail(Errc::storage_unavailable, options_.path + " is closed");
    }
    requests_.push_back(request);
  }
  queue_.poke();
  return done.get();
}

/// All of them share one commit. If that fails, recover() answers them.
void DataDirectory::run_requests() {
  {
    const std::scoped_lock lock(status_mutex_);
    running_.swap(requests_);
  }
  if (running_.empty()) {
    return;
  }
  for (const auto& request : running_) {
    (*request->change)(*live_);
  }
  taken_next_ = 0;
  if (commit_turn()) {
    for (const auto& request : std::exchange(running_, {})) {
      request->done.set_value({});
    }
  }
}

void DataDirectory::refuse_requests(const std::string& reason) {
  std::vector<std::shared_ptr<Request>> requests = std::exchange(running_, {});
  {
    const std::scoped_lock lock(status_mutex_);
    requests.insert(requests.end(), requests_.begin(), requests_.end());
    requests_.clear();
  }
  for (const auto& request : requests) {
    request->done.set_value(fail(Errc::storage_unavailable, options_.path + ": " + reason));
  }
}

void DataDirectory::on_background_error(const rocksdb::Status& status) {
  {
    const std::scoped_lock lock(status_mutex_);
    if (!background_error_) {
      background_error_ = status;
    }
  }
  queue_.poke();
}

std::optional<rocksdb::Status> DataDirectory::take_background_error() {
  const std::scoped_lock lock(status_mutex_);
  return std::exchange(background_error_, std::nullopt);
}

void DataDirectory::set_fault(std::string fault) {
  const std::scoped_lock lock(status_mutex_);
  fault_ = std::move(fault);
}

std::string DataDirectory::fault() const {
  const std::scoped_lock lock(status_mutex_);
  return fault_;
}

void DataDirectory::stop() {
  const std::scoped_lock lock(stop_mutex_);
  if (work_ != nullptr) {
    work_->stop(); // It asks the committer for things.
  }
  if (thread_.joinable()) {
    queue_.stop();
    thread_.join();
    set_fault("stopped");
  }
}

} // namespace spate::storage
