#include "storage/reopening_database.hpp"

#include <algorithm>
#include <utility>

#include "engine/base/log.hpp"
#include "storage/directory_format.hpp"
#include "storage/rocks_options.hpp"

namespace spate::storage {

namespace {

using namespace std::chrono_literals;

constexpr auto kReopenPauseMin = 200ms;
constexpr auto kReopenPauseMax = 5s;
/// The wall clock may be set: it is looked at again after so long.
constexpr std::int64_t kSleepMsMax = 1000;

} // namespace

ReopeningDatabase::ReopeningDatabase(std::string directory, std::string event, std::string name)
    : directory_(std::move(directory)), event_(std::move(event)), name_(std::move(name)),
      pause_(kReopenPauseMin, kReopenPauseMax) {}

Result<void> ReopeningDatabase::open_first() {
  const bool used = has_database_at(directory_);
  auto opened = prepare_database_at(directory_);
  if (opened) {
    opened = open_database(!used);
  }
  if (!opened && (!used || opened.error().code != Errc::storage_full)) {
    return opened;
  }
  if (!opened) {
    set_fault(opened.error().detail + "; reopening");
    log::error(event_ + "-open-failed", name_ + " can not be opened, and is tried again",
               {{"reason", std::string_view(opened.error().detail)}});
    starts_closed_ = true;
  }
  return {};
}

ReopeningDatabase::Clock::time_point ReopeningDatabase::wake_time(std::int64_t due_ms,
                                                                  std::int64_t now_ms) {
  const auto now = Clock::now();
  if (due_ms <= now_ms) {
    return now;
  }
  return due_ms == INT64_MAX
             ? now + 1h
             : now + std::chrono::milliseconds(std::min(due_ms - now_ms, kSleepMsMax));
}

void ReopeningDatabase::sync_last(
    Durability promised, const std::function<rocksdb::Status(rocksdb::WriteBatch&)>& write) const {
  if (promised == Durability::fsync) {
    return; // Nothing waits for a sync.
  }
  rocksdb::WriteBatch nothing;
  if (const auto synced = write(nothing); !synced.ok()) {
    log::error("stop-sync-failed", "the last changes of " + name_ + " may not be on the disk",
               {{"reason", describe(synced)}});
  }
}

const ReopeningDatabase::Refusal& ReopeningDatabase::stopping_refusal() {
  static const Refusal refusal{false, "the node is stopping"};
  return refusal;
}

ReopeningDatabase::Refusal ReopeningDatabase::refusal_of(const rocksdb::Status& status) {
  return {is_no_space(status), describe(status)};
}

void ReopeningDatabase::failed(const Refusal& refusal) {
  set_fault(refusal.why + "; reopening");
  log::error(
      event_ + "-failed", name_ + " failed and is reopened",
      {{"data_dir", std::string_view(directory_)}, {"reason", std::string_view(refusal.why)}});
}

void ReopeningDatabase::reopen_after_pause(const Refusal& refusal) {
  refuse_until(Clock::now() + pause_.failed(Clock::now()), refusal);
  reopen();
}

void ReopeningDatabase::reopen() {
  while (!stopping()) {
    const auto pause = pause_.attempt();
    static_cast<void>(take_background_error()); // What the closed database said.
    auto opened = open_database(false);
    if (opened) {
      pause_.opened(Clock::now());
      set_fault(std::nullopt);
      reopens_.fetch_add(1, std::memory_order_relaxed);
      log::info(event_ + "-reopened", name_ + " works again",
                {{"data_dir", std::string_view(directory_)}});
      return;
    }
    const Refusal refusal{opened.error().code == Errc::storage_full, opened.error().detail};
    set_fault(refusal.why + "; reopening");
    log::error(event_ + "-reopen-failed", refusal.why,
               {{"data_dir", std::string_view(directory_)}});
    refuse_until(Clock::now() + pause, refusal);
  }
}

void ReopeningDatabase::on_background_error(const rocksdb::Status& status) {
  {
    const std::scoped_lock lock(status_mutex_);
    if (!background_error_) {
      background_error_ = status;
    }
  }
  wake();
}

std::optional<rocksdb::Status> ReopeningDatabase::take_background_error() {
  const std::scoped_lock lock(status_mutex_);
  return std::exchange(background_error_, std::nullopt);
}

std::optional<std::string> ReopeningDatabase::fault_text() const {
  const std::scoped_lock lock(status_mutex_);
  return fault_;
}

void ReopeningDatabase::set_fault(std::optional<std::string> fault) {
  const std::scoped_lock lock(status_mutex_);
  fault_ = std::move(fault);
}

tl::unexpected<Error> ReopeningDatabase::closed() const {
  return fail(Errc::storage_unavailable,
              directory_ + ": " + fault_text().value_or(name_ + " is closed"));
}

} // namespace spate::storage
