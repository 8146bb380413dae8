#include "loadgen/report/document.hpp"

#include <algorithm>
#include <cstdio>
#include <ctime>

#include <nlohmann/json.hpp>

#include "engine/wire/packets.hpp"
#include "loadgen/base/hdr_codec.hpp"
#include "loadgen/base/version.hpp"
#include "loadgen/report/fault_counts.hpp"

namespace spate::loadgen {

namespace {

using nlohmann::json;

double ms(std::uint64_t ns) noexcept {
  return static_cast<double>(ns) / 1e6;
}

json answering_json(const FleetResult& result) {
  const Stats& stats = result.stats;
  return {{"subscribed", result.subscribed},
          {"commands", stats.commands},
          {"repeated", stats.commands_repeated},
          {"unanswerable", stats.commands_unanswerable},
          {"answers", stats.answers},
          {"answers_resent", stats.answers_resent},
          {"answers_acked", stats.answers_acked},
          {"answers_refused", stats.answers_refused},
          {"answers_lost", stats.answers_lost},
          {"answer_lag_ms", times_json(stats.answer_lag)}};
}

json errors_json(const Stats& stats) {
  json errors = json::object();
  for (const auto& [reason, count] : stats.errors) {
    errors[reason] = count;
  }
  return errors;
}

json reasons_json(const Stats& stats) {
  json reasons = json::object();
  for (std::size_t code = 0; code < stats.reasons.size(); ++code) {
    if (stats.reasons[code] != 0) {
      char key[8];
      std::snprintf(key, sizeof key, "0x%02x", static_cast<unsigned>(code));
      reasons[key] = {{"name", wire::name_of(static_cast<wire::Reason>(code))},
                      {"count", stats.reasons[code]}};
    }
  }
  return reasons;
}

json timeline_json(const std::vector<Second>& seconds) {
  json timeline = json::array();
  for (const Second& second : seconds) {
    timeline.push_back({{"second", second.second},
                        {"sent", second.sent},
                        {"acked", second.acked},
                        {"errors", second.errors},
                        {"in_flight", second.in_flight},
                        {"connected", second.connected},
                        {"p50_ms", rounded(ms(second.p50_ns))},
                        {"p90_ms", rounded(ms(second.p90_ns))},
                        {"p99_ms", rounded(ms(second.p99_ns))},
                        {"max_ms", rounded(ms(second.max_ns))},
                        {"latency_hdr", second.latency_hdr}});
  }
  return timeline;
}

json hdr_json(const Histogram& times) {
  return times.count() == 0 ? json() : json(hdr_base64(times));
}

/// What is told of each cohort and of all together.
void put_stats(json& to, const Stats& stats) {
  to["connects"] = stats.connects;
  to["connect_failures"] = stats.connect_failures;
  to["connections_lost"] = stats.connections_lost;
  to["sent"] = stats.sent;
  to["acked"] = stats.acked;
  to["lost"] = stats.lost;
  to["refused"] = stats.refused;
  to["unsent"] = stats.unsent;
  to["resent"] = stats.resent;
  to["received"] = stats.received;
  for (const FaultCount& fault : kFaultCounts) {
    to[fault.key] = stats.*fault.count;
  }
  to["errors"] = errors_json(stats);
  to["reasons"] = reasons_json(stats);
  const auto messages = static_cast<double>(std::max<std::uint64_t>(stats.sent, 1));
  to["payload_bytes_mean"] = rounded(static_cast<double>(stats.sent_bytes) / messages);
  to["latency_ms"] = times_json(stats.latency);
  to["service_ms"] = times_json(stats.service);
  to["connect_ms"] = times_json(stats.connect);
  to["delivery_ms"] = times_json(stats.delivery);
  to["latency_hdr"] = hdr_json(stats.latency);
  to["service_hdr"] = hdr_json(stats.service);
  to["connect_hdr"] = hdr_json(stats.connect);
  to["delivery_hdr"] = hdr_json(stats.delivery);
}

json cohorts_json(const ReportHead& head, const FleetResult& result) {
  json cohorts = json::array();
  for (const CohortResult& cohort : result.cohorts) {
    json one = {{"name", cohort.name},
                {"devices", cohort.devices},
                {"connections", cohort.connections},
                {"connected", cohort.connected},
                {"connected_once", cohort.seen},
                {"rate_per_s", rounded(per_second(head.qos == 0 ? cohort.stats.measured_sent
                                                                : cohort.stats.measured_acked,
                                                  result.measured_s))}};
    put_stats(one, cohort.stats);
    cohorts.push_back(std::move(one));
  }
  return cohorts;
}

json scenario_json(const Course& course) {
  json stages = json::array();
  for (const StageSpan& stage : course.stages) {
    stages.push_back({{"name", stage.name},
                      {"from_s", stage.from_s},
                      {"until_s", stage.until_s},
                      {"measured", stage.measured}});
  }
  json faults = json::array();
  for (const FaultMark& fault : course.faults) {
    faults.push_back({{"name", fault.name}, {"at_s", fault.at_s}, {"until_s", fault.until_s}});
  }
  return {{"name", course.name},
          {"about", course.about},
          {"text", course.text},
          {"stages", stages},
          {"faults", faults}};
}

json server_json(const ServerFigures& server, const FleetResult& result) {
  const auto cpu_s = server.cpu_s();
  const auto rss = server.rss_bytes_max();
  json samples = json::array();
  json grown = json::object();
  for (const ServerSample& sample : server.samples) {
    samples.push_back({{"at_s", rounded(static_cast<double>(sample.at_ns - server.begin_ns) / 1e9)},
                       {"cpu_s", rounded(sample.cpu_s)},
                       {"rss_bytes", sample.rss_bytes},
                       {"open_fds", sample.open_fds}});
    for (const auto& [name, value] : sample.counters) {
      const auto growth = server.grown(name);
      grown[name] = growth ? json(*growth) : json();
    }
  }
  const auto messages = static_cast<double>(std::max<std::uint64_t>(result.stats.sent, 1));
  return {{"source", server.source},
          {"cpu_s", cpu_s ? json(rounded(*cpu_s)) : json()},
          {"cpu_us_per_message",
           cpu_s && result.stats.sent != 0 ? json(rounded(1e6 * *cpu_s / messages)) : json()},
          {"rss_bytes_max", rss ? json(*rss) : json()},
          {"open_fds_max", server.open_fds_max()},
          {"counters", grown},
          {"failed_looks", server.failed},
          {"fault", server.fault},
          {"samples", samples}};
}

json objectives_json(const std::vector<ObjectiveResult>& objectives) {
  json list = json::array();
  for (const ObjectiveResult& objective : objectives) {
    list.push_back({{"objective", objective.text},
                    {"metric", objective.metric},
                    {"value", objective.value ? json(*objective.value) : json()},
                    {"measured", objective.value_text},
                    {"ok", objective.ok}});
  }
  return list;
}

} // namespace

std::string utc_text(std::int64_t epoch_ms) {
  const auto seconds = static_cast<std::time_t>(epoch_ms / 1000);
  std::tm utc{};
  gmtime_r(&seconds, &utc);
  char text[32];
  return std::string(text, std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &utc));
}

json report_json(const ReportHead& head, const json& config, const FleetResult& result,
                 const ReportParts& parts) {
  const Stats& stats = result.stats;
  const Verdict verdict = judge(head, result);
  const auto messages = static_cast<double>(std::max<std::uint64_t>(stats.sent, 1));
  json document = {
      {"spate-loadgen-report", kReportVersion},
      {"generator_version", kVersion},
      {"started", parts.started_ms == 0 ? json() : json(utc_text(parts.started_ms))},
      {"started_ms", parts.started_ms},
      {"command_line", head.command_line},
      {"target", head.target},
      {"load", head.load},
      {"closed_loop", head.closed_loop},
      {"config", config},
      {"scenario", scenario_json(parts.course)},
      {"result", verdict.text},
      {"ok", verdict.ok},
      {"interrupted", result.interrupted},
      {"stalled", result.stalled},
      {"devices", head.devices},
      {"connections", result.connections},
      {"connected", result.connected},
      {"connected_once", result.seen},
      {"answering", head.answering ? answering_json(result) : json()},
      {"connect_s", rounded(result.connect_s)},
      {"sending_s", rounded(result.sending_s)},
      {"measured_s", rounded(result.measured_s)},
      {"drain_s", rounded(result.drain_s)},
      {"rate_per_s", rounded(rate_of(head, result))},
      {"sent_per_s", rounded(per_second(stats.measured_sent, result.measured_s))},
      {"generator",
       {{"threads", result.cpu_share.size()},
        {"sweep_ms", times_json(result.sweep)},
        {"cpu_s", rounded(result.cpu_s)},
        {"cpu_us_per_message", rounded(1e6 * result.cpu_s / messages)},
        {"cpu_share", result.cpu_share},
        {"waiting_share", result.wait_share},
        {"schedule_lag_ms", times_json(stats.lag)},
        {"saturated", verdict.saturated},
        {"verdict", verdict.saturation}}},
      {"server", parts.server != nullptr ? server_json(*parts.server, result) : json()},
      {"objectives", objectives_json(parts.objectives)},
      {"cohorts", cohorts_json(head, result)},
      {"timeline", timeline_json(result.timeline)}};
  put_stats(document, stats);
  return document;
}

} // namespace spate::loadgen
