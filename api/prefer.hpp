// Spate - the Prefer header (RFC 7240): how long an answer may wait.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace spate::api {

inline constexpr std::int64_t kWaitSMax = 60;

struct Prefer {
  std::optional<std::int64_t> wait_s; ///< 0 to kWaitSMax; a longer one is cut.
  bool respond_async = false;

  [[nodiscard]] std::int64_t wait_ms() const noexcept { return wait_s.value_or(0) * 1000; }
};

/// `field` is the list of all Prefer fields. What is not known here is ignored, as RFC 7240 asks,
/// and of a preference that comes twice the first counts. nullopt: `wait` is no whole number of
/// seconds.
[[nodiscard]] std::optional<Prefer> parse_prefer(std::string_view field);

/// Of Preference-Applied: "wait=5", "respond-async, wait=5"; empty if nothing was asked.
[[nodiscard]] std::string applied_text(const Prefer& prefer, bool answered_async);

} // namespace spate::api
