#include "loadgen/load/replay_load.hpp"

#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

using namespace spate;
using namespace spate::loadgen;

namespace {

const std::string kData = std::string(SPATE_SOURCE_DIR) + "/tests/loadgen/data/env-mqtt.ndjson";

std::string spliced(ReplayForm form, std::int64_t ts, std::string_view payload) {
  std::uint64_t hash = 0;
  auto text = replay_payload(form, ts, payload, hash);
  return text ? *text : "error: " + text.error().detail;
}

std::string temporary(const std::string& text) {
  const auto path = std::filesystem::temp_directory_path() / "spate_replay_test.ndjson";
  std::ofstream(path, std::ios::trunc) << text;
  return path.string();
}

/// Everything that a replay gives, in order, as one group would take it.
std::vector<ReplayItem> all_items(ReplayPlan plan, std::size_t count_max = 1'000'000) {
  const auto index = index_replay(plan.path).value();
  std::vector<ReplayQueue> queues(1);
  ReplayReader reader(std::move(plan), index, queues);
  std::vector<ReplayItem> items;
  while (!queues[0].ended() && items.size() < count_max) {
    std::vector<ReplayItem> some;
    queues[0].pop_all(some);
    std::move(some.begin(), some.end(), std::back_inserter(items));
    std::this_thread::yield();
  }
  reader.stop();
  CHECK(reader.fault().empty());
  return items;
}

} // namespace

TEST_CASE("a line that is no recording is refused with its place") {
  const char* good = R"({"d":"a","t":5,"p":{"x":1}})";
  for (const char* bad :
       {"", "{}", "[]", R"({"d":"a","t":5})", R"({"d":"a","p":{}})", R"({"t":5,"p":{}})",
        R"({"d":5,"t":5,"p":{}})", R"({"d":"a","t":"5","p":{}})", R"({"d":"a","t":5.5,"p":{}})",
        R"({"d":"a","t":5,"p":[]})", R"({"d":"a/b","t":5,"p":{}})", R"({"d":"","t":5,"p":{}})",
        R"({"d":"a","t":4,"p":{"x":1}})", R"({"d":"a","t":5,"p":{"x":1}} x)",
        R"({"d":"\x","t":5,"p":{}})", R"({"d":"a\u0000","t":5,"p":{}})"}) {
    CAPTURE(bad);
    const auto index = index_replay(temporary(std::string(good) + "\n" + bad + "\n" + good + "\n"));
    REQUIRE_FALSE(index);
    CHECK(index.error().detail.find("spate_replay_test.ndjson:2: ") != std::string::npos);
  }
  CHECK_FALSE(index_replay(temporary("")));
  CHECK(index_replay("/nowhere.gz").error().code == Errc::file_unreadable);
}

TEST_CASE("a gzip file that is cut off is told, not taken for its end") {
  // gzip of "hello\n" repeated, cut in the middle of its data.
  const std::string whole("\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03\xcb\x48\xcd\xc9\xc9\xe7", 16);
  CHECK_FALSE(index_replay(temporary(whole)));
}

TEST_CASE("payloads are spliced, byte for byte") {
  const std::string_view payload = R"({ "a":1.50 ,"b":-0.0e+5,"s":"\u00e9\"}","n":{"x":[1,2.0]} })";
  CHECK(spliced(ReplayForm::flat, 5, payload) ==
        R"({"ts":5, "a":1.50 ,"b":-0.0e+5,"s":"\u00e9\"}","n":{"x":[1,2.0]} })");
  CHECK(spliced(ReplayForm::record, 5, payload) ==
        R"({"ts":5,"values":)" + std::string(payload) + "}");
  CHECK(spliced(ReplayForm::flat, 5, "{}") == R"({"ts":5})");
  // A field of that name must not be taken for the time.
  CHECK(spliced(ReplayForm::flat, 5, R"({"ts":7})") == R"({"ts":5,"values":{"ts":7}})");
  CHECK(spliced(ReplayForm::flat, 5, R"({"a":})").find("error") == 0);
}

TEST_CASE("every number of a real recording leaves with the text that it came with") {
  const auto items = all_items({kData, 100, false, false, ReplayForm::flat, 0});
  std::ifstream file(kData);
  std::string line;
  std::size_t count = 0;
  while (std::getline(file, line)) {
    REQUIRE(count < items.size());
    const std::string payload = line.substr(line.find("\"p\":{") + 5, std::string::npos);
    const std::string ts = line.substr(line.find("\"t\":") + 4, 13);
    CHECK(items[count].text ==
          "{\"ts\":" + ts + "," +
              payload.substr(0, payload.size() - 1)); // Without the line's own }.
    CHECK(items[count].hash == values_hash("{" + payload.substr(0, payload.size() - 1)).value());
    CHECK(items[count].ts == std::stoll(ts));
    ++count;
  }
  CHECK(count == 60);
  CHECK(items.size() == 60);
}

TEST_CASE("the schedule is the recording's divided by the speed") {
  const auto index = index_replay(kData).value();
  CHECK(index.devices.size() == 3);
  CHECK(index.messages == 60);
  const auto items = all_items({kData, 100, false, false, ReplayForm::flat, 0});
  for (const ReplayItem& item : items) {
    CHECK(item.offset_ns == (item.ts - index.first_ts) * 10'000);
  }
}

TEST_CASE("a loop goes on with later times, so that no record comes twice") {
  const auto index = index_replay(kData).value();
  const auto items = all_items({kData, 1, true, false, ReplayForm::flat, 0}, 180);
  REQUIRE(items.size() >= 180);
  for (std::size_t i = 60; i < 180; ++i) {
    CHECK(items[i].ts == items[i - 60].ts + index.last_ts - index.first_ts + 1);
    CHECK(items[i].ts >= items[i - 1].ts);
    CHECK(items[i].hash == items[i - 60].hash);
  }
}

TEST_CASE("shifted times are those of the replay and stay different within a device") {
  const std::int64_t now_ms = 1'800'000'000'000;
  const auto items = all_items({kData, 1e6, false, true, ReplayForm::flat, now_ms});
  std::map<std::uint32_t, std::int64_t> last;
  for (const ReplayItem& item : items) {
    CHECK(item.ts >= now_ms);
    CHECK(item.ts < now_ms + 100);
    CHECK(item.ts > last[item.device]);
    last[item.device] = item.ts;
    CHECK(item.text.find("{\"ts\":" + std::to_string(item.ts) + ",") == 0);
  }
  const auto past = all_items({kData, 0, false, true, ReplayForm::flat, now_ms});
  CHECK(past.back().ts < now_ms);
  CHECK(past.back().ts >= now_ms - 2);
}

TEST_CASE("an interrupt discards nothing that was due") {
  std::vector<ReplayQueue> queues(1);
  ReplayQueue& queue = queues[0];
  ReplayLoad load(queue, true);
  std::vector<ReplayItem> items(2);
  items[0] = {0, 10, 1, 11, "one"};
  items[1] = {0, 20, 2, 22, "two"};
  REQUIRE(queue.push(items));
  load.begin(1000);
  CHECK(load.take(load.next_ns(), 0).message.ts == 1);
  items.resize(3);
  items[0] = {0, 30, 3, 33, "three"};
  items[1] = {0, 40, 4, 44, "four"};
  items[2] = {0, 50, 5, 55, "five"};
  REQUIRE(queue.push(items)); // The load has not fetched them yet.
  load.stop_at(1045);
  CHECK_FALSE(queue.push(items = std::vector<ReplayItem>(1)));
  CHECK(load.left() == 3);
  for (std::int64_t ts = 2; ts <= 4; ++ts) {
    CHECK_FALSE(load.ended());
    REQUIRE(load.next_ns() == 1000 + 10 * ts);
    CHECK(load.take(5000, 0).message.ts == ts);
  }
  CHECK(load.ended());
  CHECK(load.left() == 0);
  CHECK(load.next_ns() == Load::kNever);
}

TEST_CASE("without a pace a message is due when it is sent") {
  std::vector<ReplayQueue> queues(1);
  ReplayLoad load(queues[0], false);
  std::vector<ReplayItem> items(1);
  items[0] = {0, 10, 1, 11, "one"};
  REQUIRE(queues[0].push(items));
  load.begin(1000);
  REQUIRE(load.next_ns() == Load::kAtOnce);
  CHECK(load.take(5000, 0).message.intended_ns == Load::kAtOnce);
}

TEST_CASE("a replay load is due at its times, keeps texts while they are needed, and ends") {
  std::vector<ReplayQueue> queues(1);
  ReplayQueue& queue = queues[0];
  ReplayLoad load(queue, true);
  std::vector<ReplayItem> items(2);
  items[0] = {0, 10, 1, 11, "one"};
  items[1] = {1, 20, 2, 22, "two"};
  REQUIRE(queue.push(items));
  CHECK(load.next_ns() == Load::kNever); // Not begun.
  load.begin(1000);
  CHECK(load.next_ns() == 1010);
  const Due one = load.take(5000, 0);
  const Due two = load.take(5000, 0);
  CHECK(one.message.intended_ns == 1010);
  CHECK(two.connection == 1);
  CHECK(load.next_ns() == Load::kNever);
  CHECK_FALSE(load.ended()); // More may come.
  queue.end();
  CHECK(load.ended());
  Payloads& payloads = load.payloads();
  const auto text = [&payloads](const Due& due) { return payloads.text(due.message); };
  CHECK(text(one) == "one");
  CHECK(text(two) == "two");
  CHECK(payloads.hash(two.message) == 22);
  payloads.release(one.message);
  CHECK(text(two) == "two");
}
