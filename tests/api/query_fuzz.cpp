// Spate - fuzzes the small texts of a request that the API reads itself: cursors, instants, hosts,
// media types.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "api/cursor.hpp"
#include "api/parameters.hpp"
#include "api/router.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace spate::api;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  static_cast<void>(read_cursor("list", text));
  const std::string cursor = make_cursor("list", text);
  const auto position = read_cursor("list", cursor);
  if (cursor.size() <= kCursorBytesMax && (!position || *position != text)) {
    std::abort();
  }
  if (read_cursor("other list", cursor)) {
    std::abort();
  }
  const auto instant = parse_instant_ns(text, 1'700'000'000'000);
  if (instant && *instant < 0) {
    std::abort();
  }
  static_cast<void>(is_loopback_host(text));
  static_cast<void>(media_type(text));
  return 0;
}
