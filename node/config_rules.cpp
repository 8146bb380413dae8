// What holds between the values of a configuration, and what it is by default.
#include <algorithm>
#include <array>
#include <charconv>
#include <filesystem>
#include <set>
#include <thread>
#include <utility>

#include <sys/resource.h>
#include <unistd.h>

#include "node/config.hpp"

namespace spate::node {

namespace {

/// A sentence about the value of `key`, behind its place if the file holds it.
tl::unexpected<Error> wrong(const Config& config, std::string_view key, const std::string& what) {
  const auto place = config.places.find(key);
  return fail(Errc::config_invalid,
              place == config.places.end() ? what : place->second + ": " + what);
}

constexpr std::uint64_t kHttpBufferBytesMin = 32u << 20; ///< Two bodies of the default size.
constexpr std::uint64_t kHttpBufferBytesEnough = 128u << 20;

std::uint64_t memory_limit_bytes(const Config& config) {
  return config.memory_limit_bytes != 0
             ? config.memory_limit_bytes
             : static_cast<std::uint64_t>(sysconf(_SC_PHYS_PAGES)) *
                   static_cast<std::uint64_t>(sysconf(_SC_PAGE_SIZE)) / 4;
}

/// What the memory limit leaves for HTTP.
std::uint64_t http_buffer_bytes_most(const Config& config) {
  return std::max(kHttpBufferBytesMin, memory_limit_bytes(config) / 8);
}

/// A body of unknown length doubles its buffer as it comes, so it may take twice its size.
std::uint64_t http_buffer_bytes_needed(const Config& config) {
  return 2 * std::uint64_t{config.http_body_bytes_max};
}

constexpr std::uint64_t kStoreBytesLeast = 1u << 20; ///< Of tails, of log.
constexpr std::size_t kRetentionsMax = 64;

/// What is said by hand may take more than its shares, but not what the others live on.
Result<void> validate_store_memory(const Config& config) {
  const std::uint64_t most =
      std::max(memory_limit_bytes(config) / 4 / config.store.data_dirs.size(), kStoreBytesLeast);
  const std::pair<const char*, std::uint64_t> parts[] = {
      {"store.tail_bytes_max", config.store.tail_bytes_max},
      {"store.log_bytes_max", config.store.log_bytes_max}};
  for (const auto& [key, bytes] : parts) {
    if (bytes != 0 && bytes < kStoreBytesLeast) {
      return wrong(config, key,
                   std::string(key) + " takes at least " + std::to_string(kStoreBytesLeast) +
                       ", or 0 for what suits the memory limit");
    }
    if (bytes > most) {
      return wrong(config, key,
                   std::string(key) + " of " + std::to_string(bytes) +
                       " bytes a data directory does not fit into the memory limit, of which a "
                       "quarter at most may be for it: set it to at most " +
                       std::to_string(most) + ", or raise --memory-limit");
    }
  }
  return {};
}

/// A path without its dots, for comparison. The directory need not exist.
std::filesystem::path plain(const std::string& directory) {
  std::error_code ignored;
  std::filesystem::path path = std::filesystem::absolute(directory, ignored).lexically_normal();
  return path.has_filename() ? path : path.parent_path();
}

bool within(const std::filesystem::path& inner, const std::filesystem::path& outer) {
  return std::mismatch(outer.begin(), outer.end(), inner.begin(), inner.end()).first == outer.end();
}

/// A backup inside what it backs up is lost with it, and grows with each copy of itself.
Result<void> validate_backup(const Config& config) {
  if (config.backup_directory.empty()) {
    return {};
  }
  const std::filesystem::path backup = plain(config.backup_directory);
  for (const std::string& directory : config.store.data_dirs) {
    const std::filesystem::path data = plain(directory);
    if (within(backup, data) || within(data, backup)) {
      return wrong(config, "backup.directory",
                   "the backup directory " + config.backup_directory + " and the data directory " +
                       directory +
                       " must not lie within each other: choose another, best on another disk");
    }
  }
  return {};
}

/// The different ones among the routes.
std::set<std::uint32_t> retentions(const Config& config) {
  std::set<std::uint32_t> kept;
  for (const telemetry::Route& route : config.routes) {
    kept.insert(route.retention_s.value_or(config.retention_s));
  }
  return kept;
}

struct Unit {
  char letter;
  std::uint32_t seconds;
};
constexpr std::array<Unit, 5> kUnits = {
    {{'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86'400}, {'w', 604'800}}};
constexpr std::string_view kForever = "forever";
constexpr std::uint64_t kRetentionLeastS = 60;
constexpr std::uint64_t kRetentionMostS = 100ull * 365 * 86'400;

} // namespace

Result<std::uint32_t> retention_of(std::string_view text) {
  if (text == kForever) {
    return 0u;
  }
  std::uint64_t count = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), count);
  const auto unit = std::find_if(kUnits.begin(), kUnits.end(), [&, at = end](const Unit& each) {
    return at + 1 == text.data() + text.size() && *at == each.letter;
  });
  if (error != std::errc() || unit == kUnits.end()) {
    return fail(Errc::config_invalid,
                "takes \"forever\" or a whole number and its unit (s, m, h, d, w), as \"30d\"");
  }
  if (count > kRetentionMostS || count * unit->seconds < kRetentionLeastS ||
      count * unit->seconds > kRetentionMostS) {
    return fail(Errc::config_invalid, "takes from \"1m\" to \"36500d\", or \"forever\"");
  }
  return static_cast<std::uint32_t>(count * unit->seconds);
}

Result<void> validate(const Config& config) {
  struct Door {
    const char* name;
    const char* key;
    const net::Address* address;
  };
  const Door doors[] = {{"MQTT", "mqtt.listen", &config.mqtt},
                        {"HTTP", "http.listen", &config.http}};
  for (const auto& [name, key, address] : doors) {
    if (!address->loopback() && !config.allow_insecure) {
      return wrong(config, key,
                   std::string(name) + " would listen on " + address->text() +
                       ", where others reach it, but this version has neither TLS nor "
                       "authentication: listen on "
                       "127.0.0.1, or say --allow-insecure if the network itself is trusted");
    }
  }
  if (config.mqtt.port != 0 && config.mqtt.port == config.http.port &&
      config.mqtt.host == config.http.host) {
    return wrong(config, "http.listen",
                 "MQTT and HTTP can not both listen on " + config.mqtt.text());
  }
  std::set<std::string> directories(config.store.data_dirs.begin(), config.store.data_dirs.end());
  if (config.store.data_dirs.empty() || directories.size() != config.store.data_dirs.size()) {
    return wrong(config, "store.data_dirs",
                 config.store.data_dirs.empty() ? "no data directory: give --data-dir DIR"
                                                : "a data directory is named twice");
  }
  if (config.store.shards < config.store.data_dirs.size()) {
    const bool shards_said = config.places.contains("store.shards");
    return wrong(config, shards_said ? "store.shards" : "store.data_dirs",
                 std::to_string(config.store.data_dirs.size()) +
                     " data directories need at least as many shards; " +
                     std::to_string(config.store.shards) + " are set");
  }
  if (http_buffer_bytes_needed(config) > http_buffer_bytes_most(config)) {
    return wrong(config, "http.body_bytes_max",
                 "HTTP bodies of up to " + std::to_string(config.http_body_bytes_max) +
                     " bytes do not fit into the memory limit, an eighth of which is for HTTP: "
                     "set http.body_bytes_max to at most " +
                     std::to_string(http_buffer_bytes_most(config) / 2) +
                     ", or raise --memory-limit");
  }
  if (auto fits = validate_store_memory(config); !fits) {
    return fits;
  }
  if (auto apart = validate_backup(config); !apart) {
    return apart;
  }
  if (const std::size_t kept = retentions(config).size(); kept > kRetentionsMax) {
    return wrong(config, "route",
                 "the routes keep their records for " + std::to_string(kept) +
                     " different times; at most " + std::to_string(kRetentionsMax) +
                     " are possible, since each has files of its own");
  }
  if (auto routes = telemetry::RouteTable::compile(config.routes); !routes) {
    return fail(std::move(routes.error()));
  }
  return {};
}

void settle_defaults(Config& config) {
  if (config.loops == 0) {
    config.loops = std::max(1u, std::thread::hardware_concurrency() - 1);
  }
  config.memory_limit_bytes = memory_limit_bytes(config);
  if (config.connections_max == 0) {
    rlimit files{};
    getrlimit(RLIMIT_NOFILE, &files);
    constexpr rlim_t kForOthers = 1000; // The store's files, HTTP, logs.
    config.connections_max = static_cast<std::uint32_t>(std::clamp<rlim_t>(
        files.rlim_cur > kForOthers ? files.rlim_cur - kForOthers : 64, 64, 10'000'000));
  }
  // Of the limit: 1/8 tails, 1/8 log (the same rows once more), 1/16 queued blocks, 1/16 blocks of
  // the loops, 1/8 bodies and answers of HTTP; the rest is for connections, RocksDB's own buffers
  // and the allocator's slack. Never more than what helps.
  const std::uint64_t share = config.memory_limit_bytes / 8 / config.store.data_dirs.size();
  const auto part = [](std::uint64_t bytes, std::uint64_t most) {
    return static_cast<std::size_t>(std::clamp<std::uint64_t>(bytes, kStoreBytesLeast, most));
  };
  if (config.store.tail_bytes_max == 0) {
    config.store.tail_bytes_max = part(share, 256u << 20);
  }
  if (config.store.log_bytes_max == 0) {
    config.store.log_bytes_max = part(share, 192u << 20);
  }
  config.store.queue_bytes_max = part(share / 2, 64u << 20);
  for (telemetry::Route& route : config.routes) {
    route.retention_s = route.retention_s.value_or(config.retention_s);
  }
  config.http_buffered_bytes_max = static_cast<std::size_t>(
      std::min(std::max(kHttpBufferBytesEnough, http_buffer_bytes_needed(config)),
               http_buffer_bytes_most(config)));
}

} // namespace spate::node
