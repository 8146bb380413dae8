// Spate - an MQTT session whose connection, store, router and clock are the test's.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include "actors/mqtt_session.hpp"
#include "engine/net/connection.hpp"
#include "tests/actors/loop_parts.hpp"

namespace spate::actors {

using wire::PacketType;
using wire::Reason;
using wire::Version;

/// Where a session's words to the router end up, and its packets that go first.
struct FakeCommands final : CommandPort {
  std::string first; ///< Of send_first().
  std::vector<DeviceReady> ready;
  std::vector<CommandSent> sent;
  std::vector<CommandDelivered> delivered;
  std::vector<CommandAnswer> answers;
  std::vector<DeviceGone> gone;
  int flushes = 0;
  bool hot = false;
  std::uint64_t wake_within_ms = 0;

  void send_first(std::string_view packet) override { first.append(packet); }
  void flush() override { ++flushes; }
  void set_hot(bool on) override { hot = on; }
  void wake_within(std::uint64_t ms) override { wake_within_ms = ms; }
  void tell(DeviceReady message) override { add(ready, std::move(message)); }
  void tell(CommandSent message) override { add(sent, std::move(message)); }
  void tell(CommandDelivered message) override { add(delivered, std::move(message)); }
  void tell(CommandAnswer message) override { add(answers, std::move(message)); }
  void tell(DeviceGone message) override { gone.push_back(std::move(message)); }

private:
  template <class Message>
  void add(std::vector<Message>& to, Message message) {
    CHECK(gone.empty()); // It is the last word.
    CHECK(message.target == CommandTarget{5, 3, 9});
    to.push_back(std::move(message));
  }
};

struct FakePort final : SessionPort {
  FakeCommands router;
  bool has_router = true;
  std::string out;
  std::string claimed;
  bool paused = false;
  bool closed = false;
  std::size_t expected = 0;
  std::size_t unsent = 0;
  MqttSession* session = nullptr;
  bool claims = true; ///< Else the test calls on_claimed().

  std::string& output() override { return out; }
  void sent() override {}
  void pause_reading(bool pause) override { paused = pause; }
  void set_packet_bytes_max(std::size_t) override {}
  void expect(std::size_t bytes) override { expected = bytes; }
  [[nodiscard]] std::size_t unsent_bytes() const override { return unsent; }
  void close() override { closed = true; }
  void claim(std::string_view client_id) override {
    claimed = client_id;
    if (claims) {
      session->on_claimed();
    }
  }
  std::string remote_address() const override { return "127.0.0.1:1"; }
  CommandPort* commands() override { return has_router ? &router : nullptr; }
};

struct Answer {
  PacketType type{};
  std::uint8_t flags = 0;
  std::string bytes;
  [[nodiscard]] wire::Frame frame() const { return {type, flags, bytes}; }
};

/// A session whose receipts and clock are the test's.
struct Fixture : ReceiptListener, private CopyTaker, private StoreAnswerTaker, LoopParts {
  explicit Fixture(SessionLimits limits = {})
      : LoopParts(*this, *this, *this, 5, limits, [this] { return wall_ms; }) {
    port.session = &session;
  }
  ~Fixture() override { commit(); }

  void on_message(const model::TelemetryBlock& block, const model::Message& message) override {
    session.on_receipt(block, message);
  }

  /// Bytes to the session, as a connection would show them: with padding behind.
  std::size_t feed(const std::string& bytes) {
    std::string padded = bytes;
    padded.append(net::Connection::kPaddingBytes, '\0');
    return session.on_bytes(std::string_view(padded).substr(0, bytes.size()));
  }

  void connect(Version version, std::string_view client_id = "c1",
               std::uint16_t keep_alive_s = 60) {
    wire::Connect packet;
    packet.version = version;
    packet.client_id = client_id;
    packet.clean_start = true;
    packet.keep_alive_s = keep_alive_s;
    std::string bytes;
    wire::append_connect(bytes, packet);
    feed(bytes);
  }

  std::size_t publish(Version version, std::uint16_t packet_id, std::uint8_t qos = 1,
                      std::string_view payload = R"({"temp":18.9})",
                      std::string_view topic = "devices/d1/telemetry", std::uint16_t alias = 0) {
    wire::Publish packet;
    packet.topic = topic;
    packet.payload = payload;
    packet.packet_id = packet_id;
    packet.qos = qos;
    packet.topic_alias = alias;
    std::string bytes;
    wire::append_publish(bytes, packet, version);
    return feed(bytes);
  }

  void ack(Version version, PacketType type, std::uint16_t packet_id) {
    wire::Ack packet;
    packet.type = type;
    packet.packet_id = packet_id;
    std::string bytes;
    wire::append_ack(bytes, packet, version);
    feed(bytes);
  }

  /// Takes one packet from what the session has written.
  std::optional<Answer> next() { return take(port.out); }
  static std::optional<Answer> take(std::string& out) {
    const auto result = wire::next_frame(out, 1u << 20);
    if (result.status != wire::FrameStatus::complete) {
      return std::nullopt;
    }
    Answer answer{result.frame.type, result.frame.flags, std::string(result.frame.body)};
    out.erase(0, result.bytes);
    return answer;
  }
  wire::Connack connack(Version version) {
    const auto answer = next();
    REQUIRE(answer);
    REQUIRE(answer->type == PacketType::connack);
    kept = answer->bytes;
    return *wire::decode_connack({answer->type, answer->flags, kept}, version);
  }
  wire::Ack next_ack(Version version) {
    const auto answer = next();
    REQUIRE(answer);
    kept = answer->bytes;
    const auto decoded = wire::decode_ack({answer->type, answer->flags, kept}, version);
    REQUIRE(decoded);
    return *decoded;
  }
  wire::Disconnect goodbye() {
    const auto answer = next();
    REQUIRE(answer);
    REQUIRE(answer->type == PacketType::disconnect);
    kept = answer->bytes;
    const auto decoded = wire::decode_disconnect({answer->type, answer->flags, kept}, Version::v5);
    REQUIRE(decoded);
    return *decoded;
  }

  std::int64_t wall_ms = 1'700'000'000'000; ///< What the session takes for the time of now.
  FakePort port;
  MqttSession session{context, port, 3, 9};
  std::string kept;

private:
  void on_copy(Passing& passing, const Copy& copy) override {
    CHECK(copy.slot == 3);
    CHECK(copy.generation == 9);
    session.on_copy(passing, copy);
  }
  void on_store_answer(std::uint32_t, std::uint32_t, StoreTask, std::uint64_t,
                       storage::SessionReceipt&) override {
    FAIL("there is no store of sessions");
  }
  void on_queued(std::uint32_t, std::uint32_t, storage::QueuedMessage&) override {
    FAIL("there is no store of sessions");
  }
  void on_will(const model::ApplicationMessage&, const Matches&) override {
    FAIL("there is no store of sessions");
  }
};

} // namespace spate::actors
