#include "loadgen/receive/device_topics.hpp"

#include <string>

#include <doctest/doctest.h>

#include "engine/wire/codec.hpp"
#include "loadgen/load/payload.hpp"
#include "loadgen/load/replay_file.hpp"
#include "loadgen/receive/received_record.hpp"
#include "loadgen/receive/subscriber_session.hpp"

using namespace spate;
using namespace spate::loadgen;

namespace {

struct Messages final : SubscriberEvents {
  void on_subscribed() override { ++subscribed; }
  void on_message(const wire::Publish& message) override {
    topics.emplace_back(message.topic);
    payload_bytes += message.payload.size();
  }
  int subscribed = 0;
  std::vector<std::string> topics;
  std::size_t payload_bytes = 0;
};

/// A subscriber and what its server says.
struct Client {
  explicit Client(wire::Version v, std::vector<std::string> filters = {"t/+"})
      : version(v), session(SubscriberOptions{v, "me", {}, {}, std::move(filters)}) {
    session.connect(out);
    out.clear();
  }
  std::string hear(const std::string& bytes) {
    auto used = session.receive(bytes, out, events, whole_bytes);
    return used ? std::to_string(*used) : used.error().detail;
  }
  std::string connack(wire::Reason reason = wire::Reason::success) const {
    wire::Connack packet;
    packet.version = version;
    packet.reason = reason;
    std::string bytes;
    wire::append_connack(bytes, packet);
    return bytes;
  }
  [[nodiscard]] std::string suback(std::vector<wire::Reason> reasons, std::uint16_t id = 1) const {
    wire::SubscribeAck packet;
    packet.type = wire::PacketType::suback;
    packet.packet_id = id;
    packet.reasons = std::move(reasons);
    std::string bytes;
    wire::append_subscribe_ack(bytes, packet, version);
    return bytes;
  }
  [[nodiscard]] std::string publish(const std::string& payload, std::uint16_t id) const {
    wire::Publish packet;
    packet.topic = "t/a";
    packet.payload = payload;
    packet.packet_id = id;
    packet.qos = id == 0 ? 0 : 1;
    std::string bytes;
    wire::append_publish(bytes, packet, version);
    return bytes;
  }
  void go_online() {
    hear(connack());
    out.clear();
    hear(suback({static_cast<wire::Reason>(1)}));
    REQUIRE(session.subscribed());
  }

  const wire::Version version;
  std::string out;
  Messages events;
  std::size_t whole_bytes = 0;
  SubscriberSession session;
};

constexpr wire::Version kVersions[] = {wire::Version::v311, wire::Version::v5};

} // namespace

TEST_CASE("a device is found in its topic, wherever the topic names it") {
  const DeviceTopics topics(
      {"devices/{device}/telemetry", "{device}", "a-{device}/x/{device}", "fixed"});
  CHECK(topics.device("devices/dev-7/telemetry") == "dev-7");
  CHECK(topics.device("dev-7") == "dev-7");
  CHECK(topics.device("a-7/x/7") == "7");
  CHECK(topics.device("fixed") == "fixed"); // As a device of the second template.
  for (const char* other : {"devices//telemetry", "devices/a/b/telemetry", "devices/a/telemetr",
                            "a-7/x/8", "", "x/y"}) {
    CAPTURE(other);
    CHECK_FALSE(topics.device(other));
  }
  CHECK_FALSE(DeviceTopics({"fixed"}).device("fixed"));
}

TEST_CASE("the filter of a topic takes each level that names the device") {
  CHECK(DeviceTopics::filter("devices/{device}/telemetry") == "devices/+/telemetry");
  CHECK(DeviceTopics::filter("/a-{device}/{device}/") == "/+/+/");
  CHECK(DeviceTopics::filter("{device}") == "+");
  CHECK(DeviceTopics::filter("fixed") == "fixed");
}

TEST_CASE("a payload has the hash that its sender noted, in both forms") {
  std::vector<JsonSpan> scratch;
  const auto templates = load_templates("env", 1).value();
  for (const Template& text : templates) {
    std::string payload = text.text;
    write_ts(payload.data() + text.ts_offset, 1594598424502);
    const auto record = read_received(payload, scratch).value();
    CHECK(record.ts == 1594598424502);
    CHECK(record.hash == text.hash);
  }
  const std::string fields = R"({"temp":18.90,"deep":{"on":true,"list":["a",1e3]}})";
  for (const ReplayForm form : {ReplayForm::flat, ReplayForm::record}) {
    std::uint64_t hash = 0;
    const auto payload = replay_payload(form, 77, fields, hash).value();
    const auto record = read_received(payload, scratch).value();
    CHECK(record.ts == 77);
    CHECK(record.hash == hash);
  }
  for (const char* bad : {"", "{}", "[1]", R"({"ts":"1"})", R"({"ts":1.5})", R"({"ts":1)",
                          R"({"ts":99999999999999999999})", R"({"values":{}})"}) {
    CAPTURE(bad);
    CHECK_FALSE(read_received(bad, scratch));
  }
}

TEST_CASE("a subscriber acknowledges what comes at QoS 1, and nothing else") {
  for (const wire::Version version : kVersions) {
    Client client(version);
    client.go_online();
    CHECK(client.events.subscribed == 1);
    client.out.clear();
    const std::string bytes =
        client.publish("{}", 7) + client.publish("{}", 0) + client.publish("{}", 8);
    CHECK(client.hear(bytes) == std::to_string(bytes.size()));
    CHECK(client.events.topics.size() == 3);
    std::string wanted;
    wire::append_puback(wanted, 7);
    wire::append_puback(wanted, 8);
    CHECK(client.out == wanted);
  }
}

TEST_CASE("a large message may come in pieces, and says how much of it is to come") {
  for (const wire::Version version : kVersions) {
    Client client(version);
    client.go_online();
    const std::string whole = client.publish(std::string(1 << 20, 'x'), 7);
    CHECK(client.hear(whole.substr(0, 1000)) == "0");
    CHECK(client.whole_bytes == whole.size());
    CHECK(client.hear(whole) == std::to_string(whole.size()));
    CHECK(client.events.payload_bytes == std::size_t{1} << 20);
    CHECK(client.whole_bytes == 0);
  }
}

TEST_CASE("a subscription that is refused, or granted with less than QoS 1, is told") {
  for (const wire::Version version : kVersions) {
    const auto said = [version](std::vector<wire::Reason> reasons, std::uint16_t id = 1) {
      Client client(version, {"a", "b"});
      client.hear(client.connack());
      return client.hear(client.suback(std::move(reasons), id));
    };
    const auto one = static_cast<wire::Reason>(1);
    CHECK(said({one, one}).size() < 4); // Bytes.
    CHECK(said({one, static_cast<wire::Reason>(0x80)}).starts_with("the subscription was refused"));
    CHECK(said({static_cast<wire::Reason>(0), one}) ==
          "the server grants the subscription QoS 0 only");
    CHECK(said({one}) == "the server sent a SUBACK that answers nothing");
    CHECK(said({one, one}, 2) == "the server sent a SUBACK that answers nothing");
    Client refused(version);
    CHECK(refused.hear(refused.connack(wire::Reason::not_authorized))
              .starts_with("the subscriber was refused"));
    Client early(version);
    CHECK(early.hear(early.publish("{}", 1)).starts_with("the server sent an unexpected"));
    Client twice(version);
    twice.go_online();
    CHECK(twice.hear(twice.connack()).starts_with("the server sent an unexpected"));
  }
}
