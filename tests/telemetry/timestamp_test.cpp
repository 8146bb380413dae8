#include "engine/telemetry/timestamp.hpp"

#include <doctest/doctest.h>

#include <cstdint>
#include <limits>
#include <optional>
#include <string>

using namespace spate;
using namespace spate::telemetry;

namespace {

std::optional<std::int64_t> number(std::string_view text, TimeUnit unit = TimeUnit::automatic) {
  json::Number parsed;
  REQUIRE(json::read_number(text, parsed));
  std::int64_t ns = -1;
  return time_of_number(parsed, unit, ns) ? std::optional(ns) : std::nullopt;
}

constexpr std::int64_t kEnd = std::numeric_limits<std::int64_t>::max();

std::optional<std::int64_t> words(std::string_view text, TimeUnit unit = TimeUnit::automatic) {
  std::int64_t ns = -1;
  return time_of_text(text, unit, ns) ? std::optional(ns) : std::nullopt;
}

} // namespace

TEST_CASE("times that are none are refused") {
  for (const char* text : {"",
                           "x",

                           "2018-11-15",
                           "2018-11-15T08:54",
                           "2018-13-15T08:54:18",
                           "2018-00-15T08:54:18",
                           "2018-11-31T08:54:18",
                           "2019-02-29T00:00:00",
                           "1900-02-29T00:00:00Z",
                           "2018-11-15T24:00:00",
                           "2018-11-15T08:60:18",
                           "2018-11-15T08:54:61",
                           "2018-11-15T08:54:18.",
                           "2018-11-15T08:54:18,5Z",
                           "2018-11-15T08:54:18+1",
                           "2018-11-15T08:54:18+0100",
                           "2018-11-15T08:54:18+24:00",
                           "2018-11-15T08:54:18+01:60",
                           "2018-11-15T08:54:18 Z",
                           "2018-11-15T08:54:18ZZ",
                           "2018-11-15X08:54:18",
                           "18-11-15T08:54:18",
                           "1969-12-31T23:59:59Z",
                           "1970-01-01T00:00:00+00:01",
                           "1677-09-21T00:12:43Z", // Beyond what nanoseconds can say.
                           "0001-01-01T00:00:00Z",
                           "0000-01-01T00:00:00+23:59",
                           "-1",
                           "+5",
                           " 5",
                           "0x10"}) {
    CAPTURE(std::string(text));
    CHECK_FALSE(words(text));
  }
  CHECK_FALSE(number("-1"));
  CHECK_FALSE(number("-0"));
}

TEST_CASE("times beyond the year 2262 are its last instant, so that they count as in the future") {
  for (const char* text : {"2300-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "1e300",
                           "2262-04-11T23:47:17Z", "9223372036854775808", "1e999999999999"}) {
    CAPTURE(std::string(text));
    CHECK(words(text) == kEnd);
  }
  CHECK(number("9223372037", TimeUnit::s) == kEnd);
  CHECK(number("9223372036", TimeUnit::s) == 9'223'372'036'000'000'000);
  CHECK(number("9223372036855", TimeUnit::ms) == kEnd);
  CHECK(number("99999999999999999999999", TimeUnit::ns) == kEnd);
  CHECK(number("9223372036854775807", TimeUnit::ns) == kEnd);
  CHECK(number("9223372036854775806", TimeUnit::ns) == kEnd - 1);
}

TEST_CASE("the unit follows from the size of the number") {
  CHECK(number("0") == 0);
  CHECK(number("1594598424") == 1'594'598'424'000'000'000);
  CHECK(number("1594598424502") == 1'594'598'424'502'000'000);
  CHECK(number("1594598424502123") == 1'594'598'424'502'123'000);
  CHECK(number("1594598424502123456") == 1'594'598'424'502'123'456);
  CHECK(number("9223372036") == 9'223'372'036'000'000'000);
  CHECK(number("99999999999") == kEnd); // Seconds, but beyond what nanoseconds can say.
  CHECK(number("100000000000") == 100'000'000'000'000'000);
  CHECK(number("99999999999999") == kEnd);
  CHECK(number("100000000000000") == 100'000'000'000'000'000);
  CHECK(number("99999999999999999") == kEnd);
  CHECK(number("100000000000000000") == 100'000'000'000'000'000);
}

TEST_CASE("a unit of the route holds for every size") {
  CHECK(number("5", TimeUnit::s) == 5'000'000'000);
  CHECK(number("5", TimeUnit::ms) == 5'000'000);
  CHECK(number("5", TimeUnit::us) == 5'000);
  CHECK(number("5", TimeUnit::ns) == 5);
  CHECK_FALSE(number("5", TimeUnit::rfc3339));
  CHECK_FALSE(words("5", TimeUnit::rfc3339));
  CHECK_FALSE(words("2018-11-15T08:54:18Z", TimeUnit::ms));
}

TEST_CASE("decimals are exact to the nanosecond and cut behind it") {
  CHECK(number("1594419195.292461") == 1'594'419'195'292'461'000);
  CHECK(number("1680962879.62") == 1'680'962'879'620'000'000);
  CHECK(number("1594419195.123456789") == 1'594'419'195'123'456'789);
  CHECK(number("1594419195.1234567899") == 1'594'419'195'123'456'789);
  CHECK(number("1594419195.99999999999999999999999") == 1'594'419'195'999'999'999);
  CHECK(number("1594419195292.461") == 1'594'419'195'292'461'000);
  CHECK(number("0.000000001") == 1);
  CHECK(number("0.0000000001") == 0);
  CHECK(number("1.594598424502E12") == 1'594'598'424'502'000'000);
  CHECK(number("1.594598424502e9") == 1'594'598'424'502'000'000);
  CHECK(number("159459842450200e-5") == 1'594'598'424'502'000'000);
  CHECK(number("0e5") == 0);
  CHECK(number("0.0000001594598424e16") == 1'594'598'424'000'000'000);
  CHECK(number("1e-400") == 0);
}

TEST_CASE("RFC 3339 texts are read with fraction and offset, local times as UTC") {
  CHECK(words("1970-01-01T00:00:00Z") == 0);
  CHECK(words("2018-11-15T08:54:18") == 1'542'272'058'000'000'000);
  CHECK(words("2018-11-15 08:54:18Z") == 1'542'272'058'000'000'000);
  CHECK(words("2018-11-15t09:54:18z") == 1'542'275'658'000'000'000);
  CHECK(words("2018-11-15T09:54:18+01:00") == 1'542'272'058'000'000'000);
  CHECK(words("2018-11-15T03:24:18-05:30") == 1'542'272'058'000'000'000);
  CHECK(words("2022-07-18T09:34:15.775023242+00:00") == 1'658'136'855'775'023'242);
  CHECK(words("2022-07-18T09:34:15.7750232429999Z") == 1'658'136'855'775'023'242);
  CHECK(words("2022-07-18T09:34:15.7Z") == 1'658'136'855'700'000'000);
  CHECK(words("2016-12-31T23:59:60Z") == 1'483'228'800'000'000'000);
  CHECK(words("2000-02-29T00:00:00Z") == 951'782'400'000'000'000);
  CHECK(words("2024-03-01T00:00:00Z") == 1'709'251'200'000'000'000);
  CHECK(words("1653633988") == 1'653'633'988'000'000'000);
}
