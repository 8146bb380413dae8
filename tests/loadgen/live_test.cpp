#include "loadgen/report/live_text.hpp"

#include <doctest/doctest.h>

#include "loadgen/report/live_screen.hpp"

using namespace spate;
using namespace spate::loadgen;

namespace {

constexpr std::int64_t kSecond = 1'000'000'000;

LivePlan plan() {
  LivePlan made;
  made.title = "steady";
  made.duration_s = 100;
  made.course.stages = {{"warm-up", 0, 10, false}, {"spike", 10, 100, true}};
  return made;
}

FleetProgress at(double elapsed_s, Phase phase = Phase::sending) {
  FleetProgress made;
  made.phase = phase;
  made.elapsed_s = elapsed_s;
  made.connections = 10;
  made.settled = 9;
  made.online = 7;
  made.gone = 1;
  made.in_flight = 12;
  return made;
}

std::string all(const std::vector<std::string>& lines) {
  std::string text;
  for (const std::string& line : lines) {
    text += line + "\n";
  }
  return text;
}

bool has(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

} // namespace

TEST_CASE("the view shows the last second and the whole run") {
  LiveText live(plan());
  Stats stats;
  live.take(at(1), stats, kSecond);
  stats.sent = 1000;
  stats.acked = 900;
  stats.latency.record(1'000'000, 900);
  stats.lag.record(100'000, 1000);
  live.take(at(2), stats, 2 * kSecond);
  stats.sent = 1500;
  stats.acked = 1400;
  stats.latency.record(64'000'000, 500);
  stats.lag.record(20'000'000, 500);
  live.take(at(50), stats, 3 * kSecond);
  const std::string text = all(live.lines(120, true));
  CAPTURE(text);
  CHECK(has(text, "steady     spike  0:50"));
  CHECK(has(text, " 50% 0:50 left"));
  CHECK(has(text, "sent 500/s  acked 500/s  in flight 12  \u2588\u2585"));
  CHECK(has(text, "now p50 64.0 ms") == false); // 64.2: the end of its bucket.
  CHECK(has(text, "now p50 64"));
  CHECK(has(text, "run p50 1 ms  p99 64"));
  CHECK(has(text, "online 7  connecting 1  offline 2 (1 for good)"));
  CHECK(has(text, "TOO SLOW: 99% sent within 20.0 ms"));
  CHECK(has(all(live.lines(120, false)), "in flight 12  #+"));
}

TEST_CASE("before a second is over there is nothing to divide by") {
  LiveText live(plan());
  CHECK_FALSE(live.lines(80, true).empty());
  live.take(at(0, Phase::connecting), {}, 0);
  live.take(at(0, Phase::connecting), {}, 1);
  CHECK(has(all(live.lines(80, true)), "steady     connecting  0:00"));
  CHECK(has(all(live.lines(80, true)), " 90%")); // Of the connections.
}

TEST_CASE("no line is wider than the terminal, whatever the reasons of errors say") {
  LiveText live(plan());
  Stats stats;
  stats.error(std::string(500, 'x'), 5);
  stats.error("evil \x1b[2J escape", 7);
  stats.error("third", 1);
  stats.error("fourth", 1);
  live.take(at(1), stats, kSecond);
  stats.latency.record(1'000'000'000, 5);
  live.take(at(2), stats, 2 * kSecond);
  live.take_beside("commands 5 ok");
  for (const std::size_t columns : {10, 40, 60, 80, 200}) {
    for (const std::string& line : live.lines(columns, true)) {
      CAPTURE(line);
      CHECK(columns_of(line) <= columns);
      CHECK(line.find('\x1b') == std::string::npos);
    }
  }
  const std::string text = all(live.lines(300, true));
  CHECK(has(text, "7 x evil ?[2J escape"));
  CHECK(has(text, "1 more reasons"));
  CHECK(has(text, "beside     commands 5 ok"));
}

TEST_CASE("the server's CPU is that between the last two looks") {
  LiveText live(plan());
  ServerSample before, now;
  before.at_ns = kSecond;
  before.cpu_s = 1;
  now.at_ns = 3 * kSecond;
  now.cpu_s = 2;
  now.rss_bytes = 231'000'000;
  live.take_server(std::nullopt);
  CHECK_FALSE(has(all(live.lines(80, true)), "server"));
  live.take_server(std::pair(before, now));
  CHECK(has(all(live.lines(80, true)), "server     CPU 50% of a core  memory 231 MB"));
}

TEST_CASE("characters are cut whole") {
  CHECK(columns_of("a\u2588\u00e9") == 3);
  CHECK(cut_to("a\u2588\u00e9", 2) == "a\u2588");
  CHECK(cut_to("abc", 5) == "abc");
  CHECK(cut_to("abc", 0).empty());
  CHECK(sparkline({0, 1, 4, 8}, true) == " \u2581\u2584\u2588");
  CHECK(sparkline({}, true).empty());
}

TEST_CASE("the screen draws over its own lines and leaves the cursor as it was") {
  std::string out;
  std::size_t columns = 20;
  Terminal terminal;
  terminal.is_terminal = true;
  terminal.columns = [&columns] { return columns; };
  terminal.write = [&out](const std::string& text) { out += text; };
  {
    LiveScreen screen(terminal);
    CHECK(screen.due(0));
    screen.draw({"one", "two"}, 0);
    CHECK(out == "\x1b[?25lone\ntwo\n");
    CHECK_FALSE(screen.due(LiveScreen::kRefreshNs - 1));
    CHECK(screen.due(LiveScreen::kRefreshNs));
    out.clear();
    screen.draw({"twenty columns wide.", "2"}, LiveScreen::kRefreshNs);
    CHECK(out == "\x1b[?25l\r\x1b[2A\x1b[Jtwenty columns wide.\n2\n");
    out.clear();
    columns = 10; // Narrower: the first line takes two rows now.
    screen.draw({"x"}, 2 * LiveScreen::kRefreshNs);
    CHECK(out == "\x1b[?25l\r\x1b[3A\x1b[Jx\n");
    out.clear();
  }
  CHECK(out == "\r\x1b[1A\x1b[J\x1b[?25h");
}
