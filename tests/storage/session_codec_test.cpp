#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "storage/session_codec.hpp"
#include "storage/session_keys.hpp"

using namespace spate;
using namespace spate::storage;

namespace {

/// Cut anywhere, longer, or of another version: never read.
template <class Decode>
void check_damage(const std::string& value, Decode decode) {
  REQUIRE(decode(value));
  for (std::size_t size = 0; size < value.size(); ++size) {
    CHECK_FALSE(decode(std::string_view(value).substr(0, size)));
  }
  CHECK_FALSE(decode(value + "x"));
  std::string other = value;
  other[0] = 2;
  CHECK_FALSE(decode(other));
}

model::ApplicationMessage message() {
  model::ApplicationMessage out;
  out.topic = "a/b";
  out.payload = std::string("\0\xff", 2);
  out.properties = "\x01\x01";
  out.expires_ms = -7;
  out.qos = 2;
  out.retain = true;
  return out;
}

bool same(const model::ApplicationMessage& a, const model::ApplicationMessage& b) {
  return a.topic == b.topic && a.payload == b.payload && a.properties == b.properties &&
         a.expires_ms == b.expires_ms && a.qos == b.qos && a.retain == b.retain;
}

} // namespace

TEST_SUITE("session codec") {
  TEST_CASE("what is written is read back, and nothing else is read") {
    StoredSession session;
    session.connected = true;
    session.expiry_s = kNeverExpires;
    session.since_ms = -5;
    session.will_delay_s = 0xffff'ffff;
    session.sent_through = 4;
    session.last_sequence = UINT64_MAX;
    session.queued = 9;
    session.queued_bytes = 1u << 20;
    CHECK(decode_session(encode_session(session)) == session);
    check_damage(encode_session(session), decode_session);
    CHECK(decode_session(encode_session({})) == StoredSession{});

    CHECK(decode_number(encode_number(300)) == 300);
    check_damage(encode_number(300), decode_number);
    CHECK_FALSE(decode_number(encode_number(0)));

    const SessionSubscription subscription{"$share/g/+/#", 268'435'455, 2, true, true};
    const auto decode = [](std::string_view value) {
      return decode_subscription("$share/g/+/#", value);
    };
    CHECK(decode(encode_subscription(subscription)) == subscription);
    check_damage(encode_subscription(subscription), decode);

    CHECK(same(*decode_message(encode_message(message())), message()));
    check_damage(encode_message(message()), decode_message);

    const SessionTotals totals{1, 2, 3, 4, 5, 6, 7, 8, 9};
    CHECK(decode_session_totals(encode_session_totals(totals)) == totals);
    check_damage(encode_session_totals(totals), decode_session_totals);

    const auto outgoing = decode_outgoing(encode_outgoing(7, message()));
    CHECK(outgoing->session == 7);
    CHECK(same(outgoing->message, message()));
    check_damage(encode_outgoing(7, message()), decode_outgoing);

    SessionWill will{std::make_shared<const model::ApplicationMessage>(message()), 5, 6};
    const auto read = decode_will(encode_will(will));
    CHECK(read->delay_s == 5);
    CHECK(read->message_expiry_s == 6);
    CHECK(same(read->message, message()));
    check_damage(encode_will(will), decode_will);
  }

  TEST_CASE("an entry of a queue holds a message, names a body, or was received") {
    StoredQueued queued;
    queued.qos = 2;
    queued.retain = true;
    queued.subscription_ids = {1, 268'435'455};
    queued.bytes = 12;
    queued.expires_ms = 99;
    queued.message = encode_message(message());
    const auto inline_one = decode_queued(encode_queued(queued));
    REQUIRE(inline_one);
    CHECK(inline_one->subscription_ids == queued.subscription_ids);
    CHECK(inline_one->message == queued.message);
    CHECK(inline_one->bytes == 12);
    CHECK(inline_one->expires_ms == 99);
    CHECK(inline_one->retain);
    queued.body = 5;
    CHECK_FALSE(decode_queued(encode_queued(queued))); // Here and there.
    queued.message.clear();
    CHECK(decode_queued(encode_queued(queued))->body == 5);
    check_damage(encode_queued(queued), decode_queued);
    StoredQueued received;
    received.received = true;
    received.qos = 2;
    CHECK(decode_queued(encode_queued(received))->received);
    check_damage(encode_queued(received), decode_queued);
  }

  TEST_CASE("a message with a topic that no PUBLISH may have is damaged") {
    for (const char* const topic : {"", "a/+", "#"}) {
      auto bad = message();
      bad.topic = topic;
      CHECK_FALSE(decode_message(encode_message(bad)));
    }
    auto bad = message();
    bad.topic.push_back('\0');
    CHECK_FALSE(decode_message(encode_message(bad)));
    bad = message();
    bad.topic.assign(65'536, 'a');
    CHECK_FALSE(decode_message(encode_message(bad)));
  }

  TEST_CASE("keys of topics stand in the order of their levels") {
    using namespace session_keys;
    CHECK(retained("a") < retained("a/b"));
    CHECK(retained("a/b/c") < retained("a!"));
    CHECK(retained("a/z") < retained("a b"));
    CHECK(topic_of(levels_of("/a//b/")) == "/a//b/");
  }

  TEST_CASE("the corpus of the fuzzer is read without a crash") {
    const std::filesystem::path corpus = SPATE_SOURCE_DIR "/tests/storage/corpus/session_codec";
    std::size_t read = 0;
    for (const auto& entry : std::filesystem::directory_iterator(corpus)) {
      std::ifstream file(entry.path(), std::ios::binary);
      const std::string bytes = (std::ostringstream() << file.rdbuf()).str();
      read += decode_session(bytes) || decode_message(bytes) || decode_queued(bytes) ||
                      decode_will(bytes) || decode_outgoing(bytes) || decode_number(bytes) ||
                      decode_session_totals(bytes) || decode_subscription("f", bytes)
                  ? 1
                  : 0;
    }
    CHECK(read >= 8);
  }
}
