#include "actors/message_router.hpp"

#include <algorithm>
#include <utility>

namespace spate::actors {

const model::SharedMessage& Passing::shared() {
  if (shared_ == nullptr) {
    auto made = std::make_shared<model::ApplicationMessage>();
    made->topic = topic_;
    made->payload = payload_;
    made->properties = properties_;
    made->expires_ms = expires_ms_;
    made->qos = qos_;
    made->retain = retain_;
    shared_ = std::move(made);
  }
  return shared_;
}

std::string_view Passing::plain_packet(wire::Version version, std::int64_t now_ms) {
  std::string& packet = packets_[version == wire::Version::v5 ? 1 : 0];
  if (packet.empty()) {
    wire::Delivery delivery;
    delivery.topic = topic_;
    delivery.payload = payload_;
    delivery.properties = properties_;
    if (expires_ms_ != 0) {
      delivery.message_expiry_s =
          static_cast<std::uint32_t>(std::max<std::int64_t>(1, (expires_ms_ - now_ms) / 1000));
    }
    wire::append_delivery(packet, delivery, version);
  }
  return packet;
}

/// What an iteration of one loop has for another: messages, each followed by its copies.
struct MessageRouter::Parcel {
  struct Item {
    std::size_t topic = 0; ///< Bytes of each part, which stand behind each other in `bytes`.
    std::size_t payload = 0;
    std::size_t properties = 0;
    std::int64_t expires_ms = 0;
    std::uint8_t qos = 0;
    bool retain = false;
    std::size_t copies = 0;
  };
  std::string bytes;
  std::vector<Item> items;
  std::vector<Copy> copies;
  const Passing* last = nullptr; ///< The message of the last item, while it is passed.
};

MessageRouter::MessageRouter(MessageHub& hub, net::Loop& loop, std::uint32_t number,
                             CopyTaker& taker)
    : hub_(hub), loop_(loop), number_(number), taker_(taker), reader_(hub.index_) {
  if (hub.routers_.size() <= number) {
    hub.routers_.resize(number + 1);
  }
  hub.routers_[number] = this;
}

std::uint64_t MessageRouter::match(std::string_view topic, const routing::Subscriber* publisher,
                                   Matches& out) {
  out.find(reader_.newest(), topic, publisher);
  return reader_.version();
}

void MessageRouter::pass(Passing& passing, const Matches& matches,
                         std::vector<storage::SessionTarget>& kept) {
  for (const Taker& taker : matches.takers()) {
    send(passing, *taker.subscriber, taker.qos, taker.retain_as_published && passing.retain(),
         taker.subscription_ids, kept);
  }
  for (const auto& group : matches.groups()) {
    const routing::Subscription& member = member_of(*group, turn_++);
    std::vector<std::uint32_t> ids;
    if (member.options.id != 0) {
      ids.push_back(member.options.id);
    }
    send(passing, *member.subscriber, member.options.qos,
         member.options.retain_as_published && passing.retain(), ids, kept);
  }
  for (const auto& parcel : parcels_) {
    if (parcel != nullptr) {
      parcel->last = nullptr;
    }
  }
  counters_.passed.add(matches.empty() ? 0 : 1);
}

void MessageRouter::send(Passing& passing, const routing::Subscriber& to, std::uint8_t qos,
                         bool retain, const std::vector<std::uint32_t>& ids,
                         std::vector<storage::SessionTarget>& kept) {
  qos = std::min(qos, passing.qos());
  if (qos != 0 && MessageHub::is_kept(to.session())) {
    kept.push_back({to.session(), qos, retain, ids});
    return;
  }
  const std::uint64_t packed = to.place();
  if (packed == 0) {
    counters_.nowhere.add();
    return;
  }
  const Place place = Place::of(packed);
  copy_.slot = place.slot;
  copy_.generation = place.generation;
  copy_.qos = qos;
  copy_.retain = retain;
  copy_.subscription_ids = ids;
  counters_.copies.add();
  if (place.loop == number_) {
    taker_.on_copy(passing, copy_);
    return;
  }
  if (parcels_.size() <= place.loop) {
    parcels_.resize(place.loop + 1);
  }
  auto& parcel = parcels_[place.loop];
  if (parcel == nullptr) {
    parcel = std::make_shared<Parcel>();
  }
  if (parcel->last != &passing) {
    parcel->last = &passing;
    parcel->bytes.append(passing.topic()).append(passing.payload()).append(passing.properties());
    parcel->items.push_back({passing.topic().size(), passing.payload().size(),
                             passing.properties().size(), passing.expires_ms(), passing.qos(),
                             passing.retain(), 0});
  }
  ++parcel->items.back().copies;
  parcel->copies.push_back(copy_);
}

void MessageRouter::hand_over() {
  for (std::size_t loop = 0; loop < parcels_.size(); ++loop) {
    if (parcels_[loop] == nullptr) {
      continue;
    }
    const std::size_t bytes =
        parcels_[loop]->bytes.size() + parcels_[loop]->copies.size() * sizeof(Copy);
    untaken_.fetch_add(bytes, std::memory_order_relaxed);
    MessageRouter& there = *hub_.routers_[loop];
    there.loop_.post([this, &there, bytes, parcel = std::exchange(parcels_[loop], nullptr)] {
      there.take(*parcel);
      const std::size_t before = untaken_.fetch_sub(bytes, std::memory_order_relaxed);
      if (before > kUntakenBytesMax && before - bytes <= kUntakenBytesMax) {
        loop_.wake(); // It reads again.
      }
    });
  }
}

void MessageRouter::take(const Parcel& parcel) {
  std::string_view bytes = parcel.bytes;
  const auto cut = [&bytes](std::size_t size) {
    const std::string_view part = bytes.substr(0, size);
    bytes.remove_prefix(size);
    return part;
  };
  std::size_t next = 0;
  for (const Parcel::Item& item : parcel.items) {
    const std::string_view topic = cut(item.topic);
    const std::string_view payload = cut(item.payload);
    Passing passing(topic, payload, cut(item.properties), item.qos, item.retain, item.expires_ms);
    for (std::size_t i = 0; i < item.copies; ++i) {
      taker_.on_copy(passing, parcel.copies[next++]);
    }
  }
}

} // namespace spate::actors
