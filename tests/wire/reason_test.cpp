#include "tests/wire/bytes.hpp"

namespace spate::wire::test {

TEST_CASE("a refusal in 3.1.1 is the nearest of five return codes") {
  CHECK(connack_return_code(Reason::success) == 0);
  CHECK(connack_return_code(Reason::unsupported_protocol_version) == 1);
  CHECK(connack_return_code(Reason::client_identifier_not_valid) == 2);
  CHECK(connack_return_code(Reason::server_busy) == 3);
  CHECK(connack_return_code(Reason::bad_user_name_or_password) == 4);
  CHECK(connack_return_code(Reason::not_authorized) == 5);
  for (int code = 0; code < 256; ++code) {
    CHECK(connack_return_code(static_cast<Reason>(code)) <= 5);
    CHECK((connack_return_code(static_cast<Reason>(code)) == 0) == (code < 0x80));
  }
}

TEST_CASE("an error is told by a reason code that is an error too") {
  CHECK(reason_for(Errc::malformed_packet) == Reason::malformed_packet);
  CHECK(reason_for(Errc::protocol_error) == Reason::protocol_error);
  CHECK(reason_for(Errc::unsupported_protocol) == Reason::unsupported_protocol_version);
  CHECK(reason_for(Errc::packet_too_large) == Reason::packet_too_large);
  CHECK(reason_for(Errc::topic_invalid) == Reason::topic_name_invalid);
  CHECK(reason_for(Errc::filter_invalid) == Reason::topic_filter_invalid);
  CHECK(reason_for(Errc::client_id_invalid) == Reason::client_identifier_not_valid);
  for (int code = 0; code < 500; ++code) {
    CHECK(static_cast<int>(reason_for(static_cast<Errc>(code))) >= 0x80);
  }
}

TEST_CASE("names are those of the standard") {
  CHECK(name_of(Reason::keep_alive_timeout) == "Keep Alive timeout");
  CHECK(name_of(Reason::success) == "Success");
  CHECK(name_of(static_cast<Reason>(0x7f)) == "unknown");
  CHECK(name_of(PacketType::connect) == "CONNECT");
  CHECK(name_of(PacketType::unsubscribe) == "UNSUBSCRIBE");
  CHECK(name_of(PacketType::auth) == "AUTH");
  CHECK(name_of(static_cast<PacketType>(0)) == "unknown");
}

} // namespace spate::wire::test
