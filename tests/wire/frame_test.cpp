#include "tests/wire/bytes.hpp"

namespace spate::wire::test {

TEST_CASE("a stream of nothing or of half a header asks for more") {
  CHECK(next_frame("", 100).status == FrameStatus::partial);
  for (const std::string& start : {"\x30"s, "\x30\x80"s, "\x30\xff\xff"s, "\x30\xff\xff\xff"s}) {
    const ExactCopy copy(start);
    const FrameResult cut = next_frame(copy.view(), 1u << 28);
    CHECK(cut.status == FrameStatus::partial);
    CHECK(cut.bytes == 0);
  }
}

TEST_CASE("a remaining length of five bytes is malformed as soon as its fourth byte is there") {
  CHECK(next_frame("\x30\xff\xff\xff\xff\x01"sv, 1u << 28).status == FrameStatus::malformed);
  CHECK(next_frame("\x30\x80\x80\x80\x80"sv, 1u << 28).status == FrameStatus::malformed);
  CHECK(next_frame("\x30\x80\x80\x80\x80\x00"sv, 1u << 28).status == FrameStatus::malformed);
}

TEST_CASE("packet type 0 is malformed at its first byte") {
  for (unsigned flags = 0; flags < 16; ++flags) {
    CHECK(next_frame(byte(flags), 100).status == FrameStatus::malformed);
  }
}

TEST_CASE("a packet above the limit is refused before its body is there") {
  const std::string header = "\x30" + variable(100);
  CHECK(next_frame(header, 101).status == FrameStatus::too_large);
  CHECK(next_frame(header, 101).bytes == 102);
  CHECK(next_frame(header, 102).status == FrameStatus::partial);
  CHECK(next_frame(header, 102).bytes == 102);
  CHECK(next_frame("\x30\xff\xff\xff\x7f"sv, 1u << 20).status == FrameStatus::too_large);
  CHECK(next_frame("\xc0\x00"sv, 1).status == FrameStatus::too_large);
}

TEST_CASE("remaining lengths at the edges of their encodings are read exactly") {
  for (const std::size_t size : {0u, 1u, 127u, 128u, 16383u, 16384u, 2097151u, 2097152u}) {
    const std::string body(size, 'x');
    const std::string whole = packet(0x35, body);
    const FrameResult cut = next_frame(whole + "tail", whole.size());
    REQUIRE(cut.status == FrameStatus::complete);
    CHECK(cut.bytes == whole.size());
    CHECK(cut.frame.type == PacketType::publish);
    CHECK(cut.frame.flags == 5);
    CHECK(cut.frame.body.size() == size);
    CHECK(cut.frame.length_minimal);
    CHECK(next_frame(std::string_view(whole).substr(0, whole.size() - 1), whole.size()).status ==
          FrameStatus::partial);
  }
}

TEST_CASE("a remaining length longer than needed is read, and refused in MQTT 5 alone") {
  const std::string ack = "\x40\x82\x00\x00\x07"s;
  const FrameResult cut = next_frame(ack, 100);
  REQUIRE(cut.status == FrameStatus::complete);
  CHECK(cut.bytes == ack.size());
  CHECK_FALSE(cut.frame.length_minimal);
  CHECK(decode_ack(cut.frame, Version::v311)->packet_id == 7);
  CHECK(refused(decode_ack(cut.frame, Version::v5)) == Errc::malformed_packet);

  Frame ping = frame(PacketType::pingreq, "");
  ping.length_minimal = false;
  CHECK(decode_ping(ping, Version::v311).has_value());
  CHECK(refused(decode_ping(ping, Version::v5)) == Errc::malformed_packet);

  for (const unsigned level : {4u, 5u}) {
    Frame connect = frame(PacketType::connect, "");
    const std::string body =
        str("MQTT") + byte(level) + "\x02\x00\x00"s + (level == 5 ? "\0"s : ""s) + str("id");
    connect.body = body;
    CHECK(decode_connect(connect).has_value());
    connect.length_minimal = false;
    CHECK(decode_connect(connect).has_value() == (level == 4));
  }
}

} // namespace spate::wire::test
