// Spate - the configuration of a node: what it means, its defaults, and its TOML form.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "actors/command_service.hpp"
#include "actors/device_loop.hpp"
#include "engine/base/log.hpp"
#include "engine/base/result.hpp"
#include "engine/net/listener.hpp"
#include "engine/telemetry/route.hpp"
#include "storage/store.hpp"

namespace spate::node {

struct Config {
  net::Address mqtt{"127.0.0.1", 1883};
  net::Address http{"127.0.0.1", 8080};
  bool allow_insecure =
      false; ///< Listen off loopback although there is neither TLS nor authentication yet.
  std::uint32_t loops = 0;              ///< Device loops; 0 = cores - 1, at least 1.
  std::uint64_t memory_limit_bytes = 0; ///< 0 = a quarter of the machine's memory.
  std::uint32_t connections_max = 0; ///< MQTT, of the node; 0 = as many as file descriptors allow.
  std::size_t http_body_bytes_max = 16u << 20;
  std::size_t http_buffered_bytes_max = 0; ///< All bodies and answers; settle_defaults() sets it.
  storage::StoreOptions store = sized_by_memory(); ///< Bytes of tails and log: 0 = by the limit.
  std::uint32_t retention_s = 0; ///< Of routes that do not say theirs; 0: for ever.
  std::string backup_directory;  ///< Empty: no backups.
  actors::SessionLimits session;
  storage::SessionStoreOptions sessions; ///< Its directory lies in the first data directory.
  telemetry::ParserLimits parser;
  actors::CommandServiceOptions commands; ///< Its directory lies in the first data directory.
  std::vector<telemetry::Route> routes{{}};
  log::Level log_level = log::Level::info;
  log::Format log_format = log::Format::human;
  /// Where the file says it: "http.listen" -> "FILE:LINE:COLUMN". What is said again elsewhere is
  /// taken out.
  std::map<std::string, std::string, std::less<>> places;

private:
  static storage::StoreOptions sized_by_memory() {
    storage::StoreOptions store;
    store.tail_bytes_max = 0;
    store.log_bytes_max = 0;
    return store;
  }
};

/// Reads a TOML document on top of the defaults. Error: config_invalid; its detail is
/// "FILE:LINE:COLUMN: what is wrong and what is allowed". Unknown keys are errors: a misspelt limit
/// must not be silently without effect.
Result<Config> parse_config(std::string_view toml, const std::string& file_name);
/// The same from a file. Error: also file_unreadable.
Result<Config> load_config(const std::string& path);

/// What holds between values, after file, environment and command line are merged. Error:
/// config_invalid.
Result<void> validate(const Config& config);

/// Fills what is 0 for "choose for me", divides the memory limit among the parts of the node, and
/// gives each route its retention.
void settle_defaults(Config& config);

/// "forever" (0), or a whole number and its unit: "90s", "15m", "36h", "30d", "8w". Error:
/// config_invalid; its detail says what is allowed.
Result<std::uint32_t> retention_of(std::string_view text);
[[nodiscard]] std::optional<storage::Durability> durability_of(std::string_view name) noexcept;
[[nodiscard]] std::string_view name_of(storage::Durability durability) noexcept;
[[nodiscard]] std::optional<log::Level> log_level_of(std::string_view name) noexcept;
[[nodiscard]] std::optional<log::Format> log_format_of(std::string_view name) noexcept;

} // namespace spate::node
