// Spate - between the store of sessions, which has one thread, and the loops, which have many.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <mutex>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "actors/message_router.hpp"
#include "engine/net/loop.hpp"
#include "engine/routing/subscriber.hpp"
#include "storage/session_store.hpp"

namespace spate::actors {

class SessionDoor;

/// Splits a subscription's filter into what the index takes: share name and filter.
[[nodiscard]] routing::Change change_of(std::string_view filter);
/// Of this session. Borrows from the subscription.
[[nodiscard]] routing::Change change_of(const storage::SessionSubscription& subscription,
                                        routing::Ref<routing::Subscriber> who);

/// Passes what the store says to the loop that asked, or that has the session's connection; keeps
/// the Subscriber of each kept session. Thread: any.
class SessionHub final : public storage::SessionListener {
public:
  explicit SessionHub(MessageHub& messages) : messages_(messages) {}

  /// Before the loops run, and before begin(). Borrowed, until the loops have ended.
  void open(storage::SessionStore& store) noexcept { store_ = &store; }
  /// All loops are there: wills may come.
  void begin();
  /// No connection can be made any more, and the loops have ended.
  void close() noexcept { store_ = nullptr; }

  /// Of this session; made if it has none yet.
  [[nodiscard]] routing::Ref<routing::Subscriber> subscriber(storage::SessionNumber session);

  void on_restored(Restored restored) override;
  void on_receipts(std::vector<storage::SessionReceipt> receipts) override;
  void on_queued(std::vector<storage::SessionDelivery> deliveries) override;
  std::vector<storage::SessionPublishing> on_wills(const Wills& wills) override;
  void
  on_ended(std::vector<std::pair<storage::SessionNumber, std::vector<std::string>>> ended) override;

private:
  friend class SessionDoor;
  static constexpr std::size_t kParts = 16;
  struct Part {
    std::mutex mutex;
    std::unordered_map<storage::SessionNumber, routing::Ref<routing::Subscriber>> subscribers;
  };
  [[nodiscard]] Part& part_of(storage::SessionNumber session) noexcept {
    return parts_[session % kParts];
  }
  using Ended = std::vector<std::pair<storage::SessionNumber, std::vector<std::string>>>;

  MessageHub& messages_;
  storage::SessionStore* store_ = nullptr;
  std::array<Part, kParts> parts_;
  std::vector<SessionDoor*> doors_; ///< By loop; complete before the first starts.
  std::size_t will_turn_ = 0;       ///< Of shared subscriptions; the store's thread.
};

/// What an answer of the store is for.
enum class StoreTask : std::uint8_t {
  none,    ///< Nobody waits.
  opening, ///< `argument`: its Session Expiry Interval.
  subscribing,
  publishing, ///< `argument`: sequence of the PUBLISH in flight.
  releasing,  ///< `argument`: packet id.
  receiving,  ///< `argument`: sequence of the message that got a PUBREC.
  page,
  retained,
};

/// The sessions of a loop, as the store's answers see them. Loop thread.
class StoreAnswerTaker {
public:
  virtual void on_store_answer(std::uint32_t slot, std::uint32_t generation, StoreTask task,
                               std::uint64_t argument, storage::SessionReceipt& receipt) = 0;
  virtual void on_queued(std::uint32_t slot, std::uint32_t generation,
                         storage::QueuedMessage& queued) = 0;
  /// A will whose time has come, and who takes it now; the store sees to kept sessions.
  virtual void on_will(const model::ApplicationMessage& will, const Matches& connected) = 0;

protected:
  ~StoreAnswerTaker() = default;
};

/// One loop's way to the store of sessions.
///
/// Flow:   submit() ... submit() -> hand_over() -> the store's thread -> hub -> take() -> sessions.
/// Thread: its loop's.
/// Order:  as submitted. What the order between loops depends on is handed over at once: a closing,
///         since the client id is another loop's as soon as it was given up, and an opening, so
///         that whoever comes next sees that there may be a session.
/// Limits: so much is gathered and handed over early. What the store does not take is answered
///         `busy`, later and never within submit().
class SessionDoor {
public:
  static constexpr std::size_t kGatheredEntriesMax = 1024;
  static constexpr std::size_t kGatheredBytesMax = 256u << 10;

  /// Before any loop runs. All borrowed; they outlive the loop's run.
  SessionDoor(SessionHub& hub, net::Loop& loop, std::uint32_t number, StoreAnswerTaker& taker);
  SessionDoor(const SessionDoor&) = delete;
  SessionDoor& operator=(const SessionDoor&) = delete;

  /// False: the node keeps no sessions and no retained messages.
  [[nodiscard]] bool is_open() const noexcept { return hub_.store_ != nullptr; }
  [[nodiscard]] SessionHub& hub() noexcept { return hub_; }
  [[nodiscard]] storage::SessionStore& store() noexcept { return *hub_.store_; }

  /// The answer comes to on_store_answer(), unless the task is `none`.
  void submit(std::uint32_t slot, std::uint32_t generation, StoreTask task, std::uint64_t argument,
              storage::SessionEntry entry);
  /// Gives the store what was gathered, as one step, and tells what it did not take. At the end of
  /// each iteration.
  void hand_over();

  /// A session was opened for a connection that was gone first: nobody is connected to it.
  void abandon(storage::SessionNumber session, std::uint32_t expiry_s);

  // From the hub, posted to the loop.

  void take(std::vector<storage::SessionReceipt>& receipts);
  /// Each with the place of its session's connection.
  void take(std::vector<std::pair<std::uint64_t, storage::QueuedMessage>>& queued);

private:
  friend class SessionHub;
  struct Waiting {
    std::uint32_t slot = 0;
    std::uint32_t generation = 0;
    StoreTask task = StoreTask::none; ///< None: nobody waits, or it was answered.
    std::uint64_t argument = 0;
  };
  void flush();
  void flush_singly(std::uint64_t ticket, std::vector<storage::SessionEntry>& entries);
  void forget_answered();

  SessionHub& hub_;
  net::Loop& loop_;
  StoreAnswerTaker& taker_;
  std::uint64_t next_ticket_;                   ///< The loop's number in its highest byte.
  std::deque<Waiting> waiting_;                 ///< Of the last tickets, in their order.
  std::vector<storage::SessionEntry> gathered_; ///< Of the last tickets,
  std::size_t gathered_bytes_ = 0;              ///< and their weight.
  std::vector<storage::SessionReceipt> refused_;
};

} // namespace spate::actors
