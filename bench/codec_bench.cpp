// Spate - what the MQTT codec costs per message. Every loop checks what it decoded or wrote.
#include <string>
#include <string_view>

#include <benchmark/benchmark.h>

#include "engine/wire/codec.hpp"

namespace {

using namespace spate::wire;

constexpr std::string_view kTopic = "devices/sensor-000042/telemetry";
constexpr std::string_view kPayload =
    R"({"ts":1594598424502,"temperature":21.53,"humidity":48.2,"battery":3.61,"ok":true,"site":"hall-7a"})";
static_assert(kPayload.size() >= 96 && kPayload.size() <= 104, "about 100 bytes");
constexpr std::size_t kPacketBytesMax = 65536;

Publish message(std::uint8_t qos) {
  Publish packet;
  packet.topic = kTopic;
  packet.payload = kPayload;
  packet.qos = qos;
  packet.packet_id = qos == 0 ? 0 : 4711;
  return packet;
}

/// Arguments: version, QoS.
void decode_publish_of_100_bytes(benchmark::State& state) {
  const auto version = static_cast<Version>(state.range(0));
  const auto qos = static_cast<std::uint8_t>(state.range(1));
  std::string stream;
  append_publish(stream, message(qos), version);
  stream.append("\x30"); // What follows in the stream.
  for (auto _ : state) {
    const FrameResult cut = next_frame(stream, kPacketBytesMax);
    const auto packet = decode_publish(cut.frame, version);
    if (!packet || packet->topic.size() != kTopic.size() ||
        packet->payload.size() != kPayload.size() || packet->qos != qos ||
        packet->packet_id != (qos == 0 ? 0 : 4711)) {
      state.SkipWithError("the packet decoded to something else");
      break;
    }
    benchmark::DoNotOptimize(packet->payload.data());
  }
  const auto packet = decode_publish(next_frame(stream, kPacketBytesMax).frame, version);
  if (!packet || packet->topic != kTopic || packet->payload != kPayload) {
    state.SkipWithError("the packet decoded to something else");
  }
}
BENCHMARK(decode_publish_of_100_bytes)
    ->ArgNames({"version", "qos"})
    ->ArgsProduct({{4, 5}, {0, 1, 2}});

/// A topic whose UTF-8 has to be looked at byte by byte.
void decode_publish_of_a_topic_beyond_ascii(benchmark::State& state) {
  Publish packet = message(1);
  packet.topic = "devices/k\xc3\xbchlhaus-000042/telemetry";
  std::string stream;
  append_publish(stream, packet, Version::v311);
  for (auto _ : state) {
    const auto decoded = decode_publish(next_frame(stream, kPacketBytesMax).frame, Version::v311);
    if (!decoded || decoded->topic.size() != packet.topic.size()) {
      state.SkipWithError("the packet decoded to something else");
      break;
    }
  }
}
BENCHMARK(decode_publish_of_a_topic_beyond_ascii);

void next_frame_alone(benchmark::State& state) {
  std::string stream;
  append_publish(stream, message(1), Version::v311);
  for (auto _ : state) {
    std::string_view input = stream;
    benchmark::DoNotOptimize(input);
    const FrameResult cut = next_frame(input, kPacketBytesMax);
    if (cut.status != FrameStatus::complete || cut.bytes != stream.size()) {
      state.SkipWithError("the frame was cut elsewhere");
      break;
    }
  }
}
BENCHMARK(next_frame_alone);

/// One write holds the acks of a batch, so the buffer is used again and again.
void append_20_pubacks(benchmark::State& state) {
  std::string out;
  for (auto _ : state) {
    out.clear();
    for (std::uint16_t id = 1; id <= 20; ++id) {
      append_puback(out, id);
    }
    benchmark::DoNotOptimize(out.data());
  }
  const auto last = decode_ack(next_frame(std::string_view(out).substr(76), 4).frame, Version::v5);
  if (out.size() != 80 || !last || last->packet_id != 20) {
    state.SkipWithError("the acks are not those written");
  }
  state.SetItemsProcessed(state.iterations() * 20);
}
BENCHMARK(append_20_pubacks);

/// Arguments: version.
void append_publish_of_100_bytes(benchmark::State& state) {
  const auto version = static_cast<Version>(state.range(0));
  const Publish packet = message(1);
  std::string out;
  for (auto _ : state) {
    out.clear();
    append_publish(out, packet, version);
    benchmark::DoNotOptimize(out.data());
  }
  const auto decoded = decode_publish(next_frame(out, kPacketBytesMax).frame, version);
  if (!decoded || !(*decoded == packet)) {
    state.SkipWithError("the packet is not the one written");
  }
}
BENCHMARK(append_publish_of_100_bytes)->ArgNames({"version"})->Arg(4)->Arg(5);

/// The most that 64 KiB of properties can cost: 32 user properties, then one more.
void refuse_64_kib_of_user_properties(benchmark::State& state) {
  const std::string value(static_cast<std::size_t>(state.range(0)), 'v');
  Publish packet = message(1);
  while (packet.user_properties.size() * (value.size() + 5) < 65536) {
    packet.user_properties.emplace_back("", value);
  }
  std::string stream;
  append_publish(stream, packet, Version::v5);
  const bool good = packet.user_properties.size() <= kUserPropertiesMax;
  for (auto _ : state) {
    const auto decoded = decode_publish(next_frame(stream, 1u << 20).frame, Version::v5);
    if (decoded.has_value() != good) {
      state.SkipWithError("the limit on user properties does not hold");
      break;
    }
  }
}
BENCHMARK(refuse_64_kib_of_user_properties)
    ->ArgNames({"value_bytes"})
    ->Arg(0)
    ->Arg(2043)
    ->Arg(16000);

} // namespace

BENCHMARK_MAIN();
