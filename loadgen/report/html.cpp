#include "loadgen/report/html.hpp"

#include <array>
#include <string_view>
#include <utility>

#include <nlohmann/json.hpp>

#include "embedded/report_page.hpp"
#include "loadgen/report/html_tables.hpp"
#include "loadgen/report/html_text.hpp"
#include "loadgen/report/page_data.hpp"
#include "loadgen/report/progress.hpp"
#include "loadgen/report/report.hpp"

namespace spate::loadgen {

namespace {

using html::Mark;
using nlohmann::json;

struct Outcome {
  Mark mark = Mark::ok;
  std::string word;
};

std::size_t missed(const json& document) {
  std::size_t count = 0;
  for (const json& objective : document.at("objectives")) {
    count += objective.at("ok").get<bool>() ? 0 : 1;
  }
  return count;
}

Outcome outcome_of(const json& document) {
  if (!document.at("ok").get<bool>()) {
    return {Mark::bad, "Failed"};
  }
  if (const std::size_t count = missed(document); count != 0) {
    return {Mark::bad,
            std::to_string(count) + (count == 1 ? " objective" : " objectives") + " missed"};
  }
  if (document.at("generator").at("saturated").get<bool>()) {
    return {Mark::warn, "Generator too slow"};
  }
  return {Mark::ok, "Passed"};
}

const char* class_of(Mark of) {
  return of == Mark::ok ? "ok" : of == Mark::warn ? "warn" : of == Mark::bad ? "bad" : "none";
}

std::string title_of(const json& document) {
  const std::string name = document.at("scenario").at("name").get<std::string>();
  return name.empty() ? "Load test" : name;
}

std::string head(const json& document) {
  const Outcome outcome = outcome_of(document);
  const std::string about = document.at("scenario").at("about").get<std::string>();
  std::string when;
  if (const json& started = document.at("started"); started.is_string()) {
    std::string text = started.get<std::string>(); // "2026-01-31T23:59:59Z"
    text[10] = ' ';
    when = text.substr(0, 19) + " UTC, ";
  }
  return "<header class=\"head\"><div><h1>" + escaped(title_of(document)) + "</h1><p>" +
         escaped(about.empty() ? document.at("load").get<std::string>() : about) + "</p><p>" +
         escaped(document.at("target").get<std::string>()) + ", " + when +
         clock_text(document.at("sending_s").get<double>()) +
         " of load</p></div><p class=\"verdict " + class_of(outcome.mark) + "\">" +
         html::mark(outcome.mark) + escaped(outcome.word) + "</p></header>\n";
}

void put_note(std::string& out, Mark of, std::string_view bold, std::string_view text) {
  out += "<p>" + html::mark(of) + "<span><b>" + escaped(bold) + "</b> " + escaped(text) +
         "</span></p>\n";
}

/// What a reader must know before the figures.
std::string notes(const json& document) {
  const json& generator = document.at("generator");
  std::string out = "<section class=\"panel notes\" aria-label=\"Verdicts\">\n";
  if (!document.at("ok").get<bool>()) {
    put_note(out, Mark::bad, "The run failed:", document.at("result").get<std::string>() + ".");
  }
  for (const json& objective : document.at("objectives")) {
    if (!objective.at("ok").get<bool>()) {
      put_note(out, Mark::bad, "Missed: " + objective.at("objective").get<std::string>() + ".",
               "Measured: " + objective.at("measured").get<std::string>() + ".");
    }
  }
  const bool saturated = generator.at("saturated").get<bool>();
  put_note(out, saturated ? Mark::warn : Mark::ok,
           saturated ? "These figures say more about the generator than about the server:"
                     : "These figures can be trusted:",
           generator.at("verdict").get<std::string>() + ".");
  if (document.at("closed_loop").get<bool>()) {
    put_note(out, Mark::none, "Closed loop:",
             "the server set the pace, so waiting for a slow server is not in the latencies.");
  }
  if (document.at("interrupted").get<bool>()) {
    put_note(out, Mark::none, "Ended early:", "the run was interrupted.");
  }
  if (const json& server = document.at("server");
      !server.is_null() && server.at("failed_looks").get<std::uint64_t>() != 0) {
    put_note(out, Mark::warn, "The server could not always be watched:",
             server.at("fault").get<std::string>() + ".");
  }
  return out + "</section>\n";
}

std::string tile(std::string_view name, const std::string& value, std::string_view unit,
                 const std::string& below, Mark of = Mark::none) {
  return "<div><dt>" + escaped(name) + "</dt><dd" +
         (of == Mark::bad ? std::string(" class=\"bad\"") : "") + ">" + value +
         (unit.empty() ? "" : "<i>" + escaped(unit) + "</i>") + "</dd><dd>" + escaped(below) +
         "</dd></div>\n";
}

std::string time_tile(std::string_view name, const json& times, const char* key,
                      const std::string& below) {
  if (times.is_null()) {
    return tile(name, "\u2013", "", "nothing measured");
  }
  const html::Scaled time = html::time_of(times.at(key).get<double>());
  return tile(name, time.value, time.unit, below);
}

std::string tiles(const json& document) {
  const json& times = document.at("latency_ms");
  const auto count = [&document](const char* key) { return document.at(key).get<std::uint64_t>(); };
  const std::uint64_t failed = count("lost") + count("refused") + count("unsent");
  const auto rate = static_cast<std::uint64_t>(document.at("rate_per_s").get<double>() + 0.5);
  const std::string from = document.at("closed_loop").get<bool>() ? "from the actual send time"
                                                                  : "from the intended send time";
  return "<dl class=\"panel tiles\">\n" +
         tile("Acknowledged", html::count_text(rate), "/s",
              html::count_text(count("acked")) + " of " + html::count_text(count("sent")) +
                  " messages, " + html::count_text(count("connected_once")) + " connections") +
         time_tile("Latency p50", times, "p50", from) +
         time_tile("Latency p99", times, "p99",
                   times.is_null() ? "" : "p99.9 " + html::time_text(times.at("p999"))) +
         time_tile("Latency max", times, "max",
                   times.is_null()
                       ? ""
                       : "of " + html::count_text(times.at("count").get<std::uint64_t>()) +
                             " answers") +
         tile("Lost or failed", html::count_text(failed), "",
              html::count_text(count("lost")) + " lost, " + html::count_text(count("refused")) +
                  " refused, " + html::count_text(count("unsent")) + " not sent",
              failed == 0 ? Mark::none : Mark::bad) +
         "</dl>\n";
}

std::string chart(const char* id, const char* heading, const char* about, bool tall = false) {
  return std::string("<figure class=\"panel\" aria-label=\"") + heading + "\"><figcaption><h2>" +
         heading + "</h2></figcaption><div class=\"chart" + (tall ? " tall" : "") + "\" id=\"" +
         id + "\" role=\"img\" aria-label=\"" + about + "\"></div></figure>\n";
}

std::string charts(const json& document) {
  const bool timed = !document.at("latency_ms").is_null();
  std::string out = chart("rate", "Throughput",
                          "Messages sent and acknowledged per second over time. The table of the "
                          "timeline has the figures.");
  if (timed) {
    out +=
        chart("latency", "Latency over time",
              "Percentiles of latency in each second. The table of the timeline has the figures.");
  }
  bool any_error = false;
  for (const json& second : document.at("timeline")) {
    any_error = any_error || second.at("errors").get<std::uint64_t>() != 0;
  }
  out +=
      "<div class=\"two\">" +
      chart("connections", "Connections", "Connections online and messages in flight over time.") +
      (any_error ? chart("errors", "Errors", "Errors per second over time.") : "") + "</div>\n";
  if (timed) {
    out += chart("percentiles", "Latency by percentile",
                 "Latency at each percentile. The table of times has the figures.", true);
  }
  if (const json& server = document.at("server");
      !server.is_null() && server.at("samples").size() > 1) {
    out += "<div class=\"two\">" +
           chart("server-cpu", "Server CPU", "CPU of the server over time.") +
           chart("server-rss", "Server memory", "Resident memory of the server over time.") +
           "</div>\n";
  }
  return out;
}

std::string facts(const json& document) {
  std::string words;
  for (const json& word : document.at("command_line")) {
    words += (words.empty() ? "" : " ") + word.get<std::string>();
  }
  std::string out = "<dl class=\"facts\">";
  const auto add = [&out](const char* name, const std::string& text) {
    out += std::string("<dt>") + name + "</dt><dd>" + text + "</dd>";
  };
  add("load", escaped(document.at("load").get<std::string>()));
  add("command line", "<code>" + escaped(words) + "</code>");
  add("generator", "spate-loadgen " + escaped(document.at("generator_version").get<std::string>()) +
                       ", " + std::to_string(document.at("generator").at("threads").get<int>()) +
                       " threads, " +
                       formatted("%.2f CPU-us a message",
                                 document.at("generator").at("cpu_us_per_message").get<double>()));
  add("times",
      formatted("connecting %.2f s, sending %.2f s, ", document.at("connect_s").get<double>(),
                document.at("sending_s").get<double>()) +
          formatted("of which measured %.2f s, waiting for answers %.2f s",
                    document.at("measured_s").get<double>(), document.at("drain_s").get<double>()));
  return out + "</dl>";
}

std::string details(const json& document, const json& data) {
  const std::string text = document.at("scenario").at("text").get<std::string>();
  return "<section class=\"panel\"><details><summary>Timeline as a table</summary>" +
         html::timeline(data) + "</details>" +
         (text.empty()
              ? ""
              : "<details><summary>Scenario</summary><pre>" + escaped(text) + "</pre></details>") +
         "<details><summary>Options as they were understood</summary><pre>" +
         escaped(document.at("config").dump(2, ' ', false, json::error_handler_t::replace)) +
         "</pre></details></section>\n";
}

/// JSON that may stand in a script element: nothing in it ends the element.
std::string script_json(const json& data) {
  std::string text = data.dump(-1, ' ', true, json::error_handler_t::replace);
  for (std::size_t at = text.find('<'); at != std::string::npos; at = text.find('<', at)) {
    text.replace(at, 1, "\\u003c");
  }
  return text;
}

} // namespace

std::string report_html(const json& document) {
  const json data = page_data(document);
  std::string body = head(document) + notes(document) + tiles(document) +
                     html::objectives(document) + charts(document) + html::times(document) +
                     html::cohorts(document) + html::commands(document);
  body += "<div class=\"two\">" + html::messages(document) + html::errors(document) + "</div>\n" +
          html::server(document) + html::panel("Run", facts(document)) + details(document, data);
  const std::array<std::pair<std::string_view, std::string>, 7> parts{
      {{"title", escaped(title_of(document) + ": " + outcome_of(document).word)},
       {"uplot_css", std::string(report_page::uPlot_min_css)},
       {"css", std::string(report_page::report_css)},
       {"body", std::move(body)},
       {"data", script_json(data)},
       {"uplot_js", std::string(report_page::uPlot_iife_min_js)},
       {"js", std::string(report_page::report_js)}}};
  // What is put in is never searched for places.
  std::string out;
  std::string_view rest = report_page::report_html;
  for (std::size_t open = rest.find("{{"); open != std::string_view::npos; open = rest.find("{{")) {
    const std::size_t close = rest.find("}}", open);
    const std::string_view name = rest.substr(open + 2, close - open - 2);
    out += rest.substr(0, open);
    for (const auto& [part, text] : parts) {
      out += part == name ? text : "";
    }
    rest.remove_prefix(close + 2);
  }
  return out.append(rest);
}

} // namespace spate::loadgen
