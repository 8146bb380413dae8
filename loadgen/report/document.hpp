// Spate - the document of a run: everything that was measured, as JSON. All other reports are made
// of it, and comparisons read it.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include "loadgen/report/report.hpp"
#include "loadgen/report/report_parts.hpp"

namespace spate::loadgen {

/// What "spate-loadgen-report" says. It grows when a member changes its meaning or goes, not when
/// one comes.
inline constexpr int kReportVersion = 1;

/// `config` holds the options as they were understood. Times are in milliseconds; beside them
/// "..._hdr" holds the histogram in nanoseconds (hdr_codec.hpp).
[[nodiscard]] nlohmann::json report_json(const ReportHead& head, const nlohmann::json& config,
                                         const FleetResult& result, const ReportParts& parts = {});

/// "2026-01-31T23:59:59Z" of an epoch.
[[nodiscard]] std::string utc_text(std::int64_t epoch_ms);

} // namespace spate::loadgen
