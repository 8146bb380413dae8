// Spate - several MQTT sessions of one loop that publish to each other, and what each one hears.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

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

class Clients final : private ReceiptListener, private CopyTaker {
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

  explicit Clients(SessionLimits session_limits = {}) : limits(session_limits) {}
  ~Clients() override {
    for (auto& client : clients_) {
      leave(*client);
    }
    commit();
  }

  /// A client that is connected; `change` may set more of its CONNECT.
  Client& join(Version version = Version::v5,
               const std::function<void(wire::Connect&)>& change = {}) {
    Client& client = connect(version, change);
    const auto answer = Fixture::take(client.port.out);
    REQUIRE(answer);
    REQUIRE(answer->type == PacketType::connack);
    return client;
  }
  /// A client that has sent its CONNECT, whatever is answered.
  Client& connect(Version version, const std::function<void(wire::Connect&)>& change) {
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
  /// A connection that has sent nothing yet.
  Client& accept(Version version) {
    auto& client = *clients_.emplace_back(std::make_unique<Client>());
    client.version = version;
    client.session = std::make_unique<MqttSession>(
        context, client.port, static_cast<std::uint32_t>(clients_.size() - 1), 1);
    return client;
  }
  /// Its connection is gone.
  void leave(Client& client) {
    if (client.session) {
      client.session->on_closed();
      left_.push_back(std::move(client.session));
    }
  }
  void commit() {
    writer.hand_over();
    store.answer_all();
    while (writer.deliver_receipts(100)) {
    }
  }

  SessionLimits limits;
  net::Loop loop;
  FakeStore store;
  model::ShapeTable shapes;
  telemetry::RouteTable routes;
  telemetry::Parser parser{shapes};
  Presence presence;
  ShardWriter writer{loop, store, *this};
  MessageHub hub;
  MessageRouter messages{hub, loop, 0, *this};
  SessionContext context{store,
                         writer,
                         parser,
                         routes,
                         presence,
                         messages,
                         loop,
                         limits,
                         "fsync",
                         {},
                         log::RateLimit(0, 0),
                         {},
                         {},
                         std::mt19937_64(1)};

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

  std::vector<std::unique_ptr<Client>> clients_;
  std::vector<std::unique_ptr<MqttSession>> left_;
};

} // namespace spate::actors
