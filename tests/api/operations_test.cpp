#include "tests/api/api_node.hpp"

using namespace spate;
using namespace spate::api;
using Json = nlohmann::json;

namespace {

const std::string kTelemetry = "/api/v1/devices/d/telemetry";
constexpr std::string_view kJson = "Content-Type: application/json\r\n";

} // namespace

TEST_CASE("erasing is accepted with an operation, and reads stop at once") {
  ApiNode node;
  node.post("d",
            R"([{"ts":1600000000000,"values":{"a":1}},{"ts":1600000001000,"values":{"a":2}}])");
  const Answer answer = node.ask("DELETE", kTelemetry + "?to=1600000001000");
  REQUIRE(answer.status == 202);
  const Json operation = answer.json();
  CHECK(operation["type"] == "telemetry.erase");
  CHECK(operation["state"] == "QUEUED");
  CHECK(operation["progress"] == Json{{"done", 0}, {"total", nullptr}, {"failed", 0}});
  CHECK(operation["started_ts"].is_null());
  CHECK(operation["error"].is_null());
  CHECK(operation["results_url"].is_null());
  const std::string location = answer.header("location");
  CHECK(location == "/api/v1/operations/" + operation["id"].get<std::string>());
  CHECK(node.get(kTelemetry).json()["records"].size() == 1);
  CHECK(node.get(location).json() == operation);
  node.store.finish(storage::OperationState::succeeded);
  const Json done = node.get(location).json();
  CHECK(done["state"] == "SUCCEEDED");
  CHECK(done["finished_ts"] == 1'594'598'500'001);
  CHECK(done["result"] == Json{{"rows", 1}});
}

TEST_CASE("a key makes one erasure of many requests") {
  ApiNode node;
  node.post("d", R"({"ts":1600000000000,"values":{"a":1}})");
  const std::string key = "Idempotency-Key: k1\r\n";
  const Answer first = node.ask("DELETE", kTelemetry, key);
  CHECK(first.headers.count("idempotency-replayed") == 0);
  const Answer again = node.ask("DELETE", kTelemetry, key);
  CHECK(again.status == 202);
  CHECK(again.header("idempotency-replayed") == "true");
  CHECK(again.json()["id"] == first.json()["id"]);
  const Answer other = node.ask("DELETE", kTelemetry + "?to=5", key);
  CHECK(other.status == 422);
  CHECK(other.code() == "idempotency-key-reused");
  CHECK(node.ask("DELETE", kTelemetry, "Idempotency-Key: a b\r\n").code() == "invalid-parameter");
}

TEST_CASE("what can not be erased is refused") {
  ApiNode node;
  CHECK(node.ask("DELETE", kTelemetry).code() == "device-not-found");
  node.post("d", R"({"a":1})");
  CHECK(node.ask("DELETE", kTelemetry + "?from=5&to=5").code() == "validation-failed");
  CHECK(node.ask("DELETE", kTelemetry + "?fields=a").code() == "invalid-parameter");
  node.store.reads_fail = true;
  CHECK(node.ask("DELETE", kTelemetry).code() == "shard-unavailable");
  node.phase = Phase::draining;
  CHECK(node.ask("DELETE", kTelemetry).code() == "draining");
  CHECK(node.ask("POST", "/api/v1/store:compact", kJson, "{}").code() == "draining");
  node.phase = Phase::running;
}

TEST_CASE("compacting asks for a content type that no page of another origin can send unasked") {
  ApiNode node;
  CHECK(node.ask("POST", "/api/v1/store:compact").status == 415);
  CHECK(node.ask("POST", "/api/v1/store:compact", "Content-Type: text/plain\r\n", "{}").status ==
        415);
  CHECK(node.ask("POST", "/api/v1/store:compact", kJson, R"({"a":1})").code() ==
        "validation-failed");
  CHECK(node.ask("GET", "/api/v1/store:compact").header("allow") == "POST, OPTIONS");
  const Answer answer = node.ask("POST", "/api/v1/store:compact", kJson, "{}");
  CHECK(answer.status == 202);
  CHECK(answer.json()["type"] == "store.compact");
  CHECK(answer.json()["progress"]["total"] == 4);
}

TEST_CASE("a check of the store is asked for as compacting is") {
  ApiNode node;
  CHECK(node.ask("POST", "/api/v1/store:check").status == 415);
  CHECK(node.ask("POST", "/api/v1/store:check", kJson, R"({"a":1})").code() == "validation-failed");
  CHECK(node.ask("POST", "/api/v1/store:check?a=1", kJson, "{}").code() == "invalid-parameter");
  CHECK(node.ask("GET", "/api/v1/store:check").header("allow") == "POST, OPTIONS");
  const Answer answer = node.ask("POST", "/api/v1/store:check", kJson, "{}");
  CHECK(answer.status == 202);
  CHECK(answer.json()["type"] == "store.check");
  CHECK(node.get("/api/v1/operations?type=store.check").json()["items"].size() == 1);
  node.store.reads_fail = true;
  CHECK(node.ask("POST", "/api/v1/store:check", kJson, "{}").code() == "shard-unavailable");
}

TEST_CASE("operations are listed newest first, by state and type, in pages") {
  ApiNode node;
  node.post("d", R"({"a":1})");
  std::vector<std::string> ids;
  for (int i = 0; i < 2; ++i) {
    ids.push_back(node.ask("DELETE", kTelemetry).json()["id"]);
  }
  node.store.finish(storage::OperationState::failed, "The disk is gone.");
  ids.push_back(node.ask("POST", "/api/v1/store:compact", kJson, "{}").json()["id"]);
  const Json all = node.get("/api/v1/operations").json();
  REQUIRE(all["items"].size() == 3);
  CHECK(all["items"][0]["id"] == ids[2]);
  const Json& error = all["items"][1]["error"];
  CHECK(error["detail"] == "The disk is gone.");
  CHECK(error["code"] == "internal-error");
  CHECK(error["status"] == 500);
  CHECK(node.get("/api/v1/operations?state=FAILED").json()["items"].size() == 2);
  CHECK(node.get("/api/v1/operations?state=FAILED,QUEUED").json()["items"].size() == 3);
  CHECK(node.get("/api/v1/operations?type=store.compact").json()["items"].size() == 1);
  std::string cursor;
  std::vector<std::string> seen;
  do {
    const Answer page =
        node.get("/api/v1/operations?limit=1" + (cursor.empty() ? "" : "&cursor=" + cursor));
    seen.push_back(page.json()["items"][0]["id"]);
    cursor = next_of(page);
  } while (!cursor.empty() && seen.size() < 9);
  CHECK(seen == std::vector<std::string>{ids[2], ids[1], ids[0]});
  for (const std::string query : {"?state=DONE", "?type=x", "?limit=0", "?order=asc"}) {
    CHECK(node.get("/api/v1/operations" + query).code() == "invalid-parameter");
  }
  CHECK(node.get("/api/v1/operations?cursor=AAAA").code() == "invalid-cursor");
}

TEST_CASE("an operation that is not there is 404, whatever its id looks like") {
  ApiNode node;
  for (const std::string id : {"x", "01977f2e-71aa-7e05-8c21-5d0e9b7f1c02"}) {
    const Answer answer = node.get("/api/v1/operations/" + id);
    CHECK(answer.status == 404);
    CHECK(answer.code() == "operation-not-found");
  }
}

TEST_CASE("a wait for an operation ends with it, with its time, and with the node's stop") {
  ApiNode node;
  const std::string location =
      node.ask("POST", "/api/v1/store:compact", kJson, "{}").header("location");
  Answer answer = node.ask("GET", location, "Prefer: wait=1\r\n");
  CHECK(answer.json()["state"] == "QUEUED");
  CHECK(answer.header("preference-applied") == "wait=1");
  CHECK(node.ask("GET", location, "Prefer: wait=soon\r\n").code() == "invalid-parameter");
  // A hang is the failure of the rest.
  node.client->send(ApiNode::request("GET", location, "Prefer: wait=60\r\n"));
  node.store.finish(storage::OperationState::succeeded);
  CHECK(node.client->receive().json()["state"] == "SUCCEEDED");
  const std::string next =
      node.ask("POST", "/api/v1/store:compact", kJson, "{}").header("location");
  node.client->send(ApiNode::request("GET", next, "Prefer: wait=60\r\n"));
  node.phase = Phase::draining;
  CHECK(node.client->receive().json()["state"] == "QUEUED");
}

TEST_CASE("the store tells its bytes, what was written, and which shards serve") {
  ApiNode node;
  node.store.more_stats.run_bytes = 1000;
  node.store.more_stats.run_readings = 3000;
  node.store.more_stats.log_bytes = 100;
  node.store.more_stats.wal_bytes = 120;
  node.store.more_stats.flush_bytes = 30;
  node.store.more_stats.fold_bytes = 25;
  node.store.more_stats.damaged_blocks = 2;
  node.store.second_shard_ok = false;
  const Json body = node.get("/api/v1/store").json();
  CHECK(body["runs"]["bytes_per_reading"] == 0.333);
  CHECK(body["since_start"]["write_amplification"] == 1.75);
  CHECK(body["since_start"]["written_bytes_per_row"].is_null()); // No rows: nothing to divide by.
  CHECK(body["damaged_blocks"] == 2);
  CHECK(body["shards"][1]["detail"] == "fdatasync failed");
}
