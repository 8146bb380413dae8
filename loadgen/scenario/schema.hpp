// Spate - the keys of a scenario for programs (JSON Schema) and for people (a reference).
#pragma once

#include <string>

#include <nlohmann/json_fwd.hpp>

namespace spate::loadgen {

/// JSON Schema (2020-12) of a scenario file, for editors and other programs. What it takes may
/// still break a rule between values (check_rules()).
[[nodiscard]] nlohmann::ordered_json scenario_schema();

/// All keys with their types, limits and defaults, as Markdown.
[[nodiscard]] std::string scenario_reference();

} // namespace spate::loadgen
