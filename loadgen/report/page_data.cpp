#include "loadgen/report/page_data.hpp"

#include <algorithm>
#include <cmath>

#include <nlohmann/json.hpp>

#include "loadgen/base/hdr_codec.hpp"

namespace spate::loadgen {

namespace {

using nlohmann::json;

constexpr double kStepsPerDecade = 16; ///< Of the percentile plot.
constexpr double kLengthLeastS = 0.2;  ///< A shorter rest of a second tells no rate.

Histogram histogram_of(const json& object, const char* key) {
  const auto found = object.find(key);
  if (found == object.end() || !found->is_string()) {
    return {};
  }
  auto read = read_hdr_base64(found->get_ref<const std::string&>());
  return read ? std::move(*read) : Histogram();
}

json ms_or_null(const Histogram& times, double q) {
  return times.count() == 0 ? json() : json(static_cast<double>(times.quantile(q)) / 1e6);
}

/// The timeline by steps of `step` seconds.
json timeline_columns(const json& document) {
  const json& timeline = document.at("timeline");
  const std::size_t step =
      std::max<std::size_t>(1, (timeline.size() + kPlotPointsMax - 1) / kPlotPointsMax);
  const double end_s =
      document.at("sending_s").get<double>() + document.at("drain_s").get<double>();
  json columns;
  for (const char* name : {"second", "sent", "acked", "errors", "connected", "in_flight", "p50",
                           "p90", "p99", "max"}) {
    columns[name] = json::array();
  }
  for (std::size_t from = 0; from < timeline.size(); from += step) {
    const std::size_t until = std::min(from + step, timeline.size());
    double sent = 0, acked = 0, errors = 0, max_ms = 0;
    Histogram latency;
    for (std::size_t i = from; i < until; ++i) {
      const json& second = timeline[i];
      sent += second.at("sent").get<double>();
      acked += second.at("acked").get<double>();
      errors += second.at("errors").get<double>();
      max_ms = std::max(max_ms, second.at("max_ms").get<double>());
      if (step > 1) {
        latency.merge(histogram_of(second, "latency_hdr"));
      }
    }
    const json& last = timeline[until - 1];
    const double begin_s = timeline[from].at("second").get<double>();
    const double length_s = until == timeline.size() ? std::clamp(end_s - begin_s, 0.0,
                                                                  static_cast<double>(until - from))
                                                     : static_cast<double>(until - from);
    const bool rated = length_s >= kLengthLeastS;
    columns["second"].push_back(begin_s);
    columns["sent"].push_back(rated ? json(sent / length_s) : json());
    columns["acked"].push_back(rated ? json(acked / length_s) : json());
    columns["errors"].push_back(
        rated || errors == 0 ? json(errors / std::max(length_s, kLengthLeastS)) : json(errors));
    columns["connected"].push_back(last.at("connected"));
    columns["in_flight"].push_back(last.at("in_flight"));
    const bool any = max_ms > 0;
    columns["p50"].push_back(step > 1 ? ms_or_null(latency, 0.5)
                             : any    ? last.at("p50_ms")
                                      : json());
    columns["p90"].push_back(step > 1 ? ms_or_null(latency, 0.9)
                             : any    ? last.at("p90_ms")
                                      : json());
    columns["p99"].push_back(step > 1 ? ms_or_null(latency, 0.99)
                             : any    ? last.at("p99_ms")
                                      : json());
    columns["max"].push_back(any ? json(max_ms) : json());
  }
  return columns;
}

/// Latency by percentile, of all and of each cohort, at the same places.
json curves(const json& document) {
  std::vector<std::pair<std::string, Histogram>> series;
  series.emplace_back("latency", histogram_of(document, "latency_hdr"));
  if (!document.at("closed_loop").get<bool>()) {
    series.emplace_back("service time", histogram_of(document, "service_hdr"));
  }
  if (const json& cohorts = document.at("cohorts"); cohorts.size() > 1) {
    for (const json& cohort : cohorts) {
      if (series.size() < 10) {
        series.emplace_back(cohort.at("name").get<std::string>(),
                            histogram_of(cohort, "latency_hdr"));
      }
    }
  }
  const auto total = static_cast<double>(series.front().second.count());
  json x = json::array();
  json names = json::array();
  json values = json::array();
  if (total > 0) {
    for (double step = 0; std::pow(10, step / kStepsPerDecade) <= total; ++step) {
      x.push_back(std::pow(10, step / kStepsPerDecade));
    }
    x.push_back(total);
    for (const auto& [name, times] : series) {
      if (times.count() == 0) {
        continue;
      }
      json column = json::array();
      for (const json& at : x) {
        const double place = at.get<double>();
        column.push_back(place <= static_cast<double>(times.count()) ||
                                 place == x.back().get<double>()
                             ? ms_or_null(times, 1 - 1 / place)
                             : json());
      }
      column.back() = ms_or_null(times, 1);
      names.push_back(name);
      values.push_back(std::move(column));
    }
  }
  return {{"x", x}, {"names", names}, {"values", values}};
}

json server_columns(const json& server) {
  if (server.is_null() || server.at("samples").size() < 2) {
    return nullptr;
  }
  const json& samples = server.at("samples");
  const std::size_t step = std::max<std::size_t>(1, samples.size() / kPlotPointsMax);
  json second = json::array();
  json cpu = json::array();
  json rss = json::array();
  for (std::size_t i = step; i < samples.size(); i += step) {
    const json& before = samples[i - step];
    const double at_s = samples[i].at("at_s").get<double>();
    const double length_s = at_s - before.at("at_s").get<double>();
    const double used_s = samples[i].at("cpu_s").get<double>() - before.at("cpu_s").get<double>();
    if (at_s < 0 || length_s < kLengthLeastS) {
      continue;
    }
    second.push_back(at_s);
    cpu.push_back(used_s < 0 ? json() : json(used_s / length_s));
    rss.push_back(samples[i].at("rss_bytes"));
  }
  double mean = 0;
  for (const json& share : cpu) {
    mean += share.is_null() ? 0 : share.get<double>() / static_cast<double>(cpu.size());
  }
  return {{"second", second},
          {"cpu", cpu},
          {"rss", rss},
          {"cpu_mean", mean},
          {"rss_max", server.at("rss_bytes_max")}};
}

} // namespace

json page_data(const json& document) {
  const json& times = document.at("latency_ms");
  return {{"stages", document.at("scenario").at("stages")},
          {"faults", document.at("scenario").at("faults")},
          {"timeline", timeline_columns(document)},
          {"summary",
           {{"sent", document.at("sent_per_s")},
            {"acked", document.at("rate_per_s")},
            {"latency", times.is_null() ? json::object() : times}}},
          {"curve", curves(document)},
          {"server", server_columns(document.at("server"))}};
}

} // namespace spate::loadgen
