// Spate - which topics carry telemetry, whose it is, and how its payload is read.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/base/result.hpp"

namespace spate::telemetry {

/// contract.md "Flattening".
enum class Format : std::uint8_t {
  automatic, ///< `auto`: arrays are several records, `{"ts":..,"values":{..}}` is the record form.
  flat,      ///< The whole document is one record.
  text,      ///< No JSON: the bytes are one string, `value`.
};

/// How a time field is read. `automatic` takes RFC 3339 text and numbers, whose unit follows from
/// their size: below 10^11 seconds, below 10^14 milliseconds, below 10^17 microseconds, else
/// nanoseconds (so seconds up to the year 5138, milliseconds from 1973 on).
enum class TimeUnit : std::uint8_t { automatic, s, ms, us, ns, rfc3339 };

[[nodiscard]] std::string_view name_of(Format format) noexcept;
[[nodiscard]] std::optional<Format> format_of(std::string_view name) noexcept;
[[nodiscard]] std::string_view name_of(TimeUnit unit) noexcept;
[[nodiscard]] std::optional<TimeUnit> time_unit_of(std::string_view name) noexcept;

struct Route {
  /// A topic; a level may be `{device}` (once), `+`, and the last one `#`. Without `{device}` the
  /// device is the client id.
  std::string pattern = "devices/{device}/telemetry";
  Format format = Format::automatic;
  /// Escaped path of the field that holds the device's time. Not given: `ts` in `auto`, none in
  /// `flat`. Empty: none, the receive time is used. In `auto` the field is consumed, in `flat` it
  /// also stays a field. `text` has none.
  std::optional<std::string> time_field;
  TimeUnit time_unit = TimeUnit::automatic;
  /// A time further ahead of the receive time is refused.
  std::int64_t future_max_ms = 24 * 3600 * 1000;
  /// How long its records are kept, by their device time; 0: for ever. Not given: as long as the
  /// node says for all (`store.retention`).
  std::optional<std::uint32_t> retention_s;
  /// Keys are escaped paths already (`names=path` of the HTTP API).
  bool names_are_paths = false;

  /// The effective time field; empty if there is none.
  [[nodiscard]] std::string_view time_path() const noexcept {
    if (format == Format::text) {
      return {};
    }
    if (time_field) {
      return *time_field;
    }
    return format == Format::automatic ? std::string_view("ts") : std::string_view();
  }
};

/// Why a text can not be the path of a time field; null if it can.
[[nodiscard]] const char* time_field_fault(std::string_view path) noexcept;

struct RouteMatch {
  const Route* route = nullptr; ///< Null: no route. Lives as long as the table.
  std::string_view device; ///< Into the topic or the client id; not yet checked to be a device id.
};

/// The routes of a node, in order; the first that fits wins. Immutable, so any thread may match.
class RouteTable {
public:
  static constexpr std::size_t kRoutesMax = 1000;

  /// Only `devices/{device}/telemetry`.
  RouteTable();
  /// Error: config_invalid; the detail says which route (from 1), which character (from 1), and
  /// why.
  static Result<RouteTable> compile(std::vector<Route> routes);
  /// What compile() finds in one route alone; the detail does not number it.
  static Result<void> check(const Route& route);

  /// Allocates nothing. Levels that start with `$` are not matched by a wildcard in first place
  /// (MQTT 4.7.2).
  [[nodiscard]] RouteMatch match(std::string_view topic, std::string_view client_id) const noexcept;

  [[nodiscard]] std::size_t size() const noexcept { return compiled_.size(); }
  [[nodiscard]] const Route& route(std::size_t i) const noexcept { return compiled_[i].route; }

private:
  enum class LevelKind : std::uint8_t { literal, device, any, rest };
  struct Level {
    LevelKind kind;
    std::string text; ///< Of a literal.
  };
  struct Compiled {
    Route route;
    std::vector<Level> levels;
    /// If the only placeholder is `{device}`: what stands before and behind it.
    bool simple = false;
    std::string prefix;
    std::string suffix;
  };

  static Result<Compiled> compile_one(Route route);
  static bool match_simple(const Compiled& compiled, std::string_view topic,
                           std::string_view& device) noexcept;
  static bool match_levels(const Compiled& compiled, std::string_view topic,
                           std::string_view& device) noexcept;

  std::vector<Compiled> compiled_;
};

} // namespace spate::telemetry
