#include "loadgen/fleet/client_session.hpp"

#include <doctest/doctest.h>

#include "engine/wire/codec.hpp"

using namespace spate;
using namespace spate::loadgen;

namespace {

struct Events final : SessionEvents {
  void on_online(bool present) override {
    ++online;
    session_present = present;
  }
  void on_answered(const Message& message, wire::Reason reason) override {
    answered.push_back({message, reason});
  }
  void on_pong() override { ++pongs; }
  void on_message(const wire::Publish& publish) override { messages.emplace_back(publish.payload); }

  int online = 0;
  int pongs = 0;
  bool session_present = false;
  std::vector<std::pair<Message, wire::Reason>> answered;
  std::vector<std::string> messages;
};

/// A session with its payloads, and the server's side written by hand.
struct Client {
  explicit Client(std::uint8_t qos = 1, wire::Version version = wire::Version::v311,
                  const std::string& payload = "small")
      : templates(load_templates(payload, 1).value()) {
    options.qos = qos;
    options.version = version;
    options.window = 3;
  }

  Result<std::size_t> get(std::string_view bytes) {
    out.clear();
    return session.receive(bytes, out, events);
  }
  void go_online(const wire::Connack& connack = {}) {
    std::string bytes;
    wire::Connack packet = connack;
    packet.version = options.version;
    wire::append_connack(bytes, packet);
    session.connect(out);
    REQUIRE(get(bytes).value() == bytes.size());
    REQUIRE(session.state() == ClientSession::State::online);
  }
  std::string ack(wire::PacketType type, std::uint16_t id, wire::Reason reason = {}) const {
    std::string bytes;
    wire::append_ack(bytes, {type, id, reason, {}, {}}, options.version);
    return bytes;
  }
  void publish(std::int64_t ts) {
    out.clear();
    session.publish(out, payloads, {ts, ts, ts, payloads.next()});
  }
  wire::Publish sent() const {
    const auto frame = wire::next_frame(out, 1u << 20);
    REQUIRE(frame.status == wire::FrameStatus::complete);
    return wire::decode_publish(frame.frame, options.version).value();
  }

  SessionOptions options;
  std::vector<Template> templates;
  TemplatePayloads payloads{templates};
  DeviceNames names{"dev-", 1, 1};
  DeviceShare share{&names, &names, 1};
  ClientSession session{options, share, 0};
  Events events;
  std::string out;
};

using enum wire::PacketType;

} // namespace

TEST_CASE("a server that sends nonsense is left, whatever it is and whenever it comes") {
  const std::string zeros(64, '\0');
  const std::string ones(64, '\xff');
  std::string publish;
  wire::Publish message;
  message.topic = "a";
  wire::append_publish(publish, message, wire::Version::v311);
  std::string connack;
  wire::append_connack(connack, {});
  for (const bool online : {false, true}) {
    for (const std::string& bytes :
         {zeros, ones, publish, online ? connack : std::string("\xd0\x00", 2),
          std::string("\x40\x02\x00\x00", 4), std::string("\x40\x02\x12\x34", 4),
          std::string("\x42\x02\x00\x01", 4), std::string("\x20\x05\x00\x00\x00\x00\x00", 7),
          std::string("\xd0\x01\x00", 3), std::string("\xe0\x00", 2), std::string("\xf0\x00", 2),
          std::string("\x40\xff\xff\xff\x7f", 5)}) {
      Client client;
      if (online) {
        client.go_online();
      } else {
        client.session.connect(client.out);
      }
      CAPTURE(online);
      CAPTURE(bytes);
      CHECK_FALSE(client.get(bytes));
      CHECK(client.events.answered.empty());
    }
  }
}

TEST_CASE("an acknowledgement that nobody waits for is a protocol error") {
  Client client;
  client.go_online();
  client.publish(1);
  CHECK(client.get(client.ack(puback, 1)).value() == 4);
  CHECK(client.events.answered.size() == 1);
  // A second one for the same message must not be taken for the next message's.
  client.publish(2);
  CHECK(client.get(client.ack(puback, 1)).error().code == Errc::protocol_error);
  CHECK(client.events.answered.size() == 1);
}

TEST_CASE("QoS 1 and 2 do not take each other's acknowledgements") {
  for (const std::uint8_t qos : {std::uint8_t{1}, std::uint8_t{2}}) {
    for (const wire::PacketType type : {puback, pubrec, pubcomp}) {
      Client client(qos);
      client.go_online();
      client.publish(1);
      const bool right = type == (qos == 1 ? puback : pubrec);
      CAPTURE(qos);
      CHECK(client.get(client.ack(type, 1)).has_value() == right);
    }
  }
}

TEST_CASE("a refusing CONNACK and a DISCONNECT say why") {
  Client old;
  old.session.connect(old.out);
  CHECK(old.get(std::string("\x20\x02\x00\x05", 4)).error().detail == "refused: Not authorized");

  Client refused(1, wire::Version::v5);
  refused.session.connect(refused.out);
  std::string bytes;
  wire::Connack connack;
  connack.version = wire::Version::v5;
  connack.reason = wire::Reason::server_busy;
  wire::append_connack(bytes, connack);
  CHECK(refused.get(bytes).error().detail == "refused: Server busy");

  Client left(1, wire::Version::v5);
  left.go_online();
  bytes.clear();
  wire::Disconnect packet;
  packet.reason = wire::Reason::session_taken_over;
  wire::append_disconnect(bytes, packet, wire::Version::v5);
  CHECK(left.get(bytes).error().detail == "server disconnected: Session taken over");
}

TEST_CASE("a lower maximum QoS of the server is told, not run into") {
  Client client(2, wire::Version::v5);
  client.session.connect(client.out);
  std::string bytes;
  wire::Connack connack;
  connack.version = wire::Version::v5;
  connack.maximum_qos = std::uint8_t{1};
  wire::append_connack(bytes, connack);
  CHECK(client.get(bytes).error().code == Errc::connect_failed);
}

TEST_CASE("packets may come byte by byte") {
  Client client(2, wire::Version::v5);
  client.session.connect(client.out);
  std::string bytes;
  wire::Connack connack;
  connack.version = wire::Version::v5;
  wire::append_connack(bytes, connack);
  for (std::size_t i = 1; i < bytes.size(); ++i) {
    REQUIRE(client.get(bytes.substr(0, i)).value() == 0);
  }
  REQUIRE(client.get(bytes).value() == bytes.size());
  CHECK(client.events.online == 1);
}

TEST_CASE("many acknowledgements in one read are all counted, the torn last one is left") {
  Client client;
  client.go_online();
  for (std::int64_t ts = 1; ts <= 3; ++ts) {
    client.publish(ts);
  }
  CHECK_FALSE(client.session.can_publish()); // The window is 3.
  const std::string bytes =
      client.ack(puback, 2) + client.ack(puback, 1) + client.ack(puback, 3).substr(0, 3);
  CHECK(client.get(bytes).value() == 8);
  REQUIRE(client.events.answered.size() == 2);
  CHECK(client.events.answered[0].first.ts == 2);
  CHECK(client.events.answered[1].first.ts == 1);
  CHECK(client.session.in_flight() == 1);
  CHECK(client.session.can_publish());
}

TEST_CASE("the server's Receive Maximum narrows the window") {
  Client client(1, wire::Version::v5);
  wire::Connack connack;
  connack.receive_maximum = std::uint16_t{1};
  client.go_online(connack);
  client.publish(1);
  CHECK_FALSE(client.session.can_publish());
}

TEST_CASE("what is published is byte for byte what the codec would write") {
  for (const auto version : {wire::Version::v311, wire::Version::v5}) {
    for (const std::uint8_t qos : {std::uint8_t{0}, std::uint8_t{1}, std::uint8_t{2}}) {
      // Around the sizes where the remaining length grows by a byte.
      for (const char* what : {"small", "env", "99", "100", "101", "102", "103", "16355", "16356",
                               "16357", "16358", "40k"}) {
        Client client(qos, version, what);
        client.go_online();
        client.publish(1594598424502);
        wire::Publish wanted;
        const std::string payload(client.payloads.text({0, 0, 1594598424502, 0}));
        wanted.topic = "devices/dev-1/telemetry";
        wanted.payload = payload;
        wanted.qos = qos;
        wanted.packet_id = qos == 0 ? 0 : 1;
        std::string bytes;
        wire::append_publish(bytes, wanted, version);
        CAPTURE(what);
        CHECK((client.out == bytes));
      }
    }
  }
}

TEST_CASE("QoS 2 is answered when its handshake ends") {
  Client client(2);
  client.go_online();
  client.publish(1);
  REQUIRE(client.get(client.ack(pubrec, 1)));
  CHECK(client.out == client.ack(pubrel, 1));
  CHECK(client.events.answered.empty());
  REQUIRE(client.get(client.ack(pubcomp, 1)));
  CHECK(client.events.answered.size() == 1);
  CHECK(client.session.in_flight() == 0);
}

TEST_CASE("a refused message is answered with its reason") {
  Client client(2, wire::Version::v5);
  client.go_online();
  client.publish(1);
  REQUIRE(client.get(client.ack(pubrec, 1, wire::Reason::quota_exceeded)));
  CHECK(client.out.empty()); // No PUBREL after a refusal (MQTT5-4.3.3).
  REQUIRE(client.events.answered.size() == 1);
  CHECK(client.events.answered[0].second == wire::Reason::quota_exceeded);
}

TEST_CASE("after a lost connection the unanswered goes out again, unchanged and in its order") {
  Client client(2);
  client.go_online();
  for (std::int64_t ts = 1; ts <= 3; ++ts) {
    client.publish(ts);
  }
  const std::string third = client.out;
  REQUIRE(client.get(client.ack(pubrec, 1)));
  REQUIRE(client.get(client.ack(pubrec, 2)));
  REQUIRE(client.get(client.ack(pubcomp, 2)));
  client.session.lost();
  CHECK_FALSE(client.session.can_publish());

  client.go_online();
  client.out.clear();
  CHECK(client.session.resend(client.out, client.payloads, true) == 2);
  std::string wanted = client.ack(pubrel, 1) + third;
  wanted[4] = static_cast<char>(wanted[4] | 0x08); // DUP.
  CHECK((client.out == wanted));
}

TEST_CASE("a server that has forgotten the session gets what it had received as a new message") {
  Client client(2);
  client.go_online();
  client.publish(1);
  const std::string first = client.out;
  REQUIRE(client.get(client.ack(pubrec, 1)));
  client.session.lost();

  client.go_online();
  client.out.clear();
  CHECK(client.session.resend(client.out, client.payloads, false) == 1);
  CHECK((client.out == first));                    // PUBLISH without DUP, not a PUBREL.
  CHECK_FALSE(client.get(client.ack(pubcomp, 1))); // Would have counted as acknowledged.
  CHECK(client.events.answered.empty());
}

TEST_CASE("packet identifiers wrap past zero and leave out those that are still waiting") {
  Client client;
  client.go_online();
  client.publish(1); // Identifier 1 is never answered until the end.
  for (std::int64_t i = 0; i < 70'000; ++i) {
    client.publish(2 + i);
    const wire::Publish sent = client.sent();
    const bool right = sent.packet_id > 1 && client.get(client.ack(puback, sent.packet_id)) &&
                       client.events.answered.back().first.ts == 2 + i;
    REQUIRE(right);
  }
  REQUIRE(client.get(client.ack(puback, 1)));
  CHECK(client.events.answered.back().first.ts == 1);
  CHECK(client.session.in_flight() == 0);
}

TEST_CASE("a message of QoS 2 counts once, however often it comes before its PUBREL") {
  for (const auto version : {wire::Version::v311, wire::Version::v5}) {
    Client client(1, version);
    client.options.subscribe = TopicTemplate("t/#");
    client.options.subscribe_qos = 2;
    wire::Connack kept;
    kept.session_present = true;
    client.go_online(kept);
    const auto message = [&](std::uint8_t qos) {
      wire::Publish packet;
      packet.topic = "t/a";
      packet.payload = "x";
      packet.packet_id = 7;
      packet.qos = qos;
      std::string bytes;
      wire::append_publish(bytes, packet, version);
      return bytes;
    };
    REQUIRE(client.get(message(2)));
    CHECK(client.out == client.ack(wire::PacketType::pubrec, 7));
    client.session.lost();
    client.go_online(kept); // The server did not get it, and sends again.
    REQUIRE(client.get(message(2)));
    CHECK(client.out == client.ack(wire::PacketType::pubrec, 7));
    CHECK(client.events.messages.size() == 1);
    REQUIRE(client.get(client.ack(wire::PacketType::pubrel, 7)));
    CHECK(client.out == client.ack(wire::PacketType::pubcomp, 7));
    REQUIRE(client.get(message(2))); // The identifier is free: another message.
    CHECK(client.events.messages.size() == 2);
    client.session.lost();
    client.go_online(); // A session of its own: what it knew is of no use.
    REQUIRE(client.get(message(2)));
    CHECK(client.events.messages.size() == 3);

    client.options.subscribe_qos = 1;
    CHECK_FALSE(client.get(message(2)));
  }
}

TEST_CASE("{device} in credentials and filter is the device; behind a gateway it is the client") {
  for (const std::uint32_t members : {1u, 2u}) {
    const DeviceNames devices("d-{n}", 0, 4), clients("c-{n}", 0, 4 / members);
    const DeviceShare share{&devices, &clients, clients.size(), members};
    SessionOptions options;
    options.user = TopicTemplate("u-{device}");
    options.password = TopicTemplate("p-{device}");
    options.subscribe = TopicTemplate("f/{device}");
    ClientSession session(options, share, 1);
    std::string out;
    session.connect(out);
    const auto packet = wire::decode_connect(wire::next_frame(out, 1000).frame).value();
    const std::string name = members == 1 ? "d-1" : "c-1";
    CHECK(packet.client_id == "c-1");
    CHECK(packet.user_name == "u-" + name);
    CHECK(packet.password == "p-" + name);
    std::string connack;
    wire::append_connack(connack, {});
    out.clear();
    Events events;
    REQUIRE(session.receive(connack, out, events));
    CHECK(out.find("f/" + name) != std::string::npos);
  }
}

TEST_CASE("a topic may hold the device several times or not at all") {
  CHECK(TopicTemplate("a/{device}/b").text("x") == "a/x/b");
  CHECK(TopicTemplate("{device}/{device}").text("x") == "x/x");
  CHECK(TopicTemplate("v1/devices/me/telemetry").text("x") == "v1/devices/me/telemetry");
}
