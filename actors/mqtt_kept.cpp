// Sessions that outlive their connection, retained messages, and all that waits for the store of
// sessions.
#include "actors/mqtt_kept.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

#include "actors/mqtt_deliveries.hpp"
#include "actors/mqtt_publishing.hpp"

namespace spate::actors {

using storage::SessionStatus;
using wire::Reason;
using wire::Version;

namespace {

Reason reason_of_failure(SessionStatus status) noexcept {
  return status == SessionStatus::busy ? Reason::server_busy : Reason::server_unavailable;
}

} // namespace

/// The client id is ours alone: whoever held it has said what there was to say.
void MqttSession::on_claimed() {
  if (state_ != State::opening) {
    return;
  }
  SessionDoor& door = context_.door;
  const bool brief = opening_->clean_start && opening_->expiry_s == 0;
  if (!door.is_open() || (brief && !door.store().may_keep(client_id_))) {
    welcome(false);
    return;
  }
  storage::SessionOpening asked;
  asked.client_id = client_id_;
  asked.clean_start = opening_->clean_start;
  asked.expiry_s = opening_->expiry_s;
  if (!brief && will_) {
    asked.will = std::move(*will_);
    will_ = nullptr; // The store sees to it, whatever becomes of us.
  }
  asked.page_messages = kPageMessages;
  asked.page_bytes = kPageBytes;
  door.submit(slot_, generation_, StoreTask::opening, opening_->expiry_s, std::move(asked));
}

void MqttSession::on_opened(storage::SessionReceipt& receipt, std::uint32_t expiry_s) {
  if (state_ != State::opening) {
    context_.door.abandon(receipt.opened.number, expiry_s);
    return;
  }
  if (receipt.status != SessionStatus::done) {
    refuse(receipt.status == SessionStatus::full ? Reason::quota_exceeded
                                                 : reason_of_failure(receipt.status),
           "the session can not be opened: " + receipt.detail);
    return;
  }
  storage::OpenedSession& opened = receipt.opened;
  if (opened.number != 0) {
    kept_ = std::make_unique<Kept>();
    kept_->number = opened.number;
    kept_->expiry_s = opening_->expiry_s;
    restore(opened);
  }
  welcome(opened.present);
  if (kept_ && state_ == State::connected) {
    resume(opened);
  }
}

/// Subscriptions and handshakes, before the CONNACK.
void MqttSession::restore(storage::OpenedSession& opened) {
  Deliveries& state = deliveries();
  for (storage::SessionSubscription& each : opened.subscriptions) {
    note_subscription(each.filter, each.qos, each.id);
    state.filters.push_back(std::move(each.filter));
  }
  std::sort(state.filters.begin(), state.filters.end());
  if (!opened.received_ids.empty()) {
    publishing_ = std::make_unique<Publishing>();
    for (const std::uint16_t id : opened.received_ids) {
      publishing_->awaiting_pubrel.insert(id);
    }
  }
}

/// What the last connection left: first the PUBRELs that are owed (MQTT-4.4.0-1).
void MqttSession::resume(storage::OpenedSession& opened) {
  tell_changes();
  kept_->sent_through = opened.sent_through;
  push_page(opened.page);
  std::vector<std::uint64_t> owed;
  deliveries_->outbox.for_each_received(
      [&](Outbox::Entry& entry) { owed.push_back(entry.sequence); });
  for (const std::uint64_t sequence : owed) {
    deliveries_->outbox.release(sequence);
    send_pubrel(packet_id_of(sequence), Reason::success);
  }
  kept_->behind = true; // What came between the page and now was not told to us.
  send_waiting_messages();
}

void MqttSession::push_page(std::vector<storage::QueuedMessage>& page) {
  Outbox& outbox = deliveries_->outbox;
  for (storage::QueuedMessage& queued : page) {
    if (queued.sequence > outbox.last_sequence()) {
      Outbox::Entry entry;
      entry.sequence = queued.sequence;
      entry.message = std::move(queued.message);
      entry.subscription_ids = std::move(queued.target.subscription_ids);
      entry.qos = queued.target.qos;
      entry.retain = queued.target.retain;
      entry.dup = queued.sequence <= kept_->sent_through;
      outbox.push(std::move(entry));
    }
  }
}

/// A message that is durable in our queue.
void MqttSession::on_queued(storage::QueuedMessage& queued) {
  if (state_ != State::connected || !kept_ || kept_->behind) {
    return; // The next page brings it.
  }
  if (held_) {
    kept_->behind = true; // Retained messages stand before it.
    return;
  }
  Outbox& outbox = deliveries_->outbox;
  if (outbox.waiting() >= kAheadMessagesMax || outbox.waiting_bytes() >= kAheadBytesMax) {
    kept_->behind = true;
    return;
  }
  std::vector<storage::QueuedMessage> page;
  page.push_back(std::move(queued));
  push_page(page);
  send_waiting_messages();
}

/// Asks for more of the queue once what we have of it is sent.
void MqttSession::page_if_behind() {
  if (!kept_ || !kept_->behind || kept_->paging || deliveries_->outbox.waiting() != 0 || held_ ||
      state_ != State::connected) {
    return;
  }
  storage::SessionPageLoad load;
  load.session = kept_->number;
  load.after = deliveries_->outbox.last_sequence();
  load.messages_max = kPageMessages;
  load.bytes_max = kPageBytes;
  kept_->paging = true;
  context_.door.submit(slot_, generation_, StoreTask::page, 0, std::move(load));
}

void MqttSession::on_page(storage::SessionReceipt& receipt) {
  kept_->paging = false;
  if (receipt.status != SessionStatus::done) {
    refuse(reason_of_failure(receipt.status), "the session's queue can not be read");
    return;
  }
  push_page(receipt.page);
  kept_->behind = receipt.more || held_;
  send_waiting_messages();
}

/// The client has it, or will not have it.
void MqttSession::settle_queued(std::uint64_t sequence, bool received) {
  if (kept_) {
    context_.door.submit(slot_, generation_, received ? StoreTask::receiving : StoreTask::none,
                         sequence, storage::SessionSettling{kept_->number, sequence, received});
  }
}

void MqttSession::on_store_answer(StoreTask task, std::uint64_t argument,
                                  storage::SessionReceipt& receipt) {
  if (task == StoreTask::opening) {
    on_opened(receipt, static_cast<std::uint32_t>(argument));
    return;
  }
  if (state_ != State::connected) {
    return;
  }
  const bool done = receipt.status == SessionStatus::done;
  switch (task) {
  case StoreTask::publishing:
    if (done) {
      settle(static_cast<std::uint32_t>(argument), model::RejectReason::none);
    } else {
      settle_failed(static_cast<std::uint32_t>(argument),
                    receipt.status != SessionStatus::unavailable);
    }
    break;
  case StoreTask::releasing:
    if (done) {
      send_pubcomp(static_cast<std::uint16_t>(argument), Reason::success);
    } else {
      refuse(Reason::server_unavailable, "the session can not be written");
    }
    break;
  case StoreTask::receiving:
    if (!done) {
      refuse(Reason::server_unavailable, "the session can not be written");
    } else if (deliveries_->outbox.release(argument)) {
      send_pubrel(packet_id_of(argument), Reason::success);
    }
    break;
  case StoreTask::subscribing:
    on_changed(receipt);
    break;
  case StoreTask::page:
    on_page(receipt);
    break;
  case StoreTask::retained:
    on_retained(receipt);
    break;
  default:
    break;
  }
}

MqttSession::Asked& MqttSession::asked() {
  if (!asked_) {
    asked_ = std::make_unique<Asked>();
  }
  return *asked_;
}

/// Subscriptions of a kept session change once that is written.
void MqttSession::ask_to_change(storage::SessionSubscribing subscribing,
                                const wire::SubscribeAck& answer,
                                std::vector<WantedRetained> wanted) {
  subscribing.session = kept_->number;
  // What is published to the new filters from then on stands in the queue behind these.
  subscribing.set_aside =
      static_cast<std::uint32_t>(wanted.size() * context_.limits.queue_messages_max);
  if (!wanted.empty()) {
    hold_back();
  }
  asked().changes.push_back({answer, subscribing.added, subscribing.removed, std::move(wanted)});
  context_.door.submit(slot_, generation_, StoreTask::subscribing, 0, std::move(subscribing));
}

void MqttSession::on_changed(storage::SessionReceipt& receipt) {
  const wire::SubscribeAck answer = std::move(asked_->changes.front().answer);
  std::vector<WantedRetained> wanted = std::move(asked_->changes.front().wanted);
  apply_first_change();
  if (receipt.status != SessionStatus::done) {
    refuse(reason_of_failure(receipt.status), "the subscriptions can not be written");
    return;
  }
  answer_subscription(answer);
  std::uint64_t sequence = receipt.sequence;
  for (WantedRetained& each : wanted) {
    each.sequence = sequence;
    each.sequence_end = sequence += context_.limits.queue_messages_max;
  }
  if (!wanted.empty()) {
    want_retained(std::move(wanted));
  }
}

void MqttSession::apply_first_change() {
  const Asked::Change change = std::move(asked_->changes.front());
  asked_->changes.pop_front();
  std::vector<routing::Change> changes;
  for (const storage::SessionSubscription& each : change.added) {
    changes.push_back(change_of(each, deliveries_->subscriber));
  }
  for (const std::string& filter : change.removed) {
    changes.push_back(change_of(filter));
    changes.back().subscriber = deliveries_->subscriber;
    changes.back().remove = true;
  }
  context_.messages.hub().index().apply(changes);
}

/// Until the retained messages are on their way, newer ones wait and the client is not read.
void MqttSession::hold_back() {
  held_ = true;
  port_.pause_reading(true);
}

/// Retained messages for subscriptions that were just made (MQTT-3.3.1-6, MQTT5-3.3.1-9 to 11).
void MqttSession::want_retained(std::vector<WantedRetained> wanted) {
  if (!context_.door.is_open() || !context_.door.store().has_retained()) {
    if (held_) {
      release_held();
    }
    return;
  }
  hold_back();
  asked().wanted.assign(std::make_move_iterator(wanted.begin()),
                        std::make_move_iterator(wanted.end()));
  load_retained();
}

void MqttSession::load_retained() {
  const WantedRetained& wanted = asked_->wanted.front();
  storage::RetainedLoad load;
  load.filter = wanted.filter;
  load.after = wanted.after;
  if (kept_) {
    load.session = kept_->number;
    load.qos = wanted.qos;
    load.subscription_id = wanted.id;
    load.sequence = wanted.sequence;
    load.sequence_end = wanted.sequence_end;
  }
  context_.door.submit(slot_, generation_, StoreTask::retained, 0, std::move(load));
}

/// False: nothing is to come before it.
bool MqttSession::hold(Passing& passing, const Copy& copy) {
  if (!held_) {
    return false;
  }
  const model::SharedMessage& message = passing.shared();
  if (asked_->held.size() >= context_.limits.queue_messages_max ||
      asked_->held_bytes + message->bytes() > context_.limits.queue_bytes_max) {
    context_.counters.dropped_full.add();
  } else {
    asked_->held_bytes += message->bytes();
    asked_->held.push_back({message, copy});
  }
  return true;
}

/// All retained messages are on their way.
void MqttSession::release_held() {
  held_ = false;
  if (asked_) {
    const auto held = std::exchange(asked_->held, {});
    asked_->held_bytes = 0;
    for (const Asked::Held& each : held) {
      const model::ApplicationMessage& message = *each.message;
      Passing passing(message.topic, message.payload, message.properties, message.qos,
                      message.retain, message.expires_ms);
      on_copy(passing, each.copy);
    }
  }
  page_if_behind();
  if (!paused_) {
    port_.pause_reading(false);
  }
}

void MqttSession::on_retained(storage::SessionReceipt& receipt) {
  if (receipt.status != SessionStatus::done) {
    refuse(reason_of_failure(receipt.status), "the retained messages can not be read");
    return;
  }
  WantedRetained& wanted = asked_->wanted.front();
  for (const storage::QueuedMessage& each : receipt.page) {
    deliver_retained(*each.message, wanted.id, std::min(wanted.qos, each.message->qos));
  }
  if (kept_ && receipt.sequence != wanted.sequence) {
    kept_->behind = true;
  }
  wanted.after = std::move(receipt.after);
  wanted.sequence = receipt.sequence;
  if (!receipt.more) {
    asked_->wanted.pop_front();
  }
  if (asked_->wanted.empty()) {
    release_held();
  } else {
    load_retained();
  }
}

void MqttSession::deliver_retained(const model::ApplicationMessage& message, std::uint32_t id,
                                   std::uint8_t qos) {
  Copy copy;
  copy.slot = slot_;
  copy.generation = generation_;
  copy.qos = qos;
  copy.retain = true;
  if (id != 0) {
    copy.subscription_ids.push_back(id);
  }
  Passing passing(message.topic, message.payload, message.properties, message.qos, true,
                  message.expires_ms);
  take_copy(passing, copy);
}

/// The store hears that the connection is gone: once, and before who takes the client id over.
void MqttSession::leave_store() {
  if (!kept_ || kept_->left) {
    return;
  }
  kept_->left = true;
  storage::SessionClosing closing;
  closing.session = kept_->number;
  closing.expiry_s = kept_->expiry_s;
  closing.forget_will = kept_->forget_will;
  if (deliveries_) {
    closing.sent_through = deliveries_->outbox.sent_through();
  }
  context_.door.submit(slot_, generation_, StoreTask::none, 0, std::move(closing));
}

} // namespace spate::actors
