// Spate - what the generator reads from outside: a server's packets, recorded lines, an API's
// pages.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "loadgen/acks_file.hpp"
#include "loadgen/client_session.hpp"
#include "loadgen/page_source.hpp"
#include "loadgen/replay_file.hpp"

using namespace spate;
using namespace spate::loadgen;

namespace {

struct Count final : SessionEvents {
  void on_online(bool) override {}
  void on_answered(const Message&, wire::Reason) override { ++answered; }
  void on_pong() override {}
  std::size_t answered = 0;
};

void check(bool holds) {
  if (!holds) {
    std::abort();
  }
}

/// The first byte says which QoS and version; what follows comes from the server.
void read_packets(std::string_view bytes) {
  static const std::vector<Template> templates = load_templates("small", 1).value();
  if (bytes.empty()) {
    return;
  }
  SessionOptions options;
  options.qos = static_cast<std::uint8_t>(1 + (bytes[0] & 1));
  options.version = (bytes[0] & 2) != 0 ? wire::Version::v5 : wire::Version::v311;
  ClientSession session(options, "dev-1");
  TemplatePayloads payloads(templates);
  Count events;
  std::string out;
  session.connect(out);
  const std::string_view packets = bytes.substr(1);
  std::size_t published = 0;
  for (std::size_t at = 0; at < packets.size();) {
    const auto used = session.receive(packets.substr(at), out, events);
    if (!used || *used == 0) {
      break;
    }
    at += *used;
    while (session.can_publish()) {
      session.publish(out, payloads, {0, 0, 1594598424502, payloads.next()});
      ++published;
    }
    check(published == events.answered + session.in_flight());
  }
}

void read_texts(std::string_view text) {
  std::vector<JsonSpan> scratch;
  ReplayLine line;
  if (parse_replay_line(text, scratch, line)) {
    std::uint64_t hash = 0;
    if (const auto payload = replay_payload(ReplayForm::flat, 5, line.payload, hash)) {
      check(json_members(*payload, scratch).has_value());
      std::uint64_t again = 0;
      const auto record = replay_payload(ReplayForm::record, 5, line.payload, again);
      check(record && json_members(*record, scratch).has_value() && hash == again);
    }
  }
  (void)parse_page(text);
  (void)parse_ack_line(text);
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  read_packets(bytes);
  read_texts(bytes);
  return 0;
}
