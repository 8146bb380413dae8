// Spate - NDJSON bodies: a record a line.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "engine/telemetry/parser.hpp"

namespace spate::telemetry {

/// Parses each line of `body` as a document of its own, by the rules of `route`. A bad line is one
/// fault whose index is the line's number from 0, and the others are taken; blank lines are skipped
/// but counted. Lines end with LF, also CR LF; the last one may lack it. A line that holds an array
/// is refused: a line is one record. 64 readable bytes must follow the body.
///
/// `whole` in the summary: more than ParserLimits::records_max lines; then nothing was taken. The
/// bytes of the body are the caller's to limit; `payload_bytes_max` holds for each line.
ParseSummary parse_ndjson(Parser& parser, const Route& route, std::string_view body,
                          std::int64_t received_ms, model::TelemetryBlock& out,
                          std::vector<RecordFault>& faults);

} // namespace spate::telemetry
