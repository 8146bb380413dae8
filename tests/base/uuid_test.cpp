#include "engine/base/uuid.hpp"

#include <doctest/doctest.h>

namespace spate {
namespace {

TEST_CASE("the text of a UUID reads back as the same UUID, in either case") {
  const std::string text = "01977f2e-6d5b-7c3a-9f10-3b2f6a1d9e44";
  const auto uuid = parse_uuid(text);
  REQUIRE(uuid);
  CHECK(text_of(*uuid) == text);
  CHECK(parse_uuid("01977F2E-6D5B-7C3A-9F10-3B2F6A1D9E44") == uuid);
  CHECK(uuid_from_bytes(uuid->view()) == uuid);
}

TEST_CASE("what is no UUID is not taken for one") {
  for (const char* text :
       {"", "01977f2e", "01977f2e-6d5b-7c3a-9f10-3b2f6a1d9e4",
        "01977f2e-6d5b-7c3a-9f10-3b2f6a1d9e445", "01977f2e_6d5b-7c3a-9f10-3b2f6a1d9e44",
        "01977f2g-6d5b-7c3a-9f10-3b2f6a1d9e44", "{1977f2e-6d5b-7c3a-9f10-3b2f6a1d9e4}"}) {
    CAPTURE(text);
    CHECK_FALSE(parse_uuid(text));
  }
  CHECK_FALSE(uuid_from_bytes("short"));
}

TEST_CASE(
    "each UUID is greater than the one before, within a millisecond and when the clock goes back") {
  UuidSource source(1);
  Uuid last = source.next(1000);
  CHECK((last.bytes[6] & 0xf0) == 0x70);
  CHECK((last.bytes[8] & 0xc0) == 0x80);
  for (int i = 0; i < 10'000; ++i) {
    const Uuid next = source.next(i % 3 == 0 ? 900 : 1000);
    CHECK(next > last);
    CHECK(text_of(next) > text_of(last));
    last = next;
  }
  CHECK(source.next(5000).bytes[5] == static_cast<unsigned char>(5000 & 0xff));
}

} // namespace
} // namespace spate
