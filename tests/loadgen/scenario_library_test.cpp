#include "loadgen/scenario/library.hpp"

#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include "loadgen/scenario/read_scenario.hpp"
#include "loadgen/scenario/schema.hpp"

using namespace spate;
using namespace spate::loadgen;

namespace {

std::string content(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

} // namespace

TEST_CASE(
    "every scenario of the library is right, says what it shows, and is that of the examples") {
  std::set<std::string> names;
  for (const LibraryScenario& known : scenario_library()) {
    const std::string name(known.name);
    CAPTURE(name);
    names.insert(name);
    const auto scenario = open_scenario(name);
    CAPTURE((scenario ? "" : scenario.error().detail));
    REQUIRE(scenario);
    CHECK(scenario->name == name);
    CHECK(scenario->about.size() > 20);
    CHECK_FALSE(scenario->target.empty());
    const auto path =
        std::filesystem::path(SPATE_SOURCE_DIR) / "examples/loadgen" / (name + ".toml");
    CHECK(content(path) == known.text);
    CHECK(parse_scenario(write_scenario(*scenario), "again.toml").value() == *scenario);
  }
  for (const char* wanted :
       {"steady", "reconnect-storm", "minute-herd", "factory-shift", "flaky-cellular",
        "command-latency", "gateway", "slow-subscriber", "mutual-tls", "credential-expiry"}) {
    CHECK(names.contains(wanted));
  }
}

TEST_CASE("a scenario is a path, a file beside, or one of the library, in this order") {
  const auto folder = std::filesystem::temp_directory_path() / "spate_library_test";
  std::filesystem::create_directories(folder);
  const std::string path = (folder / "mine.toml").string();
  std::ofstream(path) << "name = \"other\"\n";
  CHECK(find_scenario(path).value().text == "name = \"other\"\n");
  CHECK(find_scenario(path).value().name == "mine");
  CHECK(find_scenario((folder / "mine").string()).value().from == path);
  CHECK(find_scenario("steady").value().from == "steady.toml");
  const auto missed = find_scenario("stedy");
  REQUIRE_FALSE(missed);
  CHECK(missed.error().code == Errc::usage);
  CHECK(missed.error().detail == "no file and no scenario 'stedy'; did you mean 'steady'?");
  CHECK_FALSE(find_scenario(folder.string())); // A folder is no scenario.
  std::filesystem::remove_all(folder);
}

TEST_CASE("the schema knows every key that the reader does, and the reference shows it") {
  const auto schema = scenario_schema();
  CHECK(schema.at("additionalProperties") == false);
  const auto& cohort = schema.at("properties").at("cohort").at("items").at("properties");
  CHECK(cohort.at("devices").at("maximum") == 10'000'000);
  CHECK(cohort.at("qos").at("default") == 1);
  CHECK(cohort.at("herd").at("required").at(0) == "spread");
  const std::string reference = scenario_reference();
  for (const auto& [key, value] : cohort.items()) {
    CAPTURE(key);
    CHECK(reference.find(key) != std::string::npos);
  }
}

TEST_CASE("the documentation has the reference as the program prints it") {
  const std::string page =
      content(std::filesystem::path(SPATE_SOURCE_DIR) / "docs" / "SCENARIOS.md");
  CHECK_MESSAGE(page.find(scenario_reference()) != std::string::npos,
                "docs/SCENARIOS.md is old: put the output of spate-loadgen schema --reference in");
}
