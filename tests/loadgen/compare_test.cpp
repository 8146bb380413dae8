#include "loadgen/report/comparison.hpp"

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include "loadgen/base/hdr_codec.hpp"
#include "loadgen/base/random.hpp"
#include "loadgen/report/document.hpp"

using namespace spate;
using namespace spate::loadgen;

namespace {

/// A run whose latencies are about `scale` ms, with noise from second to second.
nlohmann::json document(double scale, std::uint64_t seed, int seconds = 60) {
  Random random(seed);
  FleetResult result;
  result.sending_s = result.measured_s = seconds;
  result.connections = result.connected = result.seen = 1;
  for (int i = 0; i < seconds; ++i) {
    Histogram latency;
    const double mood = scale * (0.9 + 0.2 * random.unit());
    for (int k = 0; k < 200; ++k) {
      latency.record(static_cast<std::uint64_t>(1e6 * mood * (0.5 + random.unit())));
    }
    Second second;
    second.second = static_cast<std::uint64_t>(i);
    second.acked = latency.count();
    second.latency_hdr = hdr_base64(latency);
    result.timeline.push_back(second);
    result.stats.latency.merge(latency);
    result.stats.service.merge(latency);
    result.stats.sent += latency.count();
    result.stats.acked += latency.count();
    result.stats.measured_acked += latency.count();
  }
  ReportHead head;
  head.devices = 1;
  head.load = "open loop";
  return report_json(head, {{"warm_up_s", 0}, {"cohorts", nlohmann::json::array()}}, result);
}

ReadRun read(const nlohmann::json& made, const std::string& name = "run.json") {
  auto run = parse_report(made.dump(), name);
  REQUIRE(run);
  return std::move(*run);
}

const Ratio& ratio(const Comparison& comparison, std::string_view metric) {
  for (const Ratio& one : comparison.ratios) {
    if (one.metric == metric) {
      return one;
    }
  }
  FAIL("no " << metric);
  return comparison.ratios.front();
}

} // namespace

TEST_CASE("a document is read as it was written") {
  const nlohmann::json made = document(2, 1);
  const ReadRun run = read(made);
  CHECK(run.ok);
  CHECK_FALSE(run.saturated);
  CHECK(run.rate_per_s == 200);
  CHECK(run.stretches.size() == 60);
  CHECK(run.latency.count() == 12'000);
  CHECK(static_cast<double>(run.latency.max()) / 1e6 ==
        doctest::Approx(made["latency_ms"]["max"].get<double>()).epsilon(1e-3));
  CHECK(run.latency.mean() / 1e6 ==
        doctest::Approx(made["latency_ms"]["mean"].get<double>()).epsilon(1e-3));
}

TEST_CASE("equal servers differ by noise only, and slower ones by more") {
  const std::vector<ReadRun> a{read(document(2, 1))};
  const Comparison same = compare(a, {read(document(2, 2))}, 1);
  CHECK(ratio(same, "ack_p50").is_noise());
  CHECK(ratio(same, "ack_p99").is_noise());
  CHECK(same.cautions.empty());
  const Comparison slower = compare(a, {read(document(2.6, 3))}, 1);
  const Ratio& p50 = ratio(slower, "ack_p50");
  CHECK(p50.ratio == doctest::Approx(1.3).epsilon(0.05));
  CHECK_FALSE(p50.is_noise());
  CHECK(p50.interval->first < p50.ratio);
  CHECK(p50.interval->second > p50.ratio);
  CHECK(ratio(slower, "rate").ratio == 1);
  CHECK(comparison_table(slower).find("higher") != std::string::npos);
  CHECK(comparison_json(slower)["ratios"]["ack_p50"]["verdict"] == "higher");
  CHECK(comparison_json(compare(a, {read(document(2.6, 3))}, 1)) == comparison_json(slower));
}

TEST_CASE("the interval holds the true ratio nineteen times of twenty, roughly") {
  int held = 0;
  for (std::uint64_t seed = 0; seed < 40; ++seed) {
    const Comparison made =
        compare({read(document(2, 1000 + seed, 40))}, {read(document(2, 2000 + seed, 40))}, seed);
    held += ratio(made, "ack_p50").is_noise() ? 1 : 0;
  }
  CHECK(held >= 33);
}

TEST_CASE("runs that vary as a whole widen the interval") {
  std::vector<ReadRun> steady, moody;
  for (std::uint64_t i = 0; i < 4; ++i) {
    steady.push_back(read(document(2, i)));
    moody.push_back(read(document(2 * (0.8 + 0.133 * static_cast<double>(i)), 10 + i)));
  }
  const auto width = [](const Ratio& one) { return one.interval->second - one.interval->first; };
  const Comparison calm = compare(steady, steady, 1);
  const Comparison wide = compare(steady, moody, 1);
  CHECK(width(ratio(wide, "ack_p50")) > 3 * width(ratio(calm, "ack_p50")));
  CHECK(ratio(wide, "ack_max").interval); // Known of whole runs only, and there are four.
  CHECK_FALSE(ratio(compare({steady[0]}, {steady[1]}, 1), "ack_max").interval);
}

TEST_CASE("what speaks against a comparison is said") {
  const ReadRun a = read(document(2, 1));
  nlohmann::json other = document(2, 1);
  other["load"] = "flood";
  const Comparison apart = compare({a}, {read(other, "b.json")}, 1);
  CHECK_FALSE(apart.comparable);
  CHECK(apart.cautions.front() == "b.json is of another scenario: not comparable");
  nlohmann::json slow = document(2, 1);
  slow["generator"]["saturated"] = true;
  CHECK(compare({a}, {read(slow)}, 1).cautions.front().find("was the bottleneck") !=
        std::string::npos);
  const Comparison brief = compare({a}, {read(document(2, 1, 5))}, 1);
  CHECK_FALSE(ratio(brief, "ack_p50").interval);
  CHECK(brief.cautions.front().find("fewer than 10 measured seconds") != std::string::npos);
  nlohmann::json failed = document(2, 1);
  failed["ok"] = false;
  CHECK(compare({a}, {read(failed)}, 1).cautions.front().find("failed") != std::string::npos);
}

TEST_CASE("a gate breaks by a difference that is no noise, and not by noise") {
  const std::vector<ReadRun> a{read(document(2, 1))};
  const Comparison slower = compare(a, {read(document(2.6, 3))}, 1);
  const Gate gate = parse_gate("1.1:ack_p50", true).value();
  CHECK(broken(gate, slower).find("above 1.1") != std::string::npos);
  CHECK(broken(parse_gate("1.5:ack_p50", true).value(), slower).empty());
  CHECK(broken(parse_gate("0.9:ack_p50", false).value(), slower).empty());
  CHECK_FALSE(broken(parse_gate("1.4:ack_p50", false).value(), slower).empty());
  // Noise is what reaches the gate, wherever the gate stands.
  Comparison drawn;
  drawn.ratios = {{"ack_p50", MetricUnit::time, 1, 1.15, 1.15, std::pair(1.05, 1.25)}};
  CHECK(broken(parse_gate("1.1:ack_p50", true).value(), drawn).empty());
  CHECK_FALSE(broken(parse_gate("1.04:ack_p50", true).value(), drawn).empty());
  CHECK(broken(parse_gate("1.2:ack_p50", false).value(), drawn).empty());
  CHECK_FALSE(broken(parse_gate("1.26:ack_p50", false).value(), drawn).empty());
  drawn.ratios[0].interval = std::pair(0.9, 1.1);
  drawn.ratios[0].ratio = 1;
  CHECK_FALSE(broken(parse_gate("0.5:ack_p50", true).value(), drawn).empty());
  // Without an interval the ratio decides.
  drawn.ratios[0].interval.reset();
  CHECK_FALSE(broken(parse_gate("0.99:ack_p50", true).value(), drawn).empty());
  CHECK(broken(parse_gate("1.01:ack_p50", true).value(), drawn).empty());
  const Comparison same = compare(a, {read(document(2, 2))}, 1);
  CHECK(broken(parse_gate("1.1:server_rss_bytes", true).value(), same) ==
        "server_rss_bytes was not measured on both sides");
  CHECK(parse_gate("1.1:ack_p98", true).error().detail.find("did you mean 'ack_p9") !=
        std::string::npos);
  for (const char* bad : {"", "x", "1.1", "1.1:", ":ack_p99", "-1:ack_p99", "nan:ack_p99"}) {
    CAPTURE(bad);
    CHECK_FALSE(parse_gate(bad, true));
  }
}

TEST_CASE("files that are no report, newer or damaged are refused") {
  CHECK(parse_report("{}", "x").error().detail == "x is no report of spate-loadgen");
  CHECK(parse_report("[]", "x").error().detail == "x is no report of spate-loadgen");
  CHECK(parse_report("{", "x").error().detail.find("x is damaged") == 0);
  nlohmann::json made = document(2, 1, 3);
  made["spate-loadgen-report"] = 99;
  CHECK(parse_report(made.dump(), "x").error().detail.find("version 99") != std::string::npos);
  const nlohmann::json good = document(2, 1, 3);
  for (const char* key : {"ok", "generator", "rate_per_s", "latency_hdr", "timeline", "config"}) {
    CAPTURE(key);
    nlohmann::json bad = good;
    bad.erase(key);
    CHECK_FALSE(parse_report(bad.dump(), "x"));
    bad[key] = "odd";
    CHECK_FALSE(parse_report(bad.dump(), "x"));
  }
  CHECK_FALSE(read_report("/nowhere/x.json"));
}
