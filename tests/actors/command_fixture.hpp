// Spate - a session that takes commands, with the router's side in the hands of the test.
#pragma once

#include <string>
#include <vector>

#include "engine/base/uuid.hpp"
#include "tests/actors/session_fixture.hpp"

namespace spate::actors {

inline Uuid command_id(std::uint8_t n) {
  Uuid id = *parse_uuid("01977f2e-6d5b-7c3a-9f10-3b2f6a1d9e00");
  id.bytes[15] = n;
  return id;
}

/// A connected client whose CONNACK is taken.
struct CommandFixture final : Fixture {
  explicit CommandFixture(Version as = Version::v5, SessionLimits limits = {},
                          std::string_view client_id = "c1", std::uint16_t receive_maximum = 65535,
                          std::uint32_t packet_bytes_max = 0)
      : Fixture(limits), version(as) {
    wire::Connect packet;
    packet.version = version;
    packet.client_id = client_id;
    packet.clean_start = true;
    packet.keep_alive_s = 60;
    packet.receive_maximum = receive_maximum;
    packet.packet_bytes_max = packet_bytes_max;
    std::string bytes;
    wire::append_connect(bytes, packet);
    feed(bytes);
    connack(version);
  }

  void feed_subscribe(std::vector<std::string_view> filters, std::uint8_t qos = 1) {
    wire::Subscribe packet;
    packet.packet_id = 1;
    for (const std::string_view filter : filters) {
      packet.subscriptions.push_back({filter, qos});
    }
    std::string bytes;
    wire::append_subscribe(bytes, packet, version);
    feed(bytes);
  }
  /// The reason codes of the SUBACK, once the store knows the devices.
  std::vector<Reason> subscribe(std::vector<std::string_view> filters, std::uint8_t qos = 1) {
    feed_subscribe(std::move(filters), qos);
    auto answer = next();
    if (!answer) {
      commit();
      answer = next();
    }
    REQUIRE(answer);
    return wire::decode_subscribe_ack(answer->frame(), version)->reasons;
  }
  void unsubscribe(std::string_view filter) {
    wire::Unsubscribe packet;
    packet.packet_id = 1;
    packet.filters = {filter};
    std::string bytes;
    wire::append_unsubscribe(bytes, packet, version);
    feed(bytes);
    REQUIRE(next());
  }

  [[nodiscard]] model::Command command(std::uint8_t n, std::string_view device = "d1",
                                       std::string_view args = "[1]") const {
    model::Command made;
    made.id = command_id(n);
    made.device = device;
    made.name = "reboot";
    made.args = args;
    made.created_ms = wall_ms;
    made.expires_ms = wall_ms + 60'000;
    return made;
  }
  /// Takes a PUBLISH from what the session has sent first; its views live until the next.
  wire::Publish sent() {
    const auto packet = take(port.router.first);
    REQUIRE(packet);
    REQUIRE(packet->type == PacketType::publish);
    kept_publish = packet->bytes;
    const auto publish = wire::decode_publish({packet->type, packet->flags, kept_publish}, version);
    REQUIRE(publish);
    return *publish;
  }
  void puback(std::uint16_t packet_id, Reason reason = Reason::success,
              std::string_view words = {}) {
    wire::Ack packet;
    packet.packet_id = packet_id;
    packet.reason = reason;
    packet.reason_string = words;
    std::string bytes;
    wire::append_ack(bytes, packet, version);
    feed(bytes);
  }
  std::size_t answer(std::uint16_t packet_id, std::string_view topic, std::string_view payload,
                     std::uint8_t qos = 1, std::string_view status = {}) {
    wire::Publish packet;
    packet.topic = topic;
    packet.payload = payload;
    packet.packet_id = qos == 0 ? std::uint16_t{0} : packet_id;
    packet.qos = qos;
    if (!status.empty()) {
      packet.user_properties.emplace_back("status", status);
    }
    std::string bytes;
    wire::append_publish(bytes, packet, version);
    return feed(bytes);
  }
  static std::string topic(std::uint8_t n, std::string_view device = "d1") {
    return "devices/" + std::string(device) + "/responses/" + text_of(command_id(n));
  }
  void settle(SettleAnswer::Verdict verdict, std::size_t answer = 0) {
    session.on_settle({router().answers.at(answer).token, verdict});
  }
  FakeCommands& router() { return port.router; }
  std::uint64_t rejected(model::RejectReason reason) {
    const auto counts = writer.ledger().snapshot();
    CHECK(counts.imbalance() == 0);
    return counts.rejected[static_cast<std::size_t>(reason)];
  }

  Version version;
  std::string kept_publish;
};

} // namespace spate::actors
