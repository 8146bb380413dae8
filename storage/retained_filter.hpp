// Spate - which of the retained messages a filter takes, when they stand in the order of topics.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace spate::storage {

/// A walk with skips: what can not match is never visited one by one. Topics are written with NUL
/// for '/', as session_keys::levels_of() makes them.
class RetainedFilter {
public:
  /// A valid filter without share; what is none takes nothing, or too little.
  explicit RetainedFilter(std::string_view filter);

  /// Where the first topic that matches can stand.
  [[nodiscard]] const std::string& start() const noexcept { return start_; }

  enum class Step {
    match, ///< Then the next one.
    next,  ///< No match; the next one may be.
    seek,  ///< No match before `target`.
    end,   ///< No match any more.
  };
  /// Of the topic at which the walk is.
  [[nodiscard]] Step look_at(std::string_view topic, std::string& target) const;

private:
  std::vector<std::string> levels_; ///< "+", "#" or words.
  std::string start_;
  bool is_valid_; ///< In keys U+0000 is the end of a level: no topic has it, nor may a filter.
};

} // namespace spate::storage
