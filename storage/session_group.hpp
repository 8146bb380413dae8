// Spate - what one group of entries makes of the store of sessions: decided one by one, written at
// once.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include <rocksdb/db.h>
#include <rocksdb/utilities/write_batch_with_index.h>

#include "engine/base/result.hpp"
#include "storage/recently_queued.hpp"
#include "storage/session_codec.hpp"
#include "storage/session_store.hpp"

namespace spate::storage {

/// Up to where timers have run, by kind: what was removed below it is not walked over again.
class SessionTimers {
public:
  SessionTimers();
  /// There may be some from then on.
  void put(std::int64_t due_ms);

private:
  friend class SessionGroup;
  std::array<std::pair<char, std::string>, 3> from_; ///< Kind and key.
};

/// Flow:    add() ... add() -> finish() -> the caller writes batch() -> it takes over totals(), and
///          tells deliveries() and ended(). Entries see what those before them in the group did,
///          and nothing of those behind them.
/// Failure: what is damaged makes its entry `unavailable`, says why in damage(), and leaves the
///          others alone. If reading fails otherwise, failure() says so: nothing is to be written.
///          If the write fails, the database is opened anew, so nothing needs to be undone.
/// Thread:  the store's.
class SessionGroup {
public:
  /// Borrowed until the group is gone.
  SessionGroup(rocksdb::DB& db, const SessionStoreOptions& options, const SessionTotals& totals,
               RecentlyQueued& recent, std::int64_t now_ms)
      : db_(db), options_(options), totals_(totals), recent_(recent), now_ms_(now_ms) {}
  SessionGroup(const SessionGroup&) = delete;
  SessionGroup& operator=(const SessionGroup&) = delete;

  [[nodiscard]] SessionReceipt add(std::uint64_t ticket, const SessionEntry& entry);
  /// A connection is gone whose opening was refused, though it may be on disk.
  void abandon(const std::string& client_id);

  /// What its time has come for: sessions end, wills go out, retained messages expire. At most
  /// `count_max` of each; then next_due_ms() is past.
  void run_timers(SessionTimers& timers, std::size_t count_max);
  struct OutgoingWill {
    std::uint64_t sequence = 0;
    SessionNumber session = 0;
    model::SharedMessage message;
  };
  /// Wills that are to be told, behind that sequence, oldest first.
  [[nodiscard]] std::vector<OutgoingWill> outgoing_wills(std::uint64_t after, std::size_t count_max,
                                                         std::size_t bytes_max);
  /// It was told, and this is to be kept of it. Once, though the outcome of an earlier write with
  /// it may not be known.
  void end_will(std::uint64_t sequence, const SessionPublishing& kept);

  /// Fills the batch.
  void finish();
  [[nodiscard]] rocksdb::WriteBatch& batch() noexcept { return *batch_.GetWriteBatch(); }
  /// Something in it is answered when it is on disk.
  [[nodiscard]] bool needs_sync() const noexcept { return needs_sync_; }
  [[nodiscard]] const rocksdb::Status& failure() const noexcept { return failure_; }

  [[nodiscard]] const SessionTotals& totals() const noexcept { return totals_; }
  [[nodiscard]] std::vector<SessionDelivery>& deliveries() noexcept { return deliveries_; }
  using Ended = std::vector<std::pair<SessionNumber, std::vector<std::string>>>;
  [[nodiscard]] Ended& ended() noexcept { return ended_; }
  [[nodiscard]] const std::vector<std::string>& damage() const noexcept { return damage_; }
  [[nodiscard]] std::uint64_t dropped_full() const noexcept { return dropped_full_; }
  [[nodiscard]] std::uint64_t dropped_expired() const noexcept { return dropped_expired_; }
  /// Of what its receipts hold.
  [[nodiscard]] std::size_t page_bytes() const noexcept { return page_bytes_; }
  /// The earliest timer that it put, and that run_timers() left; INT64_MAX: none.
  [[nodiscard]] std::int64_t put_due_ms() const noexcept { return put_due_ms_; }
  [[nodiscard]] std::int64_t next_due_ms() const noexcept { return next_due_ms_; }
  /// There are wills to be told that were not there before.
  [[nodiscard]] bool has_outgoing() const noexcept { return has_outgoing_; }

private:
  /// A session that the group touches.
  struct Work {
    StoredSession stored;
    bool there = false;
    bool changed = false;
  };
  struct Page {
    std::vector<QueuedMessage> messages;
    bool more = false;
  };
  using Visit = std::function<bool(std::string_view key, std::string_view value)>;

  // Reading through the batch, in session_reading.cpp. Errors: storage_corrupt; others are in
  // failure() too.
  tl::unexpected<Error> failed(const rocksdb::Status& status);
  Result<bool> get(const std::string& key, rocksdb::PinnableSlice& value);
  /// Until `visit` says false: what begins with `prefix`, from `from` on. `visit` must not write.
  Result<void> scan(const std::string& prefix, const std::string& from, const Visit& visit);
  /// Null: there is no such session.
  Result<Work*> find(SessionNumber number);
  Result<StoredSession> rebuild(SessionNumber number);
  Result<SessionNumber> number_of(const std::string& client_id);
  Result<std::optional<model::ApplicationMessage>> message_of(const StoredQueued& queued);
  Result<Page> load_page(SessionNumber number, Work& work, std::uint64_t after,
                         std::size_t messages_max, std::size_t bytes_max);
  void report(std::string what);
  /// Entries of queues are staged, and can be read once they are in the index of the batch: most
  /// groups never look, and the index costs as much as the write.
  void put_queued(std::string key, std::string value);
  void delete_queued(std::string key);
  void index_queued();

  // session_group.cpp
  Result<void> apply(const SessionOpening& opening, SessionReceipt& receipt);
  Result<void> apply(const SessionClosing& closing, SessionReceipt& receipt);
  Result<void> apply(const SessionSubscribing& subscribing, SessionReceipt& receipt);
  SessionNumber create(const std::string& client_id);
  Result<void> load_session(SessionNumber number, Work& work, const SessionOpening& opening,
                            OpenedSession& opened);
  Result<void> end(SessionNumber number, Work& work);
  Result<void> send_will(SessionNumber number, Work& work);
  void forget_will(SessionNumber number, Work& work);
  void disconnect(Work& work);
  void put_timers(SessionNumber number, const StoredSession& stored);
  void remove_timers(SessionNumber number, const StoredSession& stored);

  // session_messages.cpp
  Result<void> apply(const SessionPublishing& publishing, SessionReceipt& receipt);
  Result<void> apply(const SessionReleasing& releasing, SessionReceipt& receipt);
  Result<void> apply(const SessionSettling& settling, SessionReceipt& receipt);
  Result<void> apply(const SessionPageLoad& load, SessionReceipt& receipt);
  void enqueue(const SessionPublishing& publishing);
  Result<void> remove_queued(SessionNumber number, Work& work, std::uint64_t sequence,
                             const StoredQueued& queued);
  Result<void> release_body(std::uint64_t body);

  // session_retained.cpp
  Result<void> apply(const RetainedLoad& load, SessionReceipt& receipt);
  /// False: it is full, and nothing was changed.
  Result<bool> retain(const model::ApplicationMessage& message);
  void expire_retained(std::int64_t due_ms, std::string_view levels);
  /// `value`: the message as it stands there.
  void queue_retained(const RetainedLoad& load, Work& work,
                      const model::ApplicationMessage& message, std::string_view value,
                      std::uint64_t& sequence);

  // session_timers.cpp
  void run_timer(char kind, std::int64_t due_ms, std::string_view rest);

  rocksdb::DB& db_;
  const SessionStoreOptions& options_;
  SessionTotals totals_;
  RecentlyQueued& recent_;
  const std::int64_t now_ms_;
  rocksdb::WriteBatchWithIndex batch_{rocksdb::BytewiseComparator(), 0, true};
  std::vector<std::pair<std::string, std::optional<std::string>>> staged_; ///< Nullopt: goes.
  std::unordered_map<SessionNumber, Work> works_;
  bool needs_sync_ = false;
  bool totals_changed_ = false;
  rocksdb::Status failure_;
  std::vector<SessionDelivery> deliveries_;
  Ended ended_;
  std::vector<std::string> damage_;
  std::uint64_t dropped_full_ = 0;
  std::uint64_t dropped_expired_ = 0;
  std::size_t page_bytes_ = 0;
  std::int64_t put_due_ms_ = INT64_MAX;
  std::int64_t next_due_ms_ = INT64_MAX;
  bool has_outgoing_ = false;
};

/// When a session that is not connected ends, and when its will goes out; INT64_MAX: never.
[[nodiscard]] std::int64_t end_due_ms(const StoredSession& stored) noexcept;
[[nodiscard]] std::int64_t will_due_ms(const StoredSession& stored) noexcept;

/// In words for people and logs.
[[nodiscard]] std::string name_of_session(SessionNumber number);

} // namespace spate::storage
