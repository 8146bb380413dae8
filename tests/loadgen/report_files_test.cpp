#include "loadgen/report/report_files.hpp"

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include "loadgen/base/hdr_codec.hpp"
#include "loadgen/base/hdr_log.hpp"
#include "loadgen/report/document.hpp"
#include "loadgen/report/html.hpp"
#include "loadgen/report/html_text.hpp"
#include "loadgen/report/junit.hpp"
#include "loadgen/report/page_data.hpp"

using namespace spate;
using namespace spate::loadgen;

namespace {

constexpr const char* kEvil = "</script><script>alert('1')</script>&\"\x01\xff";

FleetResult result_of(int seconds) {
  FleetResult result;
  result.connections = result.connected = result.seen = 10;
  result.sending_s = result.measured_s = seconds;
  result.cpu_share = {0.5};
  result.wait_share = {0.1};
  for (int i = 0; i < seconds; ++i) {
    Histogram latency;
    latency.record(1'000'000 + 10'000 * static_cast<std::uint64_t>(i), 99);
    latency.record(50'000'000);
    Second second;
    second.second = static_cast<std::uint64_t>(i);
    second.sent = second.acked = 100;
    second.connected = 10;
    second.p50_ns = latency.quantile(0.5);
    second.p90_ns = latency.quantile(0.9);
    second.p99_ns = latency.quantile(0.99);
    second.max_ns = latency.max();
    second.latency_hdr = hdr_base64(latency);
    result.timeline.push_back(second);
    result.stats.latency.merge(latency);
    result.stats.sent += 100;
    result.stats.acked += 100;
    result.stats.measured_acked += 100;
  }
  result.stats.lag.record(100'000, 1000);
  CohortResult cohort;
  cohort.name = kEvil;
  cohort.stats = result.stats;
  result.cohorts = {cohort, cohort};
  return result;
}

nlohmann::json document_of(FleetResult result, ReportParts parts = {}) {
  ReportHead head;
  head.devices = 10;
  head.load = kEvil;
  head.target = kEvil;
  head.command_line = {"spate-loadgen", kEvil};
  return report_json(head, {{"topic", kEvil}}, result, parts);
}

ReportParts parts() {
  ReportParts made;
  made.started_ms = 1'700'000'000'123;
  made.course.name = "steady";
  made.course.text = kEvil;
  made.course.stages = {{"warm-up", 0, 2, false}, {kEvil, 2, 10, true}};
  made.course.faults = {{kEvil, 5, 6}};
  made.objectives = {{"ack_p99 < 50 ms", "ack_p99", 48.0, "48 ms", true},
                     {"lost == 0", "lost", 3.0, kEvil, false}};
  return made;
}

std::size_t occurrences(const std::string& text, std::string_view of) {
  std::size_t count = 0;
  for (std::size_t at = text.find(of); at != std::string::npos; at = text.find(of, at + 1)) {
    ++count;
  }
  return count;
}

std::string read(const std::filesystem::path& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

} // namespace

TEST_CASE("the word behind --report names one file or all four") {
  using Names = std::vector<std::string>;
  CHECK(report_names("-") == Names{"-"});
  CHECK(report_names("a.json") == Names{"a.json"});
  CHECK(report_names("a.html") == Names{"a.html"});
  CHECK(report_names("/dev/stderr") == Names{"/dev/stderr"});
  CHECK(report_names("d/a") == Names{"d/a.json", "d/a.html", "d/a.xml", "d/a.hlog"});
}

TEST_CASE("text from outside stays text in every report") {
  FleetResult result = result_of(10);
  result.stats.error(kEvil, 5);
  const nlohmann::json document = document_of(result, parts());
  const std::string page = report_html(document);
  CHECK(page.find("<script>alert") == std::string::npos);
  CHECK(page.find("&lt;script&gt;alert(&#39;1&#39;)") != std::string::npos);
  CHECK(occurrences(page, "</script>") == 3); // Data, plots, page.
  CHECK(page.find('\x01') == std::string::npos);
  CHECK(page.find("{{") == std::string::npos);
  const std::string junit = report_junit(document);
  CHECK(junit.find("<script>") == std::string::npos);
  CHECK(junit.find('\xff') == std::string::npos);
  CHECK(escaped("a\x01\xff\xc3\xa9\xef\xbf\xbf<") == "a\uFFFD\uFFFD\u00e9\uFFFD\uFFFD\uFFFD&lt;");
}

TEST_CASE("no password is handed on") {
  using Words = std::vector<std::string>;
  CHECK(without_passwords(Words{"run", "--password", "s3cret", "--user", "me"}) ==
        Words{"run", "--password", kHidden, "--user", "me"});
  CHECK(without_passwords(Words{"--password=s3cret"}) ==
        Words{"--password=" + std::string(kHidden)});
  CHECK(without_passwords(Words{"--password"}) == Words{"--password"});
  Scenario scenario;
  scenario.cohorts.resize(2);
  scenario.cohorts[0].password = "s3cret";
  CHECK(without_passwords(scenario).cohorts[0].password == kHidden);
  CHECK(without_passwords(scenario).cohorts[1].password.empty());
}

TEST_CASE("stages and faults stand on the timeline where they happen") {
  Scenario scenario;
  scenario.stages = {{"warm-up", 5'000'000'000, 1, 1, false, {}},
                     {"spike", 10'000'000'000, 1, 5, true, {}}};
  Fault storm;
  storm.at_ns = 7'000'000'000;
  storm.back_within_ns = 2'000'000'000;
  storm.share = 0.1;
  Fault cut;
  cut.kind = Fault::Kind::silent_cut;
  cut.at_ns = 6'000'000'000;
  cut.cohort = "meters";
  scenario.faults = {storm, cut};
  const Course course = course_of(scenario, "text");
  REQUIRE(course.stages.size() == 2);
  CHECK(course.stages[1].from_s == 5);
  CHECK(course.stages[1].until_s == 15);
  CHECK_FALSE(course.stages[0].measured);
  REQUIRE(course.faults.size() == 2);
  CHECK(course.faults[0].name == "reconnect storm of 10 %");
  CHECK(course.faults[0].at_s == 7);
  CHECK(course.faults[0].until_s == 9);
  CHECK(course.faults[1].name == "silent cut (meters)");
  CHECK(course.faults[1].until_s == 15); // To the end.
}

TEST_CASE("a page has no address of another place to load anything from") {
  const std::string page = report_html(document_of(result_of(3)));
  CHECK(page.find("src=\"") == std::string::npos);
  CHECK(page.find("href=\"") == std::string::npos);
  CHECK(page.find("@import") == std::string::npos);
  CHECK(page.find("default-src 'none'") != std::string::npos);
}

TEST_CASE("the page says first whether the run passed") {
  const auto badge = [](const nlohmann::json& document) {
    const std::string page = report_html(document);
    const std::size_t title = page.find("<title>") + 7;
    return page.substr(title, page.find("</title>") - title);
  };
  CHECK(badge(document_of(result_of(5))) == "Load test: Passed");
  CHECK(badge(document_of(result_of(5), parts())) == "steady: 1 objective missed");
  FleetResult failed = result_of(5);
  failed.stats.lost = 3;
  CHECK(badge(document_of(failed, parts())) == "steady: Failed");
  FleetResult slow = result_of(5);
  slow.stats.lag.record(50'000'000, 100);
  CHECK(badge(document_of(slow)) == "Load test: Generator too slow");
}

TEST_CASE("the page tells what faults did, and nothing of those that were not") {
  FleetResult result = result_of(1);
  result.stats.withheld = 1234;
  const std::string page = report_html(document_of(result));
  CHECK(page.find("cut for good <small>by the scenario</small></th><td class=\"r\">1\u202f234<") !=
        std::string::npos);
  CHECK(page.find("expired credentials") == std::string::npos);
}

TEST_CASE("a run without any answer has a page too") {
  FleetResult nothing;
  CHECK(report_html(document_of(nothing)).find("nothing measured") != std::string::npos);
  CHECK_FALSE(report_junit(document_of(nothing)).empty());
  CHECK_FALSE(report_hlog(document_of(nothing)).empty());
}

TEST_CASE("JUnit has a case for the run, the generator and each objective") {
  const std::string xml = report_junit(document_of(result_of(5), parts()));
  CHECK(xml.find("tests=\"4\" failures=\"1\"") != std::string::npos);
  CHECK(xml.find("timestamp=\"2023-11-14T22:13:20\"") != std::string::npos);
  CHECK(occurrences(xml, "<testcase ") == 4);
  CHECK(occurrences(xml, "<failure ") == 1);
  CHECK(xml.find("name=\"lost == 0\"") < xml.find("<failure "));
  FleetResult slow = result_of(5);
  slow.stats.lag.record(50'000'000, 100);
  CHECK(report_junit(document_of(slow)).find("the generator was the bottleneck") !=
        std::string::npos);
}

TEST_CASE("long runs are drawn by longer steps, whose percentiles come from all their answers") {
  const int seconds = static_cast<int>(kPlotPointsMax) * 2;
  const nlohmann::json data = page_data(document_of(result_of(seconds)));
  const nlohmann::json& timeline = data.at("timeline");
  CHECK(timeline.at("second").size() == kPlotPointsMax);
  CHECK(timeline.at("second")[1] == 2);
  CHECK(timeline.at("acked")[1] == 100); // A second, not a step.
  CHECK(timeline.at("p50")[0].get<double>() == doctest::Approx(1).epsilon(0.02));
  CHECK(timeline.at("max")[0] == 50);
  const nlohmann::json& curve = data.at("curve");
  CHECK(curve.at("x").front() == 1);
  CHECK(curve.at("x").back() == 100 * seconds);
  CHECK(curve.at("values")[0].back().get<double>() == doctest::Approx(50).epsilon(0.01));
}

TEST_CASE("the last second of a run is as long as it was") {
  FleetResult result = result_of(10);
  result.sending_s = 9.5;
  const nlohmann::json columns = page_data(document_of(result)).at("timeline");
  CHECK(columns.at("acked")[8] == 100);
  CHECK(columns.at("acked")[9] == 200); // 100 in half a second.
  result.sending_s = 9.01;
  CHECK(page_data(document_of(result)).at("timeline").at("acked")[9].is_null());
}

TEST_CASE("the interval log has all answers, by second and in total") {
  const FleetResult result = result_of(5);
  std::istringstream log(report_hlog(document_of(result, parts())));
  HdrLogReader reader;
  HdrInterval interval;
  Histogram sum;
  std::size_t totals = 0;
  for (std::string line; std::getline(log, line);) {
    const auto found = reader.line(line, interval);
    REQUIRE(found);
    if (*found && interval.tag.empty()) {
      sum.merge(interval.values);
    } else if (*found && interval.tag == "total.latency") {
      ++totals;
      CHECK(interval.values.buckets() == result.stats.latency.buckets());
    }
  }
  CHECK(sum.buckets() == result.stats.latency.buckets());
  CHECK(totals == 1);
  CHECK(reader.start_epoch_s() == doctest::Approx(1'700'000'000.123).epsilon(1e-12));
}

TEST_CASE("reports are written whole, or not at all with the reason") {
  char name[] = "/tmp/spate-report-XXXXXX";
  const std::filesystem::path folder = ::mkdtemp(name);
  const nlohmann::json document = document_of(result_of(3));
  REQUIRE(write_reports(folder / "out", document));
  CHECK(nlohmann::json::parse(read(folder / "out.json")).at("spate-loadgen-report") == 1);
  CHECK(read(folder / "out.html").starts_with("<!doctype html>"));
  CHECK(read(folder / "out.xml").starts_with("<?xml"));
  CHECK(read(folder / "out.hlog").starts_with("#"));
  std::size_t files = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator(folder)) {
    ++files;
  }
  CHECK(files == 4);
  CHECK(write_reports(folder / "none" / "out", document).error().detail.find("No such file") !=
        std::string::npos);
  std::filesystem::remove_all(folder);
}
