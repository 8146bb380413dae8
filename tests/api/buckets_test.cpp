#include "tests/api/api_node.hpp"

using namespace spate;
using namespace spate::api;
using Json = nlohmann::json;

namespace {

const std::string kPath = "/api/v1/devices/d/telemetry";
constexpr std::int64_t kHour = 3'600'000;
constexpr std::int64_t kStart = 1'600'000'000'000 / kHour * kHour;

/// One record a minute: `a` counts up, `on` is true in the first half of each hour, `s` is a text.
void post_hours(ApiNode& node, int hours, int gap_hour = -1) {
  for (int hour = 0; hour < hours; ++hour) {
    if (hour == gap_hour) {
      continue;
    }
    Json batch = Json::array();
    for (int minute = 0; minute < 60; ++minute) {
      batch.push_back(
          {{"ts", kStart + hour * kHour + minute * 60'000},
           {"values",
            {{"a", hour * 60 + minute}, {"on", minute < 30}, {"s", minute == 0 ? "x" : "y"}}}});
    }
    REQUIRE(node.post("d", batch.dump()).status == 200);
  }
}

} // namespace

TEST_CASE("buckets hold the functions that were asked for, by field") {
  ApiNode node;
  post_hours(node, 3);
  const Answer answer = node.get(kPath + "?agg=avg,min,max,sum,count,first,last,p50,p99&step=1h");
  REQUIRE(answer.status == 200);
  const Json body = answer.json();
  CHECK(body["device"] == "d");
  CHECK(body["step_ms"] == kHour);
  REQUIRE(body["buckets"].size() == 3);
  const Json& second = body["buckets"][1];
  CHECK(second["ts"] == kStart + kHour);
  CHECK(second["values"]["a"] == Json{{"avg", 89.5},
                                      {"min", 60},
                                      {"max", 119},
                                      {"sum", 5370},
                                      {"count", 60},
                                      {"first", 60},
                                      {"last", 119},
                                      {"p50", 89},
                                      {"p99", 119}});
  CHECK(second["values"]["on"] ==
        Json{{"avg", 0.5}, {"count", 60}, {"first", true}, {"last", false}});
  CHECK(second["values"]["s"] == Json{{"count", 60}, {"first", "x"}, {"last", "y"}});
  CHECK(body["next_cursor"].is_null());
}

TEST_CASE("aggregates keep the digits of what was sent, and are strings when that is asked for") {
  ApiNode node;
  node.post(
      "d",
      R"([{"ts":1600000000000,"values":{"n":22.50}},{"ts":1600000000001,"values":{"n":12345678901234567890123}}])");
  const Answer answer = node.get(kPath + "?agg=min&agg=max");
  CHECK(answer.body.find(R"({"min":22.50,"max":12345678901234567890123})") != std::string::npos);
  CHECK(
      node.get(kPath + "?agg=min,count&numbers=text").body.find(R"({"min":"22.50","count":"2"})") !=
      std::string::npos);
}

TEST_CASE("without a step the whole range is one bucket, as wide as it is") {
  ApiNode node;
  post_hours(node, 2);
  Json body = node.get(kPath + "?agg=count&fields=a").json();
  REQUIRE(body["buckets"].size() == 1);
  CHECK(body["buckets"][0]["ts"] == kStart);
  CHECK(body["buckets"][0]["values"] == Json{{"a", {{"count", 120}}}});
  CHECK(body["step_ms"] == 119 * 60'000 + 1); // From the first record to the last.
  const std::string range =
      "&from=" + std::to_string(kStart) + "&to=" + std::to_string(kStart + kHour);
  body = node.get(kPath + "?agg=count&fields=a" + range).json();
  CHECK(body["step_ms"] == kHour);
  CHECK(body["buckets"][0]["values"]["a"]["count"] == 60);
}

TEST_CASE("the first and last bucket cover only what lies in the range, and offset shifts edges") {
  ApiNode node;
  post_hours(node, 2);
  const std::string from = std::to_string(kStart + 45 * 60'000);
  Json body = node.get(kPath + "?agg=count&fields=a&step=1h&from=" + from).json();
  REQUIRE(body["buckets"].size() == 2);
  CHECK(body["buckets"][0]["ts"] == kStart);
  CHECK(body["buckets"][0]["values"]["a"]["count"] == 15);
  body = node.get(kPath + "?agg=count&fields=a&step=1h&offset=-90m").json(); // As 30m.
  REQUIRE(body["buckets"].size() == 3);
  CHECK(body["buckets"][0]["ts"] == kStart - kHour / 2);
  CHECK(body["buckets"][0]["values"]["a"]["count"] == 30);
}

TEST_CASE("empty buckets appear only with fill=null") {
  ApiNode node;
  post_hours(node, 4, 1);
  CHECK(node.get(kPath + "?agg=avg&step=1h&fields=a").json()["buckets"].size() == 3);
  CHECK(node.get(kPath + "?agg=avg&step=1h&fields=a&fill=none").json()["buckets"].size() == 3);
  const Json filled = node.get(kPath + "?agg=avg&step=1h&fields=a&fill=null").json()["buckets"];
  REQUIRE(filled.size() == 4);
  CHECK(filled[1] == Json{{"ts", kStart + kHour}, {"values", Json::object()}});
  CHECK(filled[2]["values"]["a"]["avg"] == 149.5);
  // A range that is given is filled to its ends, also where there is nothing.
  const std::string range =
      "&from=" + std::to_string(kStart - 2 * kHour) + "&to=" + std::to_string(kStart + 6 * kHour);
  for (const std::string order : {"asc", "desc"}) {
    const Json wide =
        node.get(kPath + "?agg=count&step=1h&fields=a&fill=null&order=" + order + range).json();
    REQUIRE(wide["buckets"].size() == 8);
    const std::size_t first = order == "asc" ? 0 : 7;
    CHECK(wide["buckets"][first]["ts"] == kStart - 2 * kHour);
    CHECK(wide["buckets"][order == "asc" ? 2 : 5]["values"]["a"]["count"] == 60);
    CHECK(wide["next_cursor"].is_null());
  }
}

TEST_CASE("pages of buckets neither repeat nor skip, in both orders, filled or not") {
  ApiNode node;
  post_hours(node, 7, 3);
  for (const std::string more :
       {"&order=asc", "&order=desc", "&fill=null", "&fill=null&order=desc"}) {
    CAPTURE(more);
    const std::string query = kPath + "?agg=count&step=1h&fields=a" + more;
    const Json whole = node.get(query).json()["buckets"];
    for (const int limit : {1, 2, 3}) {
      Json paged = Json::array();
      std::string cursor;
      do {
        const Answer page = node.get(query + "&limit=" + std::to_string(limit) +
                                     (cursor.empty() ? "" : "&cursor=" + cursor));
        REQUIRE(page.status == 200);
        const Json body = page.json();
        CHECK(body["buckets"].size() <= static_cast<std::size_t>(limit));
        for (const Json& bucket : body["buckets"]) {
          paged.push_back(bucket);
        }
        cursor = next_of(page);
        if (!cursor.empty()) {
          CHECK(page.header("link").find("rel=\"next\"") != std::string::npos);
        }
      } while (!cursor.empty() && paged.size() < 20);
      CHECK(paged == whole);
    }
  }
}

TEST_CASE("a cursor holds the range, so that data which comes between two pages changes no edge") {
  ApiNode node;
  post_hours(node, 3);
  const std::string query = kPath + "?agg=count&step=1h&fields=a&fill=null&limit=2";
  const std::string cursor = next_of(node.get(query));
  node.post("d", R"({"ts":1700000000000,"values":{"a":1}})");
  const Answer second = node.get(query + "&cursor=" + cursor);
  CHECK(second.json()["buckets"].size() == 1);
  CHECK(next_of(second).empty());
  CHECK(node.get(kPath + "?agg=max&step=1h&cursor=" + cursor).code() == "invalid-cursor");
}

TEST_CASE("range and step that give too many buckets are refused with a step that does") {
  ApiNode node;
  post_hours(node, 1);
  const Answer answer =
      node.get(kPath + "?agg=avg&step=1s&from=2020-09-01T00:00:00Z&to=2020-10-01T00:00:00Z");
  CHECK(answer.status == 422);
  CHECK(answer.code() == "too-many-buckets");
  CHECK(answer.json()["detail"] ==
        "Range and step give 2592000 buckets; the maximum is 100000. Use step=30s or more.");
  // Exactly as many as may be.
  CHECK(node.get(kPath + "?agg=avg&step=1s&from=1600000000000&to=1600100000000").status == 200);
  CHECK(node.get(kPath + "?agg=avg&step=1s&from=1600000000000&to=1600100000001").status == 422);
  // Open ends are those of the data: here one hour.
  CHECK(node.get(kPath + "?agg=avg&step=1s").status == 200);
}

TEST_CASE("parameters of buckets are read strictly") {
  ApiNode node;
  post_hours(node, 1);
  for (const std::string query :
       {"?agg=mean", "?agg=", "?agg=avg&step=1x", "?agg=avg&step=0s", "?agg=avg&step=-1h",
        "?agg=avg&step=36501d", "?agg=avg&offset=1h", "?agg=avg&step=1h&fill=zero", "?step=1h",
        "?offset=1h", "?fill=null", "?agg=avg&step=1h&offset=h", "?agg=avg&step="}) {
    CAPTURE(query);
    const Answer answer = node.get(kPath + query);
    CHECK(answer.status == 400);
    CHECK(answer.code() == "invalid-parameter");
  }
  CHECK(node.get(kPath + "?agg=avg&step=36500d&offset=0s").status == 200);
  CHECK(node.get("/api/v1/devices/x/telemetry?agg=avg&step=1h").code() == "device-not-found");
}

TEST_CASE("nothing in the range is an empty page") {
  ApiNode node;
  post_hours(node, 1);
  for (const std::string query : {"&fields=zzz", "&from=1", "&from=5&to=5", "&to=1000"}) {
    CAPTURE(query);
    const Answer answer = node.get(kPath + "?agg=avg&step=365d" + query);
    CHECK(answer.status == 200);
    CHECK((answer.json()["buckets"].size() <= (query == "&from=1" ? 1 : 0)));
    CHECK(answer.json()["next_cursor"].is_null());
    CHECK(answer.json()["step_ms"] >= 1);
  }
  // A field that takes none of the functions, and so a bucket without any, is left out.
  CHECK(node.get(kPath + "?agg=avg&step=1h&fields=s").json()["buckets"].empty());
}

TEST_CASE("fields of a bucket are named as those of a record") {
  ApiNode node;
  node.post(
      "d",
      R"([{"ts":1600000000000,"values":{"PM2.5":4}},{"ts":1600000000001,"values":{"a":{"b":1},"a.b":2}}])");
  CHECK(node.get(kPath + "?agg=max").json()["buckets"][0]["values"].contains("PM2.5"));
  const Json both = node.get(kPath + "?agg=max&fields=a.b").json()["buckets"][0]["values"];
  CHECK(both["a.b"]["max"] == 1);
  CHECK(both["a\\.b"]["max"] == 2);
  CHECK(node.get(kPath + "?agg=max&names=path").json()["buckets"][0]["values"].contains("PM2\\.5"));
}

TEST_CASE("a page of large buckets ends early and goes on") {
  ApiNode node([](Services& services) { services.limits.page_bytes_max = 20'000; });
  Json batch = Json::array();
  for (int i = 0; i < 300; ++i) {
    Json values = Json::object();
    for (int f = 0; f < 20; ++f) {
      values[std::string(30, 'f') + std::to_string(f)] = i;
    }
    batch.push_back({{"ts", kStart + i * 1000}, {"values", values}});
  }
  node.post("d", batch.dump());
  std::size_t buckets = 0;
  int pages = 0;
  std::string cursor;
  do {
    const Answer page =
        node.get(kPath + "?agg=max&step=1s" + (cursor.empty() ? "" : "&cursor=" + cursor));
    buckets += page.json()["buckets"].size();
    cursor = next_of(page);
    ++pages;
  } while (!cursor.empty() && pages < 50);
  CHECK(buckets == 300);
  CHECK(pages > 2);
}

TEST_CASE("last values of all devices are paged and chosen by field") {
  ApiNode node;
  for (const std::string id : {"a", "b", "c"}) {
    node.post(
        id,
        R"([{"ts":1600000000000,"values":{"x":1,"y":1}},{"ts":1600000000500,"values":{"x":2}}])");
  }
  node.post("d", R"({"ts":1600000000000,"values":{"z":1}})");
  Json body = node.get("/api/v1/telemetry/last").json();
  REQUIRE(body["items"].size() == 4);
  CHECK(body["items"][0]["device"] == "a");
  CHECK(body["items"][0]["values"]["x"]["value"] == 2);
  CHECK(body["items"][0]["values"]["y"]["ts"] == 1600000000000);
  body = node.get("/api/v1/telemetry/last?fields=y").json();
  REQUIRE(body["items"].size() == 3);
  CHECK(body["items"][0]["values"].size() == 1);
  std::vector<std::string> seen;
  std::string cursor;
  do {
    const Answer page =
        node.get("/api/v1/telemetry/last?limit=1" + (cursor.empty() ? "" : "&cursor=" + cursor));
    const Json of_page = page.json();
    for (const Json& item : of_page["items"]) {
      seen.push_back(item["device"]);
    }
    cursor = next_of(page);
  } while (!cursor.empty() && seen.size() < 9);
  CHECK(seen == std::vector<std::string>{"a", "b", "c", "d"});
  CHECK(node.get("/api/v1/telemetry/last?filter=a%3D%3Db").code() == "invalid-parameter");
  CHECK(node.get("/api/v1/telemetry/last?cursor=AAAA").code() == "invalid-cursor");
  node.store.reads_fail = true;
  CHECK(node.get("/api/v1/telemetry/last").code() == "shard-unavailable");
}
