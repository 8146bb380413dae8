#include <filesystem>
#include <fstream>
#include <iterator>
#include <vector>

#include "tests/wire/any_packet.hpp"
#include "tests/wire/bytes.hpp"

namespace spate::wire::test {

namespace {

struct Sample {
  Version version;
  std::string bytes;
};

template <class Append, class Packet>
Sample sample(Append append, const Packet& packet, Version v) {
  Sample out{v, {}};
  append(out.bytes, packet, v);
  return out;
}

Connect full_connect(Version v) {
  Connect c;
  c.version = v;
  c.clean_start = true;
  c.keep_alive_s = 0xfffe;
  c.client_id = "sensor-\xc3\xbc-1";
  c.user_name = "user";
  c.password = "\xff\0\x01"sv;
  Will& will = c.will.emplace();
  will.topic = "devices/sensor-1/state";
  will.payload = "offline";
  will.qos = 2;
  will.retain = true;
  if (v == Version::v5) {
    will.delay_s = 30;
    will.payload_format = 1;
    will.message_expiry_s = 0;
    will.content_type = "text/plain";
    will.response_topic = "re/ply";
    will.correlation_data = "\0\xff"sv;
    will.user_properties = {{"a", "1"}, {"a", "2"}};
    c.session_expiry_s = 0xffffffff;
    c.receive_maximum = 1;
    c.packet_bytes_max = 1;
    c.topic_alias_maximum = 65535;
    c.request_response_information = true;
    c.request_problem_information = false;
    c.authentication_method = "";
    c.authentication_data = "x";
    c.user_properties = {{"", ""}};
  }
  return c;
}

Connack full_connack() {
  Connack c;
  c.version = Version::v5;
  c.session_present = true;
  c.session_expiry_s = 0;
  c.receive_maximum = 100;
  c.maximum_qos = 1;
  c.retain_available = false;
  c.packet_bytes_max = 65536;
  c.assigned_client_id = "auto-1";
  c.topic_alias_maximum = 0;
  c.reason_string = "fine";
  c.wildcard_subscription_available = true;
  c.subscription_identifiers_available = false;
  c.shared_subscription_available = true;
  c.server_keep_alive_s = 0;
  c.response_information = "r/";
  c.server_reference = "other:1883";
  c.authentication_method = "m";
  c.authentication_data = "\0"sv;
  c.user_properties = {{"k", "v"}};
  return c;
}

void add_publishes(std::vector<Sample>& out, Version v) {
  Publish p;
  p.topic = "devices/sensor-1/telemetry";
  p.payload = R"({"temp":21.5})";
  for (std::uint8_t qos = 0; qos < 3; ++qos) {
    p.qos = qos;
    p.packet_id = qos == 0 ? 0 : 65535;
    p.dup = qos == 2;
    p.retain = qos == 1;
    out.push_back(sample(append_publish, p, v));
  }
  const std::string large(20000, 'x'); // Remaining length of three bytes.
  p.payload = large;
  out.push_back(sample(append_publish, p, v));
  p.payload = "";
  out.push_back(sample(append_publish, p, v));
  if (v == Version::v5) {
    p.topic = "";
    p.topic_alias = 1;
    p.payload_format = 1;
    p.message_expiry_s = 0xffffffff;
    p.content_type = "application/json";
    p.response_topic = "a/b";
    p.correlation_data = "\0\1\2"sv;
    p.subscription_ids = {1, 128, 268435455};
    const std::string long_value(300, 'v'); // Property length of two bytes.
    p.user_properties = {{"k", long_value}};
    out.push_back(sample(append_publish, p, v));
  }
}

std::vector<Sample> samples(Version v) {
  std::vector<Sample> out;
  const auto connect = [](std::string& to, const Connect& c, Version) { append_connect(to, c); };
  const auto connack = [](std::string& to, const Connack& c, Version) { append_connack(to, c); };
  Connect small;
  small.version = v;
  small.clean_start = true;
  out.push_back(sample(connect, small, v));
  out.push_back(sample(connect, full_connect(v), v));
  Connack plain;
  plain.version = v;
  plain.reason = Reason::not_authorized;
  out.push_back(sample(connack, plain, v));
  if (v == Version::v5) {
    out.push_back(sample(connack, full_connack(), v));
  }
  add_publishes(out, v);
  for (const auto type :
       {PacketType::puback, PacketType::pubrec, PacketType::pubrel, PacketType::pubcomp}) {
    const bool release = type == PacketType::pubrel || type == PacketType::pubcomp;
    const Reason failed = release ? Reason::packet_identifier_not_found : Reason::quota_exceeded;
    out.push_back(sample(append_ack, Ack{type, 1, Reason::success, "", {}}, v));
    out.push_back(sample(append_ack, Ack{type, 2, failed, "", {}}, v));
    out.push_back(sample(append_ack, Ack{type, 3, failed, "full", {{"k", "v"}}}, v));
    out.push_back(sample(append_ack, Ack{type, 4, Reason::success, "", {{"k", "v"}}}, v));
  }
  Subscribe subscribe;
  subscribe.packet_id = 11;
  subscribe.subscription_id = 200;
  subscribe.subscriptions = {{"a/+/b", 1, true, true, 2}, {"#", 2, false, false, 0}};
  subscribe.user_properties = {{"k", "v"}};
  out.push_back(sample(append_subscribe, subscribe, v));
  Unsubscribe unsubscribe;
  unsubscribe.packet_id = 12;
  unsubscribe.filters = {"a/+/b", "#"};
  out.push_back(sample(append_unsubscribe, unsubscribe, v));
  const std::vector<Reason> granted{Reason::success, Reason::granted_qos1, Reason::not_authorized};
  out.push_back(
      sample(append_subscribe_ack, SubscribeAck{PacketType::suback, 11, granted, "no"}, v));
  const std::vector<Reason> removed{Reason::success, Reason::no_subscription_existed};
  out.push_back(
      sample(append_subscribe_ack, SubscribeAck{PacketType::unsuback, 12, removed, ""}, v));
  out.push_back(sample(append_disconnect, Disconnect{}, v));
  Disconnect bye;
  bye.reason = Reason::server_shutting_down;
  out.push_back(sample(append_disconnect, bye, v));
  bye.session_expiry_s = 1;
  bye.reason_string = "bye";
  bye.server_reference = "b";
  bye.user_properties = {{"k", "v"}};
  out.push_back(sample(append_disconnect, bye, v));
  out.push_back({v, "\xc0\0"s});
  out.push_back({v, "\xd0\0"s});
  return out;
}

std::vector<Sample> all_samples() {
  std::vector<Sample> out = samples(Version::v311);
  for (Sample& one : samples(Version::v5)) {
    out.push_back(std::move(one));
  }
  return out;
}

} // namespace

TEST_CASE("every packet that is encoded decodes, and encodes to the same bytes again") {
  for (const Sample& one : all_samples()) {
    const Frame cut = frame_of(one.bytes);
    CAPTURE(name_of(cut.type));
    const Recoded recoded = recode(cut, one.version);
    CHECK_MESSAGE(!recoded.error, (recoded.error ? recoded.error->detail : ""));
    CHECK(recoded.same);
    CHECK(recoded.bytes == one.bytes);
  }
}

TEST_CASE("every field of the largest packets survives its round trip") {
  std::string bytes;
  for (const Version v : {Version::v311, Version::v5}) {
    bytes.clear();
    append_connect(bytes, full_connect(v));
    CHECK(*decode_connect(frame_of(bytes)) == full_connect(v));
  }
  bytes.clear();
  append_connack(bytes, full_connack());
  CHECK(*decode_connack(frame_of(bytes), Version::v5) == full_connack());
}

TEST_CASE("a stream cut at any byte asks for more and reads nothing beyond the cut") {
  for (const Sample& one : all_samples()) {
    const std::size_t step = one.bytes.size() > 1000 ? 97 : 1;
    for (std::size_t size = 0; size < one.bytes.size(); size += step) {
      const ExactCopy copy(std::string_view(one.bytes).substr(0, size));
      const FrameResult cut = next_frame(copy.view(), 1u << 20);
      CHECK(cut.status == FrameStatus::partial);
      CHECK((cut.bytes == 0 || cut.bytes == one.bytes.size()));
    }
  }
}

TEST_CASE(
    "a body cut at any byte is refused or is a shorter packet, and nothing beyond it is read") {
  for (const Sample& one : all_samples()) {
    const Frame whole = frame_of(one.bytes);
    const std::size_t step = whole.body.size() > 1000 ? 97 : 1;
    for (std::size_t size = 0; size < whole.body.size(); size += step) {
      const ExactCopy copy(whole.body.substr(0, size));
      Frame cut = whole;
      cut.body = copy.view();
      const Recoded recoded = recode(cut, one.version);
      CHECK(recoded.same);
      const bool fixed_form =
          whole.type == PacketType::connect || whole.type == PacketType::connack;
      CHECK_FALSE((fixed_form && !recoded.error));
    }
  }
}

TEST_CASE("a body with any one byte changed is refused or survives its round trip") {
  for (const Sample& one : all_samples()) {
    const Frame whole = frame_of(one.bytes);
    if (whole.body.size() > 1000) {
      continue;
    }
    for (std::size_t at = 0; at < whole.body.size(); ++at) {
      for (const int change : {0x01, 0x10, 0x80, 0xff}) {
        std::string body(whole.body);
        body[at] = static_cast<char>(body[at] ^ change);
        const ExactCopy copy(body);
        Frame changed = whole;
        changed.body = copy.view();
        CHECK(recode(changed, one.version).same);
      }
    }
  }
}

TEST_CASE("what 3.1.1 does not know is left out") {
  std::string bytes;
  append_ack(bytes, Ack{PacketType::puback, 0x0102, Reason::quota_exceeded, "x", {{"k", "v"}}},
             Version::v311);
  CHECK(bytes == "\x40\x02\x01\x02"sv);
  bytes.clear();
  append_disconnect(bytes, Disconnect{Reason::server_busy, 1, "x", "y", {}}, Version::v311);
  CHECK(bytes == "\xe0\x00"sv);
  bytes.clear();
  append_subscribe_ack(bytes,
                       {PacketType::suback, 1, {Reason::granted_qos1, Reason::not_authorized}, "x"},
                       Version::v311);
  CHECK(bytes == "\x90\x04\x00\x01\x01\x80"sv);
  bytes.clear();
  append_subscribe_ack(bytes, {PacketType::unsuback, 1, {Reason::success}, ""}, Version::v311);
  CHECK(bytes == "\xb0\x02\x00\x01"sv);
  bytes.clear();
  Connack refusal;
  refusal.reason = Reason::client_identifier_not_valid;
  refusal.session_present = true; // Never told with a refusal.
  append_connack(bytes, refusal);
  CHECK(bytes == "\x20\x02\x00\x02"sv);
}

TEST_CASE("the short PUBACK is the PUBACK of both versions") {
  std::string fast;
  append_puback(fast, 0xfedc);
  for (const Version v : {Version::v311, Version::v5}) {
    std::string slow;
    append_ack(slow, Ack{PacketType::puback, 0xfedc, Reason::success, "", {}}, v);
    CHECK(fast == slow);
  }
  std::string pings;
  append_pingreq(pings);
  append_pingresp(pings);
  CHECK(pings == "\xc0\0\xd0\0"sv);
}

TEST_CASE("encoders append and leave alone what is there") {
  for (const Sample& one : all_samples()) {
    std::string stream = "before";
    const Recoded recoded = recode(frame_of(one.bytes), one.version);
    stream += recoded.bytes;
    CHECK(stream == "before" + one.bytes);
  }
  std::string out = "before";
  append_connect(out, full_connect(Version::v5));
  CHECK(out.starts_with("before\x10"));
  CHECK(*decode_connect(frame_of(std::string_view(out).substr(6))) == full_connect(Version::v5));
}

TEST_CASE("the fuzzer's corpus decodes or is refused, and survives its round trip") {
  const std::filesystem::path folder = SPATE_SOURCE_DIR "/tests/wire/corpus/codec";
  std::size_t files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    std::ifstream file(entry.path(), std::ios::binary);
    const ExactCopy copy(std::string(std::istreambuf_iterator<char>(file), {}));
    for (const Version v : {Version::v311, Version::v5}) {
      std::string_view stream = copy.view();
      for (auto cut = next_frame(stream, 32768); cut.status == FrameStatus::complete;
           cut = next_frame(stream, 32768)) {
        CAPTURE(entry.path().string());
        CHECK(recode(cut.frame, v).same);
        CHECK(delivered_same(cut.frame, v));
        stream.remove_prefix(cut.bytes);
      }
    }
    ++files;
  }
  CHECK(files > 5);
}

} // namespace spate::wire::test
