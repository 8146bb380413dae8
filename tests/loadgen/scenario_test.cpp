#include "loadgen/scenario/read_scenario.hpp"

#include <algorithm>
#include <functional>

#include <doctest/doctest.h>

#include "loadgen/base/random.hpp"
#include "loadgen/base/units.hpp"

using namespace spate;
using namespace spate::loadgen;

namespace {

/// A scenario that is right, for others to be written behind it.
const std::string kRight =
    "[[cohort]]\ndevices = 10\nevery = \"1s\"\n[[stage]]\nduration = \"10s\"\n";

std::string error_of(const std::string& toml) {
  const auto read = parse_scenario(toml, "s.toml");
  REQUIRE_FALSE(read);
  CHECK(read.error().code == Errc::config_invalid);
  return read.error().detail;
}

/// Random right scenarios.
class Maker {
public:
  explicit Maker(std::uint64_t seed) : random_(seed) {}

  Scenario scenario() {
    Scenario made;
    made.name = text();
    made.about = text();
    made.seed = random_.next() % 1'000'000;
    made.drain_ns = duration();
    made.objectives = {"ack_p99<50ms", "errors == 0"};
    for (std::uint64_t i = 0; i < 1 + random_.next() % 3; ++i) {
      NamedModels& payload = made.payloads.emplace_back();
      payload.name = "p-" + std::to_string(9 - i); // Against the alphabet.
      for (std::uint64_t f = 0; f < 1 + random_.next() % 4; ++f) {
        payload.fields.push_back(model(f));
      }
    }
    for (std::uint64_t i = 0; i < 1 + random_.next() % 3; ++i) {
      made.cohorts.push_back(cohort(i, made));
    }
    for (std::uint64_t i = 0; i < 1 + random_.next() % 3; ++i) {
      Stage& stage = made.stages.emplace_back();
      stage.name = text();
      stage.duration_ns = 20'000'000'000 + duration() % 100'000'000'000;
      stage.from = amount();
      stage.to = random_.next() % 2 == 0 ? stage.from : amount();
      stage.measured = i > 0 || random_.next() % 2 == 0;
      if (random_.next() % 3 == 0) {
        stage.cohorts.push_back(made.cohorts.front().name);
      }
    }
    made.stages.back().measured = true;
    made.faults.push_back(fault(made));
    if (made.cohorts.front().answer_after_ns >= 0 &&
        made.cohorts.front().devices_per_connection == 1) {
      CommandTraffic& commands = made.commands.emplace();
      commands.cohort = made.cohorts.front().name;
      commands.rate = 0.5 + amount();
      commands.poisson = random_.next() % 2 == 0;
      commands.args = "{\"a\":[1,\"\\u00e9\"]}";
      commands.wait_s = 1 + static_cast<int>(random_.next() % 60);
      commands.ttl_ns = 5'000'000;
    }
    return made;
  }

private:
  std::string text() {
    static const std::string kTexts[] = {
        "", "a", "with \"quotes\" and \\", "l\n\t\x01\x7f", "\xc3\xa9\xf0\x9f\x98\x80", "'#=[x]"};
    return kTexts[random_.next() % std::size(kTexts)];
  }
  std::int64_t duration() {
    static constexpr std::int64_t kUnits[] = {1, 1'000, 1'000'000, 1'000'000'000, 60'000'000'000};
    return static_cast<std::int64_t>(1 + random_.next() % 5000) * kUnits[random_.next() % 5];
  }
  double amount() { return random_.unit() * 10; }

  SensorModel model(std::uint64_t number) {
    static constexpr const char* kPrefixes[] = {"", "air.", "a b.\xc3\xa9.", "\"q\"."};
    SensorModel made;
    made.field = kPrefixes[random_.next() % 4] + std::string("f") + std::to_string(9 - number);
    made.type = static_cast<SensorModel::Type>(random_.next() % 5);
    made.mean = -50 + 100 * amount();
    made.noise = amount();
    made.drift_per_h = -amount() * 1e-7;
    made.min = -1e15;
    made.max = 1e15 / 3;
    made.decimals = static_cast<int>(random_.next() % 5);
    made.hold_ms = 1 + static_cast<std::int64_t>(random_.next() % 100'000);
    made.stuck_share = random_.unit();
    made.per_s = random_.unit();
    made.on_share = random_.unit();
    made.values = {"x" + text()};
    return made;
  }

  Cohort cohort(std::uint64_t number, const Scenario& scenario) {
    Cohort made;
    made.name = "cohort" + std::to_string(number);
    made.devices = 1 + static_cast<std::uint32_t>(random_.next() % 100'000);
    made.first = random_.next() % 1000;
    made.mqtt = random_.next() % 2 == 0 ? 3 : 5;
    made.user = "user " + text();
    made.password = "x" + text();
    made.clean = random_.next() % 2 == 0;
    made.reconnect = true;
    made.qos = static_cast<int>(random_.next() % 2);
    made.keep_alive_s = static_cast<std::uint16_t>(random_.next() % 65'536);
    made.window = static_cast<std::uint32_t>(random_.next() % 1000);
    made.connects_per_s = amount();
    made.devices_per_connection = 1 + static_cast<std::uint32_t>(random_.next() % 3);
    made.payload = random_.next() % 2 == 0 ? scenario.payloads.back().name : "4k";
    switch (random_.next() % 4) {
    case 0:
      made.pace.kind = Pace::Kind::idle;
      made.subscribe = "devices/{device}/#";
      made.subscribe_qos = 1;
      break;
    case 1:
      made.pace.kind = Pace::Kind::flood;
      made.messages = random_.next() % 100;
      break;
    case 2:
      made.pace.kind = Pace::Kind::recorded;
      made.device = "x-{recorded}";
      made.devices = 0;
      made.devices_per_connection = 1;
      made.replay.emplace().file = "a b.ndjson";
      made.replay->speed = amount();
      made.replay->loop = random_.next() % 2 == 0;
      break;
    default:
      made.pace.kind = Pace::Kind::every;
      made.pace.every_ns = 1'000'000'000 + duration();
      made.pace.arrival = random_.next() % 2 == 0 ? Arrival::fixed : Arrival::poisson;
      made.pace.herd_spread_ns = random_.next() % 2 == 0 ? 0 : 1 + made.pace.every_ns / 7;
      made.pace.diurnal_period_ns = random_.next() % 2 == 0 ? 0 : 3'600'000'000'000;
      if (made.pace.diurnal_period_ns != 0) {
        made.pace.diurnal_low = random_.unit();
        made.pace.diurnal_peak_ns = duration();
      }
      break;
    }
    if (random_.next() % 2 == 0) {
      made.answer_after_ns = duration();
      made.answer_jitter_ns = random_.next() % 2 == 0 ? 0 : duration();
    }
    if (random_.next() % 2 == 0) {
      made.tls.emplace().ca = text();
      made.tls->certificate = made.tls->key = "{device}.pem";
      made.tls->verify = random_.next() % 2 == 0;
    }
    return made;
  }

  Fault fault(const Scenario& scenario) {
    Fault made;
    made.at_ns = 1'000'000'000;
    made.cohort = scenario.cohorts.front().name;
    made.share = random_.unit();
    switch (random_.next() % 3) {
    case 0:
      made.kind = Fault::Kind::reconnect_storm;
      made.back_within_ns = duration();
      break;
    case 1:
      made.kind = Fault::Kind::half_open;
      made.share = 1;
      made.count = 5;
      made.duration_ns = 3'000'000'000;
      break;
    default:
      made.kind = Fault::Kind::slow_reader;
      made.bytes_per_s = 100;
      break;
    }
    return made;
  }

  Random random_;
};

} // namespace

TEST_CASE("whatever is written reads back equal") {
  for (std::uint64_t seed = 0; seed < 300; ++seed) {
    const Scenario made = Maker(seed).scenario();
    const std::string written = write_scenario(made);
    CAPTURE(written);
    const auto checked = check_scenario(made);
    CAPTURE((checked ? "" : checked.error().detail));
    REQUIRE(checked);
    const auto read = parse_scenario(written, "s.toml");
    CAPTURE((read ? "" : read.error().detail));
    REQUIRE(read);
    REQUIRE(*read == made);
    REQUIRE(write_scenario(*read) == written);
  }
}

TEST_CASE("all values of a scenario come from its file") {
  const Scenario read = parse_scenario(R"(
about = "x"
seed = 7
drain = "3s"
objectives = ["ack_p99<50ms"]
[[cohort]]
name = "c"
devices = 1_000
rate = 500
keep_alive = "90s"
[cohort.herd]
spread = "100ms"
[cohort.commands]
answer_after = "5ms"
[payload.b]
fields.z = { type = "number", period = "2h" }
fields.a.x = { type = "flag" }
[payload.a]
fields.v.b = { type = "counter" }
fields.v.a = { type = "text", values = ["t"] }
[[stage]]
duration = "1m"
load = [0, 1.5]
[commands]
cohort = "c"
rate = 2
arrival = "poisson"
wait = "7s"
)",
                                       "s.toml")
                            .value();
  CHECK(read.seed == 7);
  CHECK(read.drain_ns == 3'000'000'000);
  CHECK(read.cohorts.at(0).pace.kind == Pace::Kind::every);
  CHECK(read.cohorts[0].pace.every_ns == 2'000'000'000); // 1,000 devices at 500/s.
  CHECK(read.cohorts[0].pace.herd_spread_ns == 100'000'000);
  CHECK(read.cohorts[0].keep_alive_s == 90);
  CHECK(read.cohorts[0].answer_after_ns == 5'000'000);
  REQUIRE(read.payloads.size() == 2);
  CHECK(read.payloads[0].name == "b"); // As they stand in the file.
  CHECK(read.payloads[0].fields[0].field == "z");
  CHECK(read.payloads[0].fields[0].period_ms == 7'200'000);
  CHECK(read.payloads[0].fields[1].field == "a.x");
  CHECK(read.payloads[1].fields[0].field == "v.b");
  CHECK(read.stages.at(0).from == 0);
  CHECK(read.stages[0].to == 1.5);
  REQUIRE(read.commands);
  CHECK(read.commands->poisson);
  CHECK(read.commands->wait_s == 7);
}

TEST_CASE("an unknown key is shown where it stands, with the one that was meant") {
  CHECK(error_of(
            "[[cohort]]\ndevcies = 5\ndevices = 5\nidle = true\n[[stage]]\nduration = \"1s\"\n") ==
        "s.toml:2:1: unknown key 'devcies' of a cohort; did you mean 'devices'?");
  CHECK(error_of(kRight + "[cohrt]\n")
            .find("s.toml:6:2: unknown key 'cohrt' of a scenario; did you "
                  "mean 'cohort'?") == 0);
  CHECK(error_of(kRight + "[[fault]]\nkind = \"slow_raeder\"\nat = \"1s\"\n")
            .find("s.toml:7:8: kind does not know 'slow_raeder'; did you mean 'slow_reader'?") ==
        0);
}

TEST_CASE("what has the wrong type or is out of range is told what it takes") {
  struct Case {
    const char* line;
    const char* wanted;
  };
  for (const Case& wrong : std::initializer_list<Case>{
           {"seed = -1", "seed takes a whole number from 0 to 9e+15"},
           {"seed = 1.5", "seed takes a whole number from 0"},
           {"drain = 10", "drain takes a duration in quotes"},
           {"drain = \"ten\"", "drain is no duration"},
           {"drain = \"-1s\"", "drain is no duration"},
           {"name = 5", "name takes a text in quotes"},
           {"connect_timeout = \"0s\"", "connect_timeout is from 1ns to"},
           {"objectives = \"x<1\"", "objectives takes a list of texts"},
           {"objectives = [1]", "objectives takes a list of texts"},
           {"cohort = 5", "cohort is a list of tables: write [[cohort]] above each"},
           {"cohort = [5]", "cohort is a list of tables"},
           {"payload = 5", "payload is a table"},
           {"payload.x = 5", "is a table: write [payload.x] above its keys"},
           {"payload.\"a b\" = {}", "a payload's name has letters"},
           {"commands = 5", "commands is a table"},
       }) {
    CAPTURE(wrong.line);
    const std::string error = error_of(std::string(wrong.line) + "\n");
    CHECK(error.find(std::string("s.toml:1:")) == 0);
    CHECK(error.find(wrong.wanted) != std::string::npos);
  }
  const std::string of_stage =
      error_of("[[cohort]]\ndevices=1\nidle=true\n[[stage]]\nduration=\"1s\"\nload=[1,2,3]\n");
  CHECK(of_stage == "s.toml:6:6: load takes a number from 0 to 1000, or two: [from, to]");
  const std::string of_keep_alive = error_of(
      "[[cohort]]\ndevices=1\nidle=true\nkeep_alive=\"1500ms\"\n[[stage]]\nduration=\"1s\"\n");
  CHECK(of_keep_alive == "s.toml:4:12: keep_alive is a multiple of 1s");
}

TEST_CASE("fields that are none are told how one looks") {
  const auto field = [](const std::string& line) {
    return error_of(kRight + "[payload.p]\n" + line + "\n");
  };
  CHECK(field("fields.t = 5").find("s.toml:7:8: a field is a table: t = { type") == 0);
  CHECK(field("fields.t = { mean = 5 }").find("type is missing") != std::string::npos);
  CHECK(field("fields.\"a.b\" = { type = \"flag\" }").find("has no point") != std::string::npos);
  CHECK(field("fields.t = { type = \"nubmer\" }").find("did you mean 'number'?") !=
        std::string::npos);
  CHECK(field("fields.t = { type = \"number\", min = 5, max = 1 }").find("min is above max") !=
        std::string::npos);
  CHECK(field("fields.ts = { type = \"number\" }").find("device's time") != std::string::npos);
  std::string deep = "fields";
  for (int i = 0; i < 20; ++i) {
    deep += ".x";
  }
  CHECK(field(deep + " = { type = \"flag\" }").find("more than 16 deep") != std::string::npos);
}

TEST_CASE("several problems are listed in the order of the file, twenty at most") {
  const std::string error = error_of("seed = -1\nname = 4\n[[stage]]\nduration = \"0s\"\n");
  CHECK(error.find("\ns.toml:1:8: seed") != std::string::npos);
  CHECK(error.find("\ns.toml:2:8: name") != std::string::npos);
  CHECK(error.find("\ns.toml:4:12: duration") != std::string::npos);

  std::string many;
  for (int i = 0; i < 30; ++i) {
    many += "zzzzzz" + std::to_string(i) + " = 1\n";
  }
  const std::string listed = error_of(many + kRight);
  CHECK(std::count(listed.begin(), listed.end(), '\n') == 20);
  CHECK(error.find("s.toml:1:1: there are no devices") == 0); // Of the whole file.
  CHECK(listed.find("\nand 10 more") != std::string::npos);
}

TEST_CASE("what is no TOML is refused with its place") {
  CHECK(error_of("seed = \n").find("s.toml:1:") == 0);
  CHECK(error_of("[[[a]").find("s.toml:1:") == 0);
  CHECK(error_of(std::string(kScenarioBytesMax + 1, '#')).find("larger than 4 MiB") !=
        std::string::npos);
}

TEST_CASE("durations are written as they are read") {
  for (const std::int64_t ns : {0LL, 1LL, 999LL, 1'000LL, 1'500'000LL, 90'000'000'000LL,
                                3'600'000'000'000LL, 123'456'789'012'345LL}) {
    CHECK(parse_duration_ns(duration_text(ns)).value() == ns);
  }
  CHECK(duration_text(90'000'000'000) == "90s");
  CHECK(duration_text(-3'600'000'000'000) == "-1h");
  CHECK(duration_text(1'500'000) == "1500us");
  CHECK(parse_duration_ns("0.29s").value() == 290'000'000);
}
