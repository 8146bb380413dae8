#include "node/options.hpp"

#include <cstdlib>
#include <iostream>
#include <optional>

#include <CLI/CLI.hpp>

#include "cli/backup.hpp"
#include "cli/commands.hpp"
#include "cli/store_verbs.hpp"
#include "node/backup_work.hpp"
#include "node/store_work.hpp"
#include "node/version.hpp"

namespace spate::node {

namespace {

/// What the command line or the environment said; empty where they were silent.
struct Overrides {
  std::string config_file;
  std::vector<std::string> data_dirs;
  std::optional<std::string> mqtt;
  std::optional<std::string> http;
  std::optional<std::uint16_t> shards;
  std::optional<std::uint32_t> loops;
  std::optional<std::string> durability;
  std::optional<std::uint64_t> memory_limit_bytes;
  std::optional<std::string> retention;
  std::optional<std::string> backup_dir;
  std::optional<std::string> log_level;
  std::optional<std::string> log_format;
  std::optional<std::string> priorities;
  std::string allow_insecure; ///< A flag may be set and taken back; CLI11 reads no optional<bool>.
};

constexpr const char* kServeFooter = R"(
Examples:
  spate serve --data-dir ./data
      On the loopback, with no configuration: MQTT on 127.0.0.1:1883, HTTP on 127.0.0.1:8080.
  spate serve --config /etc/spate/spate.toml --log-format json
  spate serve --data-dir /disk1/spate --data-dir /disk2/spate --shards 8

  mosquitto_pub -q 1 -t devices/lamp-1/telemetry -m '{"temp":18.9,"on":true}'
  curl http://127.0.0.1:8080/api/v1/devices/lamp-1/telemetry

Every option can also be given by the environment (in brackets). What counts: command line, then environment, then
the file, then the default. SIGTERM and SIGINT stop the node after it has committed and acknowledged what it holds.)";

void add_serve_options(CLI::App& serve, Overrides& o) {
  serve.add_option("--config", o.config_file, "TOML file; see examples/spate.toml")
      ->envname("SPATE_CONFIG")
      ->type_name("FILE");
  serve
      .add_option("--data-dir", o.data_dirs,
                  "where the data lies (default ./spate-data); again for each further disk, or\n"
                  "separated by ':'")
      ->envname("SPATE_DATA_DIR")
      ->delimiter(':')
      ->type_name("DIR");
  serve.add_option("--mqtt", o.mqtt, "where devices connect (default 127.0.0.1:1883)")
      ->envname("SPATE_MQTT")
      ->type_name("HOST:PORT");
  serve.add_option("--http", o.http, "where the HTTP API is (default 127.0.0.1:8080)")
      ->envname("SPATE_HTTP")
      ->type_name("HOST:PORT");
  serve
      .add_option("--shards", o.shards, "parts of the store; fixed when it is created (default 4)")
      ->envname("SPATE_SHARDS")
      ->check(CLI::Range(1, 1024))
      ->type_name("N");
  serve.add_option("--loops", o.loops, "threads for devices (default cores - 1)")
      ->envname("SPATE_LOOPS")
      ->check(CLI::Range(0, 256))
      ->type_name("N");
  serve
      .add_option("--durability", o.durability,
                  "what an acknowledgement means: fsync (on disk, the default), os (survives a "
                  "crash of the\n"
                  "process, not of the machine), memory (survives nothing)")
      ->envname("SPATE_DURABILITY")
      ->check(CLI::IsMember({"fsync", "os", "memory"}))
      ->type_name("WORD");
  serve
      .add_option("--memory-limit", o.memory_limit_bytes,
                  "bytes, or with a unit: 2GiB (default a quarter of the memory)")
      ->envname("SPATE_MEMORY_LIMIT")
      ->transform(CLI::AsSizeValue(false))
      ->type_name("BYTES");
  serve
      .add_option("--retention", o.retention,
                  "how long records are kept where their route does not say: 30d, 36h\n"
                  "(default forever)")
      ->envname("SPATE_RETENTION")
      ->type_name("TIME");
  serve
      .add_option("--backup-dir", o.backup_dir,
                  "where backups go; on another disk, if there is one (default: no backups)")
      ->envname("SPATE_BACKUP_DIR")
      ->type_name("DIR");
  serve
      .add_option("--priorities", o.priorities,
                  "on (the default): commands go before telemetry; off: in the order of arrival,\n"
                  "to see the difference")
      ->envname("SPATE_PRIORITIES")
      ->check(CLI::IsMember({"on", "off"}))
      ->type_name("WORD");
  serve.add_option("--log-level", o.log_level, "debug, info, warn or error (default info)")
      ->envname("SPATE_LOG_LEVEL")
      ->check(CLI::IsMember({"debug", "info", "warn", "error"}))
      ->type_name("WORD");
  serve.add_option("--log-format", o.log_format, "human or json (default human)")
      ->envname("SPATE_LOG_FORMAT")
      ->check(CLI::IsMember({"human", "json"}))
      ->type_name("WORD");
  serve
      .add_flag("--allow-insecure", o.allow_insecure,
                "listen off the loopback although there is no TLS and no authentication yet;\n"
                "--allow-insecure=false where the file or the environment allows it")
      ->envname("SPATE_ALLOW_INSECURE")
      ->check(CLI::IsMember({"true", "false", "1", "0"}));
  serve.footer(kServeFooter);
  // With it CLI11 reads the environment of `serve` when that is what was asked for, and only then.
  serve.parse_complete_callback([] {});
}

/// Newer versions of CLI11 silently leave out what the environment says if it is not valid. A
/// misspelt durability must not be without effect.
Result<void> check_environment(const CLI::App& serve) {
  for (const CLI::Option* option : serve.get_options()) {
    const std::string& name = option->get_envname();
    const char* value = name.empty() ? nullptr : std::getenv(name.c_str());
    if (value != nullptr && *value != '\0' && option->count() == 0) {
      return fail(Errc::usage, name + "=" + value + " is not what " + option->get_name() +
                                   " takes; see: spate serve --help");
    }
  }
  return {};
}

Result<Config> merge(const Overrides& o) {
  Config config;
  if (!o.config_file.empty()) {
    auto loaded = load_config(o.config_file);
    if (!loaded) {
      return fail(std::move(loaded.error()));
    }
    config = std::move(*loaded);
  }
  struct Door {
    const std::optional<std::string>& text;
    const char* key;
    net::Address& address;
  };
  for (const Door& door :
       {Door{o.mqtt, "mqtt.listen", config.mqtt}, Door{o.http, "http.listen", config.http}}) {
    if (door.text) {
      auto parsed = net::parse_address(*door.text);
      if (!parsed) {
        return fail(std::move(parsed.error()));
      }
      door.address = *parsed;
      config.places.erase(door.key);
    }
  }
  if (!o.data_dirs.empty()) {
    config.store.data_dirs = o.data_dirs;
    config.places.erase("store.data_dirs");
  } else if (config.store.data_dirs.empty()) {
    config.store.data_dirs = {"./spate-data"};
  }
  if (o.shards) {
    config.store.shards = *o.shards;
    config.places.erase("store.shards");
  }
  config.loops = o.loops.value_or(config.loops);
  config.memory_limit_bytes = o.memory_limit_bytes.value_or(config.memory_limit_bytes);
  if (o.retention) {
    const auto seconds = retention_of(*o.retention);
    if (!seconds) {
      return fail(Errc::config_invalid, "--retention " + seconds.error().detail);
    }
    config.retention_s = *seconds;
  }
  if (o.backup_dir && !o.backup_dir->empty()) {
    config.backup_directory = *o.backup_dir;
    config.places.erase("backup.directory");
  }
  if (!o.allow_insecure.empty()) {
    config.allow_insecure = o.allow_insecure == "true" || o.allow_insecure == "1";
  }
  if (o.durability) {
    config.store.durability = *durability_of(*o.durability);
  }
  if (o.priorities) {
    config.commands.priorities = *o.priorities == "on";
  }
  if (o.log_level) {
    config.log_level = *log_level_of(*o.log_level);
  }
  if (o.log_format) {
    config.log_format = *log_format_of(*o.log_format);
  }
  if (auto valid = validate(config); !valid) {
    return fail(std::move(valid.error()));
  }
  return config;
}

} // namespace

Result<Options> read_options(int argc, char** argv) {
  CLI::App app{
      "Spate, an IoT ingestion node: devices in over MQTT and HTTP, durable in sharded RocksDB."};
  app.name("spate");
  app.set_version_flag("--version", version_line());
  app.require_subcommand(1);
  app.get_formatter()->column_width(34);

  Overrides overrides;
  CLI::App* serve = app.add_subcommand("serve", "run the node");
  add_serve_options(*serve, overrides);
  CLI::App* config = app.add_subcommand("config", "work with configuration files");
  config->require_subcommand(1);
  CLI::App* check = config->add_subcommand(
      "check", "say what is wrong with a file: line, column, and what to do");
  check->add_option("file", overrides.config_file, "TOML file")->required()->type_name("FILE");
  Options options;
  cli::add_command_verbs(app, options.run);
  cli::add_store_verbs(app, store_work(), options.run);
  cli::add_backup_verbs(app, options.run, backup_work());

  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (app.exit(error, std::cout, std::cerr) == 0) {
      return Options{};
    }
    return fail(Errc::usage);
  }
  if (options.run) {
    options.action = Action::run;
    return options;
  }
  if (serve->parsed()) {
    if (auto checked = check_environment(*serve); !checked) {
      return fail(std::move(checked.error()));
    }
  }
  options.action = serve->parsed() ? Action::serve : Action::config_check;
  options.config_file = overrides.config_file;
  auto merged = merge(overrides);
  if (!merged) {
    return fail(std::move(merged.error()));
  }
  options.config = std::move(*merged);
  return options;
}

} // namespace spate::node
