// Spate - a pretended MQTT server below a DeviceGroup, with a pretended clock.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include "engine/wire/codec.hpp"
#include "loadgen/fleet/device_group.hpp"

namespace spate::loadgen {

/// Takes what devices send; answers when told to.
class FakeServer final : public Port {
public:
  struct Received {
    std::uint32_t device;
    std::string payload;
    std::uint16_t id;
    bool dup;
    std::string topic;
    std::string correlation;
  };

  explicit FakeServer(wire::Version v = wire::Version::v311) : version(v) {}

  Result<void> connect(std::uint32_t device) override {
    if (refuse_connects) {
      return fail(Errc::connect_failed, "no route");
    }
    connecting.push_back(device);
    return {};
  }
  std::string& output(std::uint32_t device) override { return outputs[device]; }
  void sent(std::uint32_t) override {}
  std::size_t unsent_bytes(std::uint32_t device) const override {
    const auto found = outputs.find(device);
    return found == outputs.end() ? 0 : found->second.size();
  }
  void close(std::uint32_t device) override { closed.insert(device); }
  void abort(std::uint32_t device) override { aborted.insert(device); }
  void pause_reading(std::uint32_t device, bool pause) override {
    pause ? (void)paused.insert(device) : (void)paused.erase(device);
  }
  void park(std::uint32_t device, std::int64_t until_ns) override {
    parked.insert(device);
    parked_until_ns = until_ns;
    outputs[device].clear();
  }
  Result<void> open_silent(std::size_t fault) override {
    ++silent[fault];
    return {};
  }
  void close_silent(std::size_t fault) override { silent.erase(fault); }

  /// What was aborted is closed.
  void lapse(DeviceGroup& group, std::int64_t now_ns) {
    for (const std::uint32_t device : std::exchange(aborted, {})) {
      outputs[device].clear();
      group.on_closed(device, "closed by us", now_ns);
    }
  }

  /// Opens what connects and answers every CONNECT.
  void accept(DeviceGroup& group, std::int64_t now_ns, wire::Connack connack = {}) {
    for (const std::uint32_t device : std::exchange(connecting, {})) {
      group.on_open(device);
      read(device);
      connack.version = version;
      connack.session_present = session_present;
      refused += last_password == wrong_password ? 1 : 0;
      connack.reason =
          last_password == wrong_password ? wire::Reason::not_authorized : wire::Reason::success;
      std::string bytes;
      wire::append_connack(bytes, connack);
      give(group, device, bytes, now_ns);
      read(device);
      if (grant) {
        grant_all(group, now_ns, *grant);
      }
    }
  }

  /// Answers every SUBSCRIBE.
  void grant_all(DeviceGroup& group, std::int64_t now_ns, wire::Reason reason) {
    for (const auto& [device, id] : std::exchange(subscribing, {})) {
      std::string bytes;
      wire::append_subscribe_ack(bytes, {wire::PacketType::suback, id, {reason}, {}}, version);
      give(group, device, bytes, now_ns);
    }
  }

  /// A command as the node sends it.
  [[nodiscard]] std::string command(std::uint32_t device, const std::string& id,
                                    std::uint16_t packet_id, bool dup = false) const {
    const bool v5 = version == wire::Version::v5;
    const std::string name = "devices/dev-" + std::to_string(device);
    const std::string topic = name + "/commands/set" + (v5 ? "" : "/" + id);
    const std::string answers = name + "/responses/here";
    wire::Publish packet;
    packet.topic = topic;
    packet.payload = "{}";
    packet.packet_id = packet_id;
    packet.qos = 1;
    packet.dup = dup;
    if (v5) {
      packet.response_topic = answers;
      packet.correlation_data = id;
    }
    std::string bytes;
    wire::append_publish(bytes, packet, version);
    return bytes;
  }
  [[nodiscard]] std::string puback(std::uint16_t id, wire::Reason reason = {}) const {
    std::string bytes;
    wire::append_ack(bytes, {wire::PacketType::puback, id, reason, {}, {}}, version);
    return bytes;
  }

  /// Reads what the devices have sent so far.
  void read_all() {
    for (auto& [device, out] : outputs) {
      read(device);
    }
  }

  /// Acknowledges everything that was read, in order.
  void answer(DeviceGroup& group, std::int64_t now_ns,
              wire::Reason reason = wire::Reason::success) {
    read_all();
    for (const Received& message : std::exchange(unanswered, {})) {
      std::string bytes;
      wire::append_ack(bytes, {wire::PacketType::puback, message.id, reason, {}, {}}, version);
      give(group, message.device, bytes, now_ns);
    }
    for (const std::uint32_t device : std::exchange(pings, {})) {
      std::string bytes;
      wire::append_pingresp(bytes);
      give(group, device, bytes, now_ns);
    }
  }

  /// The connections are gone, with what they had not answered.
  void die(DeviceGroup& group, std::size_t devices, std::int64_t now_ns) {
    read_all();
    unanswered.clear();
    pings.clear();
    for (std::uint32_t device = 0; device < devices; ++device) {
      outputs[device].clear();
      group.on_closed(device, "closed by the peer", now_ns);
    }
  }

  void give(DeviceGroup& group, std::uint32_t device, std::string_view bytes, std::int64_t now_ns) {
    group.on_bytes(device, bytes, now_ns, now_ns / 1'000'000);
  }

  wire::Version version;
  std::optional<wire::Reason> grant = wire::Reason::granted_qos1; ///< Nothing: no SUBACK.
  std::vector<std::pair<std::uint32_t, std::uint16_t>> subscribing;
  std::vector<std::string> filters;   ///< Of all SUBSCRIBE packets.
  std::vector<std::uint16_t> pubacks; ///< Of commands.
  bool refuse_connects = false;
  bool session_present = false;
  std::map<std::uint32_t, std::string> outputs;
  std::vector<std::uint32_t> connecting, pings;
  std::set<std::uint32_t> closed, aborted, paused, parked;
  std::map<std::size_t, int> silent; ///< By fault.
  std::int64_t parked_until_ns = 0;  ///< The last one's.
  int refused = 0;
  std::string wrong_password = "expired", last_password;
  std::vector<Received> received, unanswered;
  int disconnects = 0;
  wire::Connect last_connect;

private:
  void read(std::uint32_t device) {
    std::string& out = outputs[device];
    std::size_t used = 0;
    while (used < out.size()) {
      const auto next = wire::next_frame(std::string_view(out).substr(used), std::size_t{1} << 28);
      REQUIRE(next.status == wire::FrameStatus::complete);
      used += next.bytes;
      switch (next.frame.type) {
      case wire::PacketType::connect:
        last_connect = wire::decode_connect(next.frame).value();
        last_connect.client_id = {};
        last_password = last_connect.password.value_or("");
        last_connect.password.reset();
        break;
      case wire::PacketType::publish: {
        const auto packet = wire::decode_publish(next.frame, version).value();
        Received message{
            device,     std::string(packet.payload), packet.packet_id,
            packet.dup, std::string(packet.topic),   std::string(packet.correlation_data)};
        received.push_back(message);
        if (packet.qos != 0) {
          unanswered.push_back(message);
        }
        break;
      }
      case wire::PacketType::subscribe: {
        const auto packet = wire::decode_subscribe(next.frame, version).value();
        REQUIRE(packet.subscriptions.size() == 1);
        filters.emplace_back(packet.subscriptions[0].filter);
        subscribing.emplace_back(device, packet.packet_id);
        break;
      }
      case wire::PacketType::puback:
        pubacks.push_back(wire::decode_ack(next.frame, version).value().packet_id);
        break;
      case wire::PacketType::pingreq:
        pings.push_back(device);
        break;
      case wire::PacketType::disconnect:
        ++disconnects;
        break;
      default:
        FAIL("unexpected packet");
      }
    }
    out.clear();
  }
};

} // namespace spate::loadgen
