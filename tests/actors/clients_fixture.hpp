// Spate - several MQTT sessions of one loop that publish to each other, and what each one hears.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "actors/own_messages.hpp"
#include "tests/actors/fake_session_store.hpp"
#include "tests/actors/session_fixture.hpp"

namespace spate::actors {

/// A PUBLISH that a client got, with its own memory.
struct Heard {
  std::string topic;
  std::string payload;
  std::uint16_t packet_id = 0;
  std::uint8_t qos = 0;
  bool retain = false;
  bool dup = false;
  std::uint16_t alias = 0;
  std::optional<std::uint32_t> expiry_s;
  std::string content_type;
  std::string response_topic;
  std::vector<std::uint32_t> subscription_ids;
  std::vector<std::pair<std::string, std::string>> user_properties;
};

class Clients final : private ReceiptListener,
                      private CopyTaker,
                      private StoreAnswerTaker,
                      private storage::SessionListener,
                      public LoopParts {
public:
  struct Client {
    FakePort port;
    std::unique_ptr<MqttSession> session;
    Version version = Version::v5;

    void feed(const std::string& bytes) {
      std::string padded = bytes;
      padded.append(net::Connection::kPaddingBytes, '\0');
      session->on_bytes(std::string_view(padded).substr(0, bytes.size()));
    }
    void publish(const wire::Publish& packet) {
      std::string bytes;
      wire::append_publish(bytes, packet, version);
      feed(bytes);
    }
    void publish(std::string_view topic, std::string_view payload, std::uint8_t qos = 0,
                 std::uint16_t packet_id = 1) {
      wire::Publish packet;
      packet.topic = topic;
      packet.payload = payload;
      packet.qos = qos;
      packet.packet_id = qos != 0 ? packet_id : std::uint16_t{0};
      publish(packet);
    }
    /// Gives the reasons of the SUBACK.
    std::vector<Reason> subscribe(std::vector<wire::Subscription> what, std::uint32_t id = 0) {
      wire::Subscribe packet;
      packet.packet_id = 9;
      packet.subscriptions = std::move(what);
      if (id != 0) {
        packet.subscription_id = id;
      }
      std::string bytes;
      wire::append_subscribe(bytes, packet, version);
      feed(bytes);
      const auto answer = Fixture::take(port.out);
      REQUIRE(answer);
      REQUIRE(answer->type == PacketType::suback);
      return wire::decode_subscribe_ack(answer->frame(), version)->reasons;
    }
    void unsubscribe(std::string_view filter) {
      wire::Unsubscribe packet;
      packet.packet_id = 9;
      packet.filters = {filter};
      std::string bytes;
      wire::append_unsubscribe(bytes, packet, version);
      feed(bytes);
      REQUIRE(Fixture::take(port.out)->type == PacketType::unsuback);
    }
    void ack(PacketType type, std::uint16_t packet_id, Reason reason = Reason::success) {
      wire::Ack packet;
      packet.type = type;
      packet.packet_id = packet_id;
      packet.reason = reason;
      std::string bytes;
      wire::append_ack(bytes, packet, version);
      feed(bytes);
    }
    void disconnect(Reason reason = Reason::success) {
      wire::Disconnect packet;
      packet.reason = reason;
      std::string bytes;
      wire::append_disconnect(bytes, packet, version);
      feed(bytes);
    }
    /// The next packet, which must be an answer of this type.
    wire::Ack next_ack(PacketType type) {
      const auto answer = Fixture::take(port.out);
      REQUIRE(answer);
      REQUIRE(answer->type == type);
      wire::Ack out = *wire::decode_ack(answer->frame(), version);
      out.reason_string = {};
      return out;
    }
    /// The next packet, if it is a PUBLISH.
    std::optional<Heard> hear() {
      const auto answer = Fixture::take(port.out);
      if (!answer || answer->type != PacketType::publish) {
        return std::nullopt;
      }
      const auto packet = wire::decode_publish(answer->frame(), version);
      REQUIRE(packet);
      Heard out;
      out.topic = packet->topic;
      out.payload = packet->payload;
      out.packet_id = packet->packet_id;
      out.qos = packet->qos;
      out.retain = packet->retain;
      out.dup = packet->dup;
      out.alias = packet->topic_alias;
      out.expiry_s = packet->message_expiry_s;
      out.content_type = packet->content_type;
      out.response_topic = packet->response_topic;
      out.subscription_ids = packet->subscription_ids;
      for (const auto& [name, value] : packet->user_properties) {
        out.user_properties.emplace_back(name, value);
      }
      return out;
    }
    /// Payloads of all that it got, in order.
    std::vector<std::string> payloads() {
      std::vector<std::string> out;
      while (const auto heard = hear()) {
        out.push_back(heard->payload);
      }
      return out;
    }
  };

  /// With `keeps` there is a store of sessions, which answers when it is told to.
  explicit Clients(SessionLimits limits = {}, bool keeps = false)
      : LoopParts(*this, *this, *this, 0, limits) {
    if (keeps) {
      sessions.open(kept);
      kept.gather = [this] { door.hand_over(); };
    }
    sessions.begin();
  }
  ~Clients() override {
    for (auto& client : clients_) {
      leave(*client);
    }
    commit();
  }

  /// A connection that has sent nothing yet.
  Client& accept(Version version) {
    auto& client = *clients_.emplace_back(std::make_unique<Client>());
    client.version = version;
    client.session = std::make_unique<MqttSession>(
        context, client.port, static_cast<std::uint32_t>(clients_.size() - 1), 1);
    client.port.session = client.session.get();
    return client;
  }
  /// A client that has sent its CONNECT; `change` may set more of it.
  Client& begin(Version version, const std::function<void(wire::Connect&)>& change = {}) {
    Client& client = accept(version);
    wire::Connect packet;
    packet.version = version;
    const std::string id = "client-" + std::to_string(clients_.size());
    packet.client_id = id;
    packet.clean_start = true;
    if (change) {
      change(packet);
    }
    std::string bytes;
    wire::append_connect(bytes, packet);
    client.feed(bytes);
    return client;
  }
  static wire::Connack connack(Client& client) {
    const auto answer = Fixture::take(client.port.out);
    REQUIRE(answer);
    REQUIRE(answer->type == PacketType::connack);
    wire::Connack out = *wire::decode_connack(answer->frame(), client.version);
    out.assigned_client_id = {}; // They do not outlive the answer.
    out.user_properties.clear();
    return out;
  }
  /// One that is connected.
  Client& join(Version version = Version::v5,
               const std::function<void(wire::Connect&)>& change = {}) {
    Client& client = begin(version, change);
    kept.answer();
    CHECK(connack(client).reason == Reason::success);
    return client;
  }
  /// One whose session is kept.
  Client& join_kept(std::string_view client_id, Version version = Version::v5,
                    const std::function<void(wire::Connect&)>& change = {}) {
    Client& client = begin_kept(client_id, version, change);
    kept.answer();
    return client;
  }
  Client& begin_kept(std::string_view client_id, Version version = Version::v5,
                     const std::function<void(wire::Connect&)>& change = {}) {
    return begin(version, [&](wire::Connect& packet) {
      packet.client_id = client_id;
      packet.clean_start = false;
      if (version == Version::v5) {
        packet.session_expiry_s = 1000;
      }
      if (change) {
        change(packet);
      }
    });
  }
  /// Its connection is gone.
  void leave(Client& client) {
    if (client.session) {
      client.session->on_closed();
      left_.push_back(std::move(client.session));
    }
  }

  FakeSessionStore kept{*this};

private:
  void on_message(const model::TelemetryBlock& block, const model::Message& message) override {
    if (auto& client = clients_.at(message.ack.slot); client->session) {
      client->session->on_receipt(block, message);
    }
  }
  void on_copy(Passing& passing, const Copy& copy) override {
    if (auto& client = clients_.at(copy.slot); client->session) {
      client->session->on_copy(passing, copy);
    }
  }
  void on_store_answer(std::uint32_t slot, std::uint32_t, StoreTask task, std::uint64_t argument,
                       storage::SessionReceipt& receipt) override {
    if (auto& client = clients_.at(slot); client->session) {
      client->session->on_store_answer(task, argument, receipt);
    } else if (task == StoreTask::opening) {
      door.abandon(receipt.opened.number, static_cast<std::uint32_t>(argument));
    }
  }
  void on_queued(std::uint32_t slot, std::uint32_t, storage::QueuedMessage& queued) override {
    if (auto& client = clients_.at(slot); client->session) {
      client->session->on_queued(queued);
    }
  }
  void on_restored(Restored) override {}
  void on_receipts(std::vector<storage::SessionReceipt> receipts) override { door.take(receipts); }
  void on_queued(std::vector<storage::SessionDelivery> deliveries) override {
    std::vector<std::pair<std::uint64_t, storage::QueuedMessage>> queued;
    for (storage::SessionDelivery& each : deliveries) {
      if (const std::uint64_t place = sessions.subscriber(each.session)->place(); place != 0) {
        queued.emplace_back(place, std::move(each.queued));
      }
    }
    door.take(queued);
  }
  std::vector<storage::SessionPublishing> on_wills(const Wills& wills) override {
    std::vector<storage::SessionPublishing> kept_parts;
    for (const auto& [session, will] : wills) {
      Matches connected;
      kept_parts.push_back(split_will(hub.index(), will, 0, connected));
      on_will(*will, connected);
    }
    return kept_parts;
  }
  void on_ended(
      std::vector<std::pair<storage::SessionNumber, std::vector<std::string>>> ended) override {
    sessions.on_ended(std::move(ended));
  }
  void on_will(const model::ApplicationMessage& will, const Matches& connected) override {
    pass_will(messages, will, connected);
  }

  std::vector<std::unique_ptr<Client>> clients_;
  std::vector<std::unique_ptr<MqttSession>> left_;
};

} // namespace spate::actors
