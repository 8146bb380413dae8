// Spate - the members of one JSON object, each as its text: numbers keep their digits.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/base/result.hpp"

namespace spate::cli {

class JsonObject {
public:
  /// Error: malformed_payload.
  static Result<JsonObject> parse(std::string_view text);

  /// The member's text as it was sent; empty if there is none, or it is null.
  [[nodiscard]] std::string raw(std::string_view name) const;
  /// Of a string, unescaped; else empty.
  [[nodiscard]] std::string text(std::string_view name) const;
  [[nodiscard]] std::optional<std::int64_t> integer(std::string_view name) const;
  [[nodiscard]] bool is_true(std::string_view name) const { return raw(name) == "true"; }
  /// The elements of an array, each as its text; else none.
  [[nodiscard]] std::vector<std::string> elements(std::string_view name) const;

private:
  struct Member {
    std::string name;
    std::string raw;
    std::string text;
  };
  [[nodiscard]] const Member* find(std::string_view name) const noexcept;
  std::vector<Member> members_;
};

/// Nullopt if `text` is one JSON value, else what is wrong with it and where.
[[nodiscard]] std::optional<std::string> json_fault(std::string_view text);

} // namespace spate::cli
