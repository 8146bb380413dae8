// Spate - a store of sessions in a temporary directory, its listener, and short words for tests.
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "storage/session_store.hpp"
#include "tests/storage/store_fixture.hpp"

namespace spate::storage::test {

class SessionEars final : public SessionListener {
public:
  using Ended = std::vector<std::pair<SessionNumber, std::vector<std::string>>>;

  void on_restored(Restored restored) override {
    const std::scoped_lock lock(mutex_);
    restored_count += restored.size();
    if (notes_restored) {
      std::move(restored.begin(), restored.end(), std::back_inserter(restored_));
    }
  }
  void on_receipts(std::vector<SessionReceipt> receipts) override {
    const std::scoped_lock lock(mutex_);
    std::move(receipts.begin(), receipts.end(), std::back_inserter(receipts_));
    heard_.notify_all();
  }
  void on_queued(std::vector<SessionDelivery> deliveries) override {
    const std::scoped_lock lock(mutex_);
    std::move(deliveries.begin(), deliveries.end(), std::back_inserter(queued_));
  }
  std::vector<SessionPublishing> on_wills(const Wills& wills) override {
    const std::scoped_lock lock(mutex_);
    std::copy(wills.begin(), wills.end(), std::back_inserter(wills_));
    std::vector<SessionPublishing> kept;
    for (const auto& [session, message] : wills) {
      SessionPublishing& each = kept.emplace_back();
      if (will_for != 0) {
        each.message = message;
        each.targets.push_back({will_for, 1, false, {}});
      }
    }
    return kept;
  }
  void on_ended(Ended ended) override {
    const std::scoped_lock lock(mutex_);
    std::move(ended.begin(), ended.end(), std::back_inserter(ended_));
  }
  SessionReceipt next() {
    std::unique_lock lock(mutex_);
    heard_.wait(lock, [this] { return !receipts_.empty(); });
    SessionReceipt receipt = std::move(receipts_.front());
    receipts_.pop_front();
    return receipt;
  }
  std::size_t receipts() {
    const std::scoped_lock lock(mutex_);
    return receipts_.size();
  }
  std::vector<SessionDelivery> take_queued() {
    const std::scoped_lock lock(mutex_);
    return std::exchange(queued_, {});
  }
  Restored take_restored() {
    const std::scoped_lock lock(mutex_);
    return std::exchange(restored_, {});
  }
  Wills take_wills() {
    const std::scoped_lock lock(mutex_);
    return std::exchange(wills_, {});
  }
  Ended take_ended() {
    const std::scoped_lock lock(mutex_);
    return std::exchange(ended_, {});
  }

  SessionNumber will_for = 0; ///< Who has subscribed to all wills.
  bool notes_restored = true; ///< False: counts them only.
  std::size_t restored_count = 0;

private:
  std::mutex mutex_;
  std::condition_variable heard_;
  Restored restored_;
  std::deque<SessionReceipt> receipts_;
  std::vector<SessionDelivery> queued_;
  Wills wills_;
  Ended ended_;
};

struct SessionFixture {
  TempDir dir;
  std::atomic<std::int64_t> clock_ms{1'700'000'000'000};
  SessionStoreOptions options;
  SessionEars ears;
  std::uint64_t next_ticket = 1;
  SessionListener::Restored visited; ///< By the last opening of the store.
  std::unique_ptr<SessionStore> store;

  SessionFixture() {
    options.directory = dir.sub("sessions");
    options.durability = Durability::os; // Tests of the fsync itself say so.
    options.now_ms = [this] { return clock_ms.load(); };
  }
  Result<void> try_open() {
    store.reset();
    ears.take_restored();
    auto opened = SessionStore::open(options, ears);
    visited = ears.take_restored();
    if (!opened) {
      return fail(std::move(opened.error()));
    }
    store = std::move(*opened);
    store->begin();
    return {};
  }
  void open() {
    if (const auto opened = try_open(); !opened) {
      FAIL(opened.error().detail);
    }
  }

  std::uint64_t submit(std::vector<SessionEntry> entries) {
    const auto count = entries.size();
    REQUIRE(store->submit(next_ticket, std::move(entries)));
    next_ticket += count;
    return next_ticket - count;
  }
  std::uint64_t submit(SessionEntry entry) {
    return submit(std::vector<SessionEntry>{std::move(entry)});
  }
  SessionReceipt ask(SessionEntry entry) {
    const auto ticket = submit(std::move(entry));
    SessionReceipt receipt = ears.next();
    REQUIRE(receipt.ticket == ticket);
    return receipt;
  }
  void done(SessionEntry entry) { REQUIRE(ask(std::move(entry)).status == SessionStatus::done); }
  /// All that the clock brings has been told.
  void settle_clock() {
    for (int i = 0; i < 3; ++i) {
      store->poke();
      done(SessionPageLoad{});
    }
  }

  static model::SharedMessage message(std::string topic, std::string payload = "x",
                                      std::uint8_t qos = 1) {
    model::ApplicationMessage out;
    out.topic = std::move(topic);
    out.payload = std::move(payload);
    out.qos = qos;
    return std::make_shared<const model::ApplicationMessage>(std::move(out));
  }
  static model::SharedMessage expiring(std::string topic, std::int64_t expires_ms,
                                       bool retain = false) {
    model::ApplicationMessage out;
    out.topic = std::move(topic);
    out.payload = "x";
    out.qos = 1;
    out.retain = retain;
    out.expires_ms = expires_ms;
    return std::make_shared<const model::ApplicationMessage>(std::move(out));
  }
  static model::SharedMessage retained(std::string topic, std::string payload = "x") {
    model::ApplicationMessage out;
    out.topic = std::move(topic);
    out.payload = std::move(payload);
    out.retain = true;
    return std::make_shared<const model::ApplicationMessage>(std::move(out));
  }

  static SessionOpening opening(std::string client_id, std::uint32_t expiry_s = 3600,
                                bool clean_start = false) {
    SessionOpening out;
    out.client_id = std::move(client_id);
    out.expiry_s = expiry_s;
    out.clean_start = clean_start;
    return out;
  }
  static SessionOpening with_will(SessionOpening opening, std::uint32_t delay_s,
                                  std::string topic = "will", std::uint32_t expiry_s = 0) {
    opening.will = SessionWill{message(std::move(topic), "gone"), delay_s, expiry_s};
    return opening;
  }
  OpenedSession connect(SessionOpening opening) {
    auto receipt = ask(std::move(opening));
    REQUIRE(receipt.status == SessionStatus::done);
    return std::move(receipt.opened);
  }
  OpenedSession connect(std::string client_id) { return connect(opening(std::move(client_id))); }
  void disconnect(SessionNumber session, std::uint32_t expiry_s = 3600, bool forget_will = false,
                  std::uint64_t sent_through = 0) {
    done(SessionClosing{session, expiry_s, forget_will, sent_through});
  }
  static SessionSubscription subscription(std::string filter, std::uint32_t id = 0) {
    return {std::move(filter), id, 1, false, true};
  }
  static SessionPublishing publishing(model::SharedMessage message,
                                      const std::vector<SessionNumber>& sessions,
                                      std::uint8_t qos = 1) {
    SessionPublishing out;
    out.message = std::move(message);
    for (const SessionNumber session : sessions) {
      out.targets.push_back({session, qos, false, {}});
    }
    return out;
  }
  void publish(std::string topic, const std::vector<SessionNumber>& sessions,
               std::uint8_t qos = 1) {
    done(publishing(message(std::move(topic), "x", qos), sessions, qos));
  }
  /// What stands in the queue: "1:topic", or "1:" of what PUBREC came for.
  static std::vector<std::string> words(const std::vector<QueuedMessage>& page) {
    std::vector<std::string> out;
    for (const QueuedMessage& each : page) {
      out.push_back(std::to_string(each.sequence) + ":" +
                    (each.message ? each.message->topic : ""));
    }
    return out;
  }
  std::vector<std::string> queue_of(SessionNumber session) {
    const auto receipt = ask(SessionPageLoad{session, 0, 100'000, 1u << 30});
    CHECK_FALSE(receipt.more);
    return words(receipt.page);
  }
  std::vector<std::string> retained_of(std::string filter) {
    std::vector<std::string> out;
    RetainedLoad load{std::move(filter), {}, 3, 1u << 20}; // Small pages: their seams count.
    for (;;) {
      const auto receipt = ask(load);
      REQUIRE(receipt.status == SessionStatus::done);
      for (const auto& each : receipt.page) {
        out.push_back(each.message->topic);
      }
      if (!receipt.more) {
        return out;
      }
      load.after = receipt.after;
    }
  }
  /// Until entries are taken again.
  OpenedSession connect_until_done(const SessionOpening& opening) {
    for (;;) {
      auto receipt = ask(opening);
      if (receipt.status == SessionStatus::done) {
        return std::move(receipt.opened);
      }
      std::this_thread::yield();
    }
  }
};

} // namespace spate::storage::test
