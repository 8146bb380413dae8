// Spate - what is wrong with a scenario, and where.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace spate::loadgen {

struct Place {
  std::uint32_t line = 0, column = 0;
  auto operator<=>(const Place&) const = default;
};

/// Problems by the path of what they are about ("cohort[0].topic"), and the places of paths in the
/// file. A path that has none is shown where its parent is. Thread: one.
class Problems {
public:
  /// More are counted, not shown.
  static constexpr std::size_t kShownMax = 20;

  /// `file` is empty if the scenario does not come from one: then paths are shown.
  explicit Problems(std::string file) : file_(std::move(file)) {}

  void mark(std::string path, Place place) { places_.insert_or_assign(std::move(path), place); }
  [[nodiscard]] bool marked(std::string_view path) const { return places_.contains(path); }
  /// The first problem of a path is the one that is shown: others follow from it.
  void add(const std::string& path, std::string text);
  [[nodiscard]] bool empty() const noexcept { return problems_.empty(); }
  /// Whether anything is wrong with `path` or what lies below it.
  [[nodiscard]] bool about(std::string_view path) const;
  [[nodiscard]] bool has_file() const noexcept { return !file_.empty(); }
  /// In the order of the file, a line each: "FILE:LINE:COLUMN: text".
  [[nodiscard]] std::string text() const;

private:
  struct Problem {
    Place place;
    std::string path, text;
  };
  [[nodiscard]] Place place_of(std::string_view path) const;

  std::string file_;
  std::map<std::string, Place, std::less<>> places_;
  std::map<std::string, Problem, std::less<>> problems_; ///< By path.
};

} // namespace spate::loadgen
