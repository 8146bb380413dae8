#include "loadgen/report/objectives.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

#include "engine/base/nearest.hpp"
#include "loadgen/report/metrics.hpp"
#include "loadgen/report/report.hpp"

namespace spate::loadgen {

namespace {

using Op = Objective::Op;

constexpr std::array<std::pair<std::string_view, Op>, 7> kOps{{{"<=", Op::at_most},
                                                               {">=", Op::at_least},
                                                               {"==", Op::equal},
                                                               {"!=", Op::unequal},
                                                               {"<", Op::less},
                                                               {">", Op::more},
                                                               {"=", Op::equal}}};

std::string_view trimmed(std::string_view text) noexcept {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) {
    text.remove_prefix(1);
  }
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) {
    text.remove_suffix(1);
  }
  return text;
}

std::string_view sign_of(Op op) noexcept {
  for (const auto& [sign, of] : kOps) {
    if (of == op) {
      return sign;
    }
  }
  return "";
}

struct UnitWord {
  std::string_view word;
  double scale;
};

std::vector<UnitWord> words_of(MetricUnit unit) {
  switch (unit) {
  case MetricUnit::time:
    return {{"ns", 1}, {"us", 1e3}, {"ms", 1e6}, {"s", 1e9}, {"m", 60e9}, {"h", 3600e9}};
  case MetricUnit::bytes:
    return {{"", 1},     {"B", 1},        {"kB", 1e3},        {"MB", 1e6},
            {"GB", 1e9}, {"KiB", 1024.0}, {"MiB", 1048576.0}, {"GiB", 1073741824.0}};
  case MetricUnit::share:
    return {{"", 1}, {"%", 0.01}};
  case MetricUnit::rate:
    return {{"", 1},   {"k", 1e3},   {"M", 1e6},   {"G", 1e9},
            {"/s", 1}, {"k/s", 1e3}, {"M/s", 1e6}, {"G/s", 1e9}};
  case MetricUnit::cpu_us:
    return {{"", 1}, {"us", 1}, {"ms", 1e3}};
  case MetricUnit::count:
    return {{"", 1}, {"k", 1e3}, {"M", 1e6}, {"G", 1e9}};
  }
  return {};
}

Result<double> value_of(std::string_view text, MetricUnit unit, std::string_view whole) {
  double value = 0;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), value);
  if (read.ec != std::errc{} || !std::isfinite(value)) {
    return fail(Errc::usage, "the objective \"" + std::string(whole) + "\" has no number behind " +
                                 "its operator");
  }
  const std::string_view word =
      trimmed(text.substr(static_cast<std::size_t>(read.ptr - text.data())));
  std::string known;
  for (const UnitWord& unit_word : words_of(unit)) {
    if (word == unit_word.word) {
      return value * unit_word.scale;
    }
    if (!unit_word.word.empty()) {
      known += (known.empty() ? "" : ", ") + std::string(unit_word.word);
    }
  }
  return fail(Errc::usage, "the objective \"" + std::string(whole) + "\" needs one of the units " +
                               known + (word.empty() ? "" : ", not " + std::string(word)));
}

Result<Objective> parse_one(std::string_view whole) {
  const std::size_t at = whole.find_first_of("<>=!");
  if (at == std::string_view::npos) {
    return fail(Errc::usage, "the objective \"" + std::string(whole) +
                                 "\" has no operator: write it like ack_p99<50ms");
  }
  Objective objective;
  std::string_view metric = trimmed(whole.substr(0, at));
  if (const std::size_t colon = metric.rfind(':'); colon != std::string_view::npos) {
    objective.cohort = trimmed(metric.substr(0, colon));
    metric = trimmed(metric.substr(colon + 1));
  }
  const auto unit = unit_of_metric(metric);
  if (!unit) {
    return fail(Errc::usage, "\"" + std::string(metric) + "\" is no metric" +
                                 meant_word(metric, metric_names()));
  }
  if (!objective.cohort.empty() && !has_cohorts(metric)) {
    return fail(Errc::usage, std::string(metric) + " is of the whole run, not of a cohort");
  }
  objective.metric = metric;
  objective.unit = *unit;
  const std::string_view rest = whole.substr(at);
  for (const auto& [sign, op] : kOps) {
    if (rest.starts_with(sign)) {
      objective.op = op;
      auto value = value_of(trimmed(rest.substr(sign.size())), *unit, whole);
      if (!value) {
        return fail(std::move(value.error()));
      }
      objective.limit = *value;
      return objective;
    }
  }
  return fail(Errc::usage, "the objective \"" + std::string(whole) + "\" has an unknown operator");
}

bool holds(double value, Op op, double limit) noexcept {
  switch (op) {
  case Op::less:
    return value < limit;
  case Op::at_most:
    return value <= limit;
  case Op::more:
    return value > limit;
  case Op::at_least:
    return value >= limit;
  case Op::equal:
    return value == limit;
  case Op::unequal:
    return value != limit;
  }
  return false;
}

} // namespace

std::string Objective::text() const {
  return (cohort.empty() ? "" : cohort + ":") + metric + " " + std::string(sign_of(op)) + " " +
         metric_text(limit, unit);
}

Result<std::vector<Objective>> parse_objectives(std::string_view text) {
  return parse_objectives(std::vector<std::string>{std::string(text)});
}

Result<std::vector<Objective>> parse_objectives(const std::vector<std::string>& texts) {
  std::vector<Objective> objectives;
  for (const std::string& text : texts) {
    std::string_view left = text;
    for (bool more = true; more;) {
      const std::size_t comma = left.find(',');
      more = comma != std::string_view::npos;
      auto objective = parse_one(trimmed(left.substr(0, comma)));
      if (!objective) {
        return fail(std::move(objective.error()));
      }
      if (objectives.size() == kObjectivesMax) {
        return fail(Errc::usage, "more than " + std::to_string(kObjectivesMax) + " objectives");
      }
      objectives.push_back(std::move(*objective));
      left.remove_prefix(more ? comma + 1 : 0);
    }
  }
  return objectives;
}

Result<void> check_cohorts(const std::vector<Objective>& objectives,
                           const std::vector<std::string>& cohorts) {
  const std::vector<std::string_view> names(cohorts.begin(), cohorts.end());
  for (const Objective& objective : objectives) {
    if (!objective.cohort.empty() &&
        std::find(names.begin(), names.end(), objective.cohort) == names.end()) {
      return fail(Errc::usage, "the objective \"" + objective.text() +
                                   "\" names no cohort of the run" +
                                   meant_word(objective.cohort, names));
    }
  }
  return {};
}

ObjectiveResult judge(const Objective& objective, const Measured& measured) {
  ObjectiveResult result;
  result.text = objective.text();
  result.metric = (objective.cohort.empty() ? "" : objective.cohort + ":") + objective.metric;
  result.value = metric_value(objective.metric, objective.cohort, measured);
  result.value_text =
      result.value ? metric_text(*result.value, objective.unit) : "nothing measured";
  result.ok = result.value && holds(*result.value, objective.op, objective.limit);
  return result;
}

std::vector<ObjectiveResult> judge(const std::vector<Objective>& objectives,
                                   const Measured& measured) {
  std::vector<ObjectiveResult> results;
  results.reserve(objectives.size());
  for (const Objective& objective : objectives) {
    results.push_back(judge(objective, measured));
  }
  return results;
}

std::string missed_text(const std::vector<ObjectiveResult>& results) {
  std::string text;
  for (const ObjectiveResult& result : results) {
    if (!result.ok) {
      text += "missed: " + result.text + " (" + result.value_text + ")\n";
    }
  }
  return text;
}

} // namespace spate::loadgen
