// Spate - error handling: every operation that can fail returns Result<T>.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include <tl/expected.hpp>

namespace spate {

/// What went wrong, as a stable number: it appears in logs, metrics and API replies, so an entry is
/// never renumbered. Errors are expected events (bad input, full disk). Bugs are asserts.
enum class Errc : std::uint16_t {
  // 1xx: bytes from a peer
  malformed_packet = 100,     ///< Not a valid MQTT packet (MQTT 5 reason 0x81).
  protocol_error = 101,       ///< A valid packet that may not come now (0x82).
  unsupported_protocol = 102, ///< Another protocol name or level than MQTT 3.1.1 and 5.0 (0x84).
  packet_too_large = 103,     ///< Above Maximum Packet Size (0x95).
  topic_invalid = 104,        ///< Empty, too deep, wildcard or NUL in a topic name (0x90).
  filter_invalid = 105,       ///< A topic filter with a misplaced wildcard (0x8F).
  client_id_invalid = 106,    ///< Not acceptable as a client identifier (0x85).
  malformed_payload = 110,    ///< Not the JSON that is accepted here.
  malformed_http = 120,       ///< Not a valid HTTP/1.1 message.
  http_too_large = 121,       ///< Header or body above its limit.
  // 2xx: the store
  storage_io = 200,              ///< The disk or RocksDB refused; the data directory is closed.
  storage_full = 201,            ///< Free space is below the floor.
  storage_locked = 202,          ///< Another process holds the data directory.
  storage_format = 203,          ///< Written by another version, or no Spate data directory.
  storage_shards_mismatch = 204, ///< Created with another number of shards.
  storage_corrupt = 205,         ///< A checksum or an invariant does not hold.
  storage_unavailable = 206,     ///< Closed for repair, starting or stopping.
  device_unknown = 210,          ///< No such device.
  cursor_invalid = 211,          ///< A cursor that this list did not hand out.
  idempotency_conflict = 212,    ///< The key was used for another request.
  // 3xx: the machine
  address_invalid = 300, ///< Not HOST:PORT.
  bind_failed = 301,     ///< The address can not be listened on.
  connect_failed = 302,  ///< The peer can not be reached.
  file_unreadable = 303, ///< A file can not be opened, read or written.
  // 4xx: the user's words
  config_invalid = 400, ///< The configuration is wrong; the detail has file, line and column.
  usage = 401,          ///< The command line is wrong.
};

/// `code` is for programs, `detail` for people (may be empty; never contains payload bytes).
struct Error {
  Errc code;
  std::string detail;
};

/// Either a T or an Error. Being [[nodiscard]], it can not be dropped by accident.
template <class T>
class [[nodiscard]] Result final : public tl::expected<T, Error> {
public:
  using tl::expected<T, Error>::expected;
};

/// Makes the failed side of a Result: `return fail(Errc::storage_io, status.ToString());`
[[nodiscard]] inline tl::unexpected<Error> fail(Errc code, std::string detail = {}) {
  return tl::unexpected<Error>(Error{code, std::move(detail)});
}

/// Hands an error on: `if (!x) return fail(std::move(x.error()));`
[[nodiscard]] inline tl::unexpected<Error> fail(Error error) {
  return tl::unexpected<Error>(std::move(error));
}

} // namespace spate
