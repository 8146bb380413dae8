// Spate - how fields are named to people: `PM2.5` (raw) or `PM2\.5` (path).
#pragma once

#include <cstdint>
#include <optional>
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

/// Which of `paths` (shown as `names`) fills the column that is called `column`: its path or name
/// first, then its raw name. Nothing if there is none.
[[nodiscard]] std::optional<std::size_t> field_of_column(std::string_view column,
                                                         const std::vector<std::string_view>& paths,
                                                         const std::vector<std::string>& names);

/// `fields=`: names or paths, separated by commas; repeated where a name holds a comma. With an
/// empty one among them no comma separates.
class FieldFilter {
public:
  /// Adds one occurrence of the parameter.
  void add(std::string_view value);
  /// One flag for each of `paths`: is it asked for? All, if the filter is empty.
  [[nodiscard]] std::vector<bool> select(const std::vector<std::string_view>& paths) const;
  [[nodiscard]] bool empty() const noexcept { return given_.empty(); }
  /// What is asked for, each once, as columns of a table that is begun before any field is seen: so
  /// commas separate unless there is an empty one.
  [[nodiscard]] std::vector<std::string> columns() const;

private:
  std::vector<std::string> given_; ///< As they came, without empty ones.
  bool whole_ = false;             ///< There was an empty one: commas are part of names.
};

} // namespace spate::api
