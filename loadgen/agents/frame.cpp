#include "loadgen/agents/frame.hpp"

#include <cassert>
#include <utility>

#include "engine/base/bytes.hpp"

namespace spate::loadgen {

void append_frame(std::string& out, FrameKind kind, std::string_view body) {
  assert(body.size() <= kFrameBytesMax);
  put_be(out, static_cast<std::uint32_t>(body.size()));
  out.push_back(static_cast<char>(kind));
  out.append(body);
}

Result<std::optional<AgentFrame>> FrameCutter::next() {
  const std::string_view rest = std::string_view(buffer_).substr(at_);
  if (rest.size() < kFrameHeadBytes) {
    buffer_.erase(0, std::exchange(at_, 0));
    return std::optional<AgentFrame>();
  }
  const std::size_t bytes = get_be<std::uint32_t>(rest.data());
  const auto kind = static_cast<FrameKind>(rest[4]);
  if (kind != FrameKind::json && kind != FrameKind::ledger) {
    return fail(Errc::malformed_packet, "a frame of an unknown kind");
  }
  if (bytes > bytes_max_) {
    return fail(Errc::malformed_packet, "a frame above its limit");
  }
  if (rest.size() < kFrameHeadBytes + bytes) {
    buffer_.erase(0, std::exchange(at_, 0));
    return std::optional<AgentFrame>();
  }
  at_ += kFrameHeadBytes + bytes;
  return std::optional<AgentFrame>({kind, std::string(rest.substr(kFrameHeadBytes, bytes))});
}

bool equal_secrets(std::string_view a, std::string_view b) noexcept {
  unsigned differs = a.size() == b.size() ? 0 : 1;
  for (std::size_t i = 0; i < b.size(); ++i) {
    const char other = a.empty() ? '\0' : a[i % a.size()];
    differs |= static_cast<unsigned char>(other) ^ static_cast<unsigned char>(b[i]);
  }
  return differs == 0;
}

} // namespace spate::loadgen
