#include <initializer_list>
#include <string>

#include <doctest/doctest.h>

#include "loadgen/scenario/cohort_load.hpp"
#include "loadgen/scenario/read_scenario.hpp"

using namespace spate;
using namespace spate::loadgen;

namespace {

/// Two cohorts and ten seconds; `cohort` goes to the end of the second one.
std::string scenario(const std::string& cohort, const std::string& behind = "",
                     const std::string& before = "") {
  return before +
         "[[cohort]]\nname = \"a\"\ndevices = 10\nidle = true\n"
         "[[cohort]]\nname = \"b\"\ndevices = 10\n" +
         cohort + "\n[[stage]]\nduration = \"10s\"\n" + behind;
}

std::string error_of(const std::string& toml) {
  const auto read = parse_scenario(toml, "s.toml");
  return read ? "" : read.error().detail;
}

struct Case {
  const char* lines;
  const char* wanted; ///< Within the one problem.
};

void check_all(std::initializer_list<Case> cases, std::string (*scenario_of)(const std::string&)) {
  for (const Case& wrong : cases) {
    CAPTURE(std::string(wrong.lines));
    const std::string error = error_of(scenario_of(wrong.lines));
    CHECK_MESSAGE(error.find(wrong.wanted) != std::string::npos, error);
    CHECK_MESSAGE(error.find('\n') == std::string::npos, error);
    CHECK(error.rfind("s.toml:", 0) == 0);
    CHECK(error.rfind("s.toml:1:1:", 0) != 0); // Everything has a place.
  }
}

} // namespace

TEST_CASE("a right scenario has no problem") {
  CHECK(error_of(scenario("every = \"1s\"")) == "");
  CHECK(error_of(scenario("flood = true\nidle = false")) == "");
  CHECK(error_of(scenario("every = \"1s\"\npayload = \"p\"",
                          "[payload.p]\nfields.x = { type = \"flag\" }\n")) == "");
}

TEST_CASE("a cohort that can not be is refused") {
  check_all(
      {
          {"", "when do the devices send?"},
          {"every = \"1s\"\nrate = 5", "rate and every can not both be"},
          {"every = \"1s\"\n[cohort.replay]\nfile = \"x\"", "replay and every can not both be"},
          {"flood = true\narrival = \"poisson\"", "arrival goes with every or rate"},
          {"every = \"1ns\"", "once in 1us at most"},
          {"flood = true\n[cohort.herd]\nspread = \"1s\"", "a herd goes with every or rate"},
          {"every = \"1s\"\n[cohort.herd]\nspread = \"2s\"", "longer than the time until its next"},
          {"every = \"1s\"\n[cohort.herd]\nspread = \"0s\"", "spread is above 0s"},
          {"every = \"1s\"\n[cohort.herd]", "spread is missing"},
          {"idle = true\n[cohort.diurnal]\nperiod = \"1h\"", "a day's wave goes with"},
          {"idle = true\nmqtt = 4", "mqtt is 3 (for 3.1.1) or 5"},
          {"idle = true\nqos = 3", "qos takes a whole number from 0 to 2"},
          {"idle = true\nqos = 2\nreconnect = true", "would store messages of QoS 2 twice"},
          {"idle = true\ndevice = \"a/{n}\"", "a device's name holds one of / + #"},
          {"idle = true\ndevice = \"a-{m}\"", "what is {m}?; did you mean '{n}'?"},
          {"idle = true\ndevice = \"{recorded}\"", "{recorded} goes with [cohort.replay]"},
          {"idle = true\ndevice = \"a-{n}\"", "another cohort has devices with these names"},
          {"idle = true\nclient_id = \"x\"", "put {device} in it"},
          {"idle = true\ntopic = \"a/#\"", "topic: "},
          {"idle = true\ntopic = \"a/{devise}\"", "did you mean '{device}'?"},
          {"idle = true\nsubscribe = \"a/#/b\"", "subscribe: "},
          {"idle = true\nsubscribe_qos = 1", "goes with subscribe"},
          {"idle = true\nmqtt = 3\npassword = \"x\"", "no password without a user"},
          {"every = \"1s\"\npayload = \"evn\"", "did you mean 'env'?"},
          {"every = \"1s\"\npayload = \"31\"", "a size from 32 to 1m"},
          {"idle = true\n[cohort.tls]\nkey = \"k\"", "certificate and key go together"},
          {"idle = true\nwindow = 40000", "from 0 to 32768"},
      },
      [](const std::string& lines) {
        // The first cohort has the names that one case takes.
        return scenario(lines);
      });
  CHECK(error_of(scenario("idle = true\n[cohort.tls]", "", "target = \"mqtt://h:1\"\n"))
            .find("is without TLS") != std::string::npos);
  CHECK(error_of("target = \"http://x\"\n" + scenario("idle = true"))
            .find("s.toml:1:10: target is mqtt://HOST:PORT") == 0);
}

TEST_CASE("two cohorts may not be called the same, or have the same devices") {
  const std::string same_name =
      "[[cohort]]\ndevices = 1\nidle = true\n[[cohort]]\ndevices = 1\nidle = true\n"
      "[[stage]]\nduration = \"1s\"\n";
  CHECK(error_of(same_name).find("s.toml:4:1: another cohort is called 'devices' already") == 0);
  const auto shared = [](const std::string& first) {
    return "[[cohort]]\nname = \"a\"\ndevice = \"d{n}\"\ndevices = 10\nidle = true\n"
           "[[cohort]]\nname = \"b\"\ndevice = \"d{n}\"\ndevices = 10\nidle = true\nfirst = " +
           first + "\n[[stage]]\nduration = \"1s\"\n";
  };
  CHECK(error_of(shared("9")).find("another cohort has devices with these names") !=
        std::string::npos);
  CHECK(error_of(shared("10")) == "");
}

TEST_CASE("a fault that can not be is refused") {
  check_all(
      {
          {"at = \"1s\"", "kind is missing"},
          {"kind = \"malformed\"", "at is missing"},
          {"kind = \"malformed\"\nat = \"10s\"", "the run is over after 10s"},
          {"kind = \"malformed\"\nat = \"9s\"\nfor = \"2s\"", "the fault after 11s"},
          {"kind = \"malformed\"\nat = \"1s\"\nshare = 0", "share is above 0 and at most 1"},
          {"kind = \"malformed\"\nat = \"1s\"\nshare = 1.1", "from 0 to 1"},
          {"kind = \"malformed\"\nat = \"1s\"\nby = \"1s\"", "malformed has no by"},
          {"kind = \"malformed\"\nat = \"1s\"\nback_within = \"0s\"",
           "malformed has no back_within"},
          {"kind = \"malformed\"\nat = \"1s\"\ncohort = \"bb\"", "no cohort 'bb'"},
          {"kind = \"malformed\"\nat = \"1s\"\ncohort = \"a\"", "strikes generated messages"},
          {"kind = \"reconnect_storm\"\nat = \"1s\"\ncohort = \"b\"\nfor = \"1s\"",
           "reconnect_storm has no for"},
          {"kind = \"reconnect_storm\"\nat = \"1s\"\ncohort = \"a\"", "would not come back"},
          {"kind = \"clock_skew\"\nat = \"1s\"", "clock_skew needs by"},
          {"kind = \"out_of_order\"\nat = \"1s\"\nby = \"-1s\"", "by is above 0s"},
          {"kind = \"oversized\"\nat = \"1s\"", "oversized needs bytes"},
          {"kind = \"half_open\"\nat = \"1s\"", "half_open needs count"},
          {"kind = \"half_open\"\nat = \"1s\"\ncount = 1\nshare = 0.5", "half_open has no share"},
          {"kind = \"slow_reader\"\nat = \"1s\"", "slow_reader needs bytes_per_s"},
          {"kind = \"credential_expiry\"\nat = \"1s\"\ncohort = \"b\"", "no password"},
      },
      [](const std::string& lines) {
        return scenario("every = \"1s\"\nreconnect = true", "[[fault]]\n" + lines + "\n");
      });
  const auto twice = [](const std::string& fault, int times) {
    std::string faults;
    for (int i = 0; i < times; ++i) {
      faults += "[[fault]]\nat = \"1s\"\n" + fault + "\n";
    }
    return error_of(scenario("every = \"1s\"", faults));
  };
  CHECK(twice("kind = \"clock_skew\"\nby = \"1s\"", 7) == "");
  CHECK(twice("kind = \"clock_skew\"\nby = \"1s\"", 8).find("more than 7 faults") !=
        std::string::npos);
  CHECK(twice("kind = \"oversized\"\nbytes = 9000", 2).find("oversized already") !=
        std::string::npos);
  CHECK(error_of(scenario("flood = true", "[[fault]]\nkind = \"duplicates\"\nat = \"1s\"\n"))
            .find("goes with an open loop") != std::string::npos);
}

TEST_CASE("stages, objectives, commands and payloads must fit the rest") {
  const std::string cohort = "[[cohort]]\ndevices = 1\nqos = 0\nevery = \"1s\"\n";
  const std::string stage = "[[stage]]\nduration = \"1s\"\n";
  CHECK(error_of(cohort).find("how long is the run?") != std::string::npos);
  CHECK(error_of(stage).find("there are no devices") != std::string::npos);
  CHECK(error_of(cohort + "messages = 5\n") == "");
  const std::string other = "[[cohort]]\nname = \"b\"\ndevices = 1\n";
  CHECK(error_of(cohort + "messages = 5\n" + other + "every = \"1s\"\n")
            .find("how long is the run?") != std::string::npos);
  CHECK(error_of(cohort + "messages = 5\n" + other + "idle = true\n") == "");
  CHECK(error_of("[[cohort]]\ndevices = 1\nidle = true\n").find("how long is the run?") !=
        std::string::npos);
  CHECK(error_of(cohort + stage + "measure = false\n").find("s.toml:7:11: no stage is measured") ==
        0);
  CHECK(error_of(cohort + stage + stage + "measure = false\n").find("s.toml:9:11: a warm-up") == 0);
  CHECK(error_of(cohort + stage + "cohorts = [\"devises\"]\n")
            .find("s.toml:7:12: no cohort 'devises'; did you mean 'devices'?") == 0);
  const auto objective = [&](const std::string& text) {
    return error_of("objectives = [\"" + text + "\"]\n" + cohort + stage);
  };
  CHECK(objective("ack_p99<50ms") == "");
  CHECK(objective("lost == 0").find("s.toml:1:15: nobody can know what was lost of QoS 0") == 0);
  for (const char* wrong : {"", "x", "<5", "x<", "x < "}) {
    CAPTURE(wrong);
    CHECK(objective(wrong).find("is no objective") != std::string::npos);
  }
  const auto commands = [&](const std::string& text) {
    return error_of(cohort + "[cohort.commands]\n" + stage +
                    "[commands]\ncohort = \"devices\"\nrate = 1\n" + text);
  };
  CHECK(commands("") == "");
  CHECK(error_of(cohort + "devices_per_connection = 2\n[cohort.commands]\n" + stage +
                 "[commands]\ncohort = \"devices\"\nrate = 1\n")
            .find("are behind gateways") != std::string::npos);
  CHECK(commands("args = '{'").find("args is not JSON") != std::string::npos);
  CHECK(commands("wait = \"0s\"").find("wait is from 1s to 1m") != std::string::npos);
  CHECK(commands("connections = 2000").find("above connections_max") != std::string::npos);
  CHECK(error_of(cohort + stage + "[commands]\ncohort = \"devices\"\nrate = 1\n")
            .find("take no commands") != std::string::npos);
  CHECK(error_of(cohort + stage + "[payload.env]\nfields.x = { type = \"flag\" }\n")
            .find("means something else already") != std::string::npos);
  CHECK(error_of(cohort + stage + "[payload.x]\n").find("from 1 to 256 fields") !=
        std::string::npos);
}

TEST_CASE("a rate that changes too often is refused where it is said") {
  const std::string herd = "[[cohort]]\ndevices = 1\nevery = \"100ms\"\n[cohort.herd]\nspread = "
                           "\"1ms\"\n[[stage]]\nduration = \"20h\"\n";
  CHECK(error_of(herd).find("s.toml:3:9: the rate changes more than 262144 times") == 0);
}

TEST_CASE("a cohort rests in stages that do not name it, and has the faults that do") {
  const Scenario read =
      parse_scenario(scenario("every = \"1s\"",
                              "[[stage]]\nduration = \"5s\"\nload = 2\ncohorts = [\"b\"]\n"
                              "[[stage]]\nduration = \"5s\"\ncohorts = [\"a\"]\n"
                              "[[fault]]\nkind = \"malformed\"\nat = \"1s\"\ncohort = \"b\"\n"
                              "[[fault]]\nkind = \"clock_skew\"\nat = \"2s\"\nfor = \"3s\"\nby = "
                              "\"-1h\"\n"),
                     "s.toml")
          .value();
  const RateCurve curve = rate_curve_of(read.cohorts[1], read.stages).value();
  CHECK(curve.messages() == 10 * 10 + 2 * 10 * 5);
  CHECK(curve.rate_at(16'000'000'000) == 0);
  const auto faults = message_faults_of(read, read.cohorts[1]);
  REQUIRE(faults.size() == 2);
  CHECK(faults[0].end_ns == RateCurve::kNever);
  CHECK(faults[1].by_ms == -3'600'000);
  CHECK(faults[1].end_ns == 5'000'000'000);
  CHECK(message_faults_of(read, read.cohorts[0]).size() == 1);
  CHECK(duration_of(read.stages) == 20'000'000'000);
}

TEST_CASE("device times that are off stay times of 13 digits") {
  Scenario made;
  Cohort& cohort = made.cohorts.emplace_back();
  cohort.devices = 5;
  cohort.pace.kind = Pace::Kind::every;
  cohort.pace.every_ns = 1'000'000'000;
  made.stages.emplace_back().duration_ns = 10'000'000'000;
  Fault& fault = made.faults.emplace_back();
  for (const auto kind : {Fault::Kind::clock_skew, Fault::Kind::out_of_order}) {
    fault.kind = kind;
    for (const int sign : {1, -1}) {
      if (sign < 0 && kind == Fault::Kind::out_of_order) {
        continue; // Always wrong.
      }
      fault.by_ns = sign * (175'201 * std::int64_t{3'600'000'000'000});
      const auto checked = check_scenario(made);
      REQUIRE_FALSE(checked);
      CHECK(checked.error().detail.find("fault[0].by: by is at most 20 years") !=
            std::string::npos);
    }
    fault.by_ns = 175'200 * std::int64_t{3'600'000'000'000};
    CHECK(check_scenario(made));
  }
}

TEST_CASE("a scenario that comes from options is checked too, with paths for places") {
  Scenario made;
  Cohort& cohort = made.cohorts.emplace_back();
  cohort.devices = 5;
  cohort.pace.kind = Pace::Kind::flood;
  cohort.topic = "#";
  made.stages.emplace_back().duration_ns = 1;
  const auto checked = check_scenario(made);
  REQUIRE_FALSE(checked);
  CHECK(checked.error().detail.find("cohort[0].topic: topic: ") == 0);
  cohort.topic = "t";
  CHECK(check_scenario(made));
}
