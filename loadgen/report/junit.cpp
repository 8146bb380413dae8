#include "loadgen/report/junit.hpp"

#include <nlohmann/json.hpp>

#include "loadgen/report/html_text.hpp"
#include "loadgen/report/report.hpp"

namespace spate::loadgen {

namespace {

using nlohmann::json;

struct Case {
  std::string name;
  bool ok = true;
  std::string text; ///< Why it failed, or what was measured.
};

std::string case_xml(const std::string& suite, const Case& one, double seconds) {
  std::string out = "  <testcase classname=\"" + escaped(suite) + "\" name=\"" + escaped(one.name) +
                    "\" time=\"" + formatted("%.3f", seconds) + "\">";
  if (!one.ok) {
    out += "\n    <failure message=\"" + escaped(one.text) + "\">" + escaped(one.text) +
           "</failure>\n  ";
  } else if (!one.text.empty()) {
    out += "\n    <system-out>" + escaped(one.text) + "</system-out>\n  ";
  }
  return out + "</testcase>\n";
}

} // namespace

std::string report_junit(const json& document) {
  const json& generator = document.at("generator");
  const std::string scenario = document.at("scenario").at("name").get<std::string>();
  const std::string suite = "spate-loadgen." + (scenario.empty() ? "run" : scenario);
  std::vector<Case> cases;
  cases.push_back({"run", document.at("ok").get<bool>(), document.at("result")});
  // A figure that says nothing about the server must not turn a gate green.
  cases.push_back({"generator", !generator.at("saturated").get<bool>(), generator.at("verdict")});
  for (const json& objective : document.at("objectives")) {
    cases.push_back({objective.at("objective"), objective.at("ok").get<bool>(),
                     "measured " + objective.at("measured").get<std::string>()});
  }
  std::size_t failures = 0;
  for (const Case& one : cases) {
    failures += one.ok ? 0 : 1;
  }
  const double seconds = document.at("connect_s").get<double>() +
                         document.at("sending_s").get<double>() +
                         document.at("drain_s").get<double>();
  std::string out = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuite name=\"" +
                    escaped(suite) + "\" tests=\"" + std::to_string(cases.size()) +
                    "\" failures=\"" + std::to_string(failures) + "\" errors=\"0\" time=\"" +
                    formatted("%.3f", seconds) + "\"";
  if (const json& started = document.at("started"); started.is_string()) {
    const std::string text = started.get<std::string>();
    out += " timestamp=\"" + escaped(text.substr(0, text.find('Z'))) + "\"";
  }
  out += ">\n";
  for (const Case& one : cases) {
    out += case_xml(suite, one, seconds);
  }
  return out + "</testsuite>\n";
}

} // namespace spate::loadgen
