#include "actors/command_dialect.hpp"

#include <doctest/doctest.h>

namespace spate::actors {
namespace {

TEST_SUITE("actors.command_dialect") {
  TEST_CASE("who spells the device out takes its commands, who uses a wildcard observes") {
    const CommandDialect dialect(false);
    for (const std::string_view filter :
         {"devices/X/commands/#", "devices/X/commands/+", "devices/X/commands/+/+",
          "devices/X/commands/reboot", "devices/X/commands/reboot/+"}) {
      CAPTURE(filter);
      const auto subscriber = dialect.subscriber(filter, "c");
      REQUIRE(subscriber);
      CHECK(subscriber->device == "X");
      CHECK_FALSE(subscriber->numbered);
    }
    for (const std::string_view filter :
         {"devices/+/commands/#", "devices/#", "#", "devices/X/commands", "devices/X/commands/",
          "devices/X/#", "devices/X/+/#", "devices//commands/#", "devices/../commands/#",
          "devices/X/responses/#", "/devices/X/commands/#", "devices/X/Y/commands/#",
          "v1/devices/me/rpc/request/+"}) {
      CAPTURE(filter);
      CHECK_FALSE(dialect.subscriber(filter, "c"));
    }
  }

  TEST_CASE("the numbered dialect makes a client the device of its id, where it is switched on") {
    const CommandDialect dialect(true);
    const auto subscriber = dialect.subscriber("v1/devices/me/rpc/request/+", "c1");
    REQUIRE(subscriber);
    CHECK(subscriber->device == "c1");
    CHECK(subscriber->numbered);
    CHECK_FALSE(dialect.subscriber("v1/devices/me/rpc/request/+", "a/b"));
    CHECK_FALSE(dialect.subscriber("v1/devices/me/rpc/request/5", "c1"));
    CHECK(dialect.subscriber("devices/X/commands/#", "c1")->device == "X");
  }

  TEST_CASE("topics of answers name the device and the command") {
    const CommandDialect dialect(true);
    const auto plain = dialect.answer_topic("devices/d/responses/abc", "c");
    REQUIRE(plain);
    CHECK(plain->device == "d");
    CHECK(plain->id == "abc");
    const auto numbered = dialect.answer_topic("v1/devices/me/rpc/response/17", "c");
    REQUIRE(numbered);
    CHECK(numbered->device == "c");
    CHECK(numbered->id == "17");
    CHECK(numbered->numbered);
    CHECK_FALSE(dialect.answer_topic("devices/d/telemetry", "c"));
    CHECK_FALSE(dialect.answer_topic("devices/d/responses", "c"));
    CHECK_FALSE(CommandDialect(false).answer_topic("v1/devices/me/rpc/response/17", "c"));
  }

  TEST_CASE("a command's topics and payload are those of its dialect") {
    model::Command command;
    command.id = *parse_uuid("01977f2e-6d5b-7c3a-9f10-3b2f6a1d9e44");
    command.device = "d";
    command.name = "reboot";
    CHECK(CommandDialect::command_topic(command, false, false) == "devices/d/commands/reboot");
    CHECK(CommandDialect::command_topic(command, false, true) ==
          "devices/d/commands/reboot/01977f2e-6d5b-7c3a-9f10-3b2f6a1d9e44");
    CHECK(CommandDialect::response_topic(command, false) ==
          "devices/d/responses/01977f2e-6d5b-7c3a-9f10-3b2f6a1d9e44");
    const std::string alias = std::to_string(model::alias_of(command.id));
    CHECK(CommandDialect::command_topic(command, true, true) ==
          "v1/devices/me/rpc/request/" + alias);
    CHECK(CommandDialect::response_topic(command, true) == "v1/devices/me/rpc/response/" + alias);
    CHECK(CommandDialect::payload(command, false).empty());
    CHECK(CommandDialect::payload(command, true) == R"({"method":"reboot","params":{}})");
    command.args = "[1,2]";
    CHECK(CommandDialect::payload(command, false) == "[1,2]");
    CHECK(CommandDialect::payload(command, true) == R"({"method":"reboot","params":[1,2]})");
  }

  TEST_CASE("numbers of commands are decimal and positive") {
    CHECK(parse_alias("1") == 1);
    CHECK(parse_alias("2147483647") == 2147483647);
    for (const std::string_view bad :
         {"", "0", "-1", "2147483648", "99999999999", "1x", " 1", "0x1", "1.0"}) {
      CAPTURE(bad);
      CHECK(parse_alias(bad) == 0);
    }
  }
}

} // namespace
} // namespace spate::actors
