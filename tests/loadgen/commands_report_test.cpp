#include "loadgen/report/commands_report.hpp"

#include <sstream>

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

using namespace spate;
using namespace spate::loadgen;

TEST_CASE("commands that did not all succeed are a failure with its reason") {
  CommandStats stats;
  CHECK(commands_fault(stats) == "no command was posted");
  stats.posted = stats.succeeded = 10;
  CHECK(commands_fault(stats).empty());
  stats.succeeded = 7;
  stats.lost = 1;
  stats.unsent = 1234;
  CHECK(commands_fault(stats) == "2 commands did not succeed; 1 commands got no HTTP answer; "
                                 "1,234 commands were due and could not be posted");
}

TEST_CASE("table and document tell states, statuses and whether the generator was too slow") {
  CommanderResult result;
  result.stats.posted = result.stats.succeeded = 1000;
  result.stats.states["SUCCEEDED"] = 1000;
  result.stats.statuses[200] = 1000;
  result.stats.latency.record(2'000'000, 1000);
  result.cpu_s = 0.05;
  const CommandsHead head{"http://127.0.0.1:8080", 500, false};
  auto document = commands_json(head, result);
  CHECK(document["states"]["SUCCEEDED"] == 1000);
  CHECK(document["http_statuses"]["200"] == 1000);
  CHECK(document["latency_ms"]["p50"].get<double>() == doctest::Approx(2).epsilon(0.01));
  CHECK(document["poster"]["cpu_us_per_command"] == 50);
  CHECK(document["poster"]["saturated"] == false);
  CHECK(commands_table(head, result).find("BOTTLENECK") == std::string::npos);
  result.stats.lag.record(6'000'000, 100);
  CHECK(commands_json(head, result)["poster"]["saturated"] == true);
  CHECK(commands_table(head, result).find("BOTTLENECK") != std::string::npos);
}

TEST_CASE("the percentile text has the form of HdrHistogram and ends with all values") {
  Histogram times;
  for (std::uint64_t i = 1; i <= 1000; ++i) {
    times.record(i * 1'000'000);
  }
  std::istringstream text(hdr_text(times));
  std::string line;
  std::getline(text, line);
  CHECK(line == "       Value     Percentile TotalCount 1/(1-Percentile)");
  std::getline(text, line);
  double value = 0, percentile = 0, last_value = 0, last_percentile = -1;
  std::uint64_t count = 0, last_count = 0;
  int lines = 0;
  double at_half = 0;
  while (std::getline(text, line) && line[0] != '#') {
    std::istringstream words(line);
    REQUIRE((words >> value >> percentile >> count));
    CHECK(value >= last_value);
    CHECK(percentile > last_percentile);
    CHECK(count >= last_count);
    CHECK(static_cast<double>(count) / 1000 >= percentile - 1e-9);
    if (percentile <= 0.5) {
      at_half = value;
    }
    last_value = value;
    last_percentile = percentile;
    last_count = count;
    ++lines;
  }
  CHECK(lines > 30);
  CHECK(at_half == doctest::Approx(500).epsilon(0.01));
  CHECK(last_value == 1000);
  CHECK(last_percentile == 1);
  CHECK(last_count == 1000);
  CHECK(line.rfind("#[Mean    =", 0) == 0);
  std::getline(text, line);
  CHECK(line == "#[Max     =     1000.000, Total count    =         1000]");
  CHECK(hdr_text(Histogram()).find("Total count    =            0]") != std::string::npos);
}
