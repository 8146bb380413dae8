#include "loadgen/agents/frame.hpp"

#include <atomic>
#include <chrono>
#include <map>
#include <set>
#include <thread>

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include "loadgen/agents/agent_link.hpp"
#include "loadgen/agents/agent_server.hpp"
#include "loadgen/agents/agent_session.hpp"
#include "loadgen/agents/agent_timeline.hpp"
#include "loadgen/agents/clock_offset.hpp"
#include "loadgen/agents/shares.hpp"
#include "loadgen/agents/stats_codec.hpp"
#include "loadgen/base/random.hpp"
#include "loadgen/fleet/stats_fields.hpp"

using namespace spate;
using namespace spate::loadgen;

namespace {

using Json = nlohmann::json;
using namespace std::chrono_literals;

Cohort cohort_of(const char* name, std::uint32_t devices) {
  Cohort cohort;
  cohort.name = name;
  cohort.devices = devices;
  cohort.pace.kind = Pace::Kind::flood;
  return cohort;
}

bool same(const Histogram& a, const Histogram& b) {
  return a.buckets() == b.buckets() && a.min() == b.min() && a.max() == b.max() &&
         a.sum() == b.sum();
}

/// A number for every count, and some times.
Stats full_stats(std::uint64_t seed) {
  Random random(seed);
  Stats stats;
  Json json = json_of(stats);
  stats.sent = random.next() % 1000;
  stats.acked = random.next() % 1000;
  stats.lost = 3;
  stats.error("closed", 7);
  stats.error("\xff odd", 1);
  stats.reasons[0x97] = 5;
  for (int i = 0; i < 1000; ++i) {
    stats.latency.record(random.next() >> (22 + random.next() % 40));
    stats.lag.record(random.next() % 1000);
  }
  return stats;
}

/// An agent with a thread, and a peer that talks to it.
struct Served {
  explicit Served(const std::string& token = "")
      : server(AgentServer::open({"127.0.0.1", 0}, token).value()),
        thread([this] { server->serve(false, stop); }) {}
  ~Served() {
    stop = true;
    thread.join();
  }
  Served(const Served&) = delete;
  Served& operator=(const Served&) = delete;
  [[nodiscard]] std::unique_ptr<Channel> connect() const {
    auto channel = Channel::connect(server->address(), 10s).value();
    channel->set_bytes_max(kFrameBytesMax);
    return channel;
  }
  std::atomic<bool> stop{false};
  std::unique_ptr<AgentServer> server;
  std::thread thread;
};

/// What the agent says next: its type, or "closed".
std::string heard(Channel& channel, Json* whole = nullptr) {
  Json message;
  const auto got = channel.receive(message, 20s);
  REQUIRE(got);
  REQUIRE(*got != Channel::Got::nothing);
  if (whole != nullptr) {
    *whole = message;
  }
  return *got == Channel::Got::closed ? "closed" : text_in(message, "type");
}

const Json kHello = {{"type", "hello"}, {"protocol", kAgentProtocol}, {"token", "secret"}};

} // namespace

TEST_CASE("frames come back whole, however their bytes are cut") {
  std::string bytes;
  append_frame(bytes, FrameKind::json, "{}");
  append_frame(bytes, FrameKind::ledger, std::string(5000, 'x'));
  append_frame(bytes, FrameKind::json, "");
  for (std::size_t piece = 1; piece < 50; piece += 7) {
    FrameCutter cutter;
    std::vector<AgentFrame> frames;
    for (std::size_t at = 0; at < bytes.size(); at += piece) {
      cutter.add(std::string_view(bytes).substr(at, piece));
      while (auto frame = cutter.next().value()) {
        frames.push_back(std::move(*frame));
      }
    }
    REQUIRE(frames.size() == 3);
    CHECK(frames[0].body == "{}");
    CHECK(frames[1].kind == FrameKind::ledger);
    CHECK(frames[1].body.size() == 5000);
    CHECK(frames[2].body.empty());
  }
}

TEST_CASE("a frame above its limit, or of an unknown kind, is refused before it is there") {
  FrameCutter cutter;
  std::string head;
  append_frame(head, FrameKind::json, std::string(kHelloBytesMax + 1, ' '));
  cutter.add(std::string_view(head).substr(0, kFrameHeadBytes));
  CHECK_FALSE(cutter.next());
  cutter.set_bytes_max(kFrameBytesMax);
  CHECK(cutter.next());
  FrameCutter other;
  other.add(std::string_view("\0\0\0\1X", 5));
  CHECK_FALSE(other.next());
}

TEST_CASE("secrets are equal or not") {
  CHECK(equal_secrets("abc", "abc"));
  for (const char* wrong : {"", "ab", "abcd", "abd", "abcabc"}) {
    CHECK_FALSE(equal_secrets(wrong, "abc"));
  }
}

TEST_CASE("the quickest of several answers gives the clock's offset") {
  ClockOffset clock;
  CHECK_FALSE(clock.known());
  clock.add(1000, 9000, 107'000, 0, 50);    // Slow: 8 us.
  clock.add(10'000, 10'400, 110'200, 0, 7); // 400 ns, the other 100,000 ahead.
  clock.add(20'000, 22'000, 121'900, 0, 90);
  clock.add(30'000, 29'000, 0, 0, 0); // A clock that went back says nothing.
  CHECK(clock.steady_offset_ns() == 100'000);
  CHECK(clock.wall_offset_ns() == 7);
  CHECK(clock.uncertainty_ns() == 201);
}

TEST_CASE("shares have each device and each message once, gateways whole, and follow the rate") {
  for (const std::uint32_t agents : {1u, 2u, 3u, 7u, 12u}) {
    Scenario scenario;
    scenario.cohorts = {cohort_of("few", 13), cohort_of("gateways", 1005), cohort_of("one", 1)};
    scenario.cohorts[0].first = 100;
    scenario.cohorts[0].messages = 1'000'003;
    scenario.cohorts[0].connects_per_s = 130;
    scenario.cohorts[1].devices_per_connection = 10;
    scenario.cohorts[1].messages = 999'999'999'999;
    scenario.faults.resize(2);
    scenario.faults[0].kind = Fault::Kind::half_open;
    scenario.faults[0].count = 25;
    scenario.faults[1].kind = Fault::Kind::silent_cut;
    scenario.faults[1].cohort = "one";
    const auto shares = shares_of(scenario, agents).value();
    REQUIRE(shares.size() == agents);
    std::map<std::string, std::uint64_t> next = {{"few", 100}, {"gateways", 0}, {"one", 0}};
    std::map<std::string, std::uint64_t> messages;
    std::set<std::uint64_t> seeds;
    double connects_per_s = 0;
    std::uint32_t half_open = 0;
    std::size_t cuts = 0;
    for (const Scenario& share : shares) {
      seeds.insert(share.seed);
      for (const Cohort& cohort : share.cohorts) {
        CHECK(cohort.first == next[cohort.name]);
        CHECK(cohort.first % cohort.devices_per_connection == 0);
        next[cohort.name] += cohort.devices;
        messages[cohort.name] += cohort.messages;
        connects_per_s += cohort.connects_per_s;
      }
      for (const Fault& fault : share.faults) {
        half_open += fault.count;
        cuts += fault.kind == Fault::Kind::silent_cut ? 1 : 0;
      }
    }
    CHECK(next["few"] == 113);
    CHECK(next["gateways"] == 1005);
    CHECK(next["one"] == 1);
    CHECK(messages["few"] == 1'000'003);
    CHECK(messages["gateways"] == 999'999'999'999);
    CHECK(connects_per_s == doctest::Approx(130));
    CHECK(half_open == 25);
    CHECK(cuts == 1); // Only where the cohort is.
    CHECK(seeds.size() == agents);
  }
}

TEST_CASE("a scenario that can not be shared out is refused") {
  Scenario scenario;
  scenario.cohorts = {cohort_of("few", 3)};
  CHECK(shares_of(scenario, 4).error().detail.find("more agents") != std::string::npos);
  scenario.cohorts.push_back(cohort_of("many", 100));
  scenario.stages = {{.name = "night", .duration_ns = 1, .cohorts = {"few"}}};
  CHECK(shares_of(scenario, 4).error().detail.find("night") != std::string::npos);
  scenario.commands.emplace();
  CHECK(shares_of(scenario, 1).error().detail.find("commands") != std::string::npos);
}

TEST_CASE("counts and times come back exactly, and two results add up") {
  FleetResult result;
  result.devices = 20;
  result.connections = 10;
  result.connected = 9;
  result.connect_s = 1.5;
  result.cpu_share = {0.5, 0.25};
  result.wait_share = {0.1, 0.2};
  result.interrupted = true;
  result.stats = full_stats(1);
  result.sweep.record(77, 3);
  result.cohorts.push_back({"a", 20, 10, 9, 0, 9, full_stats(1)});
  const auto back =
      read_result(Json::parse(json_of(result).dump(-1, ' ', false, Json::error_handler_t::replace)))
          .value();
  CHECK(back.stats.sent == result.stats.sent);
  CHECK(back.stats.acked == result.stats.acked);
  CHECK(back.stats.errors.at("closed") == 7);
  CHECK(back.stats.reasons == result.stats.reasons);
  CHECK(same(back.stats.latency, result.stats.latency));
  CHECK(same(back.cohorts.at(0).stats.lag, result.stats.lag));
  CHECK(same(back.sweep, result.sweep));
  CHECK(back.cpu_share == result.cpu_share);
  CHECK(back.connected == 9);
  CHECK(back.interrupted);

  FleetResult all;
  merge(all, result);
  FleetResult other = back;
  other.cohorts.push_back({"b", 1, 1, 1, 0, 1, {}});
  other.connect_s = 2.5;
  merge(all, other);
  CHECK(all.connections == 20);
  CHECK(all.connect_s == 2.5);
  CHECK(all.cohorts.size() == 2);
  CHECK(all.cohorts[0].stats.sent == 2 * result.stats.sent);
  CHECK(all.stats.latency.count() == 2000);
  CHECK(all.cpu_share.size() == 4);
}

TEST_CASE("seconds of several agents become one timeline") {
  AgentTimeline all(2);
  AgentSecond first;
  first.counts.second = 2;
  first.counts.sent = 5;
  first.latency.record(100);
  AgentSecond second;
  second.counts.second = 2;
  second.counts.sent = 7;
  second.latency.record(9000);
  all.add(0, first);
  all.add(1, read_second(json_of(second), 2).value());
  const auto timeline = all.finish();
  REQUIRE(timeline.size() == 3);
  CHECK(timeline[1].second == 1);
  CHECK(timeline[1].sent == 0);
  CHECK(timeline[2].second == 2);
  CHECK(timeline[2].sent == 12);
  CHECK(timeline[2].max_ns == 9000);
}

TEST_CASE("a timeline keeps the histograms of those seconds only that an agent may still add to") {
  AgentTimeline all(2);
  const auto second = [](std::uint64_t number) {
    AgentSecond one;
    one.counts.second = number;
    one.counts.acked = 1;
    one.latency.record(1000 * (number + 1));
    return one;
  };
  for (std::uint64_t number = 0; number < 5; ++number) {
    all.add(0, second(number));
  }
  CHECK(all.open() == 5);
  all.add(1, second(0));
  CHECK(all.open() == 4);
  all.add(1, second(1));
  all.add(1, second(0)); // Late: its latencies are gone, it is not.
  CHECK(all.open() == 3);
  for (std::uint64_t number = 5; number < 10 * AgentTimeline::kOpenSecondsMax; ++number) {
    all.add(0, second(number)); // The other says nothing for long.
    REQUIRE(all.open() <= AgentTimeline::kOpenSecondsMax);
  }
  all.end(1);
  CHECK(all.open() == 0);
  const auto timeline = all.finish();
  REQUIRE(timeline.size() == 10 * AgentTimeline::kOpenSecondsMax);
  CHECK(timeline[0].acked == 3);
  CHECK(timeline[1].acked == 2);
  for (std::size_t i = 0; i < timeline.size(); ++i) {
    CAPTURE(i);
    CHECK(timeline[i].second == i);
    CHECK(timeline[i].max_ns == 1000 * (i + 1));
  }
}

TEST_CASE("an agent that is stopped before its load has begun ends with an empty result") {
  const int listening = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in name{};
  name.sin_family = AF_INET;
  name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof name;
  REQUIRE(::bind(listening, reinterpret_cast<sockaddr*>(&name), size) == 0);
  REQUIRE(::listen(listening, 1) == 0);
  REQUIRE(::getsockname(listening, reinterpret_cast<sockaddr*>(&name), &size) == 0);
  AgentLink link({{"127.0.0.1", ntohs(name.sin_port)}, "", Scenario{}, RunSettings{}, nullptr});
  link.stop();
  while (link.step() < AgentState::Step::finished) {
    std::this_thread::sleep_for(1ms);
  }
  CHECK(link.step() == AgentState::Step::finished);
  CHECK(link.state().result.interrupted);
  ::close(listening);
}

TEST_CASE("a report that is none is refused") {
  const Json good = json_of(FleetResult{});
  const auto with = [&good](const char* name, Json value) {
    Json json = good;
    json[name] = std::move(value);
    return read_result(json);
  };
  REQUIRE(read_result(good));
  CHECK_FALSE(read_result(Json::array()));
  CHECK_FALSE(read_result(Json::object()));
  CHECK_FALSE(with("devices", -1));
  CHECK_FALSE(with("devices", ~std::uint64_t{0}));
  CHECK_FALSE(with("connect_s", "1"));
  CHECK_FALSE(with("connect_s", -1.0));
  CHECK_FALSE(with("sweep", 5));
  CHECK_FALSE(with("sweep", {{"hdr", "rubbish"}}));
  CHECK_FALSE(with("cpu_share", {1, "2"}));
  CHECK_FALSE(with("cohorts", {{{"name", 5}}}));
  CHECK_FALSE(with("stats", {{"sent", 1.5}}));
  CHECK_FALSE(with("stats", {{"errors", {{"x", -1}}}}));
  CHECK_FALSE(with("stats", {{"reasons", 5}}));
  CHECK_FALSE(with("cpu_share", {1, 2})); // And no wait_share.
  CHECK_FALSE(read_second({{"second", 1'000'000'000}}, ~std::uint64_t{0}));
  CHECK(read_second({{"second", 7u}}, 7));
  CHECK_FALSE(read_second({{"second", 8u}}, 7));
  CHECK_FALSE(read_second(5, 7));
}

TEST_CASE("an agent listens beyond loopback with a token only") {
  CHECK(AgentServer::open({"0.0.0.0", 0}, "").error().code == Errc::usage);
  CHECK(AgentServer::open({"0.0.0.0", 0}, "token"));
  CHECK(AgentServer::open({"127.0.0.1", 0}, ""));
}

TEST_CASE("an agent talks to who knows its token and its protocol, one at a time") {
  Served agent("secret");
  Json message;
  for (const Json& wrong :
       {Json{{"type", "hello"}, {"protocol", kAgentProtocol}, {"token", "secreT"}},
        Json{{"type", "hello"}, {"protocol", kAgentProtocol}},
        Json{{"type", "hello"}, {"protocol", 99}, {"token", "secret"}}}) {
    auto channel = agent.connect();
    channel->send(wrong);
    CHECK(heard(*channel) == "error");
    CHECK(heard(*channel) == "closed");
  }
  {
    auto silent = agent.connect(); // Says something else first.
    silent->send(Json{{"type", "ping"}});
    CHECK(heard(*silent) == "closed");
  }
  auto mute = agent.connect(); // Does not keep it from who knows the token.
  auto channel = agent.connect();
  channel->send(kHello);
  CHECK(heard(*channel) == "hello");
  auto second = agent.connect();
  second->send(kHello);
  CHECK(heard(*second, &message) == "error");
  CHECK(text_in(message, "text").find("busy") != std::string::npos);
  channel->send(Json{{"type", "ping"}, {"number", 4}});
  CHECK(heard(*channel, &message) == "pong");
  CHECK(number_in(message, "number") == 4);
  channel->send(Json{{"type", "no such"}});
  CHECK(heard(*channel) == "error");
  CHECK(heard(*channel) == "closed");
}

TEST_CASE("an agent for one run outlives those who do not show its token") {
  std::atomic<bool> stop{false};
  std::atomic<bool> ended{false};
  auto server = AgentServer::open({"127.0.0.1", 0}, "secret").value();
  std::thread thread([&] {
    server->serve(true, stop);
    ended = true;
  });
  const auto connect = [&server] { return Channel::connect(server->address(), 10s).value(); };
  {
    auto stranger = connect();
    stranger->send(Json{{"type", "hello"}, {"protocol", kAgentProtocol}, {"token", "guess"}});
    CHECK(heard(*stranger) == "error");
    CHECK(heard(*stranger) == "closed");
    auto gone = connect();
  }
  auto run = connect();
  run->send(kHello);
  CHECK(heard(*run) == "hello");
  CHECK_FALSE(ended);
  run->send(Json{{"type", "bye"}});
  CHECK(heard(*run) == "closed");
  thread.join(); // Without `stop`.
  CHECK(ended);
}

TEST_CASE("what may not come now ends the session, and a bad scenario is told") {
  Served agent;
  const auto said = [&agent](const Json& message) {
    auto channel = agent.connect();
    channel->send(kHello);
    REQUIRE(heard(*channel) == "hello");
    channel->send(message);
    Json answer;
    const std::string type = heard(*channel, &answer);
    return type == "error" ? text_in(answer, "text") : type;
  };
  CHECK(said({{"type", "connect"}}).find("may not come now") != std::string::npos);
  CHECK(said({{"type", "prepare"}}) != "prepared");
  CHECK(said({{"type", "prepare"}, {"scenario", "x = ["}}).find("scenario:1:") !=
        std::string::npos);
  CHECK(said({{"type", "bye"}}) == "closed");
}

TEST_CASE("every count and time of Stats is listed, so that none is lost in a sum or on its way") {
  const Stats stats;
  const auto bytes = [](const auto& from, const auto& to) {
    return static_cast<std::size_t>(reinterpret_cast<const char*>(&to) -
                                    reinterpret_cast<const char*>(&from));
  };
  CHECK(std::size(kStatsCounts) * sizeof(std::uint64_t) == bytes(stats.connects, stats.answer_lag));
  CHECK(std::size(kStatsTimes) * sizeof(Histogram) == bytes(stats.answer_lag, stats.errors));
  std::set<const void*> members;
  for (const auto& [name, member] : kStatsCounts) {
    members.insert(&(stats.*member));
  }
  for (const auto& [name, member] : kStatsTimes) {
    members.insert(&(stats.*member));
  }
  CHECK(members.size() == std::size(kStatsCounts) + std::size(kStatsTimes));
}
