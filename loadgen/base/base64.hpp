// Spate - base64 with padding (RFC 4648, section 4).
#pragma once

#include <string>
#include <string_view>

namespace spate::loadgen {

[[nodiscard]] std::string to_base64(std::string_view bytes);
/// Replaces `out`. False for anything that to_base64() does not write.
[[nodiscard]] bool from_base64(std::string_view text, std::string& out);

} // namespace spate::loadgen
