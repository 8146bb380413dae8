#include <chrono>

#include "api/offline.hpp"
#include "tests/api/api_node.hpp"

using namespace spate;
using namespace spate::api;
using Json = nlohmann::json;

namespace {

const std::string kPath = "/api/v1/devices/d/telemetry:export";

/// Some MB as a file.
void post_many(ApiNode& node, int records, std::size_t text_bytes = 100) {
  const std::string text(text_bytes, 'x');
  for (int begin = 0; begin < records; begin += 1000) {
    Json batch = Json::array();
    for (int i = begin; i < std::min(begin + 1000, records); ++i) {
      batch.push_back({{"ts", 1'600'000'000'000 + i}, {"values", {{"i", i}, {"text", text}}}});
    }
    REQUIRE(node.post("d", batch.dump()).status == 200);
  }
}

std::size_t lines(const std::string& text) {
  return static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n'));
}

/// Until it holds, or some seconds are over.
template <class Holds>
bool soon(Holds&& holds) {
  for (int i = 0; i < 5000; ++i) {
    if (holds()) {
      return true;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return false;
}

} // namespace

TEST_CASE("CSV without fields has one line a value, with fields one a record") {
  ApiNode node;
  node.post("d",
            R"([{"ts":1600000000000,"values":{"t":22.50,"on":true,"s":"a, \"b\"\nc"}},)"
            R"({"ts":1600000000001,"values":{"t":-1}},{"ts":1600000000002,"values":{"s":""}}])");
  Answer answer = node.get(kPath);
  CHECK(answer.status == 200);
  CHECK(answer.header("content-type") == "text/csv; charset=utf-8");
  CHECK(answer.header("content-disposition").find("filename*=UTF-8''d.csv") != std::string::npos);
  CHECK(answer.whole);
  CHECK(answer.body == "ts,field,value\n1600000000000,on,true\n"
                       "1600000000000,s,\"a, \"\"b\"\"\nc\"\n1600000000000,t,22.50\n"
                       "1600000000001,t,-1\n1600000000002,s,\"\"\n");
  answer = node.get(kPath + "?fields=t,s,nope&from=1600000000000&format=csv");
  CHECK(answer.body == "ts,t,s,nope\n1600000000000,22.50,\"a, \"\"b\"\"\nc\",\n"
                       "1600000000001,-1,,\n1600000000002,,\"\",\n");
  CHECK(node.get(kPath + "?fields=on").body == "ts,on\n1600000000000,true\n");
}

TEST_CASE("a column is filled by the field that has its path or name") {
  ApiNode node;
  node.post("d", R"({"ts":1600000000000,"values":{"a":{"b":1},"a.b":2,"PM2.5":3,"x,y":4}})");
  CHECK(node.get(kPath + "?fields=a.b,a%5C.b,PM2.5").body ==
        "ts,a.b,a\\.b,PM2.5\n1600000000000,1,2,3\n");
  CHECK(node.get(kPath + "?fields=x%2Cy&fields=").body == "ts,\"x,y\"\n1600000000000,4\n");
}

TEST_CASE("lines of NDJSON are records that can be posted again") {
  ApiNode node;
  node.post(
      "d",
      R"([{"ts":1600000000000,"values":{"PM2.5":22.50}},{"ts":1600000000001,"values":{"b":"x"}}])");
  const Answer answer = node.get(kPath + "?format=ndjson&names=path");
  CHECK(answer.header("content-type") == "application/x-ndjson");
  CHECK(lines(answer.body) == 2);
  CHECK(answer.body.find(R"("values":{"PM2\\.5":22.50}})") != std::string::npos);
  const Answer again = node.post("d", answer.body, "?names=path", "application/x-ndjson");
  CHECK(again.json()["duplicates"] == 2);
}

TEST_CASE("aggregates are exported under the names of function and field") {
  ApiNode node;
  node.post(
      "d",
      R"([{"ts":1599998400000,"values":{"t":1,"s":"x"}},{"ts":1600002000000,"values":{"t":3}}])");
  CHECK(node.get(kPath + "?agg=max,count&step=1h&fields=t,s").body ==
        "ts,max(t),count(t),max(s),count(s)\n1599998400000,1,1,,1\n1600002000000,3,1,,\n");
  CHECK(node.get(kPath + "?agg=max&step=1h").body ==
        "ts,field,value\n1599998400000,max(t),1\n1600002000000,max(t),3\n");
  CHECK(node.get(kPath + "?agg=max&step=1h&format=ndjson&fields=t").body ==
        "{\"ts\":1599998400000,\"values\":{\"t\":{\"max\":1}}}\n"
        "{\"ts\":1600002000000,\"values\":{\"t\":{\"max\":3}}}\n");
}

TEST_CASE("what is wrong before the first byte is a problem") {
  ApiNode node;
  CHECK(node.get(kPath).code() == "device-not-found");
  node.post("d", R"({"a":1})");
  for (const std::string query :
       {"?format=xml", "?limit=5", "?step=1h", "?agg=mean", "?from=never"}) {
    CAPTURE(query);
    CHECK(node.get(kPath + query).code() == "invalid-parameter");
  }
  node.store.reads_fail = true;
  CHECK(node.get(kPath + "?format=ndjson").status == 503);
  CHECK(node.get("/api/v1/devices/a%2Fb/telemetry:export").code() == "invalid-device-id");
}

TEST_CASE("an export of nothing is a file with nothing in it") {
  ApiNode node;
  node.post("d", R"({"ts":1600000000000,"values":{"a":1}})");
  CHECK(node.get(kPath + "?to=5").body == "ts,field,value\n");
  const Answer answer = node.get(kPath + "?to=5&format=ndjson");
  CHECK(answer.status == 200);
  CHECK(answer.body.empty());
  CHECK(answer.whole);
  CHECK(node.ask("HEAD", kPath).status == 200);
  CHECK(node.get("/livez").status == 200); // The connection goes on.
}

TEST_CASE("a long export comes whole, and goes on over HTTP/1.0 until the connection ends") {
  ApiNode node;
  post_many(node, 20'000);
  const Answer answer = node.get(kPath + "?format=ndjson");
  CHECK(answer.whole);
  CHECK(lines(answer.body) == 20'000);
  CHECK(answer.body.size() > 2'000'000);
  std::int64_t last = 0;
  for (std::size_t at = 0; at < answer.body.size(); at = answer.body.find('\n', at) + 1) {
    const std::int64_t ts = std::stoll(answer.body.substr(at + 6, 13));
    REQUIRE((last == 0 || ts == last + 1));
    last = ts;
  }
  Client old(node.server->address().port);
  old.send("GET " + kPath + "?fields=i HTTP/1.0\r\nHost: localhost\r\n\r\n");
  const std::string all = old.rest();
  CHECK(all.find("Transfer-Encoding") == std::string::npos);
  CHECK(lines(all.substr(all.find("\r\n\r\n") + 4)) == 20'001);
}

TEST_CASE("a failure after the first byte is told and never looks like the end") {
  ApiNode node;
  post_many(node, 20'000);
  node.store.fail_after = 2;
  Answer answer = node.get(kPath + "?format=ndjson");
  CHECK(answer.status == 500); // The first part is made before the header goes out.
  node.store.fail_after = 12;
  answer = node.get(kPath + "?format=ndjson");
  CHECK(answer.status == 200);
  CHECK_FALSE(answer.whole);
  const std::size_t line = answer.body.rfind('\n', answer.body.size() - 2) + 1;
  const Json last = Json::parse(answer.body.substr(line));
  CHECK(last["error"]["code"] == "internal-error");
  CHECK(Json::parse(answer.body.substr(0, answer.body.find('\n')))["ts"] == 1'600'000'000'000);
  CHECK(node.client->receive().status == 0); // The connection ended.
  node.client = std::make_unique<Client>(node.server->address().port);
  node.store.fail_after = 12;
  answer = node.get(kPath);
  CHECK_FALSE(answer.whole);
  CHECK(answer.body.find("error") == std::string::npos);
}

TEST_CASE("a reader that does not read stops the export, and its end ends it") {
  ApiNode node;
  post_many(node, 40'000, 400);
  const auto scans = [&] { return node.store.scans.load(); };
  {
    Client slow(node.server->address().port);
    slow.send(ApiNode::request("GET", kPath + "?format=ndjson"));
    // It fills the buffers of both sides, then nothing is read any more.
    int before = -1;
    REQUIRE(soon([&] {
      std::this_thread::sleep_for(std::chrono::milliseconds(100));
      return std::exchange(before, scans()) == scans() && before > 0;
    }));
    CHECK(slow.receive_some() > 0);
    slow.reset();
  }
  int before = -1;
  CHECK(soon([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    return std::exchange(before, scans()) == scans();
  }));
  CHECK(node.get("/livez").status == 200);
}

TEST_CASE("only so many exports run, and their places come free") {
  ApiNode node([](Services& services) { services.limits.exports_max = 1; });
  post_many(node, 40'000, 400);
  {
    Client slow(node.server->address().port);
    slow.send(ApiNode::request("GET", kPath));
    REQUIRE(soon([&] { return node.store.scans > 0; }));
    const Answer second = node.get(kPath);
    CHECK(second.status == 503);
    CHECK(second.code() == "overloaded");
    CHECK(node.get("/api/v1/devices/d/telemetry?limit=1").status == 200); // Others go on.
    slow.reset();
  }
  CHECK(soon([&] { return node.get(kPath + "?to=5").status == 200; }));
}

TEST_CASE("a stop ends an export that nobody reads") {
  const auto begin = std::chrono::steady_clock::now();
  auto node = std::make_unique<ApiNode>();
  post_many(*node, 40'000, 400);
  Client slow(node->server->address().port);
  slow.send(ApiNode::request("GET", kPath));
  REQUIRE(soon([&] { return node->store.scans > 0; }));
  node.reset(); // Waits until all is drained; a hang is the failure.
  CHECK(std::chrono::steady_clock::now() - begin < std::chrono::seconds(60));
}

TEST_CASE("a read ends at its time limit, or when its client is gone") {
  ApiNode node(
      [](Services& services) { services.limits.query_time_max = std::chrono::milliseconds(50); });
  node.post("d", R"({"ts":1600000000000,"values":{"a":1}})");
  node.store.endless = true;
  for (const std::string query : {"telemetry", "telemetry?agg=avg&step=1h", "telemetry:export"}) {
    CAPTURE(query);
    const Answer answer = node.get("/api/v1/devices/d/" + query);
    CHECK(answer.status == 504);
    CHECK(answer.code() == "query-timeout");
  }
  node.store.endless = false;
}

TEST_CASE("a read for a client that hung up does not go on") {
  ApiNode node([](Services& services) {
    services.limits.query_time_max = std::chrono::hours(1); // A hang is the failure.
  });
  node.post("d", R"({"ts":1600000000000,"values":{"a":1}})");
  node.store.endless = true;
  for (const bool reset : {true, false}) {
    const int before = node.store.scans;
    Client gone(node.server->address().port);
    gone.send(ApiNode::request("GET", "/api/v1/devices/d/telemetry"));
    REQUIRE(soon([&] { return node.store.scans > before; }));
    reset ? gone.reset() : gone.end();
    CHECK(node.get("/metrics").status == 200); // On the same thread.
  }
  node.store.endless = false;
}

TEST_CASE("an export without a server is the same file, and stops when it is told to") {
  ApiNode node;
  post_many(node, 5000);
  const Services services{node.store, node.shapes};
  for (const std::string query : {"?format=ndjson", "?fields=i,text", "?agg=max&step=1s"}) {
    CAPTURE(query);
    std::string file;
    const auto done = export_offline(services, kPath + query, [&](std::string_view bytes) {
      file.append(bytes);
      return true;
    });
    CHECK(done.has_value());
    CHECK(file == node.get(kPath + query).body);
  }
  int parts = 0;
  CHECK(export_offline(services, kPath, [&](std::string_view) { return ++parts < 2; }).has_value());
  CHECK(parts == 2);
  const auto nothing = [](std::string_view) { return true; };
  CHECK(export_offline(services, "/api/v1/devices/x/telemetry:export", nothing).error().code ==
        Errc::device_unknown);
  CHECK(export_offline(services, kPath + "?from=never", nothing).error().code == Errc::usage);
  CHECK(export_offline(services, "/api/v1/devices", nothing).error().code == Errc::usage);
  CHECK(export_offline(services, "no path", nothing).error().code == Errc::usage);
  node.store.fail_after = 1;
  CHECK(export_offline(services, kPath, nothing).error().code == Errc::storage_corrupt);
}
