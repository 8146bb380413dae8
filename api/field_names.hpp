// Spate - how fields are named to people: `PM2.5` (raw) or `PM2\.5` (path).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "engine/model/shape.hpp"

namespace spate::api {

enum class Names : std::uint8_t { raw, path };

/// The raw name of an escaped path: without the escapes.
[[nodiscard]] std::string raw_name(std::string_view path);

/// The names under which `paths` (all different) appear together. Raw: where two would have one raw
/// name, the one whose key holds the dot appears as its path; so the names are all different, too.
[[nodiscard]] std::vector<std::string> field_names(const std::vector<std::string_view>& paths,
                                                   Names names);

/// `fields=`: names or paths, separated by commas; repeated where a name holds a comma. With an
/// empty one among them no comma separates.
class FieldFilter {
public:
  /// Adds one occurrence of the parameter.
  void add(std::string_view value);
  /// One flag for each of `paths`: is it asked for? All, if the filter is empty.
  [[nodiscard]] std::vector<bool> select(const std::vector<std::string_view>& paths) const;

private:
  std::vector<std::string> given_; ///< As they came, without empty ones.
  bool whole_ = false;             ///< There was an empty one: commas are part of names.
};

} // namespace spate::api
