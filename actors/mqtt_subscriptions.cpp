// SUBSCRIBE and UNSUBSCRIBE.
#include <algorithm>

#include "actors/message_router.hpp"
#include "actors/mqtt_deliveries.hpp"
#include "actors/mqtt_kept.hpp"
#include "actors/session_hub.hpp"

namespace spate::actors {

namespace {

using wire::Reason;
using wire::Version;

} // namespace

MqttSession::Deliveries& MqttSession::deliveries() {
  if (!deliveries_) {
    MessageRouter& messages = context_.messages;
    routing::Ref<routing::Subscriber> who =
        kept_ ? context_.door.hub().subscriber(kept_->number)
              : routing::Ref<routing::Subscriber>(
                    new routing::Subscriber(messages.hub().next_session()));
    who->move_to(place());
    deliveries_ = std::make_unique<Deliveries>(std::move(who), client_receive_maximum_,
                                               context_.limits.queue_bytes_max);
  }
  return *deliveries_;
}

std::uint64_t MqttSession::place() const noexcept {
  return Place{context_.messages.number(), slot_, generation_}.packed();
}

const routing::Subscriber* MqttSession::subscriber() const noexcept {
  return deliveries_ ? deliveries_->subscriber.get() : nullptr;
}

void MqttSession::on_subscribe(const wire::Frame& frame) {
  const auto packet = wire::decode_subscribe(frame, version_);
  if (!packet) {
    refuse(packet.error());
    return;
  }
  Deliveries& state = deliveries();
  const std::uint32_t id = packet->subscription_id.value_or(0);
  wire::SubscribeAck answer;
  answer.packet_id = packet->packet_id;
  std::vector<routing::Change> changes;
  storage::SessionSubscribing kept;
  std::vector<WantedRetained> wanted;
  std::vector<model::SharedMessage> sys; ///< Values of `$SYS`, all of QoS 0.
  for (const wire::Subscription& each : packet->subscriptions) {
    const auto at = std::lower_bound(state.filters.begin(), state.filters.end(), each.filter);
    const bool known = at != state.filters.end() && *at == each.filter;
    if ((!known && state.filters.size() >= context_.limits.subscriptions_max) ||
        !note_subscription(each.filter, each.qos, id)) {
      answer.reasons.push_back(Reason::quota_exceeded);
      continue;
    }
    if (!known) {
      state.filters.emplace(at, each.filter);
    }
    answer.reasons.push_back(static_cast<Reason>(each.qos)); // Granted QoS 0, 1 or 2.
    routing::Change& change = changes.emplace_back(change_of(each.filter));
    change.subscriber = state.subscriber;
    change.options = {id, each.qos, each.no_local, each.retain_as_published};
    if (kept_) {
      kept.added.push_back(
          {std::string(each.filter), id, each.qos, each.no_local, each.retain_as_published});
    }
    const bool wants = each.retain_handling == 0 || (each.retain_handling == 1 && !known);
    if (!wants || !change.share.empty()) { // [MQTT5-3.8.4-4] for shared ones.
      continue;
    }
    if (each.filter.starts_with("$SYS/")) {
      for (const model::SharedMessage& value : context_.sys.matching(each.filter)) {
        sys.push_back(value);
      }
    } else {
      wanted.push_back({std::string(each.filter), id, each.qos});
    }
  }
  if (kept_ && !changes.empty()) {
    ask_to_change(std::move(kept), answer, std::move(wanted));
  } else {
    if (!changes.empty()) {
      context_.messages.hub().index().apply(changes);
    }
    answer_subscription(answer);
    if (!wanted.empty()) {
      want_retained(std::move(wanted));
    }
  }
  for (const model::SharedMessage& value : sys) {
    deliver_retained(*value, id, 0);
  }
}

void MqttSession::on_unsubscribe(const wire::Frame& frame) {
  const auto packet = wire::decode_unsubscribe(frame, version_);
  if (!packet) {
    refuse(packet.error());
    return;
  }
  wire::SubscribeAck answer;
  answer.type = wire::PacketType::unsuback;
  answer.packet_id = packet->packet_id;
  std::vector<routing::Change> changes;
  storage::SessionSubscribing kept;
  for (const std::string_view filter : packet->filters) {
    const bool removed = deliveries_ && forget_filter(filter);
    answer.reasons.push_back(removed ? Reason::success : Reason::no_subscription_existed);
    if (removed) {
      routing::Change& change = changes.emplace_back(change_of(filter));
      change.subscriber = deliveries_->subscriber;
      change.remove = true;
      if (kept_) {
        kept.removed.emplace_back(filter);
      }
    }
    note_unsubscription(filter);
  }
  if (kept_ && !changes.empty()) {
    ask_to_change(std::move(kept), answer, {});
    return;
  }
  if (!changes.empty()) {
    context_.messages.hub().index().apply(changes);
  }
  answer_subscription(answer);
}

void MqttSession::answer_subscription(const wire::SubscribeAck& answer) {
  if (answer.type == wire::PacketType::suback) {
    send_suback(answer);
  } else {
    send_within([&](std::string& out) { wire::append_subscribe_ack(out, answer, version_); });
  }
  tell_changes();
}

bool MqttSession::forget_filter(std::string_view filter) {
  auto& filters = deliveries_->filters;
  const auto at = std::lower_bound(filters.begin(), filters.end(), filter);
  if (at == filters.end() || *at != filter) {
    return false;
  }
  filters.erase(at);
  return true;
}

/// Nothing more comes to this connection; to the session, if it is kept, through its queue.
void MqttSession::leave_index() {
  if (!deliveries_) {
    return;
  }
  deliveries_->subscriber->leave(place());
  if (kept_) {
    return;
  }
  std::vector<routing::Change> changes;
  for (const std::string& filter : deliveries_->filters) {
    routing::Change& change = changes.emplace_back(change_of(filter));
    change.subscriber = deliveries_->subscriber;
    change.remove = true;
  }
  if (!changes.empty()) {
    context_.messages.hub().index().apply(changes);
  }
  deliveries_->filters.clear();
}

} // namespace spate::actors
