#include "loadgen/report/report_files.hpp"

#include <cstdio>
#include <cstring>
#include <fstream>

#include <nlohmann/json.hpp>

#include "loadgen/base/hdr_codec.hpp"
#include "loadgen/base/hdr_log.hpp"
#include "loadgen/report/html.hpp"
#include "loadgen/report/junit.hpp"

namespace spate::loadgen {

namespace {

using nlohmann::json;

std::string json_text(const json& document) {
  return document.dump(2, ' ', false, json::error_handler_t::replace) + "\n";
}

Result<void> write(const std::string& path, const std::string& text) {
  // What is no file, as /dev/stderr, can not be renamed to.
  const bool device = path.starts_with("/dev/");
  const std::string beside = device ? path : path + ".part";
  std::ofstream file(beside, std::ios::trunc);
  file << text;
  file.close();
  if (!file || (!device && std::rename(beside.c_str(), path.c_str()) != 0)) {
    const std::string why = std::strerror(errno);
    if (!device) {
      std::remove(beside.c_str());
    }
    return fail(Errc::file_unreadable, path + " can not be written: " + why);
  }
  return {};
}

void put_total(std::string& out, const std::string& tag, const json& object, const char* hdr,
               const char* times, double length_s) {
  if (object.at(hdr).is_string()) {
    const double max_ms = object.at(times).at("max").get<double>();
    put_hdr_interval(out, tag, 0, length_s, static_cast<std::uint64_t>(max_ms * 1e6),
                     object.at(hdr).get_ref<const std::string&>());
  }
}

} // namespace

std::vector<std::string> report_names(std::string_view word) {
  if (word == "-") {
    return {"-"};
  }
  for (const std::string_view end : {".json", ".html", ".xml", ".hlog"}) {
    if (word.ends_with(end)) {
      return {std::string(word)};
    }
  }
  if (word.starts_with("/dev/")) {
    return {std::string(word)};
  }
  const std::string base(word);
  return {base + ".json", base + ".html", base + ".xml", base + ".hlog"};
}

std::string report_hlog(const json& document) {
  std::string out =
      hdr_log_header(document.at("started_ms").get<std::int64_t>(),
                     "spate-loadgen " + document.at("generator_version").get<std::string>() + ", " +
                         document.at("load").get<std::string>());
  for (const json& second : document.at("timeline")) {
    const auto& hdr = second.at("latency_hdr").get_ref<const std::string&>();
    if (!hdr.empty()) {
      put_hdr_interval(out, "", second.at("second").get<double>(), 1,
                       static_cast<std::uint64_t>(second.at("max_ms").get<double>() * 1e6), hdr);
    }
  }
  const double length_s = document.at("sending_s").get<double>();
  const auto put_totals = [&out, length_s](const std::string& prefix, const json& object) {
    put_total(out, prefix + "latency", object, "latency_hdr", "latency_ms", length_s);
    put_total(out, prefix + "service", object, "service_hdr", "service_ms", length_s);
    put_total(out, prefix + "connect", object, "connect_hdr", "connect_ms", length_s);
    put_total(out, prefix + "delivery", object, "delivery_hdr", "delivery_ms", length_s);
  };
  put_totals("total.", document);
  for (const json& cohort : document.at("cohorts")) {
    put_totals("cohort." + cohort.at("name").get<std::string>() + ".", cohort);
  }
  return out;
}

Result<void> write_json(const std::string& path, const json& document) {
  const std::string text = json_text(document);
  if (path != "-") {
    return write(path, text);
  }
  if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size() || std::fflush(stdout) != 0) {
    return fail(Errc::file_unreadable, "standard output can not be written");
  }
  return {};
}

Result<void> write_reports(const std::string& word, const json& document) {
  for (const std::string& name : report_names(word)) {
    const auto written = name.ends_with(".html")   ? write(name, report_html(document))
                         : name.ends_with(".xml")  ? write(name, report_junit(document))
                         : name.ends_with(".hlog") ? write(name, report_hlog(document))
                                                   : write_json(name, document);
    if (!written) {
      return written;
    }
  }
  return {};
}

} // namespace spate::loadgen
