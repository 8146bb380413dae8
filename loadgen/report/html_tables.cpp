#include "loadgen/report/html_tables.hpp"

#include <algorithm>
#include <cmath>

#include <nlohmann/json.hpp>

#include "loadgen/report/fault_counts.hpp"
#include "loadgen/report/html_text.hpp"
#include "loadgen/report/metrics.hpp"
#include "loadgen/report/objectives.hpp"
#include "loadgen/report/report.hpp"

namespace spate::loadgen::html {

namespace {

using nlohmann::json;

constexpr const char* kNothing = "\u2013";

std::string count_of(const json& object, const char* key) {
  const auto found = object.find(key);
  return found == object.end() || !found->is_number_unsigned()
             ? kNothing
             : count_text(found->get<std::uint64_t>());
}

std::string rate_text(const json& value) {
  return value.is_number() ? count_text(static_cast<std::uint64_t>(
                                 std::llround(std::max(value.get<double>(), 0.0)))) +
                                 "/s"
                           : kNothing;
}

/// Count and percentiles of times_json().
std::vector<std::string> times_row(std::string name, const json& times) {
  std::vector<std::string> row{std::move(name)};
  for (const char* key : {"p50", "p90", "p99", "p999", "max", "mean"}) {
    row.push_back(times.is_null() ? kNothing : time_text(times.at(key)));
  }
  row.push_back(times.is_null() ? kNothing : count_of(times, "count"));
  return row;
}

const std::vector<std::string> kTimesHeads = {"",      "p50", "p90",  "p99",
                                              "p99.9", "max", "mean", "measured"};

} // namespace

std::string mark(Mark of) {
  const char* const open = "<svg class=\"mark ";
  const char* const rest = "\" viewBox=\"0 0 16 16\" aria-hidden=\"true\">";
  const char* const line =
      "fill=\"none\" stroke=\"var(--surface)\" stroke-width=\"1.75\" stroke-linecap=\"round\" "
      "stroke-linejoin=\"round\"/></svg>";
  switch (of) {
  case Mark::ok:
    return std::string(open) + "ok" + rest +
           "<circle cx=\"8\" cy=\"8\" r=\"7\" fill=\"currentColor\"/><path d=\"M5 8.3 7.2 10.5 11 "
           "6\" " +
           line;
  case Mark::warn:
    return std::string(open) + "warn" + rest +
           "<path d=\"M8 1 15.5 14.5H.5Z\" fill=\"currentColor\"/><path d=\"M8 6v4M8 12v.1\" " +
           line;
  case Mark::bad:
    return std::string(open) + "bad" + rest +
           "<path d=\"M8 .5 15.5 8 8 15.5 .5 8Z\" fill=\"currentColor\"/><path d=\"M8 4.5v4M8 "
           "11v.1\" " +
           line;
  case Mark::none:
    return std::string(open) + "none" + rest +
           "<circle cx=\"8\" cy=\"8\" r=\"5\" fill=\"none\" stroke=\"currentColor\" "
           "stroke-width=\"1.5\"/></svg>";
  }
  return "";
}

std::string count_text(std::uint64_t value) {
  std::string text = grouped(value);
  for (std::size_t at = text.find(','); at != std::string::npos; at = text.find(',', at)) {
    text.replace(at, 1, "\u202f");
  }
  return text;
}

Scaled time_of(double ms) {
  const auto digits = [](double value) {
    return formatted(value == 0    ? "%.0f"
                     : value < 1   ? "%.2f"
                     : value < 10  ? "%.2f"
                     : value < 100 ? "%.1f"
                                   : "%.0f",
                     value);
  };
  return ms < 0.9995  ? Scaled{formatted(ms < 0.00995 ? "%.1f" : "%.0f", ms * 1e3), "\u00b5s"}
         : ms < 999.5 ? Scaled{digits(ms), "ms"}
                      : Scaled{digits(ms / 1e3), "s"};
}

std::string time_text(const json& ms) {
  if (!ms.is_number()) {
    return kNothing;
  }
  const Scaled scaled = time_of(ms.get<double>());
  return scaled.value + "\u00a0" + scaled.unit;
}

std::string panel(std::string_view heading, std::string_view content) {
  return "<section class=\"panel\"><h2>" + escaped(heading) + "</h2>" + std::string(content) +
         "</section>\n";
}

std::string table(std::string_view about, const std::vector<std::string>& heads,
                  const std::vector<std::vector<std::string>>& rows, std::size_t right_from) {
  const auto side = [right_from](std::size_t column) {
    return std::string(column >= right_from ? " class=\"r\"" : "");
  };
  std::string out = "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"" +
                    escaped(about) + "\"><table><thead><tr>";
  for (std::size_t i = 0; i < heads.size(); ++i) {
    out += heads[i].empty() ? "<td></td>"
                            : "<th scope=\"col\"" + side(i) + ">" + escaped(heads[i]) + "</th>";
  }
  out += "</tr></thead><tbody>\n";
  for (const auto& row : rows) {
    out += "<tr>";
    for (std::size_t i = 0; i < row.size(); ++i) {
      out += i == 0 ? "<th scope=\"row\">" + row[i] + "</th>"
                    : "<td" + side(i) + ">" + row[i] + "</td>";
    }
    out += "</tr>\n";
  }
  return out + "</tbody></table></div>";
}

std::string objectives(const json& document) {
  std::vector<std::vector<std::string>> rows;
  for (const json& one : document.at("objectives")) {
    const bool ok = one.at("ok").get<bool>();
    rows.push_back({escaped(one.at("objective").get<std::string>()),
                    escaped(one.at("measured").get<std::string>()),
                    "<span class=\"" + std::string(ok ? "ok" : "bad") + "\">" +
                        mark(ok ? Mark::ok : Mark::bad) + (ok ? " met" : " missed") + "</span>"});
  }
  return rows.empty() ? ""
                      : panel("Objectives", table("Objectives and whether they were met",
                                                  {"objective", "measured", "verdict"}, rows, 1));
}

std::string times(const json& document) {
  std::vector<std::vector<std::string>> rows;
  const bool closed = document.at("closed_loop").get<bool>();
  if (const json& latency = document.at("latency_ms"); !latency.is_null()) {
    rows.push_back(times_row(closed ? "latency <small>from the actual send time</small>"
                                    : "latency <small>from the intended send time</small>",
                             latency));
    if (!closed) {
      rows.push_back(times_row("service time <small>from the actual send time</small>",
                               document.at("service_ms")));
    }
  }
  if (const json& connect = document.at("connect_ms"); !connect.is_null()) {
    rows.push_back(times_row("connecting <small>to CONNACK</small>", connect));
  }
  return rows.empty() ? ""
                      : panel("Times", table("Percentiles of latency and other times", kTimesHeads,
                                             rows, 1));
}

std::string cohorts(const json& document) {
  const json& list = document.at("cohorts");
  if (list.size() < 2) {
    return "";
  }
  std::vector<std::vector<std::string>> rows;
  for (const json& one : list) {
    const json& latency = one.at("latency_ms");
    std::uint64_t failed = 0;
    for (const char* key : {"lost", "refused", "unsent"}) {
      failed += one.at(key).get<std::uint64_t>();
    }
    std::vector<std::string> row = {escaped(one.at("name").get<std::string>()),
                                    count_of(one, "devices"), rate_text(one.at("rate_per_s"))};
    for (const char* key : {"p50", "p90", "p99", "max"}) {
      row.push_back(latency.is_null() ? kNothing : time_text(latency.at(key)));
    }
    row.push_back(count_of(one, "sent"));
    row.push_back(count_of(one, "acked"));
    row.push_back(failed == 0 ? "0" : "<b class=\"bad\">" + count_text(failed) + "</b>");
    rows.push_back(std::move(row));
  }
  return panel("Cohorts", table("Figures of each cohort",
                                {"cohort", "devices", "rate", "p50", "p90", "p99", "max", "sent",
                                 "acknowledged", "failed"},
                                rows, 1));
}

std::string messages(const json& document) {
  const auto bad = [&](const char* key) {
    const std::string text = count_of(document, key);
    return text == "0" ? text : "<b class=\"bad\">" + text + "</b>";
  };
  std::vector<std::vector<std::string>> rows = {
      {"sent", count_of(document, "sent")},
      {"acknowledged", count_of(document, "acked")},
      {"lost <small>sent and never answered</small>", bad("lost")},
      {"refused", bad("refused")},
      {"unsent <small>due and not sent</small>", bad("unsent")},
      {"sent again", count_of(document, "resent")},
      {"received by subscriptions", count_of(document, "received")},
      {"connections lost", count_of(document, "connections_lost")},
      {"failed attempts to connect", count_of(document, "connect_failures")}};
  for (const FaultCount& fault : kFaultCounts) {
    if (const std::string text = count_of(document, fault.key); text != "0" && text != kNothing) {
      rows.push_back({std::string(fault.words) + " <small>by the scenario</small>", text});
    }
  }
  return panel("Account", table("What became of messages and connections", {"", "count"}, rows, 1));
}

std::string errors(const json& document) {
  std::vector<std::pair<std::uint64_t, std::string>> found;
  for (const auto& [reason, count] : document.at("errors").items()) {
    found.emplace_back(count.get<std::uint64_t>(), reason);
  }
  for (const auto& [code, reason] : document.at("reasons").items()) {
    if (code >= "0x80") { // Below are shades of success.
      found.emplace_back(reason.at("count").get<std::uint64_t>(),
                         reason.at("name").get<std::string>() + " (" + code + ")");
    }
  }
  if (found.empty()) {
    return panel("Errors by reason", "<p class=\"none\">None.</p>");
  }
  std::sort(found.begin(), found.end(), std::greater<>());
  std::vector<std::vector<std::string>> rows;
  for (const auto& [count, reason] : found) {
    const double share = static_cast<double>(count) / static_cast<double>(found.front().first);
    rows.push_back(
        {escaped(reason) +
             formatted("<span class=\"bar\" style=\"width:%.1f%%\"></span>", 100 * share),
         count_text(count)});
  }
  return panel("Errors by reason", table("Errors by reason", {"reason", "count"}, rows, 1));
}

std::string commands(const json& document) {
  const auto found = document.find("commands");
  if (found == document.end() || !found->is_object()) {
    return "";
  }
  std::vector<std::vector<std::string>> rows;
  for (const auto& [key, name] :
       {std::pair("latency_ms", "command <small>from the time it was due to the answer</small>"),
        std::pair("service_ms", "service time <small>from the actual time</small>"),
        std::pair("node_ms", "the node's own account")}) {
    if (found->contains(key) && !found->at(key).is_null()) {
      rows.push_back(times_row(name, found->at(key)));
    }
  }
  return panel("Commands", "<p>" + count_of(*found, "posted") + " posted, " +
                               count_of(*found, "succeeded") + " succeeded, " +
                               count_of(*found, "lost") + " lost.</p>" +
                               table("Percentiles of commands", kTimesHeads, rows, 1));
}

std::string server(const json& document) {
  const json& seen = document.at("server");
  if (seen.is_null()) {
    return "";
  }
  const auto figure = [&seen](const char* key, MetricUnit unit) {
    return seen.at(key).is_number() ? metric_text(seen.at(key).get<double>(), unit) : kNothing;
  };
  std::vector<std::vector<std::string>> rows = {
      {"CPU a message", figure("cpu_us_per_message", MetricUnit::cpu_us)},
      {"CPU while the load ran", seen.at("cpu_s").is_number()
                                     ? formatted("%.2f s", seen.at("cpu_s").get<double>())
                                     : kNothing},
      {"largest resident memory", figure("rss_bytes_max", MetricUnit::bytes)},
      {"most open descriptors", count_of(seen, "open_fds_max")}};
  for (const auto& [name, grown] : seen.at("counters").items()) {
    rows.push_back(
        {"<span class=\"mono\">" + escaped(name) + "</span> <small>grew by</small>",
         grown.is_number() ? metric_text(grown.get<double>(), MetricUnit::count) : kNothing});
  }
  return panel("Server: " + seen.at("source").get<std::string>(),
               table("What the load cost the server", {"", "figure"}, rows, 1));
}

std::string timeline(const json& data) {
  const json& columns = data.at("timeline");
  const std::size_t count = columns.at("second").size();
  const std::size_t step =
      std::max<std::size_t>(1, (count + kTimelineRowsMax - 1) / kTimelineRowsMax);
  std::vector<std::vector<std::string>> rows;
  for (std::size_t i = 0; i < count; i += step) {
    rows.push_back({formatted("%.0f s", columns.at("second")[i].get<double>()),
                    rate_text(columns.at("sent")[i]), rate_text(columns.at("acked")[i]),
                    time_text(columns.at("p50")[i]), time_text(columns.at("p90")[i]),
                    time_text(columns.at("p99")[i]), time_text(columns.at("max")[i]),
                    count_text(columns.at("connected")[i].get<std::uint64_t>()),
                    rate_text(columns.at("errors")[i])});
  }
  return table("The timeline as a table",
               {"from", "sent", "acknowledged", "p50", "p90", "p99", "max", "online", "errors"},
               rows, 1);
}

} // namespace spate::loadgen::html
