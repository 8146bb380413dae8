#include "loadgen/report/objectives.hpp"

#include <doctest/doctest.h>

#include "loadgen/report/metrics.hpp"

using namespace spate;
using namespace spate::loadgen;

namespace {

FleetResult measured_fleet() {
  FleetResult fleet;
  fleet.connections = fleet.seen = 10;
  fleet.measured_s = 10;
  fleet.stats.sent = 1000;
  fleet.stats.acked = fleet.stats.measured_acked = 990;
  fleet.stats.lost = 10;
  for (std::uint64_t i = 1; i <= 1000; ++i) {
    fleet.stats.latency.record(i * 100'000); // p50 50 ms, p99 99 ms.
  }
  CohortResult meters;
  meters.name = "meters";
  meters.connections = 4;
  meters.seen = 2;
  meters.stats.latency.record(2'000'000, 100);
  fleet.cohorts.push_back(meters);
  return fleet;
}

bool met(const std::string& text, const Measured& measured) {
  const auto objectives = parse_objectives(text);
  REQUIRE(objectives);
  REQUIRE(objectives->size() == 1);
  return judge(objectives->front(), measured).ok;
}

std::string fault(std::string_view text) {
  const auto objectives = parse_objectives(text);
  return objectives ? "" : objectives.error().detail;
}

} // namespace

TEST_CASE("objectives compare what was measured with their limits") {
  const FleetResult fleet = measured_fleet();
  const Measured measured{fleet};
  for (const char* yes : {"ack_p50<51ms",
                          "ack_p50 < 0.051 s",
                          "ack_p99<=100ms",
                          "ack_max<=100.1ms",
                          "ack_p99>50ms",
                          "ack_p99 >= 98000us",
                          "lost==10",
                          "lost=10",
                          "lost!=0",
                          "sent>=1k",
                          "rate>98",
                          "rate<100/s",
                          "acked_share>=99%",
                          "acked_share<1",
                          "connected_share==100 %",
                          "meters:ack_p99<3ms",
                          "meters:connected_share==0.5",
                          "errors==0",
                          "ack_p999<1m",
                          "ack_p99.9<1m"}) {
    CAPTURE(yes);
    CHECK(met(yes, measured));
  }
  for (const char* no : {"ack_p50<49ms", "ack_p50>51ms", "lost==0", "lost<10", "rate>99",
                         "meters:ack_p99>3ms", "connected_share<100%"}) {
    CAPTURE(no);
    CHECK_FALSE(met(no, measured));
  }
}

TEST_CASE("what was wrong on purpose is not due to be acknowledged") {
  FleetResult fleet;
  fleet.stats.sent = 100;
  fleet.stats.acked = 90;
  fleet.stats.faulty_answered = 10;
  CHECK(met("acked_share==100%", Measured{fleet}));
  fleet.stats.unsent = 90;
  CHECK(met("acked_share==50%", Measured{fleet}));
}

TEST_CASE("an objective on something that was not measured is missed, not met") {
  const FleetResult fleet = measured_fleet();
  for (const char* text : {"service_p99<1h", "command_p99<5s", "server_rss_bytes<1GB",
                           "commands_failed==0", "generator_lag_p99<5ms"}) {
    CAPTURE(text);
    const auto result = judge(parse_objectives(text).value().front(), Measured{fleet});
    CHECK_FALSE(result.ok);
    CHECK(result.value_text == "nothing measured");
  }
  Measured measured{fleet};
  measured.server_rss_bytes = 512e6;
  measured.server_cpu_us_per_message = 2.5;
  CHECK(met("server_rss_bytes<=512MB", measured));
  CHECK(met("server_rss_bytes<489MiB", measured));
  CHECK(met("server_cpu_us_per_message<3us", measured));
}

TEST_CASE("several objectives stand behind each other, and what is missed says by how much") {
  const FleetResult fleet = measured_fleet();
  const auto objectives =
      parse_objectives(std::vector<std::string>{"ack_p99<50ms, lost==0", " rate > 10 "}).value();
  REQUIRE(objectives.size() == 3);
  const auto results = judge(objectives, Measured{fleet});
  CHECK(missed_text(results) == "missed: ack_p99 < 50 ms (99.1 ms)\nmissed: lost == 0 (10)\n");
}

TEST_CASE("a wrong objective is explained") {
  CHECK(fault("ack_p9x<5ms").find("did you mean 'ack_p9") != std::string::npos);
  CHECK(fault("los==0").find("did you mean 'lost'?") != std::string::npos);
  CHECK(fault("qwertyuiop==0").find("is no metric; known are: ") != std::string::npos);
  CHECK(fault("ack_p99<50").find("needs one of the units ns, us, ms, s") != std::string::npos);
  CHECK(fault("lost==5ms").find("not ms") != std::string::npos);
  CHECK(fault("ack_p99").find("has no operator") != std::string::npos);
  CHECK(fault("ack_p99<").find("has no number") != std::string::npos);
  CHECK(fault("ack_p99<nan").find("has no number") != std::string::npos);
  CHECK(fault("lost!0").find("unknown operator") != std::string::npos);
  CHECK(fault("lost==0,").find("has no operator") != std::string::npos);
  CHECK(fault("").find("has no operator") != std::string::npos);
  CHECK(fault("meters:server_rss_bytes<1GB").find("of the whole run") != std::string::npos);
  std::string many = "lost==0";
  for (std::size_t i = 0; i < kObjectivesMax; ++i) {
    many += ",lost==0";
  }
  CHECK_FALSE(parse_objectives(many));
  const auto named = parse_objectives("metres:lost==0").value();
  CHECK(check_cohorts(named, {"gateways", "metres"}));
  CHECK(
      check_cohorts(named, {"gateways", "meters"}).error().detail.find("did you mean 'meters'?") !=
      std::string::npos);
}

TEST_CASE("percentiles are named in both usual ways") {
  CHECK(quantile_named("p50").value() == doctest::Approx(0.5));
  CHECK(quantile_named("p99.9").value() == doctest::Approx(0.999));
  CHECK(quantile_named("p999").value() == doctest::Approx(0.999));
  CHECK(quantile_named("p100").value() == 1);
  for (const char* bad : {"p", "50", "p100.1", "p-1", "p1e1", "pnan", "p50x", "p0000000000000"}) {
    CAPTURE(bad);
    CHECK_FALSE(quantile_named(bad));
  }
}

TEST_CASE("every metric that is listed has a unit and is in the help") {
  const std::string help = metrics_text();
  for (const std::string_view name : metric_names()) {
    CAPTURE(name);
    CHECK(unit_of_metric(name));
    const bool time = unit_of_metric(name) == MetricUnit::time;
    const std::string shown(name.substr(0, time ? name.rfind('_') : name.size()));
    CHECK(help.find("  " + shown + (time ? "_p50.." : " ")) != std::string::npos);
  }
}

TEST_CASE("figures have the unit that suits them") {
  CHECK(metric_text(512, MetricUnit::time) == "512 ns");
  CHECK(metric_text(48'200'000, MetricUnit::time) == "48.2 ms");
  CHECK(metric_text(2.5e9, MetricUnit::time) == "2.5 s");
  CHECK(metric_text(512e6, MetricUnit::bytes) == "512 MB");
  CHECK(metric_text(0.999999, MetricUnit::share) == "99.9999 %");
  CHECK(metric_text(1, MetricUnit::share) == "100 %");
  CHECK(metric_text(19722.4, MetricUnit::rate) == "19,722/s");
  CHECK(metric_text(1234567, MetricUnit::count) == "1,234,567");
}
