#include <algorithm>

#include <nlohmann/json.hpp>

#include "loadgen/report/comparison.hpp"
#include "loadgen/report/metrics.hpp"
#include "loadgen/report/report.hpp"

namespace spate::loadgen {

namespace {

std::string verdict_of(const Ratio& ratio) {
  return !ratio.interval    ? "no interval"
         : ratio.is_noise() ? "within noise"
         : ratio.ratio > 1  ? "higher"
                            : "lower";
}

void put_cell(std::string& out, const std::string& text, std::size_t width, bool right = true) {
  const std::string space(text.size() < width ? width - text.size() : 0, ' ');
  out += right ? space + text : text + space;
}

} // namespace

std::string broken(const Gate& gate, const Comparison& comparison) {
  const auto found =
      std::find_if(comparison.ratios.begin(), comparison.ratios.end(),
                   [&gate](const Ratio& ratio) { return ratio.metric == gate.metric; });
  if (found == comparison.ratios.end()) {
    return gate.metric + " was not measured on both sides";
  }
  // The nearer end of the interval: it is the limit that noise must not reach, not equality.
  const double nearest = !found->interval ? found->ratio
                         : gate.above     ? found->interval->first
                                          : found->interval->second;
  if (gate.above ? nearest <= gate.ratio : nearest >= gate.ratio) {
    return "";
  }
  return gate.metric + formatted(": the ratio %.3f is", found->ratio) +
         (gate.above ? " above" : " below") + formatted(" %.3g", gate.ratio) +
         (found->interval ? formatted(" (95 %% interval %.3f to %.3f)", found->interval->first,
                                      found->interval->second)
                          : std::string());
}

std::string comparison_table(const Comparison& comparison) {
  std::string out = "A  " + comparison.a + "\nB  " + comparison.b + "\n\n";
  put_cell(out, "", 26, false);
  for (const char* head : {"A", "B"}) {
    put_cell(out, head, 12);
  }
  put_cell(out, "B/A", 9);
  out += "   95 % interval\n";
  for (const Ratio& ratio : comparison.ratios) {
    put_cell(out, ratio.metric, 26, false);
    put_cell(out, metric_text(ratio.a, ratio.unit), 12);
    put_cell(out, metric_text(ratio.b, ratio.unit), 12);
    put_cell(out, formatted("%.3f", ratio.ratio), 9);
    out += "   ";
    put_cell(out,
             ratio.interval
                 ? formatted("%.3f to %.3f", ratio.interval->first, ratio.interval->second)
                 : std::string("-"),
             18, false);
    out += verdict_of(ratio) + "\n";
  }
  for (const std::string& text : comparison.cautions) {
    out += "\ncaution: " + text;
  }
  return out + (comparison.cautions.empty() ? "" : "\n");
}

nlohmann::json comparison_json(const Comparison& comparison) {
  nlohmann::json ratios = nlohmann::json::object();
  for (const Ratio& ratio : comparison.ratios) {
    ratios[ratio.metric] = {
        {"a", ratio.a},
        {"b", ratio.b},
        {"ratio", ratio.ratio},
        {"interval", ratio.interval ? nlohmann::json{ratio.interval->first, ratio.interval->second}
                                    : nlohmann::json()},
        {"verdict", verdict_of(ratio)}};
  }
  return {{"a", comparison.a},
          {"b", comparison.b},
          {"comparable", comparison.comparable},
          {"cautions", comparison.cautions},
          {"ratios", ratios}};
}

} // namespace spate::loadgen
