#include "api/range_parameters.hpp"

#include <limits>
#include <utility>

#include "api/bucket_reader.hpp"
#include "api/request_parts.hpp"
#include "engine/base/clock.hpp"

namespace spate::api {

namespace {

/// The functions of `agg=`; at least one, or it is refused.
std::vector<storage::Function> functions_of(Parameters& parameters) {
  std::vector<storage::Function> functions;
  for (const std::string& word : parameters.words("agg")) {
    const auto function = function_of(word);
    if (!function) {
      parameters.refuse("agg",
                        "'" + word.substr(0, 64) +
                            "' is no function; there are avg, min, max, sum, count, first, last, "
                            "p50 and p99.",
                        "unknown");
      break;
    }
    functions.push_back(*function);
  }
  return functions;
}

} // namespace

Buckets read_buckets_parameters(Parameters& parameters, std::string_view device) {
  Buckets buckets;
  const auto from = parameters.instant_ns("from");
  const auto to = parameters.instant_ns("to");
  buckets.functions = functions_of(parameters);
  buckets.fields = parameters.fields();
  buckets.names = names_of(parameters);
  buckets.from_given = from.has_value();
  buckets.to_given = to.has_value();
  buckets.request.device = device;
  buckets.request.from_ns = from.value_or(0);
  buckets.request.to_ns = to.value_or(INT64_MAX);
  buckets.request.step_ns = parameters.span_ns("step", false).value_or(0);
  return buckets;
}

std::optional<Problem> read_export_query(const http::Request& request, std::string_view device,
                                         ExportQuery& query) {
  Parameters parameters(request, wall_ms());
  parameters.allow({"from", "to", "fields", "names", "format", "agg", "step"});
  query.buckets = read_buckets_parameters(parameters, device);
  query.format = parameters.choice("format", {"csv", "ndjson"}) == 0 ? ExportFormat::csv
                                                                     : ExportFormat::ndjson;
  query.names = query.buckets.names;
  query.fields = query.buckets.fields;
  query.scan.device = device;
  query.scan.from_ns = query.buckets.request.from_ns;
  query.scan.to_ns = query.buckets.request.to_ns;
  if (query.buckets.functions.empty() && parameters.text("step")) {
    parameters.refuse("step", "step is of buckets; say with agg= what they hold.", "only with agg");
  }
  return parameters.failed() ? std::optional(parameters.problem()) : std::nullopt;
}

} // namespace spate::api
