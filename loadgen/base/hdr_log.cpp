#include "loadgen/base/hdr_log.hpp"

#include <charconv>
#include <cmath>
#include <cstdio>
#include <ctime>

#include "loadgen/base/hdr_codec.hpp"

namespace spate::loadgen {

namespace {

constexpr std::string_view kStartTime = "#[StartTime: ";
constexpr std::string_view kTag = "Tag=";
constexpr std::size_t kTagBytesMax = 256;

bool take_number(std::string_view& in, double& value) {
  const auto read = std::from_chars(in.data(), in.data() + in.size(), value);
  if (read.ec != std::errc{} || !std::isfinite(value) || value < 0) {
    return false;
  }
  in.remove_prefix(static_cast<std::size_t>(read.ptr - in.data()));
  return true;
}

bool take_field(std::string_view& in, double& value) {
  if (!take_number(in, value) || !in.starts_with(',')) {
    return false;
  }
  in.remove_prefix(1);
  return true;
}

} // namespace

std::string hdr_log_header(std::int64_t start_ms, std::string_view comment) {
  std::string out = "#";
  for (const char c : comment) {
    out += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
  }
  const auto seconds = static_cast<std::time_t>(start_ms / 1000);
  std::tm utc{};
  gmtime_r(&seconds, &utc);
  char when[64];
  std::strftime(when, sizeof when, "%a %b %d %H:%M:%S UTC %Y", &utc);
  char line[160];
  std::snprintf(line, sizeof line, "%.*s%.3f (seconds since epoch), %s]\n",
                static_cast<int>(kStartTime.size()), kStartTime.data(),
                static_cast<double>(start_ms) / 1e3, when);
  out += "\n#[Histogram log format version 1.3]\n";
  out += line;
  out += R"("StartTimestamp","Interval_Length","Interval_Max","Interval_Compressed_Histogram")";
  return out + "\n";
}

void put_hdr_interval(std::string& out, std::string_view tag, double start_s, double length_s,
                      std::uint64_t max_ns, std::string_view base64) {
  if (!tag.empty()) {
    out += kTag;
    for (const char c : tag.substr(0, kTagBytesMax)) {
      out += static_cast<unsigned char>(c) <= 0x20 || c == ',' ? '_' : c;
    }
    out += ',';
  }
  char numbers[96];
  std::snprintf(numbers, sizeof numbers, "%.3f,%.3f,%.3f,", start_s, length_s,
                static_cast<double>(max_ns) / 1e6);
  out += numbers;
  out += base64;
  out += '\n';
}

Result<bool> HdrLogReader::line(std::string_view line, HdrInterval& to) {
  while (!line.empty() && (line.back() == '\r' || line.back() == '\n' || line.back() == ' ')) {
    line.remove_suffix(1);
  }
  if (line.starts_with(kStartTime)) {
    std::string_view rest = line.substr(kStartTime.size());
    if (!take_number(rest, start_epoch_s_)) {
      return fail(Errc::malformed_payload, "the StartTime of the log is not a number");
    }
    return false;
  }
  if (line.empty() || line.front() == '#' || line.front() == '"') {
    return false;
  }
  to.tag.clear();
  if (line.starts_with(kTag)) {
    const std::size_t comma = line.find(',');
    if (comma == std::string_view::npos || comma - kTag.size() > kTagBytesMax) {
      return fail(Errc::malformed_payload, "a tag without an end");
    }
    to.tag = line.substr(kTag.size(), comma - kTag.size());
    line.remove_prefix(comma + 1);
  }
  double max_ms = 0;
  if (!take_field(line, to.start_s) || !take_field(line, to.length_s) ||
      !take_field(line, max_ms)) {
    return fail(Errc::malformed_payload, "not start, length, largest value and histogram");
  }
  auto values = read_hdr_base64(line);
  if (!values) {
    return fail(std::move(values.error()));
  }
  to.values = std::move(*values);
  return true;
}

} // namespace spate::loadgen
