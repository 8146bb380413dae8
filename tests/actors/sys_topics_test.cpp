#include "actors/sys_topics.hpp"
#include "tests/actors/clients_fixture.hpp"

namespace spate::actors {
namespace {

std::string value_of(const SysTopics& topics, std::string_view name) {
  const auto found = topics.matching("$SYS/broker/" + std::string(name));
  return found.size() == 1 ? found[0]->payload : "not there";
}

TEST_SUITE("actors.sys_topics") {
  TEST_CASE("the values have the names that dashboards know") {
    SysTopics topics;
    CHECK(topics.matching("$SYS/#").empty());
    SysFigures figures;
    figures.version = "1.2.3";
    figures.uptime_s = 77;
    figures.clients_connected = 5;
    figures.clients_disconnected = 2;
    figures.subscriptions = 9;
    topics.update(figures);
    CHECK(value_of(topics, "version") == "spate version 1.2.3");
    CHECK(value_of(topics, "uptime") == "77 seconds");
    CHECK(value_of(topics, "clients/total") == "7");
    CHECK(value_of(topics, "clients/connected") == "5");
    CHECK(value_of(topics, "subscriptions/count") == "9");
    CHECK(topics.matching("#").empty()); // [MQTT-4.7.2-1]
    CHECK(topics.matching("$SYS/broker/clients/+").size() == 3);
  }

  TEST_CASE("loads are averages a minute over the last minutes") {
    SysTopics topics;
    SysFigures figures;
    figures.publishes_received = 1'000'000; // Before the first look.
    topics.update(figures);
    CHECK(value_of(topics, "load/publish/received/1min") == "0.00");
    for (int i = 0; i < 100; ++i) { // 10 a second.
      figures.publishes_received += 10 * SysTopics::kPeriodMs / 1000;
      topics.update(figures);
    }
    CHECK(std::stod(value_of(topics, "load/publish/received/1min")) == doctest::Approx(600));
    CHECK(std::stod(value_of(topics, "load/publish/received/15min")) < 500);
    topics.update(figures);
    CHECK(std::stod(value_of(topics, "load/publish/received/1min")) < 550);
  }

  TEST_CASE("a new subscriber of $SYS gets the newest values as retained") {
    Clients all;
    SysFigures figures;
    figures.uptime_s = 3;
    all.sys.update(figures);
    auto& client = all.join();
    client.subscribe({{"$SYS/broker/uptime", 1}});
    const auto heard = client.hear();
    REQUIRE(heard);
    CHECK(heard->payload == "3 seconds");
    CHECK(heard->retain);
    client.subscribe({{"#", 1}});
    CHECK_FALSE(client.hear());
  }
}

} // namespace
} // namespace spate::actors
