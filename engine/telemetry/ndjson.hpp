// Spate - NDJSON bodies: a record a line.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "engine/telemetry/parser.hpp"

namespace spate::telemetry {

/// Parses each line of `body` as a document of its own, by the rules of `route`. A bad line is one
/// fault, and the others are taken; blank lines are skipped. `lines` becomes the line of each
/// record, good or bad, from 1: a record's index is not its line where lines are blank. Lines end
/// with LF, also CR LF; the last one may lack it. A line that holds an array is refused: a line is
/// one record. 64 readable bytes must follow the body.
///
/// A body without any record is one fault, as an empty array is.
///
/// `whole` in the summary: more than ParserLimits::records_max records; then nothing was taken. The
/// bytes of the body are the caller's to limit; `payload_bytes_max` holds for each line.
ParseSummary parse_ndjson(Parser& parser, const Route& route, std::string_view body,
                          std::int64_t received_ms, model::TelemetryBlock& out,
                          std::vector<RecordFault>& faults, std::vector<std::uint32_t>& lines);

} // namespace spate::telemetry
