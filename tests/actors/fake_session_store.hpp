// Spate - a store of sessions in memory: what is asked of it waits until a test lets it answer.
#pragma once

#include <algorithm>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "engine/wire/codec.hpp"
#include "storage/session_queue.hpp"
#include "storage/session_store.hpp"

namespace spate::actors {

class FakeSessionStore final : public storage::SessionStore {
public:
  struct Session {
    std::string client_id;
    std::uint32_t expiry_s = 0;
    std::uint64_t last = 0;
    std::uint64_t sent_through = 0;
    bool connected = false;
    std::map<std::string, storage::SessionSubscription> subscriptions;
    std::map<std::uint64_t, storage::QueuedMessage> queue;
    std::set<std::uint16_t> received;
    std::optional<storage::SessionWill> will;
  };

  explicit FakeSessionStore(storage::SessionListener& listener) : listener_(listener) {}

  bool submit(std::uint64_t ticket, std::vector<storage::SessionEntry>&& entries) override {
    if (full && !frees(storage::SessionStep{entries})) {
      return false;
    }
    ++steps;
    for (storage::SessionEntry& entry : entries) {
      waiting.emplace_back(ticket++, std::move(entry));
    }
    return true;
  }
  void begin() override {}
  bool may_keep(std::string_view client_id) const noexcept override {
    return std::any_of(sessions.begin(), sessions.end(),
                       [&](const auto& each) { return each.second.client_id == client_id; });
  }
  bool has_retained() const noexcept override { return !retained.empty(); }
  std::optional<std::string> fault() const override { return std::nullopt; }
  storage::SessionStoreStats stats() const override { return {}; }
  Result<void> with_database(const storage::DatabaseUser&) override { return {}; }
  void poke() override {}
  void stop() override {}

  /// All that waits, as one group: first what was queued is told, then the receipts.
  void answer(storage::SessionStatus status = storage::SessionStatus::done) {
    gather();
    std::vector<storage::SessionReceipt> receipts;
    std::vector<storage::SessionDelivery> deliveries;
    for (auto& [ticket, entry] : std::exchange(waiting, {})) {
      storage::SessionReceipt receipt;
      receipt.ticket = ticket;
      receipt.status = status;
      if (status == storage::SessionStatus::done) {
        std::visit([&](auto& each) { apply(each, receipt, deliveries); }, entry);
      }
      receipts.push_back(std::move(receipt));
    }
    listener_.on_queued(std::move(deliveries));
    listener_.on_receipts(std::move(receipts));
  }

  /// What was submitted, with what still was to be handed over.
  [[nodiscard]] const auto& asked() {
    gather();
    return waiting;
  }

  std::function<void()> gather = [] {}; ///< Hands over what the loop has for it.
  std::deque<std::pair<std::uint64_t, storage::SessionEntry>> waiting;
  std::size_t steps = 0; ///< Calls of submit() so far.
  std::map<storage::SessionNumber, Session> sessions;
  std::map<std::string, model::SharedMessage> retained;
  bool full = false;

private:
  using Receipt = storage::SessionReceipt;
  using Deliveries = std::vector<storage::SessionDelivery>;

  void end(storage::SessionNumber number) {
    std::vector<std::string> filters;
    for (const auto& [filter, options] : sessions[number].subscriptions) {
      filters.push_back(filter);
    }
    if (const auto& will = sessions[number].will) {
      for (storage::SessionPublishing& each : listener_.on_wills({{number, will->message}})) {
        if (each.message != nullptr) {
          waiting.emplace_back(UINT64_MAX, std::move(each)); // Nobody waits for it.
        }
      }
    }
    sessions.erase(number);
    listener_.on_ended({{number, filters}});
  }
  void apply(storage::SessionOpening& asked, Receipt& receipt, Deliveries&) {
    auto found = std::find_if(sessions.begin(), sessions.end(), [&](const auto& each) {
      return each.second.client_id == asked.client_id;
    });
    if (found != sessions.end() && asked.clean_start) {
      end(found->first);
      found = sessions.end();
    }
    receipt.opened.present = found != sessions.end();
    if (asked.clean_start && asked.expiry_s == 0) {
      return;
    }
    const storage::SessionNumber number = found != sessions.end() ? found->first : ++last_;
    Session& session = sessions[number];
    session.client_id = asked.client_id;
    session.expiry_s = asked.expiry_s;
    session.connected = true;
    session.will = std::move(asked.will);
    receipt.opened.number = number;
    receipt.opened.sent_through = session.sent_through;
    for (const auto& [filter, options] : session.subscriptions) {
      receipt.opened.subscriptions.push_back(options);
    }
    receipt.opened.received_ids.assign(session.received.begin(), session.received.end());
    load(session, 0, asked.page_messages, receipt.opened.page, receipt.opened.more);
  }
  void apply(storage::SessionClosing& asked, Receipt&, Deliveries&) {
    Session& session = sessions.at(asked.session);
    session.connected = false;
    session.sent_through = std::max(session.sent_through, asked.sent_through);
    if (asked.forget_will) {
      session.will.reset();
    }
    if (asked.expiry_s == 0) {
      end(asked.session);
    }
  }
  void apply(storage::SessionSubscribing& asked, Receipt& receipt, Deliveries&) {
    Session& session = sessions.at(asked.session);
    receipt.sequence = session.last + 1;
    session.last += asked.set_aside;
    for (auto& each : asked.added) {
      session.subscriptions[each.filter] = each;
    }
    for (const auto& each : asked.removed) {
      session.subscriptions.erase(each);
    }
  }
  void apply(storage::SessionPublishing& asked, Receipt&, Deliveries& deliveries) {
    for (storage::SessionTarget& target : asked.targets) {
      const auto found = sessions.find(target.session);
      if (found != sessions.end()) {
        storage::QueuedMessage queued{++found->second.last, asked.message, target};
        found->second.queue[queued.sequence] = queued;
        deliveries.push_back({target.session, queued});
      }
    }
    if (asked.sender != 0) {
      sessions.at(asked.sender).received.insert(asked.packet_id);
    }
    if (asked.message->retain && asked.message->payload.empty()) {
      retained.erase(asked.message->topic);
    } else if (asked.message->retain) {
      retained[asked.message->topic] = asked.message;
    }
  }
  void apply(storage::SessionReleasing& asked, Receipt&, Deliveries&) {
    sessions.at(asked.session).received.erase(asked.packet_id);
  }
  void apply(storage::SessionSettling& asked, Receipt&, Deliveries&) {
    Session& session = sessions.at(asked.session);
    if (asked.received) {
      session.queue.at(asked.sequence).message = nullptr;
    } else {
      session.queue.erase(asked.sequence);
    }
  }
  void apply(storage::SessionPageLoad& asked, Receipt& receipt, Deliveries&) {
    load(sessions.at(asked.session), asked.after, asked.messages_max, receipt.page, receipt.more);
  }
  void apply(storage::RetainedLoad& asked, Receipt& receipt, Deliveries&) {
    receipt.sequence = asked.sequence;
    std::size_t taken = 0;
    for (const auto& [topic, message] : retained) {
      if (topic <= asked.after || !wire::filter_takes(asked.filter, topic)) {
        continue;
      }
      if (taken++ == 2) { // Small pages, so that tests turn them.
        receipt.more = true;
        break;
      }
      receipt.after = topic;
      const std::uint8_t qos = std::min(asked.qos, message->qos);
      if (asked.session == 0 || qos == 0) {
        receipt.page.push_back({0, message, {}});
      } else if (receipt.sequence < asked.sequence_end) {
        storage::QueuedMessage queued{receipt.sequence, message, {asked.session, qos, true, {}}};
        if (asked.subscription_id != 0) {
          queued.target.subscription_ids.push_back(asked.subscription_id);
        }
        sessions.at(asked.session).queue[receipt.sequence++] = std::move(queued);
      }
    }
  }
  static void load(const Session& session, std::uint64_t after, std::size_t messages_max,
                   std::vector<storage::QueuedMessage>& page, bool& more) {
    for (auto at = session.queue.upper_bound(after); at != session.queue.end(); ++at) {
      if (page.size() == messages_max) {
        more = true;
        return;
      }
      page.push_back(at->second);
    }
  }

  storage::SessionListener& listener_;
  storage::SessionNumber last_ = 0;
};

} // namespace spate::actors
