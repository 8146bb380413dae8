#include "engine/telemetry/route.hpp"

#include <doctest/doctest.h>

#include <string>

using namespace spate;
using namespace spate::telemetry;

namespace {

RouteTable table(std::initializer_list<const char*> patterns) {
  std::vector<Route> routes;
  for (const char* pattern : patterns) {
    routes.emplace_back().pattern = pattern;
  }
  auto compiled = RouteTable::compile(std::move(routes));
  REQUIRE(compiled);
  return std::move(*compiled);
}

std::string fault(std::vector<std::string> patterns) {
  std::vector<Route> routes;
  for (std::string& pattern : patterns) {
    routes.emplace_back().pattern = std::move(pattern);
  }
  const auto compiled = RouteTable::compile(std::move(routes));
  REQUIRE_FALSE(compiled);
  CHECK(compiled.error().code == Errc::config_invalid);
  return compiled.error().detail;
}

/// The device, or "-" without a route.
std::string device(const RouteTable& routes, std::string_view topic) {
  const RouteMatch match = routes.match(topic, "client");
  return match.route == nullptr ? "-" : std::string(match.device);
}

} // namespace

TEST_CASE("a bad pattern is refused with what and where") {
  CHECK(fault({""}) == "route 1: the pattern is empty");
  CHECK(fault({"a", "b/x+"}) ==
        "route 2: pattern `b/x+`, character 4: `+` and `#` must be a whole level");
  CHECK(fault({"a/#/b"}) ==
        "route 1: pattern `a/#/b`, character 3: `#` may only be the last level");
  CHECK(fault({"{device}/{device}"}) ==
        "route 1: pattern `{device}/{device}`, character 10: `{device}` stands twice");
  CHECK(fault({"a/{id}/b"}) == "route 1: pattern `a/{id}/b`, character 3: the only placeholder is "
                               "`{device}`, and it must be a whole level");
  CHECK(fault({"a/x{device}"}).find("character 4") != std::string::npos);
  CHECK(fault({"a", "b", "a"}) ==
        "route 3: pattern `a` is that of route 1 already, so this one would never match");
  CHECK(fault({std::string(1025, 'a')}) == "route 1: the pattern is longer than 1024 bytes");
  CHECK(fault({"a/\xff"}) == "route 1: the pattern is not UTF-8, or holds a zero byte");
  CHECK(fault({}) == "no route is given");
  Route route;
  route.time_field = "a\\b";
  CHECK(RouteTable::compile({route}).error().detail ==
        "route 1: the time field is no path: `\\` may only stand before `.` or `\\`");
}

TEST_CASE("without configuration devices/{device}/telemetry is the only route") {
  const RouteTable routes;
  CHECK(routes.size() == 1);
  CHECK(device(routes, "devices/iot-device-01/telemetry") == "iot-device-01");
  for (const char* topic : {"", "devices", "devices/a", "devices/a/telemetry/",
                            "devices/a/b/telemetry", "/devices/a/telemetry", "devices/telemetry",
                            "Devices/a/telemetry", "devices/a/telemetr", "devices/a/telemetryx"}) {
    CAPTURE(topic);
    CHECK(device(routes, topic) == "-");
  }
  CHECK(device(routes, "devices//telemetry") == ""); // A route, but no device id.
  CHECK(routes.route(0).time_path() == "ts");
}

TEST_CASE("the device is the level that the pattern names, or the client") {
  CHECK(device(table({"tele/{device}/SENSOR"}), "tele/plug-1/SENSOR") == "plug-1");
  CHECK(device(table({"zigbee2mqtt/{device}"}), "zigbee2mqtt/0x00158d0001") == "0x00158d0001");
  CHECK(device(table({"zigbee2mqtt/{device}"}), "zigbee2mqtt/bridge/state") == "-");
  CHECK(device(table({"v1/devices/me/telemetry"}), "v1/devices/me/telemetry") == "client");
  CHECK(device(table({"{device}"}), "x") == "x");
  CHECK(device(table({"{device}/up"}), "x/up") == "x");
  CHECK(device(table({"v3/+/devices/{device}/up"}), "v3/app@t/devices/eui-1/up") == "eui-1");
  CHECK(device(table({"a/{device}/#"}), "a/b/c/d") == "b");
  CHECK(device(table({"a/{device}/#"}), "a/b") == "b");
  CHECK(device(table({"a/{device}/#"}), "a") == "-");
  CHECK(device(table({"a/+"}), "a/") == "client");
  CHECK(device(table({"a/+"}), "a") == "-");
  CHECK(device(table({"#"}), "a/b") == "client");
}

TEST_CASE("wildcards do not reach topics that start with a dollar sign") {
  CHECK(device(table({"#"}), "$SYS/broker") == "-");
  CHECK(device(table({"+/x"}), "$SYS/x") == "-");
  CHECK(device(table({"{device}/x"}), "$SYS/x") == "-");
  CHECK(device(table({"$SYS/{device}"}), "$SYS/x") == "x");
}

TEST_CASE("the first route that fits wins") {
  const RouteTable routes = table({"a/{device}", "a/b", "+/{device}/#"});
  CHECK(routes.match("a/b", "c").route == &routes.route(0));
  CHECK(routes.match("a/b/c", "c").route == &routes.route(2));
  const RouteTable copy = routes;
  CHECK(copy.match("a/b", "c").route == &copy.route(0));
}

TEST_CASE("formats and units have the names of the configuration") {
  for (const Format format : {Format::automatic, Format::flat, Format::text}) {
    CHECK(format_of(name_of(format)) == format);
  }
  for (const TimeUnit unit : {TimeUnit::automatic, TimeUnit::s, TimeUnit::ms, TimeUnit::us,
                              TimeUnit::ns, TimeUnit::rfc3339}) {
    CHECK(time_unit_of(name_of(unit)) == unit);
  }
  CHECK_FALSE(format_of("senml"));
  CHECK_FALSE(time_unit_of(""));
}
