#include "loadgen/report/read_report.hpp"

#include <algorithm>
#include <cmath>
#include <fstream>

#include <nlohmann/json.hpp>

#include "loadgen/base/hdr_codec.hpp"
#include "loadgen/report/document.hpp"

namespace spate::loadgen {

namespace {

using nlohmann::json;

constexpr std::size_t kSecondsMax = 100'000;

/// A member that must be there; throws what parse_report() catches.
const json& need(const json& object, const char* key) {
  return object.at(key);
}

double number(const json& value) {
  const double read = value.get<double>();
  if (!std::isfinite(read) || read < 0) {
    throw std::out_of_range("a figure that is negative or not finite");
  }
  return read;
}

std::optional<double> number_or_nothing(const json& object, const char* key) {
  const auto found = object.find(key);
  return found == object.end() || found->is_null() ? std::nullopt : std::optional(number(*found));
}

Histogram histogram(const json& hdr, const json& times) {
  if (hdr.is_null()) {
    return {};
  }
  auto read = read_hdr_base64(hdr.get_ref<const std::string&>());
  if (!read) {
    throw std::out_of_range(read.error().detail);
  }
  if (times.is_object()) { // The largest value exactly.
    const double max_ns = std::min(number(need(times, "max")) * 1e6, 1e15);
    const double mean_ns = std::min(number(need(times, "mean")) * 1e6, 1e15);
    read->refine(read->min(), static_cast<std::uint64_t>(std::llround(max_ns)),
                 mean_ns * static_cast<double>(read->count()));
  }
  return std::move(*read);
}

/// What must be equal for figures to be compared: not the target, the threads or the files.
std::string identity(const json& document) {
  json same = {{"load", need(document, "load")}, {"closed_loop", need(document, "closed_loop")}};
  const json& config = need(document, "config");
  for (const char* key : {"scenario", "cohorts", "warm_up_s", "duration_s"}) {
    if (config.contains(key)) {
      same[key] = config.at(key);
    }
  }
  if (document.contains("scenario")) {
    same["stages"] = need(document.at("scenario"), "stages");
    same["faults"] = need(document.at("scenario"), "faults");
  }
  return same.dump(-1, ' ', false, json::error_handler_t::replace);
}

/// The measured whole seconds, gathered into at most kStretchesMax.
std::vector<Stretch> stretches(const json& document) {
  const json& timeline = need(document, "timeline");
  const json& config = need(document, "config");
  const double from_s = number_or_nothing(config, "warm_up_s").value_or(0);
  const double until_s = number(need(document, "sending_s"));
  std::vector<const json*> seconds;
  if (timeline.size() > kSecondsMax) {
    throw std::out_of_range("a timeline of more than " + std::to_string(kSecondsMax) + " seconds");
  }
  for (const json& second : timeline) {
    const double begin_s = number(need(second, "second"));
    if (begin_s >= from_s && begin_s + 1 <= until_s + 1e-3) {
      seconds.push_back(&second);
    }
  }
  const std::size_t step =
      std::max<std::size_t>(1, (seconds.size() + kStretchesMax - 1) / kStretchesMax);
  std::vector<Stretch> made;
  for (std::size_t at = 0; at + step <= seconds.size(); at += step) {
    Stretch stretch;
    stretch.seconds = static_cast<double>(step);
    Histogram latency;
    for (std::size_t i = at; i < at + step; ++i) {
      stretch.acked += need(*seconds[i], "acked").get<std::uint64_t>();
      const json& hdr = need(*seconds[i], "latency_hdr");
      if (!hdr.get_ref<const std::string&>().empty()) {
        latency.merge(histogram(hdr, nullptr));
      }
    }
    for (std::size_t i = 0; i < Histogram::kBuckets; ++i) {
      if (latency.buckets()[i] != 0) {
        stretch.latency.emplace_back(static_cast<std::uint32_t>(i), latency.buckets()[i]);
      }
    }
    made.push_back(std::move(stretch));
  }
  return made;
}

} // namespace

Result<ReadRun> parse_report(std::string_view text, const std::string& name) {
  try {
    const json document = json::parse(text);
    const auto version =
        document.is_object() ? document.find("spate-loadgen-report") : document.end();
    if (version == document.end() || !version->is_number_integer()) {
      return fail(Errc::malformed_payload, name + " is no report of spate-loadgen");
    }
    if (version->get<int>() > kReportVersion) {
      return fail(Errc::malformed_payload, name + " is a report of version " + version->dump() +
                                               "; this spate-loadgen " + "knows " +
                                               std::to_string(kReportVersion));
    }
    if (!need(document, "config").is_object() || !need(document, "timeline").is_array()) {
      return fail(Errc::malformed_payload, name + " is damaged: no config or no timeline");
    }
    ReadRun run;
    run.name = name;
    run.scenario = identity(document);
    run.ok = need(document, "ok").get<bool>();
    const json& generator = need(document, "generator");
    run.saturated = need(generator, "saturated").get<bool>();
    run.generator_cpu_us = number_or_nothing(generator, "cpu_us_per_message");
    run.rate_per_s = number(need(document, "rate_per_s"));
    run.latency = histogram(need(document, "latency_hdr"), need(document, "latency_ms"));
    run.service = histogram(need(document, "service_hdr"), need(document, "service_ms"));
    if (const json& server = need(document, "server"); !server.is_null()) {
      run.server_cpu_us = number_or_nothing(server, "cpu_us_per_message");
      run.server_rss_bytes = number_or_nothing(server, "rss_bytes_max");
    }
    run.stretches = stretches(document);
    return run;
  } catch (const std::exception& error) {
    return fail(Errc::malformed_payload, name + " is damaged: " + error.what());
  }
}

Result<ReadRun> read_report(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  file.seekg(0, std::ios::end);
  const std::streamoff size = file.tellg();
  if (!file || size < 0) {
    return fail(Errc::file_unreadable, path + " can not be read");
  }
  if (static_cast<std::uint64_t>(size) > kReportBytesMax) {
    return fail(Errc::malformed_payload, path + " is larger than a report");
  }
  std::string text(static_cast<std::size_t>(size), '\0');
  file.seekg(0);
  file.read(text.data(), size);
  if (file.gcount() != size) {
    return fail(Errc::file_unreadable, path + " can not be read");
  }
  return parse_report(text, path);
}

} // namespace spate::loadgen
