// Spate - the record in a payload that a subscriber received.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "engine/base/result.hpp"
#include "loadgen/base/json_text.hpp"

namespace spate::loadgen {

struct ReceivedRecord {
  std::int64_t ts = 0;
  std::uint64_t hash = 0; ///< As the sender's ledger has it.
};

/// Reads {"ts":..,fields} or {"ts":..,"values":{fields}}, as devices send them. `scratch` is only
/// kept for its memory. Error: malformed_payload.
Result<ReceivedRecord> read_received(std::string_view payload, std::vector<JsonSpan>& scratch);

} // namespace spate::loadgen
