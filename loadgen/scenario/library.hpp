// Spate - scenarios that the program brings along, and where a scenario is looked for.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "engine/base/result.hpp"
#include "loadgen/scenario/scenario.hpp"

namespace spate::loadgen {

struct LibraryScenario {
  std::string_view name; ///< "steady"
  std::string_view text; ///< TOML.
};

/// Sorted by name.
[[nodiscard]] const std::vector<LibraryScenario>& scenario_library();

struct ScenarioText {
  std::string name; ///< For reports: the file's name without .toml.
  std::string from; ///< For errors: the path, or "NAME.toml" of the library.
  std::string text;
};

/// Looks for a scenario: a path of a file, NAME.toml in the working directory, one of the library.
/// Errors: usage with the nearest name if there is none, file_unreadable.
Result<ScenarioText> find_scenario(const std::string& word);

/// find_scenario() and parse_scenario(); a scenario without a name gets that of its file.
Result<Scenario> open_scenario(const std::string& word);

} // namespace spate::loadgen
