// Spate - what MQTT sessions must not lose: subscriptions, queued messages, QoS 2 handshakes, wills
// and retained messages, in a small database of their own.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "engine/base/histogram.hpp"
#include "engine/base/result.hpp"
#include "engine/model/application_message.hpp"
#include "storage/store.hpp"

namespace rocksdb {
class Env;
} // namespace rocksdb

namespace spate::storage {

/// Of a session that outlives its connection; never used again for another, never 0.
using SessionNumber = std::uint64_t;
/// Session Expiry Interval of a session that never ends (MQTT5-3.1.2-23).
inline constexpr std::uint32_t kNeverExpires = 0xffff'ffff;

struct SessionStoreOptions {
  std::string directory;                     ///< Created if it is not there; its parent must be.
  Durability durability = Durability::fsync; ///< Of sessions, whatever telemetry has.
  std::size_t sessions_max = 1'000'000;
  std::size_t queue_messages_max = 1000;  ///< Of one session, sent and not yet acknowledged too.
  std::size_t queue_bytes_max = 1u << 20; ///< Of one session.
  std::size_t retained_max = 100'000;     ///< Messages,
  std::size_t retained_bytes_max = 256u << 20; ///< and their bytes.
  std::size_t waiting_bytes_max = 64u << 20;   ///< Of entries that wait for the store's thread.
  std::function<std::int64_t()> now_ms;        ///< Wall clock; empty: the real one. Tests.
  rocksdb::Env* env = nullptr;                 ///< Tests only.
};

/// A subscription as the session made it: `filter` with its `$share/{name}/`.
struct SessionSubscription {
  std::string filter;
  std::uint32_t id = 0; ///< Subscription Identifier, 0: none.
  std::uint8_t qos = 0;
  bool no_local = false;
  bool retain_as_published = false;

  bool operator==(const SessionSubscription&) const = default;
};

struct SessionWill {
  model::SharedMessage message;
  std::uint32_t delay_s = 0;
  std::uint32_t message_expiry_s = 0; ///< From its publication; 0: none.
};

// What is asked of it. Entries of one submit() are one step: all of it is durable or nothing. One
// that is refused (`full`, damaged) changes nothing itself and does not keep back the others.

/// CONNECT of a client whose session is kept (Clean Start 0 or a Session Expiry above 0), once
/// nobody else holds the client id. With `clean_start` what was kept goes (MQTT5-3.1.2-4), and its
/// will is published: so with the end of any session. Else a will that is not due yet is cancelled
/// (MQTT5-3.1.3-9). With expiry 0 and Clean Start 1 nothing is kept: the receipt has number 0.
struct SessionOpening {
  std::string client_id;
  bool clean_start = false;
  std::uint32_t expiry_s = 0;
  std::optional<SessionWill> will;
  std::size_t page_messages = 100; ///< Of the queue, with the receipt.
  std::size_t page_bytes = 64u << 10;
};
/// The connection is gone. Its will stays, and is due after its delay or with the session's end,
/// whichever is first (MQTT5-3.1.3-9), unless `forget_will` (MQTT-3.14.4-3).
struct SessionClosing {
  SessionNumber session = 0;
  std::uint32_t expiry_s = 0; ///< 0: the session ends now.
  bool forget_will = false;
  /// Messages up to this sequence were sent: again only with DUP. What an earlier connection sent
  /// need not be in it.
  std::uint64_t sent_through = 0;
};
/// `set_aside` sequences are left free in the queue: what comes later stands behind them.
struct SessionSubscribing {
  SessionNumber session = 0;
  std::vector<SessionSubscription> added; ///< Takes the place of one with the same filter.
  std::vector<std::string> removed;
  std::uint32_t set_aside = 0;
};

/// One message for one session.
struct SessionTarget {
  SessionNumber session = 0;
  std::uint8_t qos = 0; ///< 1 or 2: the smaller of the message's and the subscription's.
  bool retain = false;  ///< To be set in the PUBLISH.
  std::vector<std::uint32_t> subscription_ids;
};
/// Puts a message at the end of queues, and keeps it as retained if it says so (an empty payload
/// removes that, MQTT-3.3.1-10). `sender` and `packet_id`: of a QoS 2 PUBLISH of a kept session,
/// whose id is remembered until SessionReleasing, in the same step (MQTT-4.3.3-2); if it is known
/// already this is the same PUBLISH again: `done`, and nothing happens. Targets that have ended are
/// passed over; where a queue is full the message is dropped and counted.
struct SessionPublishing {
  model::SharedMessage message;
  std::vector<SessionTarget> targets;
  SessionNumber sender = 0;
  std::uint16_t packet_id = 0;
};
/// PUBREL: the id may be used again.
struct SessionReleasing {
  SessionNumber session = 0;
  std::uint16_t packet_id = 0;
};
/// PUBACK, PUBCOMP or a refusal: the entry goes. PUBREC: only its number stays, until PUBCOMP.
struct SessionSettling {
  SessionNumber session = 0;
  std::uint64_t sequence = 0;
  bool received = false; ///< PUBREC of QoS 2, no refusal.
};
/// The next page of the queue, behind `after`. What has expired and was never sent is dropped.
struct SessionPageLoad {
  SessionNumber session = 0;
  std::uint64_t after = 0;
  std::size_t messages_max = 100;
  std::size_t bytes_max = 64u << 10;
};
/// Retained messages that a filter (without share) takes, in the order of their topics, behind
/// topic `after`. A page may be empty and have more behind it: what one load looks at is bounded.
struct RetainedLoad {
  std::string filter;
  std::string after;
  std::size_t messages_max = 100;
  std::size_t bytes_max = 1u << 20;

  /// Of a kept session: those of QoS 1 and 2 go into its queue, to the sequences that were set
  /// aside, and are not told; the page has those of QoS 0 only. What finds no place is dropped and
  /// counted.
  SessionNumber session = 0;
  std::uint8_t qos = 0;              ///< Of the subscription,
  std::uint32_t subscription_id = 0; ///< and its identifier, 0: none.
  std::uint64_t sequence = 0;        ///< The first that is free,
  std::uint64_t sequence_end = 0;    ///< and where they end.
};

using SessionEntry =
    std::variant<SessionOpening, SessionClosing, SessionSubscribing, SessionPublishing,
                 SessionReleasing, SessionSettling, SessionPageLoad, RetainedLoad>;

/// A message in a queue. `sequence` counts up in a session, from 1; 0 stands for none.
struct QueuedMessage {
  std::uint64_t sequence = 0;
  model::SharedMessage message; ///< Null: PUBREC came, PUBREL is to be sent.
  SessionTarget target;
};

struct OpenedSession {
  SessionNumber number = 0; ///< 0: nothing is kept.
  bool present = false;     ///< Session Present (MQTT-3.2.2-2).
  std::vector<SessionSubscription> subscriptions;
  std::vector<std::uint16_t> received_ids; ///< QoS 2 PUBLISHes that await their PUBREL.
  std::vector<QueuedMessage> page;
  bool more = false; ///< Behind the page.
  /// Those up to it were perhaps sent before (MQTT-3.3.1-1). After a crash all may have been.
  std::uint64_t sent_through = 0;
};

enum class SessionStatus : std::uint8_t {
  done,        ///< Durable, if it changes something.
  full,        ///< sessions_max or retained_max stands against it.
  disk_full,   ///< Nothing is kept for want of space.
  unavailable, ///< The store failed, is being reopened, or stops. It may or may not be on disk.
  busy,        ///< As much waits as may: what submit() says with `false`. No receipt has it.
};

/// What came of an entry; `ticket` is what submit() was given. A SessionSettling without `received`
/// is not answered.
struct SessionReceipt {
  std::uint64_t ticket = 0;
  SessionStatus status = SessionStatus::done;
  std::string detail;              ///< Why it failed.
  OpenedSession opened;            ///< Of SessionOpening.
  std::vector<QueuedMessage> page; ///< Of SessionPageLoad; of RetainedLoad without sequences.
  bool more = false;               ///< Behind the page, which may be empty.
  std::string after;               ///< Of RetainedLoad with `more`: that of the next one.
  /// The first that is free: of SessionSubscribing of those set aside, of RetainedLoad of those
  /// left.
  std::uint64_t sequence = 0;
};

/// What was put at the end of a session's queue and is durable, for its connection. Sessions
/// without one are not told: their next opening has it in its page, or behind it. One whose
/// sequence is not above what a page gave is the same message; while a page has `more`, it comes
/// again behind it.
struct SessionDelivery {
  SessionNumber session = 0;
  QueuedMessage queued;
};

/// Called by the store's thread, after stop() by that of submit(): only pass on, never block. Of a
/// group first on_ended(), then on_receipts(), then on_queued().
class SessionListener {
public:
  virtual ~SessionListener() = default;
  /// Subscriptions that are kept, many at once, in the order of session numbers: by the thread of
  /// SessionStore::open() and before that returns, or, if the store starts closed, by its own
  /// before anything is answered otherwise than with a refusal. From the beginning again if that
  /// fails on the way.
  using Restored = std::vector<std::pair<SessionNumber, SessionSubscription>>;
  virtual void on_restored(Restored restored) = 0;
  /// In the order of submission.
  virtual void on_receipts(std::vector<SessionReceipt> receipts) = 0;
  virtual void on_queued(std::vector<SessionDelivery> deliveries) = 0;
  /// Wills whose time has come, of these sessions; whoever hears it publishes them, and says for
  /// each what of that is to be kept (without a message: nothing). It is written in one step with
  /// the end of the will. Told once; after a restart again only if the process died before that.
  using Wills = std::vector<std::pair<SessionNumber, model::SharedMessage>>;
  virtual std::vector<SessionPublishing> on_wills(const Wills& wills) = 0;
  /// Sessions that have ended, by expiry, a closing or a clean start: their subscriptions are to
  /// leave the index.
  virtual void on_ended(std::vector<std::pair<SessionNumber, std::vector<std::string>>> ended) = 0;
};

struct SessionStoreStats {
  std::uint64_t sessions = 0; ///< Kept, now.
  std::uint64_t subscriptions = 0;
  std::uint64_t queued = 0; ///< Messages in queues, now.
  std::uint64_t queued_bytes = 0;
  std::uint64_t dropped_full = 0;    ///< Messages for queues that were full,
  std::uint64_t dropped_expired = 0; ///< or that had expired in one.
  std::uint64_t retained = 0;
  std::uint64_t retained_bytes = 0;
  std::uint64_t waiting = 0; ///< Entries that wait for the store's thread, now.
  std::uint64_t groups = 0;
  std::uint64_t reopens = 0;
  Histogram sync_us; ///< Duration of a synced write.
  Histogram wait_us; ///< From submit() to the receipt, of what was synced.
};

/// Flow:       session -> submit() -> thread: gather, WriteBatch, one sync -> SessionListener
/// Thread:     submit(), stats() from any, never block. One thread of its own.
/// Durability: an opening, closing, subscribing, publishing or releasing whose receipt says `done`
///             is fdatasynced, and so is a settling with `received` before on_receipts() tells of
///             it. A settling without is written with the next group: what it lets go may come
///             again after a power cut, with DUP (MQTT-4.4.0-1). Sequences and numbers that were
///             told are never given again.
/// Failure:    as in CommandLog: after a failed write or sync everything is refused, the database
///             is closed and reopened with growing pauses; a failed sync is never retried. Refused
///             closings and acknowledgements come true then all the same; an opening that was
///             refused leaves no connection. A damaged entry makes its request `unavailable`, or
///             is left out of a page, and is reported.
/// Memory:     caches of a fixed size; of sessions, queues and retained messages nothing.
class SessionStore {
public:
  /// Opens or creates it, and tells what subscriptions are kept. `listener` is borrowed, outlives
  /// the store and may be called before this returns. Sessions that were connected when the process
  /// ended count as disconnected now. A store that was used before and can not be opened for want
  /// of space starts closed: it refuses everything until it can. Errors: storage_io, storage_full,
  /// storage_corrupt, storage_format; one sentence for people.
  static Result<std::unique_ptr<SessionStore>> open(SessionStoreOptions options,
                                                    SessionListener& listener);
  virtual ~SessionStore() = default;
  SessionStore(const SessionStore&) = delete;
  SessionStore& operator=(const SessionStore&) = delete;

  /// False if so much waits as may: nothing was taken or moved from; closings, settlings and
  /// releasings, which free something, are taken all the same. Entries of one call are one step,
  /// and have the tickets `ticket`, `ticket` + 1 and so on.
  [[nodiscard]] virtual bool submit(std::uint64_t ticket, std::vector<SessionEntry>&& entries) = 0;
  /// Who publishes wills is there: from now on they are told.
  virtual void begin() = 0;
  /// False: no session of this client is kept, so that nobody needs to ask. May be true for others.
  [[nodiscard]] virtual bool may_keep(std::string_view client_id) const noexcept = 0;
  /// False: no retained message is kept, so that nobody needs to look.
  [[nodiscard]] virtual bool has_retained() const noexcept = 0;
  /// Nullopt if it works, else why not.
  [[nodiscard]] virtual std::optional<std::string> fault() const = 0;
  [[nodiscard]] virtual SessionStoreStats stats() const = 0;
  /// As Store::with_databases().
  virtual Result<void> with_database(const DatabaseUser& use) = 0;
  /// Looks at the clock at once; tests move it.
  virtual void poke() = 0;
  /// Writes and answers what was submitted, then closes.
  virtual void stop() = 0;

protected:
  SessionStore() = default;
};

} // namespace spate::storage
