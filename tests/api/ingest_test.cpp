#include "tests/api/api_node.hpp"

using namespace spate;
using namespace spate::api;

namespace {

void check_balanced(ApiNode& node) {
  const auto records = node.get("/api/v1/ledger").json()["records"];
  CHECK(records["imbalance"] == 0);
  CHECK(records["in_flight"] == 0);
}

} // namespace

TEST_CASE("a body that is no JSON is a 400, stores nothing and is recorded") {
  ApiNode node;
  for (const std::string body : {"{\"a\":", "nope", "{\"a\":NaN}", "[{\"a\":1}", "{\"a\":1} x"}) {
    CAPTURE(body);
    const Answer answer = node.post("d", body);
    CHECK(answer.status == 400);
    CHECK(answer.code() == "invalid-body");
    CHECK(answer.json()["errors"][0]["code"] == "payload-not-json");
    CHECK(answer.header("content-type") == "application/problem+json");
  }
  CHECK(node.ask("POST", "/api/v1/devices/d/telemetry", "Content-Type: application/json\r\n")
            .code() == "invalid-body");
  CHECK(node.get("/api/v1/devices/d/telemetry").status == 404);
  const auto rejections = node.get("/api/v1/rejections").json();
  REQUIRE(rejections["items"].size() == 6);
  CHECK(rejections["items"][1]["sample"] == "{\"a\":1} x");
  CHECK(rejections["items"][1]["protocol"] == "http");
  CHECK(rejections["items"][1]["device"] == "d");
  CHECK(rejections["items"][1]["topic"] == "/api/v1/devices/d/telemetry");
  CHECK(node.get("/api/v1/ledger").json()["records"]["rejected"]["payload-not-json"] == 6);
  check_balanced(node);
}

TEST_CASE("good records of a batch are stored, bad ones listed with their place") {
  ApiNode node;
  const Answer answer = node.post(
      "d",
      R"([{"ts":1000,"values":{"a":1}},{"ts":"never","values":{"a":2}},{"ts":3000,"values":{"a":3}},7])");
  CHECK(answer.status == 200);
  const auto body = answer.json();
  CHECK(body["received"] == 4);
  CHECK(body["stored"] == 2);
  CHECK(body["rejected"] == 2);
  CHECK(body["durability"] == "fsync");
  REQUIRE(body["errors"].size() == 2);
  CHECK(body["errors"][0]["index"] == 1);
  CHECK(body["errors"][0]["code"] == "timestamp-invalid");
  CHECK(body["errors"][1]["index"] == 3);
  check_balanced(node);
}

TEST_CASE("when all records are bad it is a 422") {
  ApiNode node;
  const Answer answer = node.post("d", R"({"ts":"never","values":{"a":2}})");
  CHECK(answer.status == 422);
  CHECK(answer.code() == "all-records-rejected");
  CHECK(answer.json()["detail"] == "1 of 1 record was rejected.");
  CHECK(answer.json()["errors"][0]["index"] == 0);
  check_balanced(node);
}

TEST_CASE("records that the store refuses are rejected with their place among the others") {
  ApiNode node;
  node.store.refuse_rows = true;
  const Answer answer = node.post("d", R"([{"ts":"x","values":{"a":1}},{"a":2}])");
  CHECK(answer.status == 422);
  const auto errors = answer.json()["errors"];
  REQUIRE(errors.size() == 2);
  CHECK(errors[0]["code"] == "timestamp-invalid");
  CHECK(errors[1]["index"] == 1);
  CHECK(errors[1]["code"] == "too-many-devices");
  CHECK(node.store.last_protocol == model::Protocol::http);
  CHECK(node.store.last_origin == hash_bytes("d"));
  check_balanced(node);
}

TEST_CASE("a bad NDJSON line is one rejected record") {
  ApiNode node;
  const Answer answer =
      node.post("d", "{\"ts\":1,\"values\":{\"a\":1}}\r\nbad\n{\"ts\":2,\"values\":{\"a\":1}}", "",
                "application/x-ndjson; charset=utf-8");
  CHECK(answer.status == 200);
  const auto body = answer.json();
  CHECK(body["stored"] == 2);
  REQUIRE(body["errors"].size() == 1);
  CHECK(body["errors"][0]["index"] == 1);
  CHECK(body["errors"][0]["line"] == 2);
  check_balanced(node);
}

TEST_CASE("index and line of a refused record are its own, whatever stands between the records") {
  ApiNode node;
  node.store.refuse_rows = true;
  const Answer answer =
      node.post("d", "\n{\"a\":1}\n\n\nbad\n{\"a\":2}\n", "", "application/x-ndjson");
  CHECK(answer.status == 422);
  const auto errors = answer.json()["errors"];
  REQUIRE(errors.size() == 3);
  const int lines[] = {2, 5, 6};
  for (int i = 0; i < 3; ++i) {
    CHECK(errors[i]["index"] == i);
    CHECK(errors[i]["line"] == lines[i]);
  }
  CHECK(errors[0]["code"] == "too-many-devices");
  CHECK(errors[1]["code"] == "payload-not-json");
  check_balanced(node);
}

TEST_CASE("the sample of a rejection shows the record that was refused") {
  ApiNode node;
  const std::string good = R"({"ts":1000,"values":{"text":")" + std::string(500, 'x') + R"("}})";
  node.post("d", good + "\nbad\n" + good, "", "application/x-ndjson");
  CHECK(node.get("/api/v1/rejections").json()["items"][0]["sample"] == "bad");
  node.post("d", "[" + good + R"(,{"ts":"never","values":{"a":1}}])");
  CHECK(node.get("/api/v1/rejections").json()["items"][0]["sample"] ==
        R"({"ts":"never","values":{"a":1}}])");
}

TEST_CASE("records that are sent again are duplicates, not errors") {
  ApiNode node;
  const std::string record = R"({"ts":1594598424502,"values":{"temp":18.9}})";
  CHECK(node.post("d", record).json()["stored"] == 1);
  const auto again = node.post("d", record).json();
  CHECK(again["stored"] == 0);
  CHECK(again["duplicates"] == 1);
  CHECK(node.post("d", R"({"ts":1594598424502,"values":{"temp":19}})").json()["stored"] == 1);
  CHECK(node.get("/api/v1/devices/d/telemetry").json()["records"].size() == 2);
  check_balanced(node);
}

TEST_CASE("a body without any record is refused, not silently taken") {
  ApiNode node;
  for (const Answer& answer :
       {node.post("d", "[]"), node.post("d", "\n\n", "", "application/x-ndjson"),
        node.ask("POST", "/api/v1/devices/d/telemetry",
                 "Content-Type: application/x-ndjson\r\n")}) {
    CHECK(answer.status == 422);
    CHECK(answer.code() == "all-records-rejected");
    CHECK(answer.json()["errors"][0]["code"] == "no-values");
  }
  CHECK(node.get("/api/v1/ledger").json()["records"]["rejected"]["no-values"] == 3);
  check_balanced(node);
}

TEST_CASE("more records than a body may hold are refused as a whole") {
  ApiNode node([](Services& services) { services.limits.parser.records_max = 2; });
  const Answer array = node.post("d", R"([{"a":1},{"a":2},{"a":3}])");
  CHECK(array.status == 413);
  CHECK(array.code() == "payload-too-large");
  CHECK(node.post("d", "{\"a\":1}\n{\"a\":1}\n{\"a\":1}\n", "", "application/x-ndjson").status ==
        413);
  CHECK(node.get("/api/v1/devices/d/telemetry").status == 404);
  check_balanced(node);
}

TEST_CASE("200 waits for the commit") {
  ApiNode node;
  node.store.hold = true;
  node.client->send(ApiNode::request("POST", "/api/v1/devices/d/telemetry",
                                     "Content-Type: application/json\r\n", "{\"a\":1}"));
  Client other(node.server->address().port);
  nlohmann::json records;
  do { // The ledger shows when the record has been handed over.
    other.send(ApiNode::request("GET", "/api/v1/ledger"));
    records = other.receive().json()["records"];
  } while (records["in_flight"] == 0);
  CHECK(records["received"] == 1);
  CHECK(records["stored"] == 0);
  CHECK(records["imbalance"] == 0);
  CHECK(node.store.release() == 1);
  CHECK(node.client->receive().json()["stored"] == 1);
  node.store.hold = false;
  check_balanced(node);
}

TEST_CASE("a client that has ended its side gets the answer that waits for the commit") {
  ApiNode node;
  node.store.hold = true;
  Client half(node.server->address().port);
  half.send(ApiNode::request("POST", "/api/v1/devices/d/telemetry",
                             "Content-Type: application/json\r\n", "{\"a\":1}"));
  half.end();
  while (node.get("/api/v1/ledger").json()["records"]["in_flight"] == 0) {
  }
  node.get("/api/v1/ledger"); // One turn of the loop more: it has seen the end.
  node.store.hold = false;
  node.store.release();
  const Answer answer = half.receive();
  CHECK(answer.status == 200);
  CHECK(answer.json()["stored"] == 1);
  CHECK(answer.header("connection") == "close");
  CHECK(half.receive().status == 0);
  check_balanced(node);
}

TEST_CASE("draining answers the record that waits for its commit, and says goodbye") {
  ApiNode node;
  node.store.hold = true;
  node.client->send(ApiNode::request("POST", "/api/v1/devices/d/telemetry",
                                     "Content-Type: application/json\r\n", "{\"a\":1}"));
  Client other(node.server->address().port);
  do {
    other.send(ApiNode::request("GET", "/api/v1/ledger"));
  } while (other.receive().json()["records"]["in_flight"] == 0);
  node.loop.post([&] { node.server->drain(); });
  CHECK(other.receive().status == 0); // An idle connection is closed.
  node.store.release();
  const Answer answer = node.client->receive();
  CHECK(answer.json()["stored"] == 1);
  CHECK(answer.header("connection") == "close");
  CHECK(node.client->receive().status == 0);
}

TEST_CASE("many bad records of one body share their entries, and none is lost from the count") {
  ApiNode node;
  std::string body;
  for (int i = 0; i < 150; ++i) {
    body += "bad\n{\"ts\":\"never\",\"values\":{\"a\":1}}\n";
  }
  const auto answer = node.post("d", body, "", "application/x-ndjson").json();
  CHECK(answer["errors"].size() == 300);
  CHECK(node.get("/api/v1/rejections?limit=1000").json()["items"].size() == 100);
  const auto rejected = node.get("/api/v1/ledger").json()["records"]["rejected"];
  CHECK(rejected["payload-not-json"] == 150);
  CHECK(rejected["timestamp-invalid"] == 150);
  check_balanced(node);
}

TEST_CASE("who asks and leaves does not disturb the receipt") {
  ApiNode node;
  node.store.hold = true;
  {
    Client leaving(node.server->address().port);
    leaving.send(ApiNode::request("POST", "/api/v1/devices/d/telemetry",
                                  "Content-Type: application/json\r\n", "{\"a\":1}"));
    while (node.get("/api/v1/ledger").json()["records"]["in_flight"] == 0) {
    }
  }
  node.store.hold = false;
  node.store.release();
  while (node.get("/api/v1/ledger").json()["records"]["in_flight"] != 0) {
  }
  check_balanced(node);
}

TEST_CASE("a full disk is 507, a closed shard 503, both with Retry-After") {
  ApiNode node;
  node.store.status = model::CommitStatus::full;
  Answer answer = node.post("d", "{\"a\":1}");
  CHECK(answer.status == 507);
  CHECK(answer.code() == "storage-full");
  CHECK(answer.header("retry-after") == "5");
  CHECK(answer.json()["retry_after_s"] == 5);
  node.store.status = model::CommitStatus::unavailable;
  answer = node.post("d", "{\"a\":1}");
  CHECK(answer.status == 503);
  CHECK(answer.code() == "shard-unavailable");
  const auto rejected = node.get("/api/v1/ledger").json()["records"]["rejected"];
  CHECK(rejected["storage-full"] == 1);
  CHECK(rejected["shard-unavailable"] == 1);
  check_balanced(node);
}

TEST_CASE("a full queue is 503 before the body is read, and nothing counts as received") {
  ApiNode node;
  node.store.queued = 64u << 20;
  const Answer answer = node.post("d", "{\"a\":1}");
  CHECK(answer.status == 503);
  CHECK(answer.code() == "overloaded");
  CHECK(answer.header("retry-after") == "2");
  CHECK(node.get("/api/v1/ledger").json()["records"]["received"] == 0);
}

TEST_CASE("forms are refused with the word that helps") {
  ApiNode node;
  for (const std::string type : {"application/x-www-form-urlencoded", "multipart/form-data",
                                 "text/plain", "application/jsonx"}) {
    const Answer answer = node.post("d", "a=1", "", type);
    CHECK(answer.status == 415);
    CHECK(answer.code() == "unsupported-media-type");
    CHECK(answer.json()["detail"].get<std::string>().find("curl --json") != std::string::npos);
  }
  CHECK(node.ask("POST", "/api/v1/devices/d/telemetry", "", "{}").status == 415);
  CHECK(node.ask("POST", "/api/v1/devices/d/telemetry",
                 "Content-Type: application/json\r\nContent-Encoding: gzip\r\n", "{}")
            .status == 415);
  CHECK(node.post("d", "{\"a\":1}", "", "Application/JSON;charset=utf-8").status == 200);
}

TEST_CASE("what can be no device id is refused") {
  ApiNode node;
  for (const std::string id : {"a%2Fb", "a%2Bb", "a%23", "%00", ".", "..", "", "%ff"}) {
    CAPTURE(id);
    const Answer answer = node.post(id, "{\"a\":1}");
    CHECK(answer.status == 400);
    CHECK(answer.code() == "invalid-device-id");
  }
  CHECK(node.post("urn:dev:ow:10e2073a01080063", "{\"a\":1}").status == 200);
  CHECK(node.post("K%C3%BCche%20links", "{\"a\":1}").status == 200);
  CHECK(node.get("/api/v1/devices").json()["items"][0]["id"] == "K\xC3\xBC"
                                                                "che links");
}

TEST_CASE("what GET answers can be posted again, exactly, with names=path") {
  ApiNode node;
  node.post(
      "a",
      R"({"ts":1000,"values":{"PM2.5":4.50,"ENERGY":{"Power":1e3},"s":"\u0001\"x","b":true}})");
  const Answer read = node.get("/api/v1/devices/a/telemetry?names=path");
  CHECK(read.body.find(R"("PM2\\.5":4.50)") != std::string::npos);
  CHECK(read.body.find(R"("ENERGY.Power":1e3)") != std::string::npos);
  const std::size_t begin = read.body.find("[");
  const std::string records = read.body.substr(begin, read.body.rfind("]") - begin + 1);
  CHECK(node.post("b", records, "?names=path").json()["stored"] == 1);
  Answer copy = node.get("/api/v1/devices/b/telemetry?names=path");
  const auto cut = [](std::string text) { return text.substr(text.find("\"values\"")); };
  CHECK(cut(copy.body) == cut(read.body));
  CHECK(node.post("b", "{}", "?names=other").code() == "invalid-parameter");
}

TEST_CASE("while starting or draining nothing is taken") {
  ApiNode node;
  node.phase = Phase::starting;
  CHECK(node.post("d", "{\"a\":1}").code() == "not-ready");
  node.phase = Phase::draining;
  CHECK(node.post("d", "{\"a\":1}").code() == "draining");
}

TEST_CASE("many pipelined posts of several devices are each answered for themselves") {
  ApiNode node;
  std::string requests;
  for (int i = 0; i < 200; ++i) {
    requests +=
        ApiNode::request("POST", "/api/v1/devices/d" + std::to_string(i % 7) + "/telemetry",
                         "Content-Type: application/json\r\n", "{\"n\":" + std::to_string(i) + "}");
  }
  node.client->send(requests);
  for (int i = 0; i < 200; ++i) {
    CHECK(node.client->receive().json()["stored"] == 1);
  }
  CHECK(node.get("/api/v1/ledger").json()["records"]["stored"] == 200);
  check_balanced(node);
}
