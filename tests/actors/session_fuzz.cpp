// Spate - fuzzes a whole MQTT session: the input is what a stranger sends, read by read, while
// another client subscribes to everything. Whatever it sends, both hear only packets that a client
// can read, and what one subscribes to is right.
#define DOCTEST_CONFIG_IMPLEMENT
#include <doctest/doctest.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#include "engine/wire/topic.hpp"
#include "tests/actors/clients_fixture.hpp"
#include "tests/wire/any_packet.hpp"

namespace {

using namespace spate;
using namespace spate::actors;

void check(bool holds, const char* what) {
  if (!holds) {
    std::fprintf(stderr, "%s\n", what);
    std::abort();
  }
}

/// The fixture's own checks end the run like ours.
void on_failed_check(const doctest::AssertData& data) {
  if (data.m_failed) {
    std::fprintf(stderr, "%s:%d %s\n", data.m_file, data.m_line, data.m_expr);
    std::abort();
  }
}

/// Answers a PUBLISH or PUBREL as a good client does.
void answer(Clients::Client& client, const wire::Publish& publish) {
  if (publish.qos > 0) {
    client.ack(publish.qos == 1 ? PacketType::puback : PacketType::pubrec, publish.packet_id);
  }
}

void check_message(const wire::Publish& publish) {
  check(publish.topic.empty() || wire::topic_name_fault(publish.topic) == nullptr,
        "a message with a topic that is none");
  check(publish.qos == 0 || publish.packet_id != 0, "a message with packet id 0");
  check(!publish.dup, "a first delivery with DUP");
}

/// Reads all that a session has written; `good` answers it.
void read_all(Clients::Client& client, Version version, bool good) {
  while (const auto packet = Fixture::take(client.port.out)) {
    const wire::Frame frame = packet->frame();
    check(wire::recode(frame, version).same && !wire::recode(frame, version).error,
          "a packet that a client can not read");
    if (frame.type == PacketType::publish) {
      const auto publish = wire::decode_publish(frame, version);
      check_message(*publish);
      if (good) {
        answer(client, *publish);
      }
    } else if (good && frame.type == PacketType::pubrel) {
      client.ack(PacketType::pubcomp, wire::decode_ack(frame, version)->packet_id);
    }
  }
  check(client.port.out.empty(), "half a packet");
}

/// A connection's bytes: those that a session leaves are shown again with what follows.
class Stream {
public:
  explicit Stream(Clients::Client& client) : client_(client) {}

  void feed(std::string_view bytes) {
    left_.append(bytes);
    while (!left_.empty() && !client_.port.closed) {
      std::string padded = left_;
      padded.append(net::Connection::kPaddingBytes, '\xff');
      const std::size_t used =
          client_.session->on_bytes(std::string_view(padded).substr(0, left_.size()));
      check(used <= left_.size(), "more was used than was there");
      left_.erase(0, used);
      if (used == 0) {
        return;
      }
    }
  }

private:
  Clients::Client& client_;
  std::string left_;
};

/// Version of the CONNECT, as far as it can be seen.
Version version_of(std::string_view stream) {
  const auto cut = wire::next_frame(stream, 1u << 16);
  return cut.status == wire::FrameStatus::complete && cut.frame.type == PacketType::connect
             ? wire::connack_version(cut.frame)
             : Version::v311;
}

} // namespace

/// First byte: how long a read is, and whether commits come between.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static doctest::Context context;
  static const bool set = [] {
    context.setAsDefaultForAssertsOutOfTestCases();
    context.setAssertHandler(on_failed_check);
    return true;
  }();
  if (!set || size == 0) {
    return 0;
  }
  const std::string_view stream(reinterpret_cast<const char*>(data) + 1, size - 1);
  const std::size_t read_bytes = (data[0] & 0x80) != 0 ? stream.size() : (data[0] & 0x3f) + 1u;
  const bool commits = (data[0] & 0x40) == 0;

  SessionLimits limits;
  limits.receive_maximum = 5;
  limits.queue_messages_max = 10;
  limits.packet_bytes_max = 4096;
  limits.connect_bytes_max = 1024;
  Clients all(limits);
  Clients::Client& watcher = all.join(Version::v5, [](wire::Connect& c) {
    c.receive_maximum = 3;
    c.topic_alias_maximum = 2;
  });
  watcher.subscribe({{"#", 2, false, true}, {"$share/g/+/#", 1}}, 7);
  Clients::Client& stranger = all.accept(Version::v311);
  stranger.port.has_router = false;
  const Version version = version_of(stream);

  Stream bytes(stranger);
  for (std::size_t at = 0; at < stream.size(); at += read_bytes) {
    bytes.feed(stream.substr(at, read_bytes));
    if (commits) {
      all.commit();
      bytes.feed({}); // It may read on.
    }
    read_all(watcher, Version::v5, true);
    read_all(stranger, version, false);
    stranger.session->on_timer(all.loop.now_ms());
  }
  all.commit();
  read_all(stranger, version, false);
  all.leave(stranger);
  read_all(watcher, Version::v5, true);
  check(!watcher.port.closed, "the other client was disconnected");
  check(watcher.session->in_flight() == 0, "the other client owes something");
  return 0;
}
