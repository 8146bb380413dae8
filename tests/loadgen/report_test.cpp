#include "loadgen/report/report.hpp"

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include "loadgen/base/units.hpp"
#include "loadgen/fleet/sources.hpp"
#include "loadgen/report/document.hpp"
#include "loadgen/report/progress.hpp"

using namespace spate;
using namespace spate::loadgen;

namespace {

ReportHead head() {
  ReportHead made;
  made.devices = 10;
  made.target = "mqtt://127.0.0.1:1883";
  return made;
}

FleetResult good() {
  FleetResult made;
  made.connected = made.seen = 10;
  made.sending_s = made.measured_s = 10;
  made.stats.sent = made.stats.acked = made.stats.measured_acked = 1000;
  made.stats.latency.record(2'000'000, 1000);
  made.stats.service.record(1'000'000, 1000);
  made.stats.lag.record(100'000, 1000);
  made.cpu_share = {0.5};
  made.wait_share = {0.1};
  made.cpu_s = 5;
  return made;
}

} // namespace

TEST_CASE("whatever went wrong is a failure with its reason") {
  const auto text = [](void (*spoil)(FleetResult&)) {
    FleetResult result = good();
    spoil(result);
    const Verdict verdict = judge(head(), result);
    CHECK_FALSE(verdict.ok);
    return verdict.text;
  };
  CHECK(text([](FleetResult& r) { r.connected = 9; }) == "1 of 10 devices did not connect");
  CHECK(text([](FleetResult& r) { r.stats.lost = 5; }) == "5 sent messages were never answered");
  CHECK(text([](FleetResult& r) { r.stats.refused = 5; }) == "5 messages were refused");
  CHECK(text([](FleetResult& r) { r.stats.unsent = 5; }) ==
        "5 messages were due and could not be sent");
  CHECK(text([](FleetResult& r) { r.stats.connections_lost = 1; }) == "1 connections were lost");
  CHECK(text([](FleetResult& r) { r.stats.error("odd"); }) == "1 errors");
  CHECK(text([](FleetResult& r) { r.stats.sent = 0; }) == "no message was sent");
  CHECK(text([](FleetResult& r) { r.stalled = true; }) ==
        "nothing moved any more before all was sent");
  CHECK(judge(head(), good()).ok);
}

TEST_CASE("with --reconnect lost connections are expected, lost messages are not") {
  ReportHead reconnecting = head();
  reconnecting.reconnect = true;
  FleetResult result = good();
  result.stats.connections_lost = 3;
  result.stats.error("connection lost: closed by the peer", 3);
  CHECK(judge(reconnecting, result).ok);
  result.connected = 7; // The others came later.
  CHECK(judge(reconnecting, result).ok);
  result.stats.lost = 1;
  CHECK_FALSE(judge(reconnecting, result).ok);
}

TEST_CASE("with --reconnect a device that never came online is a failure, and so is silence") {
  ReportHead reconnecting = head();
  reconnecting.reconnect = true;
  FleetResult result = good();
  result.seen = 8;
  CHECK(judge(reconnecting, result).text == "2 of 10 devices did not connect");
  result = {};
  CHECK(judge(reconnecting, result).text ==
        "10 of 10 devices did not connect; no message was sent");
  result.seen = 10;
  reconnecting.idle = true;
  CHECK(judge(reconnecting, result).ok);
}

TEST_CASE("connecting may take as long as the ramp and a timeout") {
  CHECK(connect_limit_ns(1000, 10, 30'000'000'000) == 130'000'000'000);
  CHECK(connect_limit_ns(1000, 0, 30'000'000'000) == 32'000'000'000);
  CHECK(connect_limit_ns(10'000'000, 1e-9, 0) > 0); // Does not overflow.
}

TEST_CASE("a generator that was the bottleneck says so") {
  CHECK_FALSE(judge(head(), good()).saturated);
  FleetResult late = good();
  late.stats.lag.record(20'000'000, 50);
  CHECK(judge(head(), late).saturated);
  CHECK(judge(head(), late).saturation.find("the generator was the bottleneck") == 0);
  FleetResult busy = good();
  busy.stats.lag.clear();
  busy.cpu_share = {0.2, 0.7};
  busy.wait_share = {0.2, 0.29}; // Wanted a core for 99 % of the time.
  CHECK(judge(head(), busy).saturated);
  ReportHead precise = head();
  precise.precise = true; // Spins by design.
  CHECK_FALSE(judge(precise, busy).saturated);
  precise.closed_loop = true; // Nothing to spin for.
  CHECK(judge(precise, busy).saturated);
}

TEST_CASE("the report has every figure, in milliseconds") {
  FleetResult result = good();
  result.stats.reasons[0x10] = 7;
  result.stats.error("odd \xff bytes");
  const auto report = report_json(head(), {{"seed", 1}}, result);
  CHECK(report.at("sent") == 1000);
  CHECK(report.at("acked") == 1000);
  CHECK(report.at("lost") == 0);
  CHECK(report.at("rate_per_s") == 100);
  for (const char* key : {"p50", "p90", "p99", "p999", "max", "mean"}) {
    CHECK(report.at("latency_ms").at(key).get<double>() == doctest::Approx(2).epsilon(0.01));
    CHECK(report.at("service_ms").at(key).get<double>() == doctest::Approx(1).epsilon(0.01));
  }
  CHECK(report.at("connect_ms").is_null());
  CHECK(report.at("generator").at("cpu_us_per_message") == 5000);
  CHECK(report.at("reasons").at("0x10").at("count") == 7);
  CHECK(report.at("ok") == false);
  CHECK_FALSE(report_table(head(), result).empty());
}

TEST_CASE("what a fault did is told, and nothing of those that were not") {
  FleetResult result = good();
  CHECK(report_table(head(), result).find("fault ") == std::string::npos);
  result.stats.withheld = 1234;
  CHECK(report_table(head(), result)
            .find("  fault       1,234 x message due of a device that was cut for good\n") !=
        std::string::npos);
}

TEST_CASE("errors of a thousand kinds stay a short list") {
  Stats stats;
  for (int i = 0; i < 1000; ++i) {
    stats.error("reason " + std::to_string(i));
  }
  CHECK(stats.errors.size() == kErrorReasonsMax + 1);
  CHECK(stats.errors.at("other") == 1000 - kErrorReasonsMax);
  CHECK(stats.error_count() == 1000);
}

TEST_CASE("numbers and durations of the command line") {
  for (const char* bad : {"", "x", "-1", "1x", "1 k", "nan", "inf", "1e400", "k"}) {
    CAPTURE(bad);
    CHECK_FALSE(parse_number(bad));
    CHECK_FALSE(parse_duration_ns(bad));
  }
  CHECK_FALSE(parse_count("1.5"));
  CHECK_FALSE(parse_count("1e18"));
  CHECK(parse_count("1.5M").value() == 1'500'000);
  CHECK(parse_number("20k").value() == 20'000);
  CHECK(parse_duration_ns("30").value() == 30'000'000'000);
  CHECK(parse_duration_ns("500ms").value() == 500'000'000);
  CHECK(parse_duration_ns("1.5s").value() == 1'500'000'000);
  CHECK(parse_duration_ns("2m").value() == 120'000'000'000);
  CHECK(parse_duration_ns("1h").value() == 3'600'000'000'000);
  CHECK_FALSE(parse_duration_ns("2d"));
}

TEST_CASE("targets and source addresses") {
  CHECK(target_of("mqtt://h:1").value().host_port == "h:1");
  CHECK(target_of("mqtt://h:1/").value().host_port == "h:1");
  CHECK(target_of("h:1").value().host_port == "h:1");
  CHECK_FALSE(target_of("h:1").value().tls);
  CHECK_FALSE(target_of("h:1,h:2"));
  CHECK(split_targets("h:1,h:2") == std::vector<std::string>{"h:1", "h:2"});
  CHECK(split_targets("h:1").size() == 1);
  CHECK(target_of("mqtts://h").value().host_port == "h");
  CHECK(target_of("mqtts://h").value().tls);
  for (const char* bad : {"http://h:1", "mqtt://", "mqtts://", ""}) {
    CHECK_FALSE(target_of(bad));
  }
  CHECK(resolve("127.0.0.1", 1883).value().port == 1883);
  CHECK(resolve("localhost:99", 1883).value().port == 99);
  CHECK_FALSE(resolve("127.0.0.1:99999", 1883));

  const net::Address local{"127.0.0.1", 1883};
  const net::Address remote{"192.0.2.1", 1883};
  const auto spread = SourcePool::parse("auto", local).value();
  CHECK(spread.source(0) == "127.0.0.1");
  CHECK(spread.source(9'999) == "127.0.0.1");
  CHECK(spread.source(10'000) == "127.0.0.2");
  CHECK(spread.source(2'999'999) == "127.0.1.44");
  CHECK(SourcePool::parse("auto", remote).value().source(5).empty());
  CHECK(SourcePool::parse("none", local).value().source(50'000).empty());
  CHECK(SourcePool::parse("10.0.0.77/30", remote).value().source(10'000) == "10.0.0.78");
  CHECK(SourcePool::parse("10.0.0.77/30", remote).value().source(20'000) == "10.0.0.77");
  CHECK(SourcePool::parse("10.0.0.1,10.0.0.9", remote).value().source(1) == "10.0.0.9");
  for (const char* bad : {"x", "10.0.0.1/33", "10.0.0.1/7", "10.0.0/24", "10.0.0.1,", ",", "::1"}) {
    CAPTURE(bad);
    CHECK((!SourcePool::parse(bad, remote) || std::string(bad) == "10.0.0.1,"));
  }
}

TEST_CASE("a fleet that does not fit in the file descriptors is refused with the numbers") {
  const auto room = make_room(1'000'000'000'000);
  if (!room) { // Unless the machine has no limit.
    CHECK(room.error().code == Errc::usage);
    CHECK(room.error().detail.find("1000000000000 connections do not fit") == 0);
  }
  CHECK(make_room(10));
  if (!room) {
    const auto beside = make_room(10, 1'000'000'000'000); // What faults and commands take counts.
    REQUIRE_FALSE(beside);
    CHECK(beside.error().detail.find("enough for 0 connections") != std::string::npos);
  }
}

TEST_CASE("progress is short and never divides by nothing") {
  CHECK(grouped(0) == "0");
  CHECK(grouped(999) == "999");
  CHECK(grouped(1000) == "1,000");
  CHECK(grouped(1234567) == "1,234,567");
  CHECK(short_number(0) == "0");
  CHECK(short_number(9999) == "9999");
  CHECK(short_number(12345) == "12.3k");
  CHECK(short_number(1'234'567) == "1.23M");
  CHECK(clock_text(75) == "1:15");
  CHECK(clock_text(3700) == "1:01:40");
  CHECK(progress_bar(0, -1, 10) == "[..........]   0%");
  CHECK(progress_bar(0.5, 65, 10) == "[#####.....]  50% 1:05 left");
  CHECK(progress_bar(7, 0, 10) == "[##########] 100%");
  FleetStatus status(0, 0);
  CHECK_FALSE(status.line({}, {}, 0).empty());
}
