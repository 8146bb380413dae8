#include <set>
#include <vector>

#include "tests/wire/any_packet.hpp"
#include "tests/wire/bytes.hpp"

namespace spate::wire::test {

namespace {

constexpr PacketType kWill = static_cast<PacketType>(0); ///< Stands for the will of a CONNECT.

struct Row {
  unsigned id;
  std::string value; ///< A good one.
  std::set<PacketType> places;
};

/// Table 2-4 of MQTT 5, written a second time.
std::vector<Row> table() {
  using enum PacketType;
  const std::string text = str("t");
  const std::set<PacketType> message{publish, kWill};
  const std::set<PacketType> reasoned{connack, puback,   pubrec,     pubrel, pubcomp,
                                      suback,  unsuback, disconnect, auth};
  return {
      {1, byte(1), message},
      {2, four(7), message},
      {3, text, message},
      {8, text, message},
      {9, text, message},
      {11, variable(300), {publish, subscribe}},
      {17, four(7), {connect, connack, disconnect}},
      {18, text, {connack}},
      {19, two(7), {connack}},
      {21, text, {connect, connack, auth}},
      {22, text, {connect, connack, auth}},
      {23, byte(1), {connect}},
      {24, four(7), {kWill}},
      {25, byte(1), {connect}},
      {26, text, {connack}},
      {28, text, {connack, disconnect}},
      {31, text, reasoned},
      {33, two(7), {connect, connack}},
      {34, two(7), {connect, connack}},
      {35, two(7), {publish}},
      {36, byte(1), {connack}},
      {37, byte(1), {connack}},
      {38,
       text + text,
       {connect, connack, publish, kWill, puback, pubrec, pubrel, pubcomp, subscribe, suback,
        unsubscribe, unsuback, disconnect, auth}},
      {39, four(7), {connect, connack}},
      {40, byte(1), {connack}},
      {41, byte(1), {connack}},
      {42, byte(1), {connack}},
  };
}

const PacketType kPlaces[] = {kWill,
                              PacketType::connect,
                              PacketType::connack,
                              PacketType::publish,
                              PacketType::puback,
                              PacketType::pubrec,
                              PacketType::pubrel,
                              PacketType::pubcomp,
                              PacketType::subscribe,
                              PacketType::suback,
                              PacketType::unsubscribe,
                              PacketType::unsuback,
                              PacketType::disconnect,
                              PacketType::auth};

/// A good packet but for what `block` may hold.
std::string packet_with(PacketType place, const std::string& block) {
  const std::string here = properties(block);
  const std::string connect = str("MQTT") + byte(5);
  if (place == kWill) {
    return packet(0x10,
                  connect + byte(0x06) + two(9) + byte(0) + str("id") + here + str("w") + str("p"));
  }
  switch (place) {
  case PacketType::connect:
    return packet(0x10, connect + byte(0x02) + two(9) + here + str("id"));
  case PacketType::connack:
    return packet(0x20, byte(0) + byte(0) + here);
  case PacketType::publish:
    return packet(0x32, str("t") + two(1) + here + "payload");
  case PacketType::subscribe:
    return packet(0x82, two(1) + here + str("f") + byte(1));
  case PacketType::unsubscribe:
    return packet(0xa2, two(1) + here + str("f"));
  case PacketType::suback:
  case PacketType::unsuback:
    return packet(static_cast<unsigned>(place) << 4, two(1) + here + byte(0));
  case PacketType::disconnect:
  case PacketType::auth:
    return packet(static_cast<unsigned>(place) << 4, byte(0) + here);
  default:
    return packet(static_cast<unsigned>(place) << 4 | (place == PacketType::pubrel ? 2 : 0),
                  two(1) + byte(0) + here);
  }
}

/// Authentication Data never stands without its method, which an AUTH always has.
std::string method_for(PacketType place, unsigned id) {
  const bool needs_one =
      id != 21 && (place == PacketType::auth || (place == PacketType::connect && id == 22));
  return needs_one ? byte(21) + str("m") : "";
}

std::optional<Errc> refusal(PacketType place, const std::string& block) {
  const std::string bytes = packet_with(place, block);
  const ExactCopy copy(bytes);
  const Recoded recoded = recode(frame_of(copy.view()), Version::v5);
  CHECK(recoded.same);
  return recoded.error ? std::optional(recoded.error->code) : std::nullopt;
}

} // namespace

TEST_CASE("each property is taken where the standard allows it and malformed elsewhere") {
  for (const Row& row : table()) {
    for (const PacketType place : kPlaces) {
      CAPTURE(row.id);
      CAPTURE(name_of(place));
      const std::string one = byte(row.id) + row.value;
      const auto code = refusal(place, method_for(place, row.id) + one);
      if (row.places.contains(place)) {
        CHECK(code == std::nullopt);
      } else {
        CHECK(code == Errc::malformed_packet);
      }
    }
  }
}

TEST_CASE("a repeated property is a protocol error, but for those made to repeat") {
  for (const Row& row : table()) {
    for (const PacketType place : row.places) {
      CAPTURE(row.id);
      CAPTURE(name_of(place));
      const std::string one = byte(row.id) + row.value;
      const auto code = refusal(place, method_for(place, row.id) + one + one);
      if (row.id == 38 || (row.id == 11 && place == PacketType::publish)) {
        CHECK(code == std::nullopt);
      } else {
        CHECK(code == Errc::protocol_error);
      }
    }
  }
}

TEST_CASE("an identifier that the standard does not know is malformed") {
  std::set<unsigned> known;
  for (const Row& row : table()) {
    known.insert(row.id);
  }
  for (unsigned id = 0; id < 256; ++id) {
    if (!known.contains(id)) {
      CAPTURE(id);
      CHECK(refusal(PacketType::publish, variable(id) + byte(1)) == Errc::malformed_packet);
    }
  }
  CHECK(refusal(PacketType::publish, variable(1u << 27)) == Errc::malformed_packet);
  CHECK(refusal(PacketType::publish, "\x81\x00\x01"s) == Errc::malformed_packet); // 1, not minimal.
}

TEST_CASE("a property cut off by the end of its block is malformed") {
  for (const Row& row : table()) {
    const PacketType place = *row.places.begin();
    const std::string one = byte(row.id) + row.value;
    for (std::size_t size = 1; size < one.size(); ++size) {
      CAPTURE(row.id);
      CAPTURE(size);
      CHECK(refusal(place, method_for(place, row.id) + one.substr(0, size)) ==
            Errc::malformed_packet);
    }
  }
}

TEST_CASE("values out of their range are protocol errors") {
  CHECK(refusal(PacketType::publish, byte(1) + byte(2)) == Errc::protocol_error);
  CHECK(refusal(kWill, byte(1) + byte(2)) == Errc::protocol_error);
  CHECK(refusal(PacketType::publish, byte(35) + two(0)) == Errc::protocol_error);
  CHECK(refusal(PacketType::publish, byte(11) + variable(0)) == Errc::protocol_error);
  CHECK(refusal(PacketType::subscribe, byte(11) + variable(0)) == Errc::protocol_error);
  CHECK(refusal(PacketType::subscribe, byte(11) + variable(268435455)) == std::nullopt);
  CHECK(refusal(PacketType::subscribe, byte(11) + "\xff\xff\xff\xff\x01"s) ==
        Errc::malformed_packet);
  for (const unsigned id : {36u, 37u, 40u, 41u, 42u}) {
    CHECK(refusal(PacketType::connack, byte(id) + byte(2)) == Errc::protocol_error);
    CHECK(refusal(PacketType::connack, byte(id) + byte(0)) == std::nullopt);
  }
  CHECK(refusal(PacketType::connack, byte(33) + two(0)) == Errc::protocol_error);
  CHECK(refusal(PacketType::connack, byte(39) + four(0)) == Errc::protocol_error);
}

TEST_CASE("strings in properties are UTF-8 without U+0000, binary data is anything") {
  for (const std::string& bad : {"a\0b"s, "\xed\xa0\x80"s, "\xff"s}) {
    CHECK(refusal(PacketType::publish, byte(3) + str(bad)) == Errc::malformed_packet);
    CHECK(refusal(PacketType::puback, byte(31) + str(bad)) == Errc::malformed_packet);
    CHECK(refusal(PacketType::publish, byte(9) + str(bad)) == std::nullopt);
  }
  CHECK(refusal(PacketType::publish, byte(8) + str("a/#")) == Errc::topic_invalid);
  CHECK(refusal(PacketType::publish, byte(8) + str("")) == Errc::topic_invalid);
}

TEST_CASE("the 33rd user property is refused in every packet") {
  for (const PacketType place : kPlaces) {
    CAPTURE(name_of(place));
    std::string block = method_for(place, 38);
    for (int i = 0; i < 32; ++i) {
      block += user_property("same", "");
    }
    CHECK(refusal(place, block) == std::nullopt);
    CHECK(refusal(place, block + user_property("one", "more")) == Errc::protocol_error);
  }
}

TEST_CASE("a block of a megabyte of user properties is given up at the limit") {
  std::string block;
  while (block.size() < (1u << 20)) {
    block += user_property("", "");
  }
  const auto refused_publish =
      decode_publish(frame_of(packet_with(PacketType::publish, block)), Version::v5);
  CHECK(refused(refused_publish) == Errc::protocol_error);

  std::string ids;
  for (int i = 0; i < 129; ++i) {
    ids += byte(11) + byte(1);
  }
  CHECK(refusal(PacketType::publish, ids) == Errc::protocol_error);
  CHECK(refusal(PacketType::publish, ids.substr(2)) == std::nullopt);
}

} // namespace spate::wire::test
