// Spate - what goes wrong on purpose with connections.
#pragma once

#include <cstdint>

namespace spate::loadgen {

/// Times count from the begin of the load. `share` of the cohort's connections are hit: which ones
/// follows from `seed` and their number.
struct ConnectionFault {
  enum class Kind : std::uint8_t {
    cut,               ///< Reset at once; all come back within `back_within_ns`.
    slow_read,         ///< Read no more than `bytes_per_s`.
    silence,           ///< Neither read nor written any more, left open; then a new connection.
    wrong_credentials, ///< Cut, and refused when they come back, until the end of the fault.
    half_open          ///< `count` further connections that never say anything.
  };
  Kind kind = Kind::cut;
  std::int64_t at_ns = 0;
  std::int64_t until_ns = 0;
  double share = 1;
  std::uint64_t seed = 1;
  std::int64_t back_within_ns = 0;
  std::uint64_t bytes_per_s = 0;
  std::uint32_t count = 0;

  [[nodiscard]] bool hits(std::uint32_t connection_number) const noexcept;
};

} // namespace spate::loadgen
