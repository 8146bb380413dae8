#include "node/config.hpp"

#include <array>
#include <fstream>
#include <set>
#include <sstream>
#include <utility>

// What people write can reach its assertions ("[[[a]"); its error handling behind them is sound.
// With NDEBUG they would be promises to the optimizer.
#pragma push_macro("NDEBUG")
#undef NDEBUG
#define TOML_ASSERT(expr) static_assert(true)
#define TOML_EXCEPTIONS 0
#include <toml++/toml.h>
#pragma pop_macro("NDEBUG")

namespace spate::node {

namespace {

constexpr std::array<std::pair<std::string_view, storage::Durability>, 3> kDurabilities = {
    {{"fsync", storage::Durability::fsync},
     {"os", storage::Durability::os},
     {"memory", storage::Durability::memory}}};
constexpr std::array<std::pair<std::string_view, log::Level>, 4> kLevels = {
    {{"debug", log::Level::debug},
     {"info", log::Level::info},
     {"warn", log::Level::warn},
     {"error", log::Level::error}}};
constexpr std::array<std::pair<std::string_view, log::Format>, 2> kFormats = {
    {{"human", log::Format::human}, {"json", log::Format::json}}};

constexpr std::uint64_t kStoreBytesMost = 1ull << 40; ///< Of tails, of log: more is a slip.

template <class T, std::size_t N>
std::optional<T> look_up(const std::array<std::pair<std::string_view, T>, N>& names,
                         std::string_view name) noexcept {
  for (const auto& [text, value] : names) {
    if (text == name) {
      return value;
    }
  }
  return std::nullopt;
}

template <class T, std::size_t N>
std::string choices(const std::array<std::pair<std::string_view, T>, N>& names) {
  std::string text;
  for (const auto& [name, value] : names) {
    text.append(text.empty() ? "" : ", ").append(name);
  }
  return text;
}

/// What the readers of one document share.
struct Document {
  const std::string& file;
  std::map<std::string, std::string, std::less<>>& places;
  std::optional<Error> error; ///< The first one.

  [[nodiscard]] std::string place(const toml::source_region& where) const {
    return file + ":" + std::to_string(where.begin.line) + ":" + std::to_string(where.begin.column);
  }
};

/// Reads one table: each get() takes a key, done() complains about keys that nobody took. The first
/// error is kept and everything after it is skipped, so callers read straight through.
class TableReader {
public:
  TableReader(const toml::table* table, std::string name, Document& document)
      : table_(table), name_(std::move(name)), document_(document) {}

  template <class Int>
  void get(std::string_view key, Int& out, std::uint64_t least, std::uint64_t most) {
    const toml::node* node = take(key);
    if (node == nullptr) {
      return;
    }
    const auto value = node->value_exact<std::int64_t>();
    if (!value || *value < 0 || static_cast<std::uint64_t>(*value) < least ||
        static_cast<std::uint64_t>(*value) > most) {
      complain(*node, key,
               "takes an integer from " + std::to_string(least) + " to " + std::to_string(most));
      return;
    }
    out = static_cast<Int>(*value);
  }

  /// A number with or without a point.
  void get(std::string_view key, double& out, double least, double most) {
    const toml::node* node = take(key);
    if (node == nullptr) {
      return;
    }
    const bool number = node->is_integer() || node->is_floating_point();
    const auto value = number ? node->value<double>() : std::nullopt;
    if (!value || !(*value >= least && *value <= most)) { // NaN is neither.
      std::ostringstream range;
      range << "takes a number from " << least << " to " << most;
      complain(*node, key, range.str());
      return;
    }
    out = *value;
  }

  void get(std::string_view key, bool& out) {
    if (const toml::node* node = take(key)) {
      if (const auto value = node->value_exact<bool>()) {
        out = *value;
      } else {
        complain(*node, key, "takes true or false");
      }
    }
  }

  /// `read(text)` gives a Result; its error's detail becomes part of ours.
  template <class Read>
  void get_text(std::string_view key, Read&& read) {
    const toml::node* node = take(key);
    if (node == nullptr) {
      return;
    }
    const auto value = node->value_exact<std::string>();
    if (!value) {
      complain(*node, key, "takes a text in quotes");
      return;
    }
    if (const Result<void> taken = read(*value); !taken) {
      complain(*node, key, taken.error().detail);
    }
  }

  template <class T, std::size_t N>
  void get_choice(std::string_view key, T& out,
                  const std::array<std::pair<std::string_view, T>, N>& names) {
    get_text(key, [&](const std::string& text) -> Result<void> {
      const auto value = look_up(names, text);
      if (!value) {
        return fail(Errc::config_invalid, "takes one of: " + choices(names));
      }
      out = *value;
      return {};
    });
  }

  void get_texts(std::string_view key, std::vector<std::string>& out) {
    const toml::node* node = take(key);
    if (node == nullptr) {
      return;
    }
    const toml::array* array = node->as_array();
    std::vector<std::string> texts;
    for (std::size_t i = 0; array != nullptr && i < array->size(); ++i) {
      if (const auto text = array->get(i)->value_exact<std::string>()) {
        texts.push_back(*text);
      }
    }
    if (array == nullptr || texts.size() != array->size() || texts.empty()) {
      complain(*node, key, "takes a list of texts in quotes");
      return;
    }
    out = std::move(texts);
  }

  [[nodiscard]] const toml::node* take(std::string_view key) {
    if (table_ == nullptr || document_.error) {
      return nullptr;
    }
    taken_.emplace(key);
    const toml::node* node = table_->get(key);
    if (node != nullptr) {
      document_.places[full_name(key)] = document_.place(node->source());
    }
    return node;
  }

  void complain(const toml::node& node, std::string_view key, std::string_view what) {
    complain(node.source(), full_name(key) + " " + std::string(what));
  }

  void done() {
    if (table_ == nullptr || document_.error) {
      return;
    }
    for (auto&& [key, node] : *table_) {
      if (!taken_.contains(std::string(key.str()))) {
        std::string known;
        for (const std::string& name : taken_) {
          known.append(known.empty() ? "" : ", ").append(name);
        }
        complain(key.source(), "unknown key '" + std::string(key.str()) + "'" +
                                   (name_.empty() ? "" : " in [" + name_ + "]") +
                                   "; known are: " + known);
        return;
      }
    }
  }

private:
  void complain(const toml::source_region& where, const std::string& what) {
    if (!document_.error) {
      document_.error = Error{Errc::config_invalid, document_.place(where) + ": " + what};
    }
  }
  [[nodiscard]] std::string full_name(std::string_view key) const {
    return std::string(name_.empty() ? "" : name_ + ".").append(key);
  }

  const toml::table* table_;
  std::string name_;
  Document& document_;
  std::set<std::string> taken_;
};

/// One document: its tables and routes.
class Reader {
public:
  Reader(const toml::table& root, const std::string& file, Config& config)
      : root_(&root), document_{file, config.places, {}}, config_(config) {}

  Result<void> read() {
    TableReader top(root_, "", document_);
    top.get("allow_insecure", config_.allow_insecure);
    top.get("loops", config_.loops, 0, 256);
    top.get("memory_limit_bytes", config_.memory_limit_bytes, 0, 1ull << 50);
    read_mqtt(table(top, "mqtt"));
    read_sessions(table(top, "sessions"));
    read_http(table(top, "http"));
    read_store(table(top, "store"));
    read_backup(table(top, "backup"));
    read_telemetry(table(top, "telemetry"));
    read_commands(table(top, "commands"));
    read_log(table(top, "log"));
    read_routes(top);
    top.done();
    if (document_.error) {
      return fail(std::move(*document_.error));
    }
    return {};
  }

private:
  TableReader table(TableReader& top, const char* name) {
    const toml::node* node = top.take(name);
    if (node != nullptr && !node->is_table()) {
      top.complain(*node, name, "is a table: write [" + std::string(name) + "] above its keys");
    }
    return {node == nullptr ? nullptr : node->as_table(), name, document_};
  }

  static auto address_into(net::Address& out) {
    return [&out](const std::string& text) -> Result<void> {
      auto address = net::parse_address(text);
      if (!address) {
        return fail(std::move(address.error()));
      }
      out = *address;
      return {};
    };
  }

  /// `Seconds` is a number or an optional one.
  template <class Seconds>
  static auto retention_into(Seconds& out) {
    return [&out](const std::string& text) -> Result<void> {
      auto seconds = retention_of(text);
      if (!seconds) {
        return fail(std::move(seconds.error()));
      }
      out = *seconds;
      return {};
    };
  }

  void read_mqtt(TableReader mqtt) {
    actors::SessionLimits& limits = config_.session;
    mqtt.get_text("listen", address_into(config_.mqtt));
    mqtt.get("connections_max", config_.connections_max, 0, 10'000'000);
    mqtt.get("packet_bytes_max", limits.packet_bytes_max, 1024, 64u << 20);
    mqtt.get("connect_bytes_max", limits.connect_bytes_max, 256, 1u << 20);
    mqtt.get("receive_maximum", limits.receive_maximum, 1, 65535);
    mqtt.get("topic_alias_maximum", limits.topic_alias_maximum, 0, 65535);
    mqtt.get("keep_alive_s_max", limits.keep_alive_s_max, 1, 65535);
    mqtt.get("connect_timeout_ms", limits.connect_timeout_ms, 100, 600'000);
    mqtt.get("subscriptions_max", limits.subscriptions_max, 0, 100'000);
    mqtt.done();
  }

  void read_sessions(TableReader sessions) {
    storage::SessionStoreOptions& options = config_.sessions;
    actors::SessionLimits& limits = config_.session;
    sessions.get("expiry_s_max", limits.session_expiry_s_max, 0, 0xffff'ffff);
    sessions.get("sessions_max", options.sessions_max, 1, 100'000'000);
    sessions.get("queue_messages_max", options.queue_messages_max, 1, 1'000'000);
    sessions.get("queue_bytes_max", options.queue_bytes_max, 1024, 1u << 30);
    sessions.get("unsent_bytes_max", limits.unsent_bytes_max, 1024, 1u << 30);
    sessions.get("retained_max", options.retained_max, 0, 100'000'000);
    sessions.get("retained_bytes_max", options.retained_bytes_max, 0, 1ull << 40);
    sessions.done();
    limits.queue_messages_max = options.queue_messages_max;
    limits.queue_bytes_max = options.queue_bytes_max;
  }

  void read_http(TableReader http) {
    http.get_text("listen", address_into(config_.http));
    http.get("body_bytes_max", config_.http_body_bytes_max, 1024, 1u << 30);
    http.done();
  }

  void read_store(TableReader store) {
    storage::StoreOptions& options = config_.store;
    store.get_texts("data_dirs", options.data_dirs);
    store.get("shards", options.shards, 1, 1024);
    store.get_choice("durability", options.durability, kDurabilities);
    store.get("commit_interval_us", options.commit_interval_us, 0, 1'000'000);
    store.get("devices_max", options.devices_max, 1, 0xffff'fffe);
    store.get("shapes_per_device_max", options.shapes_per_device_max, 1, 65535);
    store.get("seal_rows", options.seal_rows, 1, 4096);
    store.get("seal_age_ms", options.seal_age_ms, 1000, 30ull * 86'400'000);
    store.get("tail_bytes_max", options.tail_bytes_max, 0, kStoreBytesMost);
    store.get("log_bytes_max", options.log_bytes_max, 0, kStoreBytesMost);
    store.get("fold_cpu_max", options.fold_cpu_max, 0.01, 1.0);
    store.get("fold_age_ms", options.fold_age_ms, 1000, 30ull * 86'400'000);
    store.get_text("retention", retention_into(config_.retention_s));
    store.get("log_retention_bytes", options.log_retention_bytes, 0, 1ull << 50);
    store.get_text("log_retention", retention_into(options.log_retention_s));
    store.get("rejections_max", options.rejections_max, 0, 100'000'000);
    store.get("disk_free_min_bytes", options.disk_free_min_bytes, 0, 1ull << 50);
    store.done();
  }

  void read_backup(TableReader backup) {
    backup.get_text("directory", [&](const std::string& text) -> Result<void> {
      if (text.empty()) {
        return fail(Errc::config_invalid, "is empty; without backups leave the key out");
      }
      config_.backup_directory = text;
      return {};
    });
    backup.done();
  }

  void read_telemetry(TableReader telemetry) {
    telemetry::ParserLimits& limits = config_.parser;
    telemetry.get("payload_bytes_max", limits.payload_bytes_max, 2, 64u << 20);
    telemetry.get("fields_max", limits.fields_max, 1, 65535);
    telemetry.get("records_max", limits.records_max, 1, 1'000'000);
    telemetry.done();
  }

  void read_commands(TableReader commands) {
    actors::CommandServiceOptions& options = config_.commands;
    commands.get("in_flight_max", options.limits.in_flight_max, 1, 1000);
    commands.get("queue_max", options.log.open_per_device_max, 1, 1'000'000);
    commands.get("open_max", options.log.open_max, 1, 1'000'000'000);
    commands.get("history_max", options.log.history_max, 0, 1'000'000'000);
    commands.get("history_ms", options.log.history_ms, 0, 10ull * 365 * 86'400'000);
    commands.get("thingsboard_rpc", config_.session.thingsboard_rpc);
    commands.get("priorities", options.priorities);
    commands.done();
  }

  void read_log(TableReader log) {
    log.get_choice("level", config_.log_level, kLevels);
    log.get_choice("format", config_.log_format, kFormats);
    log.done();
  }

  void read_routes(TableReader& top) {
    const toml::node* node = top.take("route");
    if (node == nullptr) {
      return;
    }
    const toml::array* tables = node->as_array();
    if (tables == nullptr || !tables->is_array_of_tables()) {
      top.complain(*node, "route", "is a list of tables: write [[route]] above each");
      return;
    }
    config_.routes.clear();
    for (std::size_t i = 0; i < tables->size(); ++i) {
      read_route(*tables->get(i)->as_table());
    }
  }

  void read_route(const toml::table& table) {
    telemetry::Route route;
    route.pattern.clear();
    TableReader reader(&table, "route", document_);
    reader.get_text("topic", [&](const std::string& text) {
      route.pattern = text;
      return check_topic(route);
    });
    reader.get_text("format", [&](const std::string& text) -> Result<void> {
      const auto format = telemetry::format_of(text);
      if (!format) {
        return fail(Errc::config_invalid, "takes one of: auto, flat, text");
      }
      route.format = *format;
      return {};
    });
    reader.get_text("time_field", [&](const std::string& text) -> Result<void> {
      if (const char* why = telemetry::time_field_fault(text)) {
        return fail(Errc::config_invalid, why);
      }
      route.time_field = text;
      return {};
    });
    reader.get_text("time_unit", [&](const std::string& text) -> Result<void> {
      const auto unit = telemetry::time_unit_of(text);
      if (!unit) {
        return fail(Errc::config_invalid, "takes one of: auto, s, ms, us, ns, rfc3339");
      }
      route.time_unit = *unit;
      return {};
    });
    reader.get("future_max_ms", route.future_max_ms, 0, 100ull * 365 * 86'400'000);
    reader.get_text("retention", retention_into(route.retention_s));
    reader.done();
    if (route.pattern.empty() && !document_.error) {
      reader.complain(table, "topic", "is missing: which topics does this route take?");
    }
    config_.routes.push_back(std::move(route));
  }

  /// Of a route that has its pattern and nothing else.
  Result<void> check_topic(const telemetry::Route& route) const {
    for (std::size_t i = 0; i < config_.routes.size(); ++i) {
      if (config_.routes[i].pattern == route.pattern) {
        return fail(Errc::config_invalid, "`" + route.pattern + "` is that of route " +
                                              std::to_string(i + 1) +
                                              " already, so this one would never match");
      }
    }
    return telemetry::RouteTable::check(route);
  }

  const toml::table* root_;
  Document document_;
  Config& config_;
};

} // namespace

Result<Config> parse_config(std::string_view toml, const std::string& file_name) {
  const toml::parse_result parsed = toml::parse(toml);
  if (!parsed) {
    const toml::parse_error& error = parsed.error();
    const auto where = error.source().begin;
    return fail(Errc::config_invalid, file_name + ":" + std::to_string(where.line) + ":" +
                                          std::to_string(where.column) + ": " +
                                          std::string(error.description()));
  }
  Config config;
  if (auto read = Reader(parsed.table(), file_name, config).read(); !read) {
    return fail(std::move(read.error()));
  }
  return config;
}

Result<Config> load_config(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::stringstream text;
  if (file && file.peek() != std::ifstream::traits_type::eof()) {
    text << file.rdbuf(); // Of an empty file it would fail.
  }
  if (!file.is_open() || file.bad() || !text) {
    return fail(Errc::file_unreadable, "can not read the configuration file " + path);
  }
  return parse_config(text.str(), path);
}

std::optional<storage::Durability> durability_of(std::string_view name) noexcept {
  return look_up(kDurabilities, name);
}

std::string_view name_of(storage::Durability durability) noexcept {
  return kDurabilities[static_cast<std::size_t>(durability)].first;
}

std::optional<log::Level> log_level_of(std::string_view name) noexcept {
  return look_up(kLevels, name);
}

std::optional<log::Format> log_format_of(std::string_view name) noexcept {
  return look_up(kFormats, name);
}

} // namespace spate::node
