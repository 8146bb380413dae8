#include <doctest/doctest.h>

#include "engine/http/request.hpp"
#include "engine/http/response.hpp"

using namespace spate;
using namespace spate::http;

TEST_CASE("a target that can not be taken apart is refused") {
  Target out;
  for (const std::string_view bad : {"", "a", "/%", "/%4", "/%gg", "/a?b=%", "/a?b=%4x", "/a#b"}) {
    CAPTURE(bad);
    CHECK_FALSE(parse_target(bad, out).has_value());
  }
  std::string deep;
  for (int i = 0; i < 17; ++i) {
    deep.append("/a");
  }
  CHECK_FALSE(parse_target(deep, out).has_value());
  std::string wide = "/a?";
  for (int i = 0; i < 257; ++i) {
    wide.append("a=1&");
  }
  CHECK_FALSE(parse_target(wide, out).has_value());
}

TEST_CASE("a path is cut at its slashes before it is decoded") {
  Target out;
  REQUIRE(parse_target("/api/v1/devices/a%2Fb%20c%C3%A9/telemetry", out));
  REQUIRE(out.segments.size() == 5);
  CHECK(out.segments[3] == "a/b c\xC3\xA9");
  CHECK(out.path == "/api/v1/devices/a%2Fb%20c%C3%A9/telemetry");
  REQUIRE(parse_target("/", out));
  CHECK(out.segments == std::vector<std::string>{""});
  REQUIRE(parse_target("/a/", out));
  CHECK(out.segments == std::vector<std::string>{"a", ""});
}

TEST_CASE("query parameters are decoded, repeated ones kept in order") {
  Target out;
  REQUIRE(parse_target("/a?x=1&&y&x=%26+b&z=a=b", out));
  REQUIRE(out.query.size() == 4);
  CHECK(out.query[0] == std::pair<std::string, std::string>{"x", "1"});
  CHECK(out.query[1] == std::pair<std::string, std::string>{"y", ""});
  CHECK(out.query[2] == std::pair<std::string, std::string>{"x", "& b"});
  CHECK(out.query[3] == std::pair<std::string, std::string>{"z", "a=b"});
}

TEST_CASE("an absolute target names its host") {
  Target out;
  REQUIRE(parse_target("HTTP://evil.example:80/a/b?c=d", out));
  CHECK(out.authority == "evil.example:80");
  CHECK(out.path == "/a/b");
  REQUIRE(parse_target("http://h", out));
  CHECK(out.path == "/");
}

TEST_CASE("dates are written as HTTP writes them") {
  CHECK(http_date(784111777000) == "Sun, 06 Nov 1994 08:49:37 GMT");
}
