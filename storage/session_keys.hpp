// Spate - the keys of the store of sessions. The first byte says the kind. Numbers are big-endian,
// so that byte order is number order; all of a session stands together behind its number.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "engine/base/bytes.hpp"

namespace spate::storage::session_keys {

inline constexpr char kSession = 's';  ///< s BE64 number, then a part and what it names
inline constexpr char kClient = 'c';   ///< c client id -> its session's number
inline constexpr char kExpiry = 'e';   ///< e BE64 due_ms BE64 number -> empty: the session ends
inline constexpr char kWillDue = 'v';  ///< v BE64 due_ms BE64 number -> empty: its will is due
inline constexpr char kOutgoing = 'o'; ///< o BE64 sequence -> a will that is to be told
inline constexpr char kBody = 'b';     ///< b BE64 body -> a message that several queues hold
inline constexpr char kHolders = 'h';  ///< h BE64 body -> how many entries of queues hold it
inline constexpr char kRetained = 'r'; ///< r topic, NUL for '/' -> its retained message
inline constexpr char kRetainedExpiry = 'x'; ///< x BE64 due_ms topic, NUL for '/' -> empty

/// Parts of a session, in the order in which they stand.
inline constexpr char kState = 'a';        ///< -> what changes: connected or not, counts
inline constexpr char kClientId = 'c';     ///< -> its client id
inline constexpr char kSubscription = 'f'; ///< filter -> options
inline constexpr char kReceivedId = 'i';   ///< BE16 packet id -> empty: awaits its PUBREL
inline constexpr char kQueued = 'q';       ///< BE64 sequence -> a message, or what is left of it
inline constexpr char kWill = 'w';         ///< -> the will, while it may be needed

inline constexpr std::size_t kSessionBytes = 1 + sizeof(std::uint64_t);

/// What all keys of a session begin with.
[[nodiscard]] inline std::string session(std::uint64_t number) {
  std::string out(1, kSession);
  put_be(out, number);
  return out;
}
[[nodiscard]] inline std::string part(std::uint64_t number, char part, std::string_view rest = {}) {
  std::string out = session(number);
  out.push_back(part);
  return out.append(rest);
}
[[nodiscard]] inline std::string received_id(std::uint64_t number, std::uint16_t id) {
  std::string out = part(number, kReceivedId);
  put_be(out, id);
  return out;
}
[[nodiscard]] inline std::string queued(std::uint64_t number, std::uint64_t sequence) {
  std::string out = part(number, kQueued);
  put_be(out, sequence);
  return out;
}
[[nodiscard]] inline std::string client(std::string_view client_id) {
  return std::string(1, kClient).append(client_id);
}
/// Of kOutgoing, kBody, kHolders.
[[nodiscard]] inline std::string numbered(char kind, std::uint64_t number) {
  std::string out(1, kind);
  put_be(out, number);
  return out;
}

/// No time lies before 1970: what does counts as it.
[[nodiscard]] inline std::string from_time(char kind, std::int64_t due_ms) {
  return numbered(kind, static_cast<std::uint64_t>(std::max<std::int64_t>(due_ms, 0)));
}
/// Of kExpiry, kWillDue.
[[nodiscard]] inline std::string timer(char kind, std::int64_t due_ms, std::uint64_t number) {
  std::string out = from_time(kind, due_ms);
  put_be(out, number);
  return out;
}

/// A topic as it stands in keys. NUL is the lowest byte and in no topic: so what lies below a level
/// follows it at once, and byte order is the order of levels.
[[nodiscard]] inline std::string levels_of(std::string_view topic) {
  std::string out(topic);
  std::replace(out.begin(), out.end(), '/', '\0');
  return out;
}
[[nodiscard]] inline std::string topic_of(std::string_view levels) {
  std::string out(levels);
  std::replace(out.begin(), out.end(), '\0', '/');
  return out;
}
[[nodiscard]] inline std::string retained(std::string_view topic) {
  return std::string(1, kRetained).append(levels_of(topic));
}
[[nodiscard]] inline std::string retained_expiry(std::int64_t due_ms, std::string_view topic) {
  return from_time(kRetainedExpiry, due_ms).append(levels_of(topic));
}

[[nodiscard]] inline bool is_queued(std::string_view key) noexcept {
  return key.size() == kSessionBytes + 1 + sizeof(std::uint64_t) && key[0] == kSession &&
         key[kSessionBytes] == kQueued;
}

/// A key of kSession. `rest` borrows.
struct SessionPart {
  std::uint64_t number = 0;
  char part = 0;
  std::string_view rest;
};
[[nodiscard]] inline std::optional<SessionPart> parse_session(std::string_view key) noexcept {
  if (key.size() <= kSessionBytes || key[0] != kSession) {
    return std::nullopt;
  }
  return SessionPart{get_be<std::uint64_t>(key.data() + 1), key[kSessionBytes],
                     key.substr(kSessionBytes + 1)};
}
/// The number that a part is named by, if it is one of that size.
template <class UInt>
[[nodiscard]] std::optional<UInt> parse_number(std::string_view rest) noexcept {
  return rest.size() == sizeof(UInt) ? std::optional(get_be<UInt>(rest.data())) : std::nullopt;
}

/// A key of a kind that is ordered by time. `rest` borrows.
struct Timed {
  std::int64_t due_ms = 0;
  std::string_view rest;
};
[[nodiscard]] inline std::optional<Timed> parse_timed(std::string_view key) noexcept {
  ByteReader in(key);
  in.bytes(1); // The kind, which was sought.
  const auto due = in.be<std::uint64_t>();
  if (!in.ok() || due > INT64_MAX) {
    return std::nullopt;
  }
  return Timed{static_cast<std::int64_t>(due), in.bytes(in.left())};
}

} // namespace spate::storage::session_keys
