// Spate - frames between a coordinator and its agents, without I/O.
//
// A frame is u32 bytes of the body, big-endian; u8 kind: 'J' a JSON object, 'B' blocks of a ledger
// as they stand in its file; and the body.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "engine/base/result.hpp"

namespace spate::loadgen {

enum class FrameKind : char { json = 'J', ledger = 'B' };

struct AgentFrame {
  FrameKind kind = FrameKind::json;
  std::string body;
};

inline constexpr std::size_t kFrameHeadBytes = 5;
inline constexpr std::size_t kFrameBytesMax = std::size_t{16} << 20;
/// Of a peer that has not shown its token yet.
inline constexpr std::size_t kHelloBytesMax = 16u << 10;

void append_frame(std::string& out, FrameKind kind, std::string_view body);

/// Cuts frames out of a stream. Thread: one.
class FrameCutter {
public:
  void set_bytes_max(std::size_t bytes) noexcept { bytes_max_ = bytes; }
  void add(std::string_view bytes) { buffer_.append(bytes); }
  /// The next whole frame, or nothing yet. Error: malformed_packet (an unknown kind, or a body
  /// above the limit); nothing may be read after it.
  Result<std::optional<AgentFrame>> next();

private:
  std::string buffer_;
  std::size_t at_ = 0; ///< What of it was cut.
  std::size_t bytes_max_ = kHelloBytesMax;
};

/// Whether two texts are equal, in a time that does not tell how far they are.
[[nodiscard]] bool equal_secrets(std::string_view a, std::string_view b) noexcept;

} // namespace spate::loadgen
