#include "loadgen/agents/stats_codec.hpp"

#include <algorithm>

#include <nlohmann/json.hpp>

#include "loadgen/base/hdr_codec.hpp"
#include "loadgen/fleet/stats_fields.hpp"

namespace spate::loadgen {

namespace {

using Json = nlohmann::json;

constexpr std::size_t kCohortsMax = 10'000;
constexpr std::size_t kThreadsMax = 100'000;

constexpr std::pair<const char*, std::uint64_t Second::*> kSecondCounts[] = {
    {"second", &Second::second},       {"sent", &Second::sent},
    {"acked", &Second::acked},         {"errors", &Second::errors},
    {"in_flight", &Second::in_flight}, {"connected", &Second::connected},
};

constexpr std::pair<const char*, std::uint64_t CohortResult::*> kCohortCounts[] = {
    {"devices", &CohortResult::devices},     {"connections", &CohortResult::connections},
    {"connected", &CohortResult::connected}, {"subscribed", &CohortResult::subscribed},
    {"seen", &CohortResult::seen},
};

constexpr std::pair<const char*, std::uint64_t FleetResult::*> kResultCounts[] = {
    {"devices", &FleetResult::devices},     {"connections", &FleetResult::connections},
    {"connected", &FleetResult::connected}, {"subscribed", &FleetResult::subscribed},
    {"seen", &FleetResult::seen},
};

constexpr std::pair<const char*, double FleetResult::*> kResultTimes[] = {
    {"connect_s", &FleetResult::connect_s},
    {"measured_s", &FleetResult::measured_s},
    {"sending_s", &FleetResult::sending_s},
    {"drain_s", &FleetResult::drain_s},
};

tl::unexpected<Error> bad(const std::string& what) {
  return fail(Errc::malformed_payload, "an agent's report: " + what);
}

/// A count, or a finite number that is not negative; 0 if it is missing.
bool read(const Json& object, const char* name, std::uint64_t& to) {
  const auto found = object.find(name);
  if (found == object.end()) {
    return true;
  }
  if (!found->is_number_unsigned()) {
    return false;
  }
  to = found->get<std::uint64_t>();
  return to <= std::uint64_t{1} << 62; // Sums stay right.
}
bool read(const Json& object, const char* name, double& to) {
  const auto found = object.find(name);
  if (found == object.end()) {
    return true;
  }
  if (!found->is_number() || !(found->get<double>() >= 0 && found->get<double>() < 1e12)) {
    return false;
  }
  to = found->get<double>();
  return true;
}

template <class Object, class Member, std::size_t kSize>
Result<void> read_all(const Json& json, Object& to,
                      const std::pair<const char*, Member Object::*> (&table)[kSize]) {
  for (const auto& [name, member] : table) {
    if (!read(json, name, to.*member)) {
      return bad(std::string(name) + " is not a number");
    }
  }
  return {};
}

template <class Object, class Member, std::size_t kSize>
void write_all(Json& json, const Object& from,
               const std::pair<const char*, Member Object::*> (&table)[kSize]) {
  for (const auto& [name, member] : table) {
    json[name] = from.*member;
  }
}

Result<Histogram> read_histogram(const Json& json) {
  if (!json.is_object() || !json.contains("hdr") || !json["hdr"].is_string()) {
    return bad("no histogram");
  }
  auto histogram = read_hdr_base64(json["hdr"].get_ref<const std::string&>());
  if (!histogram) {
    return fail(std::move(histogram.error()));
  }
  std::uint64_t min = 0;
  std::uint64_t max = 0;
  double sum = 0;
  const auto found = json.find("sum");
  if (!read(json, "min", min) || !read(json, "max", max) ||
      (found != json.end() && !found->is_number())) {
    return bad("bounds of a histogram that are no numbers");
  }
  sum = found == json.end() ? 0 : found->get<double>();
  histogram->refine(min, max, sum);
  return histogram;
}

Result<void> read_histogram(const Json& json, const char* name, Histogram& to) {
  const auto found = json.find(name);
  if (found == json.end()) {
    return {};
  }
  auto histogram = read_histogram(*found);
  if (!histogram) {
    return fail(std::move(histogram.error()));
  }
  to = std::move(*histogram);
  return {};
}

Result<void> read_shares(const Json& json, const char* name, std::vector<double>& to) {
  const auto found = json.find(name);
  if (found == json.end()) {
    return {};
  }
  if (!found->is_array() || found->size() > kThreadsMax) {
    return bad(std::string(name) + " is no list");
  }
  for (const Json& share : *found) {
    if (!share.is_number()) {
      return bad(std::string(name) + " is no list of numbers");
    }
    to.push_back(share.get<double>());
  }
  return {};
}

Result<CohortResult> read_cohort(const Json& json) {
  if (!json.is_object() || !json.contains("name") || !json["name"].is_string() ||
      !json.contains("stats")) {
    return bad("not a cohort");
  }
  CohortResult cohort;
  cohort.name = json["name"].get<std::string>();
  if (auto counts = read_all(json, cohort, kCohortCounts); !counts) {
    return fail(std::move(counts.error()));
  }
  auto stats = read_stats(json["stats"]);
  if (!stats) {
    return fail(std::move(stats.error()));
  }
  cohort.stats = std::move(*stats);
  return cohort;
}

template <class Object, class Member, std::size_t kSize>
void add_all(Object& to, const Object& from,
             const std::pair<const char*, Member Object::*> (&table)[kSize]) {
  for (const auto& [name, member] : table) {
    to.*member += from.*member;
  }
}

} // namespace

Json json_of(const Histogram& histogram) {
  return {{"hdr", hdr_base64(histogram)},
          {"min", histogram.min()},
          {"max", histogram.max()},
          {"sum", histogram.sum()}};
}

Json json_of(const Stats& stats) {
  Json json = Json::object();
  for (const auto& [name, member] : kStatsCounts) {
    if (stats.*member != 0) {
      json[name] = stats.*member;
    }
  }
  for (const auto& [name, member] : kStatsTimes) {
    if ((stats.*member).count() != 0) {
      json[name] = json_of(stats.*member);
    }
  }
  for (const auto& [reason, count] : stats.errors) {
    json["errors"][reason] = count;
  }
  for (std::size_t i = 0; i < stats.reasons.size(); ++i) {
    if (stats.reasons[i] != 0) {
      json["reasons"][std::to_string(i)] = stats.reasons[i];
    }
  }
  return json;
}

Result<Stats> read_stats(const Json& json) {
  if (!json.is_object()) {
    return bad("no counts");
  }
  Stats stats;
  if (auto counts = read_all(json, stats, kStatsCounts); !counts) {
    return fail(std::move(counts.error()));
  }
  for (const auto& [name, member] : kStatsTimes) {
    if (auto times = read_histogram(json, name, stats.*member); !times) {
      return fail(std::move(times.error()));
    }
  }
  if (const auto errors = json.find("errors"); errors != json.end()) {
    if (!errors->is_object()) {
      return bad("errors are no object");
    }
    for (const auto& [reason, count] : errors->items()) {
      if (!count.is_number_unsigned() || count.get<std::uint64_t>() > std::uint64_t{1} << 62) {
        return bad("a count of errors that is none");
      }
      stats.error(std::string_view(reason).substr(0, 200), count.get<std::uint64_t>());
    }
  }
  if (const auto reasons = json.find("reasons"); reasons != json.end()) {
    if (!reasons->is_object()) {
      return bad("reasons are no object");
    }
    for (std::size_t i = 0; i < stats.reasons.size(); ++i) {
      if (!read(*reasons, std::to_string(i).c_str(), stats.reasons[i])) {
        return bad("a reason's count that is none");
      }
    }
  }
  return stats;
}

Json json_of(const AgentSecond& second) {
  Json json = {{"latency", json_of(second.latency)}};
  write_all(json, second.counts, kSecondCounts);
  return json;
}

Result<AgentSecond> read_second(const Json& json, std::uint64_t second_max) {
  AgentSecond second;
  if (!json.is_object()) {
    return bad("not a second");
  }
  if (auto counts = read_all(json, second.counts, kSecondCounts); !counts) {
    return fail(std::move(counts.error()));
  }
  if (second.counts.second >= Fleet::kTimelineSecondsMax || second.counts.second > second_max) {
    return bad("a second that has not come yet");
  }
  if (auto latency = read_histogram(json, "latency", second.latency); !latency) {
    return fail(std::move(latency.error()));
  }
  return second;
}

Json json_of(const FleetResult& result) {
  Json json = {{"interrupted", result.interrupted},
               {"stalled", result.stalled},
               {"cpu_s", result.cpu_s},
               {"cpu_share", result.cpu_share},
               {"wait_share", result.wait_share},
               {"sweep", json_of(result.sweep)},
               {"stats", json_of(result.stats)}};
  write_all(json, result, kResultCounts);
  write_all(json, result, kResultTimes);
  for (const CohortResult& cohort : result.cohorts) {
    Json one = {{"name", cohort.name}, {"stats", json_of(cohort.stats)}};
    write_all(one, cohort, kCohortCounts);
    json["cohorts"].push_back(std::move(one));
  }
  return json;
}

Result<FleetResult> read_result(const Json& json) {
  if (!json.is_object() || !json.contains("stats")) {
    return bad("no result");
  }
  FleetResult result;
  if (auto counts = read_all(json, result, kResultCounts); !counts) {
    return fail(std::move(counts.error()));
  }
  if (auto times = read_all(json, result, kResultTimes); !times) {
    return fail(std::move(times.error()));
  }
  if (!read(json, "cpu_s", result.cpu_s)) {
    return bad("cpu_s is not a number");
  }
  result.interrupted = json.contains("interrupted") && json["interrupted"] == true;
  result.stalled = json.contains("stalled") && json["stalled"] == true;
  auto stats = read_stats(json["stats"]);
  if (!stats) {
    return fail(std::move(stats.error()));
  }
  result.stats = std::move(*stats);
  if (auto sweep = read_histogram(json, "sweep", result.sweep); !sweep) {
    return fail(std::move(sweep.error()));
  }
  for (const auto& [name, to] :
       {std::pair("cpu_share", &result.cpu_share), std::pair("wait_share", &result.wait_share)}) {
    if (auto shares = read_shares(json, name, *to); !shares) {
      return fail(std::move(shares.error()));
    }
  }
  if (result.cpu_share.size() != result.wait_share.size()) {
    return bad("cpu_share and wait_share are not of the same threads");
  }
  if (const auto cohorts = json.find("cohorts"); cohorts != json.end()) {
    if (!cohorts->is_array() || cohorts->size() > kCohortsMax) {
      return bad("cohorts are no list");
    }
    for (const Json& one : *cohorts) {
      auto cohort = read_cohort(one);
      if (!cohort) {
        return fail(std::move(cohort.error()));
      }
      result.cohorts.push_back(std::move(*cohort));
    }
  }
  return result;
}

void merge(FleetResult& to, const FleetResult& from) {
  add_all(to, from, kResultCounts);
  for (const auto& [name, member] : kResultTimes) {
    to.*member = std::max(to.*member, from.*member);
  }
  to.cpu_s += from.cpu_s;
  to.interrupted |= from.interrupted;
  to.stalled |= from.stalled;
  to.cpu_share.insert(to.cpu_share.end(), from.cpu_share.begin(), from.cpu_share.end());
  to.wait_share.insert(to.wait_share.end(), from.wait_share.begin(), from.wait_share.end());
  to.sweep.merge(from.sweep);
  to.stats.merge(from.stats);
  for (const CohortResult& cohort : from.cohorts) {
    auto found =
        std::find_if(to.cohorts.begin(), to.cohorts.end(),
                     [&cohort](const CohortResult& other) { return other.name == cohort.name; });
    if (found == to.cohorts.end()) {
      to.cohorts.push_back(cohort);
      continue;
    }
    add_all(*found, cohort, kCohortCounts);
    found->stats.merge(cohort.stats);
  }
}

} // namespace spate::loadgen
