// SUBSCRIBE and UNSUBSCRIBE.
#include <algorithm>

#include "actors/message_router.hpp"
#include "actors/mqtt_deliveries.hpp"

namespace spate::actors {

namespace {

using wire::Reason;
using wire::Version;

/// `filter` as the index takes it. 3.1.1 knows no shared subscriptions; its clients get them all
/// the same, as everywhere.
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

} // namespace

MqttSession::Deliveries& MqttSession::deliveries() {
  if (!deliveries_) {
    MessageRouter& messages = context_.messages;
    routing::Ref<routing::Subscriber> who = new routing::Subscriber(messages.hub().next_session());
    who->move_to(Place{messages.number(), slot_, generation_}.packed());
    deliveries_ = std::make_unique<Deliveries>(std::move(who), client_receive_maximum_,
                                               context_.limits.queue_bytes_max);
  }
  return *deliveries_;
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
  wire::SubscribeAck answer;
  answer.packet_id = packet->packet_id;
  std::vector<routing::Change> changes;
  for (const wire::Subscription& wanted : packet->subscriptions) {
    const auto at = std::lower_bound(state.filters.begin(), state.filters.end(), wanted.filter);
    const bool known = at != state.filters.end() && *at == wanted.filter;
    if ((!known && state.filters.size() >= context_.limits.subscriptions_max) ||
        !note_subscription(wanted.filter, wanted.qos, packet->subscription_id.value_or(0))) {
      answer.reasons.push_back(Reason::quota_exceeded);
      continue;
    }
    if (!known) {
      state.filters.emplace(at, wanted.filter);
    }
    routing::Change& change = changes.emplace_back(change_of(wanted.filter));
    change.subscriber = state.subscriber;
    change.options.id = packet->subscription_id.value_or(0);
    change.options.qos = wanted.qos;
    change.options.no_local = wanted.no_local;
    change.options.retain_as_published = wanted.retain_as_published;
    answer.reasons.push_back(static_cast<Reason>(wanted.qos)); // Granted QoS 0, 1 or 2.
  }
  if (!changes.empty()) {
    context_.messages.hub().index().apply(changes);
  }
  send_suback(answer);
  tell_changes();
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
  for (const std::string_view filter : packet->filters) {
    const bool removed = deliveries_ && forget_filter(filter);
    answer.reasons.push_back(removed ? Reason::success : Reason::no_subscription_existed);
    if (removed) {
      routing::Change& change = changes.emplace_back(change_of(filter));
      change.subscriber = deliveries_->subscriber;
      change.remove = true;
    }
    note_unsubscription(filter);
  }
  if (!changes.empty()) {
    context_.messages.hub().index().apply(changes);
  }
  send_within([&](std::string& out) { wire::append_subscribe_ack(out, answer, version_); });
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

/// Nothing more is for this session.
void MqttSession::leave_index() {
  if (!deliveries_) {
    return;
  }
  deliveries_->subscriber->move_to(0);
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
