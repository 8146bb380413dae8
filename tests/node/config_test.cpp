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
}

} // namespace
} // namespace spate::node
