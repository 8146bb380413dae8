// Spate - recorded telemetry: NDJSON lines {"d":device,"t":epoch ms,"p":{payload}}, plain or gzip.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "engine/base/hash.hpp"
#include "engine/base/result.hpp"
#include "loadgen/base/json_text.hpp"
#include "loadgen/base/line_file.hpp"

namespace spate::loadgen {

struct ReplayLine {
  std::string device;
  std::int64_t ts = 0;
  std::string_view payload; ///< The object as it stands in the line.
};

/// Reads one line; `scratch` is used up. The payload borrows `line`. Error: malformed_payload.
Result<void> parse_replay_line(std::string_view line, std::vector<JsonSpan>& scratch,
                               ReplayLine& out);

enum class ReplayForm : std::uint8_t {
  flat,  ///< {"ts":t,<fields of p>}; the record form for a p that has a "ts" of its own.
  record ///< {"ts":t,"values":p}
};

/// The message for a recorded payload. The text of p is spliced in as it is; no number is printed
/// again. `values` becomes the hash of its fields as the server should know them. Error:
/// malformed_payload.
Result<std::string> replay_payload(ReplayForm form, std::int64_t ts, std::string_view payload,
                                   std::uint64_t& values);

/// What a file holds, found out before the replay begins: every line is checked.
struct ReplayIndex {
  std::vector<std::string> devices; ///< In order of first appearance.
  std::unordered_map<std::string, std::uint32_t, TextHash, std::equal_to<>> device_numbers;
  std::uint64_t messages = 0;
  std::int64_t first_ts = 0;
  std::int64_t last_ts = 0;
};

inline constexpr std::size_t kReplayDevicesMax = 1'000'000;

/// Errors: file_unreadable; malformed_payload with file and line, also for a time that goes back.
Result<ReplayIndex> index_replay(const std::string& path);

} // namespace spate::loadgen
