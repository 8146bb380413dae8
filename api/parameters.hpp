// Spate - query parameters, read strictly: what is unknown or out of range is said, not guessed.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/field_names.hpp"
#include "api/problems.hpp"
#include "engine/http/request.hpp"

namespace spate::api {

/// Epoch milliseconds, RFC 3339, or relative to `now_ms` (`-24h`), as nanoseconds since 1970. A
/// blank where RFC 3339 has the sign of its offset is a `+` that was not encoded. Times before 1970
/// are 1970; those that do not fit are the largest.
[[nodiscard]] std::optional<std::int64_t> parse_instant_ns(std::string_view text,
                                                           std::int64_t now_ms);

/// Reads the parameters of one request and gathers what is wrong with them.
class Parameters {
public:
  explicit Parameters(const http::Request& request, std::int64_t now_ms)
      : request_(request), now_ms_(now_ms) {}

  /// Refuses every parameter that is in neither list. `later` ones belong to a later version.
  void allow(std::initializer_list<std::string_view> known,
             std::initializer_list<std::string_view> later = {});

  /// nullopt if absent or wrong (then failed() is true).
  std::optional<std::string> text(std::string_view name);
  std::optional<std::int64_t> instant_ns(std::string_view name);
  /// The index of the value among `values`; the first is the default.
  std::size_t choice(std::string_view name, std::initializer_list<std::string_view> values);
  bool flag(std::string_view name);
  /// A width or shift of time such as 15m, in nanoseconds; at most kSpanDaysMax. A negative one
  /// only with `may_be_negative`, zero only then, too.
  std::optional<std::int64_t> span_ns(std::string_view name, bool may_be_negative);
  static constexpr std::int64_t kSpanDaysMax = 36'500;
  /// All words of a list, which commas separate and which may be repeated; each once.
  std::vector<std::string> words(std::string_view name);
  std::size_t limit(std::size_t default_value);
  static constexpr std::size_t kLimitMax = 10'000;
  FieldFilter fields();

  void refuse(std::string_view name, std::string detail, std::string item);
  [[nodiscard]] bool failed() const noexcept { return problem_.has_value(); }
  [[nodiscard]] Problem problem() const { return *problem_; }

private:
  const http::Request& request_;
  std::int64_t now_ms_;
  std::optional<Problem> problem_; ///< Its detail is that of the first fault.
};

/// The request's path and parameters without `cursor`, to be completed by next_link() when the page
/// is known.
[[nodiscard]] std::string next_link_base(const http::Request& request);
/// `<base&cursor=...>; rel="next"` (RFC 8288).
[[nodiscard]] std::string next_link(std::string_view base, std::string_view cursor);

/// Path and all parameters but `cursor` and `limit`: what must be the same for a cursor to be
/// taken.
[[nodiscard]] std::string list_key(const http::Request& request);

} // namespace spate::api
