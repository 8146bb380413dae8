// What other threads ask of the store of sessions, how it opens, and what it does when it fails.
#include "storage/session_store.hpp"

#include <filesystem>
#include <utility>

#include "engine/base/clock.hpp"
#include "storage/rocks_options.hpp"
#include "storage/session_keys.hpp"
#include "storage/session_start.hpp"
#include "storage/session_thread.hpp"
#include "storage/small_database.hpp"

namespace spate::storage {

namespace {

constexpr std::size_t kCacheBytes = 16u << 20;

/// The queue of a session: its end is where messages are put in, near it they go out.
class QueuePrefix final : public rocksdb::SliceTransform {
public:
  const char* Name() const override { return "spate.session-queue"; }
  rocksdb::Slice Transform(const rocksdb::Slice& key) const override {
    return {key.data(), session_keys::kSessionBytes + 1};
  }
  bool InDomain(const rocksdb::Slice& key) const override {
    return session_keys::is_queued(view_of(key));
  }
};

} // namespace

Result<std::unique_ptr<SessionStore>> SessionStore::open(SessionStoreOptions options,
                                                         SessionListener& listener) {
  std::error_code error;
  const auto parent = std::filesystem::absolute(options.directory).parent_path();
  if (options.directory.empty() || !std::filesystem::is_directory(parent, error)) {
    return fail(Errc::storage_io, parent.string() + ": there is no such directory");
  }
  auto made = std::make_unique<SessionThread>(std::move(options), listener);
  if (auto started = made->start(); !started) {
    return fail(std::move(started.error()));
  }
  return std::unique_ptr<SessionStore>(std::move(made));
}

SessionThread::SessionThread(SessionStoreOptions options, SessionListener& listener)
    : ReopeningDatabase(options.directory, "session-store", "the store of sessions"),
      options_(std::move(options)), listener_(listener),
      queue_(SIZE_MAX, options_.waiting_bytes_max),
      now_ms_(options_.now_ms ? options_.now_ms : [] { return wall_ms(); }) {}

SessionThread::~SessionThread() {
  SessionThread::stop();
}

Result<void> SessionThread::start() {
  if (auto opened = open_first(); !opened) {
    return opened;
  }
  if (starts_closed()) {
    has_retained_.store(true, std::memory_order_release); // Not known: there may be some.
  }
  thread_ = std::thread([this] { run(); });
  return {};
}

Result<void> SessionThread::open_database(bool create) {
  auto opened =
      open_small_database(options_.directory, options_.env, create,
                          {kSessionStoreFormat, "sessions", encode_session_totals({}), kCacheBytes,
                           std::make_shared<QueuePrefix>()},
                          [this](const rocksdb::Status& status) { on_background_error(status); });
  if (!opened) {
    return fail(std::move(opened.error()));
  }
  std::string value;
  const auto read = (*opened)->Get({}, slice_of(kSmallTotalsKey), &value);
  const auto totals = read.ok() ? decode_session_totals(value) : std::nullopt;
  if (!totals) {
    return fail(read.ok() || read.IsNotFound() ? Errc::storage_corrupt : error_of(read).code,
                options_.directory + ": the totals of the store of sessions can not be read");
  }
  if (!restored()) {
    auto started = start_sessions(**opened, now_ms_(), options_.durability == Durability::fsync,
                                  listener_, clients_);
    if (!started) {
      return fail(started.error().code, options_.directory + ": " + started.error().detail);
    }
    restored_.store(true, std::memory_order_release);
  }
  set_totals(*totals);
  wake_ms_ = 0;
  timers_ = {};
  wills_wait_ = true;
  recent_.clear();
  const std::scoped_lock lock(open_mutex_);
  db_ = std::move(*opened);
  is_open_.store(true, std::memory_order_release);
  return {};
}

void SessionThread::close_database() {
  is_open_.store(false, std::memory_order_release);
  const std::scoped_lock lock(open_mutex_);
  db_.reset();
}

bool SessionThread::submit(std::uint64_t ticket, std::vector<SessionEntry>&& entries) {
  for (const SessionEntry& entry : entries) {
    if (const auto* opening = std::get_if<SessionOpening>(&entry)) {
      clients_.insert(opening->client_id); // Before anybody can know of it.
    }
  }
  SessionStep step{std::move(entries)};
  switch (queue_.submit(ticket, step, steady_ns())) {
  case SessionQueue::Submitted::waits:
    return true;
  case SessionQueue::Submitted::full:
    entries = std::move(step.entries);
    return false;
  case SessionQueue::Submitted::closed:
    break;
  }
  Steps steps;
  steps.push_back({ticket, std::move(step), 0, true});
  Receipts receipts = refusals(steps, 0, stopping_refusal());
  if (!receipts.empty()) {
    listener_.on_receipts(std::move(receipts));
  }
  return true;
}

SessionStoreStats SessionThread::stats() const {
  SessionStoreStats out;
  {
    const std::scoped_lock lock(status_mutex_);
    out = stats_;
  }
  out.waiting = queue_.waiting();
  out.reopens = reopens();
  return out;
}

void SessionThread::set_totals(const SessionTotals& totals) {
  totals_ = totals;
  has_retained_.store(totals.retained != 0, std::memory_order_release);
  const std::scoped_lock lock(status_mutex_);
  stats_.sessions = totals.sessions;
  stats_.subscriptions = totals.subscriptions;
  stats_.queued = totals.queued;
  stats_.queued_bytes = totals.queued_bytes;
  stats_.retained = totals.retained;
  stats_.retained_bytes = totals.retained_bytes;
}

Result<void> SessionThread::with_database(const DatabaseUser& use) {
  const std::shared_lock lock(open_mutex_);
  if (db_ == nullptr || !is_open()) {
    return closed();
  }
  return use(options_.directory, *db_, [this] { return !is_open(); });
}

void SessionThread::stop() {
  const std::scoped_lock lock(stop_mutex_);
  if (thread_.joinable()) {
    queue_.stop();
    thread_.join();
    set_fault("stopped");
  }
}

/// What was written may or may not be on disk, so everything that waits is told so.
void SessionThread::recover(const rocksdb::Status& status, Steps& steps, std::size_t begin) {
  const Refusal refusal = refusal_of(status);
  failed(refusal);
  refuse(steps, begin, refusal, true);
  close_database();
  reopen_after_pause(refusal);
}

void SessionThread::refuse_until(Clock::time_point until, const Refusal& refusal) {
  do {
    Steps waiting = queue_.take(until);
    refuse(waiting, 0, refusal, false);
  } while (!queue_.stopping() && Clock::now() < until);
}

void SessionThread::refuse(Steps& steps, std::size_t begin, const Refusal& refusal, bool in_doubt) {
  Receipts receipts = refusals(steps, begin, refusal);
  std::size_t bytes = 0;
  for (std::size_t i = begin; i < steps.size(); ++i) {
    bytes += weight_of(steps[i].entry);
    for (SessionEntry& entry : steps[i].entry.entries) {
      if (kept_.size() >= kKeptMax) {
        break;
      }
      if (const auto* closing = std::get_if<SessionClosing>(&entry)) {
        kept_.emplace_back(*closing);
      } else if (const auto* settling = std::get_if<SessionSettling>(&entry);
                 settling != nullptr && !settling->received) {
        kept_.emplace_back(*settling);
      } else if (auto* opening = std::get_if<SessionOpening>(&entry);
                 opening != nullptr && in_doubt) {
        kept_.emplace_back(std::move(opening->client_id));
      }
    }
  }
  queue_.done(steps.size() - begin, bytes, 0);
  if (!receipts.empty()) {
    listener_.on_receipts(std::move(receipts));
  }
}

SessionThread::Receipts SessionThread::refusals(const Steps& steps, std::size_t begin,
                                                const Refusal& refusal) {
  const auto status = refusal.disk_full ? SessionStatus::disk_full : SessionStatus::unavailable;
  Receipts receipts;
  for (std::size_t i = begin; i < steps.size(); ++i) {
    for (std::size_t j = 0; j < steps[i].entry.entries.size(); ++j) {
      if (is_answered(steps[i].entry.entries[j])) {
        SessionReceipt receipt;
        receipt.ticket = steps[i].ticket + j;
        receipt.status = steps[i].late ? SessionStatus::unavailable : status;
        receipt.detail = refusal.why;
        receipts.push_back(std::move(receipt));
      }
    }
  }
  return receipts;
}

} // namespace spate::storage
