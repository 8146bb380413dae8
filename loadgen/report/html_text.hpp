// Spate - text for HTML and XML.
#pragma once

#include <string>
#include <string_view>

namespace spate::loadgen {

/// `text` for the inside of elements and of quoted attributes. Control characters, which XML does
/// not know, and bytes that are no UTF-8 become U+FFFD.
[[nodiscard]] std::string escaped(std::string_view text);

} // namespace spate::loadgen
