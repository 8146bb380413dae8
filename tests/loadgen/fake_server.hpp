// Spate - a pretended MQTT server below a DeviceGroup, with a pretended clock.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "engine/wire/codec.hpp"
#include "loadgen/device_group.hpp"

namespace spate::loadgen {

/// Takes what devices send; answers when told to.
class FakeServer final : public Port {
public:
  struct Received {
    std::uint32_t device;
    std::string payload;
    std::uint16_t id;
    bool dup;
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

  /// Opens what connects and answers every CONNECT.
  void accept(DeviceGroup& group, std::int64_t now_ns, wire::Connack connack = {}) {
    for (const std::uint32_t device : std::exchange(connecting, {})) {
      group.on_open(device);
      read(device);
      connack.version = version;
      connack.session_present = session_present;
      std::string bytes;
      wire::append_connack(bytes, connack);
      give(group, device, bytes, now_ns);
    }
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
  bool refuse_connects = false;
  bool session_present = false;
  std::map<std::uint32_t, std::string> outputs;
  std::vector<std::uint32_t> connecting, pings;
  std::set<std::uint32_t> closed, aborted;
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
        break;
      case wire::PacketType::publish: {
        const auto packet = wire::decode_publish(next.frame, version).value();
        Received message{device, std::string(packet.payload), packet.packet_id, packet.dup};
        received.push_back(message);
        if (packet.qos != 0) {
          unanswered.push_back(message);
        }
        break;
      }
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
