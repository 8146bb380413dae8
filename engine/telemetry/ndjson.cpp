#include "engine/telemetry/ndjson.hpp"

#include <algorithm>

namespace spate::telemetry {

namespace {

constexpr std::string_view kBlank = " \t\r";

} // namespace

ParseSummary parse_ndjson(Parser& parser, const Route& route, std::string_view body,
                          std::int64_t received_ms, model::TelemetryBlock& out,
                          std::vector<RecordFault>& faults, std::vector<std::uint32_t>& lines) {
  const std::size_t rows_before = out.rows.size();
  const std::size_t values_before = out.values.size();
  const std::size_t faults_before = faults.size();
  ParseSummary sum;
  lines.clear();
  std::uint32_t line_number = 0;
  for (std::size_t begin = 0; begin < body.size();) {
    ++line_number;
    const std::size_t end = std::min(body.find('\n', begin), body.size());
    const std::string_view line = body.substr(begin, end - begin);
    const auto offset = static_cast<std::uint32_t>(begin);
    begin = end + 1;
    const std::size_t first = line.find_first_not_of(kBlank);
    if (first == line.npos) {
      continue;
    }
    const auto index = static_cast<std::uint32_t>(lines.size());
    if (index == parser.limits().records_max) {
      out.rows.resize(rows_before);
      out.values.resize(values_before);
      faults.resize(faults_before);
      lines.clear();
      faults.push_back(
          {0, model::RejectReason::too_many_records, true,
           "more than " + std::to_string(parser.limits().records_max) + " records in one body"});
      return {0, 1, true};
    }
    lines.push_back(line_number);
    if (line[first] == '[' && route.format == Format::automatic) {
      faults.push_back({index, model::RejectReason::no_values, false,
                        "the line holds an array; a line is one record", offset});
      ++sum.rejected;
      continue;
    }
    const std::size_t seen = faults.size();
    const ParseSummary one = parser.parse(route, line, received_ms, out, faults);
    for (std::size_t i = seen; i < faults.size(); ++i) {
      faults[i].index = index;
      faults[i].offset = offset;
      faults[i].whole = false; // Of the line, not of the body.
    }
    sum.rows += one.rows;
    sum.rejected += one.rejected;
  }
  if (lines.empty()) {
    faults.push_back({0, model::RejectReason::no_values, false, "no line holds a record"});
    ++sum.rejected;
  }
  return sum;
}

} // namespace spate::telemetry
