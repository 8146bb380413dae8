#include "loadgen/report/server_probe.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>
#include <ctime>
#include <fstream>

#include <curl/curl.h>
#include <dirent.h>
#include <sys/stat.h>
#include <unistd.h>

namespace spate::loadgen {

namespace {

/// Newer kernels tell the number of descriptors as the folder's size; older ones make us count.
std::uint64_t open_fds(pid_t pid) {
  const std::string path = "/proc/" + std::to_string(pid) + "/fd";
  struct stat about {};
  if (::stat(path.c_str(), &about) == 0 && about.st_size > 0) {
    return static_cast<std::uint64_t>(about.st_size);
  }
  DIR* folder = ::opendir(path.c_str());
  if (folder == nullptr) {
    return 0; // Not ours to see.
  }
  std::uint64_t count = 0;
  while (const dirent* entry = ::readdir(folder)) {
    count += entry->d_name[0] != '.' ? 1 : 0;
  }
  ::closedir(folder);
  return count;
}

class Processes final : public ServerProbe {
public:
  explicit Processes(std::vector<pid_t> pids) : pids_(std::move(pids)) {}

  Result<ServerSample> sample() override {
    ServerSample sum;
    for (const pid_t pid : pids_) {
      clockid_t clock{};
      timespec cpu{};
      if (clock_getcpuclockid(pid, &clock) != 0 || clock_gettime(clock, &cpu) != 0) {
        return fail(Errc::file_unreadable, "process " + std::to_string(pid) + " has ended");
      }
      sum.cpu_s += static_cast<double>(cpu.tv_sec) + static_cast<double>(cpu.tv_nsec) / 1e9;
      std::uint64_t pages = 0;
      std::uint64_t resident = 0;
      std::ifstream("/proc/" + std::to_string(pid) + "/statm") >> pages >> resident;
      sum.rss_bytes += resident * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
      sum.open_fds += open_fds(pid);
    }
    return sum;
  }
  [[nodiscard]] std::string source() const override {
    std::string text = pids_.size() == 1 ? "process" : "processes";
    for (const pid_t pid : pids_) {
      text += " " + std::to_string(pid);
    }
    return text;
  }

private:
  std::vector<pid_t> pids_;
};

std::size_t take(char* bytes, std::size_t size, std::size_t count, void* to) {
  std::string& body = *static_cast<std::string*>(to);
  if (body.size() + size * count > kMetricsBytesMax) {
    return 0; // Ends the transfer as failed.
  }
  body.append(bytes, size * count);
  return size * count;
}

class Metrics final : public ServerProbe {
public:
  Metrics(std::string url, std::vector<std::string> counters, CURL* curl)
      : url_(std::move(url)), counters_(std::move(counters)), curl_(curl) {
    curl_easy_setopt(curl_, CURLOPT_URL, url_.c_str());
    curl_easy_setopt(curl_, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(curl_, CURLOPT_TIMEOUT_MS, 5000L);
    curl_easy_setopt(curl_, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl_, CURLOPT_WRITEFUNCTION, &take);
    curl_easy_setopt(curl_, CURLOPT_WRITEDATA, &body_);
  }
  ~Metrics() override { curl_easy_cleanup(curl_); }
  Metrics(const Metrics&) = delete;
  Metrics& operator=(const Metrics&) = delete;

  Result<ServerSample> sample() override {
    body_.clear();
    const CURLcode code = curl_easy_perform(curl_);
    if (code != CURLE_OK) {
      return fail(Errc::connect_failed, url_ + ": " + curl_easy_strerror(code));
    }
    long status = 0;
    curl_easy_getinfo(curl_, CURLINFO_RESPONSE_CODE, &status);
    if (status != 200) {
      return fail(Errc::connect_failed, url_ + ": HTTP status " + std::to_string(status));
    }
    auto sample = parse_metrics(body_, counters_);
    return sample ? std::move(sample)
                  : fail(sample.error().code, url_ + ": " + sample.error().detail);
  }
  [[nodiscard]] std::string source() const override { return url_; }

private:
  std::string url_;
  std::vector<std::string> counters_;
  std::string body_;
  CURL* curl_;
};

/// Name and value of one line; false for comments and what is no sample.
bool take_series(std::string_view line, std::string_view& name, double& value) {
  if (line.empty() || line.front() == '#') {
    return false;
  }
  const std::size_t name_end = line.find_first_of("{ \t");
  if (name_end == std::string_view::npos) {
    return false;
  }
  name = line.substr(0, name_end);
  line.remove_prefix(name_end);
  if (line.front() == '{') { // Labels; a '}' may stand in quotes.
    bool quoted = false;
    std::size_t at = 1;
    for (; at < line.size() && (quoted || line[at] != '}'); ++at) {
      if (quoted && line[at] == '\\') {
        ++at;
      } else if (line[at] == '"') {
        quoted = !quoted;
      }
    }
    if (at >= line.size()) {
      return false;
    }
    line.remove_prefix(at + 1);
  }
  while (!line.empty() && (line.front() == ' ' || line.front() == '\t')) {
    line.remove_prefix(1);
  }
  const auto read = std::from_chars(line.data(), line.data() + line.size(), value);
  return read.ec == std::errc{} && std::isfinite(value) && value >= 0;
}

} // namespace

Result<ServerSample> parse_metrics(std::string_view text,
                                   const std::vector<std::string>& counters) {
  ServerSample sample;
  bool timed = false;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    std::string_view name;
    double value = 0;
    if (take_series(text.substr(0, end), name, value)) {
      if (name == "process_cpu_seconds_total") {
        sample.cpu_s = value;
        timed = true;
      } else if (name == "process_resident_memory_bytes" && value < 1e18) {
        sample.rss_bytes = static_cast<std::uint64_t>(value);
      } else if (name == "process_open_fds" && value < 1e18) {
        sample.open_fds = static_cast<std::uint64_t>(value);
      }
      for (const std::string& counter : counters) {
        if (name == counter) {
          sample.counters[counter] += value;
        }
      }
    }
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  if (!timed) {
    return fail(Errc::malformed_payload, "no process_cpu_seconds_total in the metrics");
  }
  return sample;
}

Result<std::unique_ptr<ServerProbe>> probe_processes(std::vector<pid_t> pids) {
  if (pids.empty() || pids.size() > kServerPidsMax) {
    return fail(Errc::usage,
                "--server-pid takes from 1 to " + std::to_string(kServerPidsMax) + " processes");
  }
  for (const pid_t pid : pids) {
    // clock_getcpuclockid() takes numbers that no process can have.
    if (pid <= 0 || ::access(("/proc/" + std::to_string(pid)).c_str(), F_OK) != 0) {
      return fail(Errc::usage, "there is no process " + std::to_string(pid));
    }
  }
  return std::unique_ptr<ServerProbe>(std::make_unique<Processes>(std::move(pids)));
}

Result<std::unique_ptr<ServerProbe>> probe_metrics(std::string url,
                                                   std::vector<std::string> counters) {
  if (url.rfind("http://", 0) != 0 && url.rfind("https://", 0) != 0) {
    return fail(Errc::usage, "--server-metrics " + url + " is not http://HOST:PORT/metrics");
  }
  if (counters.size() > kServerCountersMax) {
    return fail(Errc::usage, "--server-counter is given more than " +
                                 std::to_string(kServerCountersMax) + " times");
  }
  static const CURLcode ready = curl_global_init(CURL_GLOBAL_DEFAULT);
  CURL* curl = ready == CURLE_OK ? curl_easy_init() : nullptr;
  if (curl == nullptr) {
    return fail(Errc::connect_failed, "libcurl does not start");
  }
  return std::unique_ptr<ServerProbe>(
      std::make_unique<Metrics>(std::move(url), std::move(counters), curl));
}

} // namespace spate::loadgen
