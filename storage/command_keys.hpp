// Spate - the keys of the command log. The first byte says the kind; then comes the tenant, as in
// the keys of the store: until tenants exist it is the constant model::kDefaultTenant. Device ids
// have no control characters, so that NUL ends them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "engine/base/bytes.hpp"
#include "engine/base/uuid.hpp"
#include "engine/model/command.hpp"
#include "engine/model/ids.hpp"

namespace spate::storage::command_keys {

inline constexpr char kCommand = 'c';  ///< c tenant NUL device NUL uuid -> what does not change
inline constexpr char kProgress = 's'; ///< s tenant NUL device NUL uuid -> how far it is
inline constexpr char kOpen = 'o';     ///< o tenant NUL device NUL priority uuid -> empty
inline constexpr char kCount = 'n';    ///< n tenant NUL device -> open commands, if there are any
inline constexpr char kDue = 't';      ///< t BE64 expires_ms tenant NUL device NUL uuid -> empty
inline constexpr char kHistory = 'h';  ///< h BE64 ended_ms tenant NUL device NUL uuid -> empty
inline constexpr char kKey = 'i';      ///< i tenant NUL idempotency key -> who used it
inline constexpr char kMeta = 'm';     ///< m name
inline constexpr std::string_view kFormat = "mformat";
inline constexpr std::string_view kTotals = "mtotals";

inline constexpr std::size_t kUuidBytes = 16;

/// `kind` tenant NUL, and what begins so.
[[nodiscard]] inline std::string of_tenant(char kind, std::string_view rest = {}) {
  std::string out(1, kind);
  out.append(model::kDefaultTenant).push_back('\0');
  return out.append(rest);
}
/// What all keys of the kind begin with that are one device's. Of kCommand, kProgress, kOpen.
[[nodiscard]] inline std::string of_device(char kind, std::string_view device) {
  std::string out = of_tenant(kind, device);
  out.push_back('\0');
  return out;
}
[[nodiscard]] inline std::string command(char kind, std::string_view device, const Uuid& id) {
  return of_device(kind, device).append(id.view());
}
[[nodiscard]] inline std::string open(std::string_view device, model::CommandPriority priority,
                                      const Uuid& id) {
  std::string out = of_device(kOpen, device);
  out.push_back(static_cast<char>(priority));
  return out.append(id.view());
}
[[nodiscard]] inline std::string count(std::string_view device) {
  return of_tenant(kCount, device);
}
[[nodiscard]] inline std::string idempotency(std::string_view key) {
  return of_tenant(kKey, key);
}

/// All keys of kDue or kHistory from this time on. No time lies before 1970: what does counts as
/// it.
[[nodiscard]] inline std::string from_time(char kind, std::int64_t time_ms) {
  std::string out(1, kind);
  put_be(out, static_cast<std::uint64_t>(time_ms < 0 ? 0 : time_ms));
  return out;
}
[[nodiscard]] inline std::string timed(char kind, std::int64_t time_ms, std::string_view device,
                                       const Uuid& id) {
  return from_time(kind, time_ms)
      .append(model::kDefaultTenant)
      .append(1, '\0')
      .append(device)
      .append(1, '\0')
      .append(id.view());
}
/// Behind all keys of the kind.
[[nodiscard]] inline std::string end_of(char kind) {
  return std::string(1, static_cast<char>(kind + 1));
}

/// A key of kDue or kHistory. `device` borrows.
struct Timed {
  std::int64_t time_ms = 0;
  std::string_view device;
  Uuid id;
};
[[nodiscard]] std::optional<Timed> parse_timed(std::string_view key) noexcept;

/// Of a key that begins with of_device(kOpen): what follows.
struct Open {
  model::CommandPriority priority{};
  Uuid id;
};
[[nodiscard]] std::optional<Open> parse_open(std::string_view rest) noexcept;

} // namespace spate::storage::command_keys
