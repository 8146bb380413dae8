#include "engine/base/log.hpp"

#include <doctest/doctest.h>
#include <unistd.h>

#include <cstdio>
#include <string>

using namespace spate;

namespace {

/// What `write` puts on stderr, without the colour codes of a terminal.
template <class Write>
std::string captured(Write&& write) {
  std::fflush(stderr);
  const int saved = dup(STDERR_FILENO);
  std::FILE* file = std::tmpfile();
  REQUIRE(file != nullptr);
  dup2(fileno(file), STDERR_FILENO);
  write();
  std::fflush(stderr);
  dup2(saved, STDERR_FILENO);
  close(saved);
  std::rewind(file);
  std::string text;
  for (int c = std::fgetc(file); c != EOF; c = std::fgetc(file)) {
    text.push_back(static_cast<char>(c));
  }
  std::fclose(file);
  return text;
}

bool has_control(const std::string& text) {
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if ((byte < 0x20 && c != '\n') || byte == 0x7f) {
      return true;
    }
  }
  return false;
}

} // namespace

TEST_CASE("control characters from outside never reach a terminal") {
  const std::string text = captured([] {
    log::write(
        log::Level::error, "bad-device", "refused \x1b[31m\r\n",
        {{"device", std::string_view("a\x1b]0;x\x07\x7f\0b", 9)}, {"count", std::int64_t{-3}}});
  });
  CHECK_FALSE(has_control(text));
  CHECK(text.find("\\u001b[31m\\u000d\\u000a") != std::string::npos);
  CHECK(text.find("count=-3") != std::string::npos);
  CHECK(text.find("[bad-device]") != std::string::npos);
  CHECK(text.find('\n') == text.size() - 1);
}

TEST_CASE("a JSON line is JSON, whatever stands in its values") {
  const std::string text = captured([] {
    log::start(log::Level::info, log::Format::json);
    log::debug("hidden", "below the level");
    log::info("session-refused", "say \"hi\"\n",
              {{"c1", "\xc2\x9b[2J\xc3\xa9"},
               {"client", "a\\b\"c\x01"},
               {"ok", false},
               {"rate", 0.5},
               {"n", std::uint64_t{7}}});
    log::stop();
  });
  CHECK(text.find(R"("event_code":"session-refused")") != std::string::npos);
  CHECK(text.find(R"("message":"say \"hi\"\u000a")") != std::string::npos);
  CHECK(text.find(R"("client":"a\\b\"c\u0001")") != std::string::npos);
  CHECK(text.find("\"c1\":\"\\u009b[2J\xc3\xa9\"") != std::string::npos);
  CHECK(text.find(R"("ok":false,"rate":0.5,"n":7})") != std::string::npos);
  CHECK(text.find("hidden") == std::string::npos);
  CHECK_FALSE(has_control(text));
}

TEST_CASE("a burst passes, then the rate holds, and what was held back is told") {
  log::RateLimit limit(2, 3); // Two a second, three at once.
  std::int64_t now = 1'000'000'000'000;
  for (int i = 0; i < 3; ++i) {
    CHECK(limit.allow(now));
  }
  CHECK_FALSE(limit.allow(now));
  CHECK_FALSE(limit.allow(now + 400'000'000));
  CHECK(limit.take_suppressed() == 2);
  CHECK(limit.take_suppressed() == 0);
  now += 500'000'000;
  CHECK(limit.allow(now));
  CHECK_FALSE(limit.allow(now));
  now += 3'600'000'000'000;
  for (int i = 0; i < 3; ++i) {
    CHECK(limit.allow(now)); // A long pause fills no more than the burst.
  }
  CHECK_FALSE(limit.allow(now));
}

TEST_CASE("a clock that goes back gives no tokens") {
  log::RateLimit limit(1000, 1);
  CHECK(limit.allow(2'000'000'000));
  CHECK_FALSE(limit.allow(1'000'000'000));
}
