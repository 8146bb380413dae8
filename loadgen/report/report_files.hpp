// Spate - where a run's reports are written.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "engine/base/result.hpp"

namespace spate::loadgen {

/// The files that `--report WORD` means: "-" and FILE.json the document only, FILE.html, FILE.xml
/// and FILE.hlog that one; any other word is the begin of the names of all four.
[[nodiscard]] std::vector<std::string> report_names(std::string_view word);

/// The interval log of the run: the latencies of each second, then with tags the totals of latency,
/// service time and connecting, of each cohort too.
[[nodiscard]] std::string report_hlog(const nlohmann::json& document);

/// Writes all reports that `word` means, each first beside its place and then renamed, so that a
/// reader never meets half a file. Error: file_unreadable.
Result<void> write_reports(const std::string& word, const nlohmann::json& document);

/// One JSON document, to the path as it is or to standard output for "-". Error: file_unreadable.
Result<void> write_json(const std::string& path, const nlohmann::json& document);

} // namespace spate::loadgen
