#include "loadgen/commands/command_load.hpp"

#include <algorithm>
#include <deque>
#include <set>

#include <doctest/doctest.h>

using namespace spate;
using namespace spate::loadgen;

namespace {

constexpr std::int64_t kMs = 1'000'000;
constexpr std::int64_t kSecond = 1'000 * kMs;
constexpr const char* kSucceeded = R"({"id":"x","state":"SUCCEEDED","timings":{"total_us":700}})";

/// A node with a few connections that takes `takes_ns` for each command, under a pretended clock.
struct Node final : CommandPort {
  explicit Node(double rate, std::size_t connections = 1000, std::uint32_t fleet = 10)
      : load({rate, Arrival::fixed, fleet, 1}, *this), connections_max(connections) {}

  bool can_post() const override { return busy.size() < connections_max; }
  void post(const CommandPost& post) override {
    busy.push_back(post);
    devices.push_back(post.device);
  }
  /// Lets time pass in steps; the node answers what it had for long enough if it `works`.
  void pass(std::int64_t time_ns, bool works = true, std::int64_t step_ns = kMs / 10) {
    for (const std::int64_t end_ns = now_ns + time_ns; now_ns < end_ns;) {
      now_ns += step_ns;
      while (works && !busy.empty() && busy.front().sent_ns + takes_ns <= now_ns) {
        const CommandPost done = busy.front();
        busy.pop_front();
        load.on_reply(done, {status, body, fault}, now_ns);
      }
      load.tick(now_ns);
    }
  }
  void begin() { load.begin(now_ns, now_ns); }
  /// One command that ends so.
  const CommandStats& reply(long with_status, std::string_view with_body,
                            std::string_view with_fault = {}) {
    status = with_status;
    body = with_body;
    fault = with_fault;
    begin();
    load.tick(now_ns);
    load.stop(now_ns + 1);
    pass(10 * kMs);
    return load.stats();
  }

  std::int64_t now_ns = 1'000 * kSecond;
  std::int64_t takes_ns = kMs;
  long status = 200;
  std::string_view body = kSucceeded;
  std::string_view fault;
  CommandLoad load;
  std::size_t connections_max;
  std::deque<CommandPost> busy;
  std::vector<std::uint32_t> devices;
};

double ms(std::uint64_t ns) {
  return static_cast<double>(ns) / 1e6;
}

} // namespace

TEST_CASE("a node that stalls for a second shows in every command that was due in it") {
  // Coordinated omission: with 4 connections a generator that waits for answers would see 4 bad
  // latencies. 500 commands were due during the stall, and each must show how long it waited.
  for (const std::size_t connections : {std::size_t{4}, std::size_t{10'000}}) {
    Node node(500, connections);
    node.begin();
    node.load.stop(node.now_ns + 10 * kSecond);
    node.pass(kSecond);
    node.pass(kSecond, false);
    node.pass(9 * kSecond);
    const CommandStats& stats = node.load.stats();
    CAPTURE(connections);
    CHECK(stats.posted == 5000);
    CHECK(stats.succeeded == 5000);
    CHECK(ms(stats.latency.max()) >= 999);
    CHECK(ms(stats.latency.quantile(0.95)) > 400);
    CHECK(ms(stats.latency.quantile(0.99)) > 850);
    CHECK(ms(stats.latency.quantile(0.5)) < 1.3);
    if (connections == 4) { // The service time hides it.
      CHECK(ms(stats.service.quantile(0.99)) < 1.3);
    }
    CHECK(ms(stats.lag.max()) <= 0.1); // And the generator is not to blame.
  }
}

TEST_CASE("a generator that is late itself says so") {
  Node node(1000);
  node.begin();
  node.pass(kSecond);
  node.now_ns += kSecond; // Nobody called tick() for a second.
  for (int i = 0; i < 10; ++i) {
    node.pass(kMs / 10);
  }
  CHECK(ms(node.load.stats().lag.quantile(0.75)) > 450);
  CHECK(ms(node.load.stats().lag.max()) >= 999);
}

TEST_CASE("without a free connection nothing is asked for and nothing is forgotten") {
  Node node(1000, 2);
  node.begin();
  node.pass(100 * kMs, false);
  CHECK(node.load.stats().posted == 2);
  CHECK(node.load.next_ns() == Load::kNever); // Only an answer can help.
  node.load.stop(node.now_ns);
  CHECK_FALSE(node.load.drained());
  node.load.finish();
  CHECK(node.load.stats().unsent == 98);
}

TEST_CASE("what is due at the end or later is not posted, what was due before still is") {
  Node node(1000, 1);
  node.takes_ns = 2 * kMs; // Half of what is due.
  node.begin();
  const std::int64_t start_ns = node.now_ns;
  node.load.stop(start_ns + 100 * kMs);
  node.pass(kSecond);
  CHECK(node.load.stats().posted == 100);
  CHECK(node.load.drained());
  CHECK(node.load.next_ns() == Load::kNever);
}

TEST_CASE("commands of the warm-up are posted and not measured") {
  Node node(1000);
  node.load.begin(node.now_ns, node.now_ns + kSecond);
  node.load.stop(node.now_ns + 2 * kSecond);
  node.pass(3 * kSecond);
  CHECK(node.load.stats().posted == 2000);
  CHECK(node.load.stats().measured == 1000);
  CHECK(node.load.stats().latency.count() == 1000);
}

TEST_CASE("devices come in random order, each once in a round") {
  Node node(1000, 1000, 10);
  node.begin();
  node.load.stop(node.now_ns + 100 * kMs);
  node.pass(100 * kMs);
  REQUIRE(node.devices.size() == 100);
  std::set<std::vector<std::uint32_t>> rounds;
  for (std::size_t i = 0; i < 100; i += 10) {
    std::vector<std::uint32_t> round(node.devices.begin() + static_cast<long>(i),
                                     node.devices.begin() + static_cast<long>(i) + 10);
    rounds.insert(round);
    std::sort(round.begin(), round.end());
    for (std::uint32_t device = 0; device < 10; ++device) {
      CHECK(round[device] == device);
    }
  }
  CHECK(rounds.size() > 5);
}

TEST_CASE("each end of a command is counted under its name, and only answers have latencies") {
  Node good(1);
  CHECK(good.reply(200, kSucceeded).succeeded == 1);
  CHECK(good.load.stats().node.max() == 700'000);
  CHECK(good.load.stats().errors.empty());

  Node failed(1);
  CHECK(failed.reply(200, R"({"state":"FAILED"})").succeeded == 0);
  CHECK(failed.load.stats().latency.count() == 1);
  CHECK(failed.load.stats().errors.count("HTTP 200, the command is FAILED") == 1);

  Node waited(1);
  (void)waited.reply(504,
                     R"({"code":"command-wait-timeout","command":{"state":"SENT","timings":{}}})");
  CHECK(waited.load.stats().states.at("SENT") == 1);
  CHECK(waited.load.stats().latency.count() == 1);

  Node offline(1);
  (void)offline.reply(409, R"({"code":"device-offline","status":409})");
  CHECK(offline.load.stats().latency.count() == 0);
  CHECK(offline.load.stats().statuses.at(409) == 1);
  CHECK(offline.load.stats().errors.begin()->first.find("409 device-offline (the device is not") !=
        std::string::npos);

  Node gone(1);
  CHECK(gone.reply(0, {}, "Connection reset by peer").lost == 1);
  CHECK(gone.load.stats().errors.count("no HTTP answer: Connection reset by peer") == 1);

  Node accepted(1); // Durable is not done.
  CHECK(accepted.reply(202, R"({"state":"QUEUED"})").succeeded == 0);
}

TEST_CASE("a body that is no command says nothing") {
  for (const char* body : {"", "x", "[]", "{}", R"({"state":1})", R"({"state":"A)", "<html>",
                           R"({"timings":{"total_us":null}})", R"({"timings":[1]})"}) {
    const CommandBody read = parse_command_body(body);
    CAPTURE(body);
    CHECK(read.state.empty());
    CHECK(read.code.empty());
    CHECK(read.total_us == -1);
  }
  CHECK(parse_command_body("{\"state\":\"" + std::string(1000, 'A') + "\"}").state.empty());
  CHECK(parse_command_body(R"({"total_us":5,"state":"SENT","timings":{"total_us":9}})").total_us ==
        9);
}
