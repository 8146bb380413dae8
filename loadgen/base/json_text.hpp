// Spate - reads JSON without changing it: spans of the text, never numbers printed again.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/base/result.hpp"

namespace spate::loadgen {

enum class JsonType : std::uint8_t { null, boolean, number, string, object, array };

/// Nesting that is still read; deeper text is refused.
inline constexpr int kJsonDepthMax = 64;

/// A member of an object or element of an array, as spans of the text that was read.
struct JsonSpan {
  JsonType type = JsonType::null;
  std::string_view key;  ///< Between its quotes, still escaped; empty in arrays.
  std::string_view text; ///< The whole value: quotes, braces and brackets included.
};

/// The members of one object or array in order, checked to be JSON (RFC 8259) to their last byte.
/// `spans` is filled anew. Error: malformed_payload with the byte position.
Result<void> json_members(std::string_view text, std::vector<JsonSpan>& spans);

/// Turns `escaped` (what stands between the quotes) into the text it means. False if an escape is
/// wrong.
bool json_unescape(std::string_view escaped, std::string& out);

/// One field of a record: the path as the API names it (keys joined by '.', arrays by index) and
/// the value.
struct JsonField {
  std::string_view path;
  JsonType type = JsonType::null; ///< boolean, number or string.
  std::string_view value;         ///< Number or word as written; a string unescaped.
};

/// Calls `visit` for every boolean, number and string below `object`; null and empty containers
/// yield nothing (contract "Flattening"). The views are valid during the call. Error:
/// malformed_payload.
Result<void> json_flatten(std::string_view object,
                          const std::function<void(const JsonField&)>& visit);

/// A hash of the set of fields that does not depend on their order: what a ledger keeps of the
/// values. `skip` names one top-level key that does not count (the time). Error: malformed_payload.
Result<std::uint64_t> values_hash(std::string_view object, std::string_view skip = {});

} // namespace spate::loadgen
