#include "node/config.hpp"

#include <fstream>
#include <sstream>

#include <doctest/doctest.h>

namespace spate::node {
namespace {

std::string read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

std::string fault_of(std::string_view toml) {
  const auto config = parse_config(toml, "a.toml");
  return config ? "" : config.error().detail;
}

TEST_SUITE("node.config") {
  TEST_CASE("the example holds the defaults") {
    const auto example =
        parse_config(read_file(SPATE_SOURCE_DIR "/examples/spate.toml"), "spate.toml");
    REQUIRE(example);
    Config defaults;
    CHECK(example->mqtt.text() == defaults.mqtt.text());
    CHECK(example->http.text() == defaults.http.text());
    CHECK(example->allow_insecure == defaults.allow_insecure);
    CHECK(example->loops == defaults.loops);
    CHECK(example->memory_limit_bytes == defaults.memory_limit_bytes);
    CHECK(example->connections_max == defaults.connections_max);
    CHECK(example->http_body_bytes_max == defaults.http_body_bytes_max);
    CHECK(example->log_level == defaults.log_level);
    CHECK(example->log_format == defaults.log_format);

    CHECK(example->session.packet_bytes_max == defaults.session.packet_bytes_max);
    CHECK(example->session.connect_bytes_max == defaults.session.connect_bytes_max);
    CHECK(example->session.receive_maximum == defaults.session.receive_maximum);
    CHECK(example->session.topic_alias_maximum == defaults.session.topic_alias_maximum);
    CHECK(example->session.keep_alive_s_max == defaults.session.keep_alive_s_max);
    CHECK(example->session.connect_timeout_ms == defaults.session.connect_timeout_ms);
    CHECK(example->session.subscriptions_max == defaults.session.subscriptions_max);

    CHECK(example->store.shards == defaults.store.shards);
    CHECK(example->store.durability == defaults.store.durability);
    CHECK(example->store.commit_interval_us == defaults.store.commit_interval_us);
    CHECK(example->store.devices_max == defaults.store.devices_max);
    CHECK(example->store.shapes_per_device_max == defaults.store.shapes_per_device_max);
    CHECK(example->store.seal_rows == defaults.store.seal_rows);
    CHECK(example->store.seal_age_ms == defaults.store.seal_age_ms);
    CHECK(example->store.tail_bytes_max == defaults.store.tail_bytes_max);
    CHECK(example->store.log_bytes_max == defaults.store.log_bytes_max);
    CHECK(example->store.fold_cpu_max == defaults.store.fold_cpu_max);
    CHECK(example->store.fold_age_ms == defaults.store.fold_age_ms);
    CHECK(example->store.log_retention_bytes == defaults.store.log_retention_bytes);
    CHECK(example->store.log_retention_s == defaults.store.log_retention_s);
    CHECK(example->retention_s == defaults.retention_s);
    CHECK(example->backup_directory == defaults.backup_directory);
    CHECK(example->store.rejections_max == defaults.store.rejections_max);
    CHECK(example->store.disk_free_min_bytes == defaults.store.disk_free_min_bytes);

    CHECK(example->parser.payload_bytes_max == defaults.parser.payload_bytes_max);
    CHECK(example->parser.fields_max == defaults.parser.fields_max);
    CHECK(example->parser.records_max == defaults.parser.records_max);

    REQUIRE(example->routes.size() == 4);
    const telemetry::Route& route = example->routes[0];
    CHECK(route.pattern == defaults.routes[0].pattern);
    CHECK(route.format == defaults.routes[0].format);
    CHECK(route.time_unit == defaults.routes[0].time_unit);
    CHECK(route.future_max_ms == defaults.routes[0].future_max_ms);
    CHECK(route.retention_s == defaults.routes[0].retention_s);
    CHECK(validate(*example));
  }

  TEST_CASE("what is wrong is said with its line and column") {
    CHECK(fault_of("[mqtt]\nlisten = 1883\n").starts_with("a.toml:2:10: mqtt.listen "));
    CHECK(fault_of("[mqtt]\nlisten = \"1883\"\n").starts_with("a.toml:2:10: mqtt.listen "));
    CHECK(fault_of("[store]\nshards = 0\n")
              .starts_with("a.toml:2:10: store.shards takes an integer from 1 to 1024"));
    CHECK(fault_of("[store]\ndurability = \"sometimes\"\n")
              .starts_with("a.toml:2:14: store.durability takes one of: fsync, os, memory"));
    CHECK(fault_of("loops = 1\nloops = 2\n").starts_with("a.toml:2:"));
    CHECK(fault_of("[mqtt\n").starts_with("a.toml:1:"));
    CHECK(fault_of("[[[mqtt]]]\n").starts_with("a.toml:1:3: "));
    CHECK(fault_of("[[route]]\nformat = \"flat\"\n").starts_with("a.toml:1:1: route.topic "));
    CHECK(fault_of("[[route]]\ntopic = \"a/#/b\"\n").starts_with("a.toml:2:9: route.topic "));
  }

  TEST_CASE("a misspelt key is an error that names the known ones") {
    const std::string fault = fault_of("[mqtt]\nlisten = \"127.0.0.1:1\"\nrecieve_maximum = 5\n");
    CHECK(fault.starts_with("a.toml:3:1: unknown key 'recieve_maximum' in [mqtt]"));
    CHECK(fault.find("receive_maximum") != std::string::npos);
  }

  TEST_CASE("the parts of the store say line and column, and what they take") {
    CHECK(fault_of("[store]\ntail_bytes_max = -1\n")
              .starts_with("a.toml:2:18: store.tail_bytes_max takes an integer from 0 to "));
    CHECK(fault_of("[store]\nlog_bytes_max = \"1GiB\"\n")
              .starts_with("a.toml:2:17: store.log_bytes_max takes an integer from 0 to "));
    for (const std::string value : {"0", "1.5", "nan", "true", "\"half\""}) {
      CAPTURE(value);
      CHECK(fault_of("[store]\nfold_cpu_max = " + value + "\n") ==
            "a.toml:2:16: store.fold_cpu_max takes a number from 0.01 to 1");
    }
    CHECK(fault_of("[store]\nfold_age_ms = 1\n")
              .starts_with("a.toml:2:15: store.fold_age_ms takes an integer from 1000 to "));
    CHECK(fault_of("[store]\nlog_retention_bytes = -1\n")
              .starts_with("a.toml:2:23: store.log_retention_bytes takes an integer from 0 to "));
    CHECK(fault_of("[store]\nlog_retention = \"1\"\n")
              .starts_with("a.toml:2:17: store.log_retention takes \"forever\" or "));
    CHECK(fault_of("[backup]\ndirectory = \"\"\n").starts_with("a.toml:2:13: backup.directory is"));
    CHECK(fault_of("[backup]\ndir = \"/b\"\n").starts_with("a.toml:2:1: unknown key 'dir'"));
    const auto config = parse_config("[store]\nfold_cpu_max = 1\ntail_bytes_max = 4194304\n"
                                     "log_retention_bytes = 0\nlog_retention = \"36h\"\n"
                                     "[backup]\ndirectory = \"/b\"\n",
                                     "a.toml");
    REQUIRE(config);
    CHECK(config->store.fold_cpu_max == 1.0);
    CHECK(config->store.tail_bytes_max == 4u << 20);
    CHECK(config->store.log_retention_bytes == 0);
    CHECK(config->store.log_retention_s == 129'600);
    CHECK(config->backup_directory == "/b");
  }

  TEST_CASE("a retention is forever or a whole number with its unit") {
    CHECK(retention_of("forever") == 0u);
    CHECK(retention_of("60s") == 60u);
    CHECK(retention_of("15m") == 900u);
    CHECK(retention_of("36h") == 129'600u);
    CHECK(retention_of("30d") == 2'592'000u);
    CHECK(retention_of("8w") == 4'838'400u);
    CHECK(retention_of("36500d") == 3'153'600'000u);
    for (const std::string text :
         {"", "30", "d", "30 d", "-1d", "+1d", "1.5d", "30days", "30D", "0d", "59s", "36501d",
          "99999999999999999999d", "18446744073709551615w", "never"}) {
      CAPTURE(text);
      CHECK_FALSE(retention_of(text));
      CHECK(fault_of("[store]\nretention = \"" + text + "\"\n")
                .starts_with("a.toml:2:13: store.retention takes "));
    }
    CHECK(fault_of("[[route]]\ntopic = \"a\"\nretention = 30\n")
              .starts_with("a.toml:3:13: route.retention takes a text"));
    CHECK(fault_of("[[route]]\ntopic = \"a\"\nretention = \"1y\"\n")
              .starts_with("a.toml:3:13: route.retention takes "));
  }

  TEST_CASE("a route that does not say its retention has that of the store") {
    auto config =
        parse_config("[[route]]\ntopic = \"a\"\nretention = \"2d\"\n[[route]]\ntopic = \"b\"\n"
                     "[[route]]\ntopic = \"c\"\nretention = \"forever\"\n"
                     "[store]\nretention = \"1h\"\ndata_dirs = [\"x\"]\n",
                     "a.toml");
    REQUIRE(config);
    settle_defaults(*config);
    CHECK(config->routes[0].retention_s == 172'800u);
    CHECK(config->routes[1].retention_s == 3600u);
    CHECK(config->routes[2].retention_s == 0u);

    Config none;
    none.retention_s = 60;
    none.store.data_dirs = {"x"};
    settle_defaults(none);
    CHECK(none.routes[0].retention_s == 60u);
  }

  TEST_CASE("tails and log follow the memory limit unless they are said") {
    Config config;
    config.store.data_dirs = {"x"};
    config.memory_limit_bytes = 512u << 20;
    Config said = config;
    settle_defaults(config);
    CHECK(config.store.tail_bytes_max == 64u << 20);
    CHECK(config.store.log_bytes_max == 64u << 20);

    said.store.tail_bytes_max = 100u << 20;
    said.store.log_bytes_max = 8u << 20;
    CHECK(validate(said));
    settle_defaults(said);
    CHECK(said.store.tail_bytes_max == 100u << 20);
    CHECK(said.store.log_bytes_max == 8u << 20);

    Config large;
    large.store.data_dirs = {"x"};
    large.memory_limit_bytes = 64ull << 30;
    settle_defaults(large);
    CHECK(large.store.tail_bytes_max == 256u << 20);
    CHECK(large.store.log_bytes_max == 192u << 20);
  }

  TEST_CASE("tails and log that would not leave memory for the rest are refused") {
    Config config;
    config.store.data_dirs = {"x", "y"};
    config.memory_limit_bytes = 512u << 20;
    config.store.tail_bytes_max = 64u << 20;
    CHECK(validate(config));
    config.store.tail_bytes_max = (64u << 20) + 1;
    REQUIRE_FALSE(validate(config));
    CHECK(validate(config).error().detail.find("at most 67108864") != std::string::npos);
    config.store.tail_bytes_max = 0;
    config.store.log_bytes_max = 4096;
    REQUIRE_FALSE(validate(config));
    CHECK(validate(config).error().detail.starts_with("store.log_bytes_max takes at least"));
  }

  TEST_CASE("backups do not lie in what they back up, nor the other way round") {
    Config config;
    config.store.data_dirs = {"/srv/a", "/srv/b/"};
    for (const std::string directory : {"/srv/a", "/srv/b/copies", "/srv/x/../a/y/", "/srv", "/"}) {
      CAPTURE(directory);
      config.backup_directory = directory;
      CHECK_FALSE(validate(config));
    }
    for (const std::string directory : {"/srv/ab", "/backup", "/srv/a/../c"}) {
      CAPTURE(directory);
      config.backup_directory = directory;
      CHECK(validate(config));
    }
  }

  TEST_CASE("too many different retentions are refused") {
    std::string toml = "[store]\ndata_dirs = [\"x\"]\n";
    for (int i = 0; i < 65; ++i) {
      toml += "[[route]]\ntopic = \"t" + std::to_string(i) + "\"\nretention = \"" +
              std::to_string(i + 1) + "h\"\n";
    }
    const auto config = parse_config(toml, "a.toml");
    REQUIRE(config);
    REQUIRE_FALSE(validate(*config));
    CHECK(validate(*config).error().detail.find("65 different times") != std::string::npos);
  }
}

} // namespace
} // namespace spate::node
