// Spate - the tables of an HTML report, and how it writes numbers.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json_fwd.hpp>

namespace spate::loadgen::html {

enum class Mark : std::uint8_t { none, ok, warn, bad };
/// A shape in the mark's colour; what it means stands beside it in words.
[[nodiscard]] std::string mark(Mark of);

/// 1234567 -> "1 234 567", with narrow no-break spaces.
[[nodiscard]] std::string count_text(std::uint64_t value);
/// A number and its unit: of milliseconds, with three digits.
struct Scaled {
  std::string value, unit;
};
[[nodiscard]] Scaled time_of(double ms);
/// The same as one text, "-" for null.
[[nodiscard]] std::string time_text(const nlohmann::json& ms);

/// A heading above the content, in a panel.
[[nodiscard]] std::string panel(std::string_view heading, std::string_view content);

/// Cells are HTML; columns from `right_from` on are numbers.
[[nodiscard]] std::string table(std::string_view about, const std::vector<std::string>& heads,
                                const std::vector<std::vector<std::string>>& rows,
                                std::size_t right_from);

// The parts of the report; empty if there is nothing to tell. `document` is that of report_json().
[[nodiscard]] std::string objectives(const nlohmann::json& document);
[[nodiscard]] std::string times(const nlohmann::json& document);
[[nodiscard]] std::string cohorts(const nlohmann::json& document);
[[nodiscard]] std::string messages(const nlohmann::json& document);
[[nodiscard]] std::string errors(const nlohmann::json& document);
[[nodiscard]] std::string commands(const nlohmann::json& document);
[[nodiscard]] std::string server(const nlohmann::json& document);
/// The timeline in at most kTimelineRowsMax rows.
inline constexpr std::size_t kTimelineRowsMax = 60;
[[nodiscard]] std::string timeline(const nlohmann::json& data);

} // namespace spate::loadgen::html
