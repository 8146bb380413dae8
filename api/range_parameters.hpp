// Spate - the parameters that name a range of records, or what buckets make of it.
#pragma once

#include <optional>
#include <string_view>

#include "api/export.hpp"
#include "api/parameters.hpp"
#include "api/queries.hpp"

namespace spate::api {

/// Range, fields, step and functions.
[[nodiscard]] Buckets read_buckets_parameters(Parameters& parameters, std::string_view device);

/// All of an export but its page. Returns what is wrong.
[[nodiscard]] std::optional<Problem> read_export_query(const http::Request& request,
                                                       std::string_view device, ExportQuery& query);

} // namespace spate::api
