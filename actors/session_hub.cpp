#include "actors/session_hub.hpp"

#include <iterator>
#include <memory>
#include <utility>

#include "actors/own_messages.hpp"
#include "engine/wire/codec.hpp"
#include "storage/session_queue.hpp"

namespace spate::actors {

namespace {

constexpr unsigned kLoopShift = 56;

} // namespace

/// 3.1.1 knows no shared subscriptions; its clients get them all the same, as everywhere.
routing::Change change_of(std::string_view filter) {
  routing::Change change;
  change.filter = filter;
  if (wire::is_shared(filter)) {
    const std::string_view rest = filter.substr(wire::kSharePrefix.size());
    const std::size_t slash = rest.find('/');
    if (slash != 0 && slash != std::string_view::npos && slash + 1 < rest.size()) {
      change.share = rest.substr(0, slash);
      change.filter = rest.substr(slash + 1);
    }
  }
  return change;
}

routing::Change change_of(const storage::SessionSubscription& subscription,
                          routing::Ref<routing::Subscriber> who) {
  routing::Change change = change_of(subscription.filter);
  change.subscriber = std::move(who);
  change.options = {subscription.id, subscription.qos, subscription.no_local,
                    subscription.retain_as_published};
  return change;
}

void SessionHub::on_restored(Restored restored) {
  std::vector<routing::Change> changes;
  changes.reserve(restored.size());
  for (const auto& [session, subscription] : restored) {
    changes.push_back(change_of(subscription, subscriber(session)));
  }
  messages_.index().apply(changes);
}

routing::Ref<routing::Subscriber> SessionHub::subscriber(storage::SessionNumber session) {
  Part& part = part_of(session);
  const std::scoped_lock lock(part.mutex);
  auto& found = part.subscribers[session];
  if (found == nullptr) {
    found = new routing::Subscriber(session);
  }
  return found;
}

void SessionHub::on_receipts(std::vector<storage::SessionReceipt> receipts) {
  std::vector<std::shared_ptr<std::vector<storage::SessionReceipt>>> by_loop(doors_.size());
  for (storage::SessionReceipt& receipt : receipts) {
    auto& to = by_loop[receipt.ticket >> kLoopShift];
    if (to == nullptr) {
      to = std::make_shared<std::vector<storage::SessionReceipt>>();
    }
    to->push_back(std::move(receipt));
  }
  for (std::size_t loop = 0; loop < by_loop.size(); ++loop) {
    if (by_loop[loop] != nullptr) {
      SessionDoor& door = *doors_[loop];
      door.loop_.post([&door, taken = std::move(by_loop[loop])] { door.take(*taken); });
    }
  }
}

/// To where the session's connection is now: one that comes later finds them in its queue.
void SessionHub::on_queued(std::vector<storage::SessionDelivery> deliveries) {
  using Batch = std::vector<std::pair<std::uint64_t, storage::QueuedMessage>>;
  std::vector<std::shared_ptr<Batch>> by_loop(doors_.size());
  for (storage::SessionDelivery& delivery : deliveries) {
    const std::uint64_t place = subscriber(delivery.session)->place();
    if (place == 0) {
      continue;
    }
    auto& to = by_loop[Place::of(place).loop];
    if (to == nullptr) {
      to = std::make_shared<Batch>();
    }
    to->emplace_back(place, std::move(delivery.queued));
  }
  for (std::size_t loop = 0; loop < by_loop.size(); ++loop) {
    if (by_loop[loop] != nullptr) {
      SessionDoor& door = *doors_[loop];
      door.loop_.post([&door, taken = std::move(by_loop[loop])] { door.take(*taken); });
    }
  }
}

void SessionHub::begin() {
  if (store_ != nullptr) {
    store_->begin();
  }
}

std::vector<storage::SessionPublishing> SessionHub::on_wills(const Wills& wills) {
  std::vector<storage::SessionPublishing> kept;
  kept.reserve(wills.size());
  for (const auto& [session, will] : wills) {
    auto connected = std::make_shared<Matches>();
    kept.push_back(split_will(messages_.index(), will, will_turn_++, *connected));
    if (!connected->empty()) {
      SessionDoor& door = *doors_[session % doors_.size()];
      door.loop_.post([&door, will = will, connected] { door.taker_.on_will(*will, *connected); });
    }
  }
  return kept;
}

void SessionHub::on_ended(Ended ended) {
  std::vector<routing::Change> changes;
  for (const auto& [session, filters] : ended) {
    const auto who = subscriber(session);
    for (const std::string& filter : filters) {
      routing::Change& change = changes.emplace_back(change_of(filter));
      change.subscriber = who;
      change.remove = true;
    }
    Part& part = part_of(session);
    const std::scoped_lock lock(part.mutex);
    part.subscribers.erase(session);
  }
  if (!changes.empty()) {
    messages_.index().apply(changes);
  }
}

SessionDoor::SessionDoor(SessionHub& hub, net::Loop& loop, std::uint32_t number,
                         StoreAnswerTaker& taker)
    : hub_(hub), loop_(loop), taker_(taker), next_ticket_(std::uint64_t{number} << kLoopShift) {
  if (hub.doors_.size() <= number) {
    hub.doors_.resize(number + 1);
  }
  hub.doors_[number] = this;
}

void SessionDoor::submit(std::uint32_t slot, std::uint32_t generation, StoreTask task,
                         std::uint64_t argument, storage::SessionEntry entry) {
  const bool at_once = std::holds_alternative<storage::SessionOpening>(entry) ||
                       std::holds_alternative<storage::SessionClosing>(entry);
  ++next_ticket_;
  waiting_.push_back({slot, generation, task, argument});
  gathered_bytes_ += storage::weight_of(entry);
  gathered_.push_back(std::move(entry));
  if (at_once || gathered_.size() >= kGatheredEntriesMax || gathered_bytes_ >= kGatheredBytesMax) {
    flush();
  }
}

void SessionDoor::hand_over() {
  flush();
  while (!refused_.empty()) {
    auto refused = std::exchange(refused_, {});
    take(refused);
    flush();
  }
}

void SessionDoor::flush() {
  if (gathered_.empty()) {
    return;
  }
  const std::uint64_t first = next_ticket_ - gathered_.size();
  gathered_bytes_ = 0;
  auto entries = std::exchange(gathered_, {});
  if (!hub_.store_->submit(first, std::move(entries))) {
    flush_singly(first, entries); // Nothing was moved from it.
  }
  forget_answered();
}

/// As much waits as may, but what frees something is taken all the same.
void SessionDoor::flush_singly(std::uint64_t ticket, std::vector<storage::SessionEntry>& entries) {
  for (storage::SessionEntry& entry : entries) {
    std::vector<storage::SessionEntry> one;
    one.push_back(std::move(entry));
    if (!hub_.store_->submit(ticket, std::move(one))) {
      storage::SessionReceipt& receipt = refused_.emplace_back();
      receipt.ticket = ticket;
      receipt.status = storage::SessionStatus::busy;
      receipt.detail = "the store of sessions takes no more now";
    }
    ++ticket;
  }
}

void SessionDoor::abandon(storage::SessionNumber session, std::uint32_t expiry_s) {
  if (session == 0) {
    return;
  }
  storage::SessionClosing closing;
  closing.session = session;
  closing.expiry_s = expiry_s;
  closing.forget_will = true; // It was never welcomed.
  submit(0, 0, StoreTask::none, 0, std::move(closing));
}

void SessionDoor::take(std::vector<storage::SessionReceipt>& receipts) {
  for (storage::SessionReceipt& receipt : receipts) {
    const std::uint64_t behind = next_ticket_ - receipt.ticket; // From the newest on.
    if (behind == 0 || behind > waiting_.size()) {
      continue;
    }
    const Waiting waiting = std::exchange(waiting_[waiting_.size() - behind], {});
    if (waiting.task != StoreTask::none) {
      taker_.on_store_answer(waiting.slot, waiting.generation, waiting.task, waiting.argument,
                             receipt);
    }
  }
  forget_answered();
}

/// Receipts mostly come in order, and some entries have none.
void SessionDoor::forget_answered() {
  while (!waiting_.empty() && waiting_.front().task == StoreTask::none) {
    waiting_.pop_front();
  }
}

void SessionDoor::take(std::vector<std::pair<std::uint64_t, storage::QueuedMessage>>& queued) {
  for (auto& [packed, message] : queued) {
    const Place place = Place::of(packed);
    taker_.on_queued(place.slot, place.generation, message);
  }
}

} // namespace spate::actors
