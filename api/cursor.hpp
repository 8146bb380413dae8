// Spate - cursors: where a page ended, as text that only the same list takes back.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace spate::api {

/// base64url of a version, a check, and `position`. `list` names the list and all parameters that
/// must stay the same; a cursor of another list, or one that was changed, is refused by
/// read_cursor.
[[nodiscard]] std::string make_cursor(std::string_view list, std::string_view position);
/// The position; nullopt if the cursor is not from this list.
[[nodiscard]] std::optional<std::string> read_cursor(std::string_view list,
                                                     std::string_view cursor);

inline constexpr std::size_t kCursorBytesMax = 1024;

} // namespace spate::api
