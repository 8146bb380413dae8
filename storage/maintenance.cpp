#include "storage/maintenance.hpp"

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <utility>

#include <time.h>

#include "engine/base/clock.hpp"
#include "engine/base/log.hpp"
#include "engine/base/thread.hpp"
#include "storage/cpu_pace.hpp"
#include "storage/maintenance_jobs.hpp"
#include "storage/store.hpp"

namespace spate::storage {

namespace {

/// After a full disk: a fold needs room for its files before it gives any back.
constexpr std::int64_t kFullPauseMs = 10'000;

std::int64_t thread_cpu_ns() noexcept {
  ::timespec time{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return std::int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
}

} // namespace

class Maintenance::Impl {
public:
  Impl(MaintenanceHost& host, MaintenanceOptions options)
      : host_(host), options_(options),
        jobs_(host, options_, [this](std::uint64_t rows) { return pace(rows); }) {}

  void start() {
    thread_ = std::thread([this] { loop(); });
  }

  void stop() {
    {
      const std::scoped_lock lock(mutex_);
      stopping_ = true;
    }
    wake_.notify_all();
    if (thread_.joinable()) {
      thread_.join();
    }
    fail_compactions();
  }

  void poke() {
    {
      const std::scoped_lock lock(mutex_);
      poked_ = true;
    }
    wake_.notify_all();
  }

  std::shared_ptr<const CompactProgress> compact() {
    std::shared_ptr<CompactProgress> progress;
    {
      const std::scoped_lock lock(mutex_);
      if (queued_ == nullptr) {
        queued_ = std::make_shared<CompactProgress>();
      }
      progress = queued_;
      if (failed_ || stopping_) {
        progress->state = CompactProgress::State::failed;
        queued_.reset();
      }
    }
    poke();
    return progress;
  }

  bool step() {
    {
      const std::scoped_lock lock(mutex_);
      if (failed_ || stopping_) {
        return false;
      }
      if (compacting_ == nullptr && queued_ != nullptr) {
        compacting_ = std::exchange(queued_, nullptr);
        compacting_->rows_total = jobs_.rows_ahead();
        compacting_->state = CompactProgress::State::running;
      }
    }
    const auto worked = work();
    if (worked) {
      return *worked;
    }
    switch (worked.error().code) {
    case Errc::storage_unavailable:
      break;
    case Errc::storage_full:
      log::warn("fold-given-up", "the disk is full: folding goes on when there is room",
                {{"data_dir", std::string_view(host_.name())},
                 {"reason", std::string_view(worked.error().detail)}});
      retry_ms_ = host_.now_ms() + kFullPauseMs;
      break;
    default: {
      {
        const std::scoped_lock lock(mutex_);
        failed_ = true;
      }
      fail_compactions();
      host_.on_error(worked.error().code == Errc::storage_corrupt
                         ? rocksdb::Status::Corruption(worked.error().detail)
                         : rocksdb::Status::IOError(worked.error().detail));
    }
    }
    return false;
  }

  std::atomic<bool> busy{false};
  [[nodiscard]] MaintenanceJobs& jobs() noexcept { return jobs_; }

private:
  Result<bool> work() {
    if (auto made = jobs_.make_generation(); !made || *made) {
      return made;
    }
    if (auto removed = jobs_.remove_garbage(); !removed) {
      return fail(removed.error());
    }
    if (auto dropped = jobs_.drop_expired(); !dropped || *dropped) {
      return dropped;
    }
    const std::int64_t now_ms = host_.now_ms();
    if (now_ms < retry_ms_ && retry_ms_ - now_ms <= kFullPauseMs) { // Clocks may be set back.
      return false;
    }
    if (auto folded = jobs_.fold(); !folded || *folded) {
      return folded;
    }
    if (auto erased = jobs_.erase(); !erased || *erased) {
      return erased;
    }
    if (auto merged = jobs_.merge(compacting_ != nullptr ? MergeReason::compact : MergeReason::due);
        !merged || *merged) {
      return merged;
    }
    if (compacting_ != nullptr) {
      compacting_->rows_total.store(compacting_->rows_done);
      compacting_->state = CompactProgress::State::done;
      const std::scoped_lock lock(mutex_);
      compacting_.reset();
      return true;
    }
    return false;
  }

  /// Between two blocks of a job.
  bool pace(std::uint64_t rows) {
    if (compacting_ != nullptr) {
      const std::uint64_t done = compacting_->rows_done += rows;
      if (compacting_->rows_total < done) {
        compacting_->rows_total = done;
      }
    }
    // Not at every block: the clocks cost as much as a small one.
    if (++paced_ % kPacedBlocks != 0) {
      return !stopping_.load(std::memory_order_relaxed);
    }
    for (;;) {
      const bool free = compacting_ != nullptr || !busy.load(std::memory_order_relaxed);
      const std::int64_t pause_ns =
          pace_.pause_ns(thread_cpu_ns(), steady_ns(), free ? 1.0 : options_.fold_cpu_max);
      std::unique_lock lock(mutex_);
      if (stopping_ || pause_ns == 0) {
        return !stopping_;
      }
      wake_.wait_for(lock, std::chrono::nanoseconds(pause_ns), [this] { return stopping_.load(); });
    }
  }

  void loop() {
    name_this_thread("fold");
    for (;;) {
      const bool worked = step();
      std::unique_lock lock(mutex_);
      if (!worked && !stopping_) {
        wake_.wait_for(lock, std::chrono::milliseconds(options_.tick_ms),
                       [this] { return stopping_ || poked_; });
      }
      if (stopping_) {
        return;
      }
      poked_ = false;
    }
  }

  void fail_compactions() {
    const std::scoped_lock lock(mutex_);
    for (auto* progress : {&queued_, &compacting_}) {
      if (*progress != nullptr) {
        (*progress)->state = CompactProgress::State::failed;
        progress->reset();
      }
    }
  }

  static constexpr std::uint64_t kPacedBlocks = 16;

  MaintenanceHost& host_;
  const MaintenanceOptions options_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::atomic<bool> stopping_{false}; ///< Set under mutex_.
  bool poked_ = false;                ///< Under mutex_, as the next two.
  bool failed_ = false;
  std::shared_ptr<CompactProgress> queued_;
  std::shared_ptr<CompactProgress> compacting_; ///< Changed by the thread only, under mutex_.
  CpuPace pace_;
  std::uint64_t paced_ = 0;
  std::int64_t retry_ms_ = 0;
  MaintenanceJobs jobs_;
  std::thread thread_;
};

Maintenance::Maintenance(MaintenanceHost& host, MaintenanceOptions options)
    : impl_(std::make_unique<Impl>(host, options)) {}
Maintenance::~Maintenance() {
  stop();
}

void Maintenance::start() {
  impl_->start();
}
void Maintenance::stop() {
  impl_->stop();
}
void Maintenance::poke() {
  impl_->poke();
}
void Maintenance::set_busy(bool busy) noexcept {
  impl_->busy.store(busy, std::memory_order_relaxed);
}
std::shared_ptr<const CompactProgress> Maintenance::compact() {
  return impl_->compact();
}
const MaintenanceCounts& Maintenance::counts() const noexcept {
  return impl_->jobs().counts();
}
bool Maintenance::step() {
  return impl_->step();
}
bool Maintenance::erased_through(std::uint64_t number) const {
  return impl_->jobs().erased_through(number);
}

void Maintenance::add_to(StoreStats& stats) const {
  const MaintenanceCounts& counts = impl_->jobs().counts();
  stats.folds += counts.folds;
  stats.merges += counts.merges;
  stats.folded_rows += counts.folded_rows;
  stats.fold_bytes += counts.fold_bytes;
  stats.fold_cpu_us += counts.fold_cpu_us;
  stats.fold_duplicates += counts.fold_duplicates;
  stats.expired_runs += counts.expired_runs;
  stats.expired_rows += counts.expired_rows;
  stats.damaged_blocks += counts.damaged_blocks;
}

} // namespace spate::storage
