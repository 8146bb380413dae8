#include "loadgen/scenario/library.hpp"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <optional>

#include "embedded/scenarios.hpp"
#include "engine/base/nearest.hpp"
#include "loadgen/scenario/read_scenario.hpp"

namespace spate::loadgen {

namespace {

constexpr std::string_view kSuffix = ".toml";

Result<ScenarioText> from_file(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  // One byte more than is read, so that a larger one is refused for its size.
  std::string text(kScenarioBytesMax + 1, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (!file.is_open() || file.bad()) {
    return fail(Errc::file_unreadable, "can not read the scenario " + path.string());
  }
  text.resize(static_cast<std::size_t>(file.gcount()));
  return ScenarioText{path.stem().string(), path.string(), std::move(text)};
}

bool is_file(const std::filesystem::path& path) {
  std::error_code ignored;
  return std::filesystem::exists(path, ignored) && !std::filesystem::is_directory(path, ignored);
}

} // namespace

const std::vector<LibraryScenario>& scenario_library() {
  static const std::vector<LibraryScenario> kLibrary = [] {
    std::vector<LibraryScenario> all;
    for (const embedded_scenarios::File& file : embedded_scenarios::files) {
      all.push_back({file.name.substr(0, file.name.size() - kSuffix.size()), file.text});
    }
    std::sort(all.begin(), all.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
    return all;
  }();
  return kLibrary;
}

Result<ScenarioText> find_scenario(const std::string& word) {
  if (is_file(word)) {
    return from_file(word);
  }
  if (const std::string beside = word + std::string(kSuffix); is_file(beside)) {
    return from_file(beside);
  }
  std::vector<std::string_view> names;
  for (const LibraryScenario& known : scenario_library()) {
    if (known.name == word) {
      return ScenarioText{word, word + std::string(kSuffix), std::string(known.text)};
    }
    names.push_back(known.name);
  }
  return fail(Errc::usage, "no file and no scenario '" + word + "'" + meant_word(word, names));
}

Result<Scenario> open_scenario(const std::string& word) {
  auto found = find_scenario(word);
  if (!found) {
    return fail(std::move(found.error()));
  }
  auto scenario = parse_scenario(found->text, found->from);
  if (scenario && scenario->name.empty()) {
    scenario->name = found->name;
  }
  return scenario;
}

} // namespace spate::loadgen
