#include <doctest/doctest.h>

#include "api/cursor.hpp"
#include "api/field_names.hpp"
#include "api/parameters.hpp"
#include "api/router.hpp"

using namespace spate;
using namespace spate::api;

using Paths = std::vector<std::string_view>;
using Texts = std::vector<std::string>;

TEST_CASE("people see names without escapes, paths on request") {
  const Paths paths = {"ENERGY.Power", "PM2\\.5", "a\\\\b"};
  CHECK(field_names(paths, Names::raw) == Texts{"ENERGY.Power", "PM2.5", "a\\b"});
  CHECK(field_names(paths, Names::path) == Texts{"ENERGY.Power", "PM2\\.5", "a\\\\b"});
}

TEST_CASE("where two fields would have one name, the one whose key holds the dot shows its path") {
  CHECK(field_names({"a.b", "a\\.b"}, Names::raw) == Texts{"a.b", "a\\.b"});
  CHECK(field_names({"a.b\\.c", "a\\.b.c"}, Names::raw) == Texts{"a.b\\.c", "a\\.b.c"});
  // The raw name of the first is the path of the second: `a\.b` as a key, and a.b with a dot
  // inside.
  CHECK(field_names({"a\\\\\\.b", "a\\.b", "a.b"}, Names::raw) ==
        Texts{"a\\\\\\.b", "a\\.b", "a.b"});
}

TEST_CASE("fields= takes names and paths, lists and repeats") {
  const Paths paths = {"PM2\\.5", "a,b", "b", "temp"};
  const auto select = [&](std::initializer_list<std::string_view> values) {
    FieldFilter filter;
    for (const auto value : values) {
      filter.add(value);
    }
    return filter.select(paths);
  };
  using Flags = std::vector<bool>;
  CHECK(select({}) == Flags{true, true, true, true});
  CHECK(select({"PM2.5,temp"}) == Flags{true, false, false, true});
  CHECK(select({"PM2\\.5"}) == Flags{true, false, false, false});
  CHECK(select({"a,b"}) == Flags{false, false, true, false}); // A list of a and b.
  CHECK(select({"a,b", "temp"}) == Flags{false, true, false, true});
  CHECK(select({"a,b", ""}) == Flags{false, true, false, false}); // The field of this name.
  CHECK(select({"", "a,b"}) == Flags{false, true, false, false});
  CHECK(select({""}) == Flags{true, true, true, true});
  CHECK(select({"", ""}) == Flags{true, true, true, true});
  CHECK(select({"temp,b", "x"}) == Flags{false, false, true, true});
  CHECK(select({"nothing"}) == Flags{false, false, false, false});
}

TEST_CASE("a cursor is taken back by its own list only, and unchanged") {
  const std::string position("\0\1\xff position", 12);
  const std::string cursor = make_cursor("/a&x=1", position);
  CHECK(read_cursor("/a&x=1", cursor) == position);
  CHECK_FALSE(read_cursor("/a&x=2", cursor));
  CHECK_FALSE(read_cursor("/a&x=1", ""));
  CHECK_FALSE(read_cursor("/a&x=1", "not!base64"));
  CHECK_FALSE(read_cursor("/a&x=1", std::string(2000, 'A')));
  for (std::size_t i = 0; i < cursor.size(); ++i) {
    std::string changed = cursor;
    changed[i] = changed[i] == 'A' ? 'B' : 'A';
    const auto read = read_cursor("/a&x=1", changed);
    CHECK((!read || *read == position)); // Bits beyond the last byte do not count.
  }
  for (std::size_t size = 0; size < 20; ++size) {
    CHECK(read_cursor("l", make_cursor("l", std::string(size, '\xff'))) ==
          std::string(size, '\xff'));
  }
}

TEST_CASE("instants are epoch milliseconds, RFC 3339, or before now") {
  constexpr std::int64_t kNow = 1'594'598'424'000;
  constexpr std::int64_t kMs = 1'000'000;
  CHECK(parse_instant_ns("0", kNow) == 0);
  CHECK(parse_instant_ns("1594598424502", kNow) == 1'594'598'424'502 * kMs);
  CHECK(parse_instant_ns("999999999999999", kNow) == INT64_MAX);
  CHECK(parse_instant_ns("-24h", kNow) == (kNow - 86'400'000) * kMs);
  CHECK(parse_instant_ns("-1500ms", kNow) == (kNow - 1500) * kMs);
  CHECK(parse_instant_ns("-9999999999w", kNow) == 0);
  CHECK(parse_instant_ns("1969-12-31T23:59:59.5Z", kNow) == 0);
  CHECK(parse_instant_ns("1970-01-01T00:00:00.5+00:01", kNow) == 0);
  CHECK(parse_instant_ns("0001-01-01T00:00:00Z", kNow) == 0);
  CHECK(parse_instant_ns("1970-01-01T00:00:00.25Z", kNow) == 250 * kMs);
  CHECK(parse_instant_ns("9999-12-31T23:59:59Z", kNow) == INT64_MAX);
  CHECK(parse_instant_ns("2020-07-13T00:00:24Z", kNow) == 1'594'598'424'000 * kMs);
  CHECK(parse_instant_ns("2020-07-13T02:00:24+02:00", kNow) == 1'594'598'424'000 * kMs);
  CHECK(parse_instant_ns("2020-07-13T02:00:24 02:00", kNow) == 1'594'598'424'000 * kMs);
  CHECK(parse_instant_ns("2020-07-13 02:00:24.5 02:00", kNow) == 1'594'598'424'500 * kMs);
  for (const auto bad :
       {"", "-", "yesterday", "-24", "-h", "-24y", "24h", "1.5", "0x10", "1e12", "9999999999999999",
        "2020-07-13", "2020-13-13T00:00:00Z", "-99999999999999999999h"}) {
    CAPTURE(bad);
    CHECK_FALSE(parse_instant_ns(bad, kNow));
  }
}

TEST_CASE("only loopback names are loopback") {
  for (const auto host : {"127.0.0.1", "127.0.0.1:8080", "localhost", "LOCALHOST:1", "[::1]",
                          "[::1]:8080", "spate.localhost", "127.1.2.3"}) {
    CAPTURE(host);
    CHECK(is_loopback_host(host));
  }
  for (const auto host : {"", "evil.example", "127.0.0.1.evil.example", "localhost.evil.example",
                          "evillocalhost", "127.0.0.1:80@evil", "127.0.0", "127.0.0.1.1", "0.0.0.0",
                          "[::2]", "[::1", "[::1]x", "128.0.0.1", "127.evil.0.1"}) {
    CAPTURE(host);
    CHECK_FALSE(is_loopback_host(host));
  }
}
