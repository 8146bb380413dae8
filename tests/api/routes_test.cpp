#include <regex>

#include "api/cursor.hpp"
#include "api/request_parts.hpp"
#include "engine/http/request_reader.hpp"
#include "tests/api/api_node.hpp"

using namespace spate;
using namespace spate::api;

TEST_CASE("a foreign host name is refused on loopback, whatever is asked") {
  ApiNode node;
  for (const auto target : {"/livez", "/api/v1/devices", "/nothing"}) {
    const Answer answer = node.ask("GET", target, "Host: evil.example:8080\r\n");
    CHECK(answer.status == 421);
    CHECK(answer.code() == "misdirected-request");
  }
  CHECK(node.ask("GET", "http://evil.example/livez").status == 421);
  CHECK(node.ask("GET", "/livez", "Host: localhost:8080\r\n").status == 200);
  CHECK(node.ask("GET", "/livez", "Host: [::1]\r\n").status == 200);

  ApiNode open([](Services& services) { services.loopback = false; });
  CHECK(open.ask("GET", "/livez", "Host: spate.example\r\n").status == 200);
}

TEST_CASE("no answer allows another origin") {
  ApiNode node;
  for (const Answer& answer :
       {node.ask("GET", "/livez", "Origin: http://evil.example\r\n"),
        node.ask("OPTIONS", "/api/v1/devices/d/telemetry",
                 "Origin: http://evil.example\r\nAccess-Control-Request-Method: POST\r\n")}) {
    for (const auto& [name, value] : answer.headers) {
      CHECK(name.find("access-control") == std::string::npos);
    }
  }
}

TEST_CASE("problems have all that RFC 9457 and the document promise") {
  ApiNode node;
  const Answer answer = node.ask("GET", "/nothing?x=1",
                                 "Accept: text/html\r\ntraceparent: "
                                 "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\r\n");
  CHECK(answer.status == 404);
  CHECK(answer.header("content-type") == "application/problem+json");
  const auto body = answer.json();
  CHECK(body["type"] == "/api/v1/problems/not-found");
  CHECK(body["status"] == 404);
  CHECK(body["code"] == "not-found");
  CHECK(body["instance"] == "/nothing?x=1");
  CHECK(body["trace_id"] == "4bf92f3577b34da6a3ce929d0e0e4736");
  CHECK(body.contains("title"));
  CHECK(node.get("/nothing").json()["trace_id"].get<std::string>().size() == 32);
  CHECK(node.get(body["type"].get<std::string>()).json()["status"] == 404);
}

TEST_CASE("a method that a resource does not have is named in Allow") {
  ApiNode node;
  Answer answer = node.ask("DELETE", "/livez");
  CHECK(answer.status == 405);
  CHECK(answer.code() == "method-not-allowed");
  CHECK(answer.header("allow") == "GET, HEAD, OPTIONS");
  answer = node.ask("PUT", "/api/v1/devices/d/telemetry", "", "{}");
  CHECK(answer.header("allow") == "GET, HEAD, POST, DELETE, OPTIONS");
  answer = node.ask("OPTIONS", "/api/v1/devices/d/telemetry");
  CHECK(answer.status == 204);
  CHECK(answer.header("allow") == "GET, HEAD, POST, DELETE, OPTIONS");
  CHECK(answer.headers.count("content-length") == 0);
  CHECK(node.ask("OPTIONS", "*").status == 204);
}

TEST_CASE("what HTTP itself refuses is a problem, too") {
  ApiNode node;
  node.client->send("GET /livez HTTP/1.1\r\n\r\n");
  const Answer answer = node.client->receive();
  CHECK(answer.status == 400);
  CHECK(answer.code() == "malformed-request");
  CHECK(answer.header("connection") == "close");
  CHECK(node.client->receive().status == 0);
  node.client = std::make_unique<Client>(node.server->address().port);
  CHECK(node.ask("POST", "/api/v1/devices/d/telemetry",
                 "Content-Type: application/json\r\nContent-Length: 999999999\r\n")
            .code() == "payload-too-large");
}

TEST_CASE("livez says what is stuck") {
  ApiNode node;
  CHECK(node.get("/livez").body == "ok\n");
  CHECK(node.ask("HEAD", "/livez").header("content-length") == "3");
  node.is_stuck = true;
  const Answer answer = node.get("/livez");
  CHECK(answer.status == 503);
  CHECK(answer.body == "loop 1 stuck for 12 s\n");
}

TEST_CASE("readyz tells degraded from unavailable, starting and draining") {
  ApiNode node;
  CHECK(node.get("/readyz").json() == nlohmann::json{{"status", "ok"}});
  node.store.second_shard_ok = false;
  Answer answer = node.get("/readyz?verbose=true");
  CHECK(answer.status == 200);
  CHECK(answer.json()["status"] == "degraded");
  CHECK(answer.json()["checks"][0]["status"] == "ok");
  CHECK(answer.json()["checks"][1]["status"] == "failed");
  CHECK(answer.json()["checks"][1]["detail"] == "fdatasync failed");
  node.store.first_shard_ok = false;
  answer = node.get("/readyz");
  CHECK(answer.status == 503);
  CHECK(answer.json()["status"] == "unavailable");
  node.phase = Phase::draining;
  CHECK(node.get("/readyz").json()["status"] == "draining");
  node.phase = Phase::starting;
  CHECK(node.get("/readyz").json()["status"] == "starting");
  CHECK(node.get("/readyz").status == 503);
}

TEST_CASE("version, document and problem codes are served") {
  ApiNode node;
  CHECK(node.get("/version").json()["version"] == "0.1.0");
  CHECK(node.get("/version").json()["built_ts"] == 1'594'500'000'000);
  const auto document = node.get("/api/v1/openapi.json").json();
  CHECK(document["openapi"] == "3.1.0");
  CHECK(document["paths"].size() == 23);
  const auto codes = node.get("/api/v1/problems").json()["items"];
  CHECK(codes.size() == document["x-spate-problem-codes"].size());
  CHECK(node.get("/api/v1/problems/storage-full").json()["status"] == 507);
  CHECK(node.get("/api/v1/problems/nope").code() == "not-found");
}

TEST_CASE("records are paged by time, without gaps or repeats, also where times are equal") {
  ApiNode node;
  node.post(
      "d",
      R"([{"ts":1000,"values":{"a":1}},{"ts":1000,"values":{"a":2}},{"ts":1000,"values":{"b":3}},{"ts":2000,"values":{"a":4}},{"ts":3000,"values":{"a":5}}])");
  for (const char* order : {"asc", "desc"}) {
    std::string seen;
    std::string target = "/api/v1/devices/d/telemetry?limit=2&order=" + std::string(order);
    std::string cursor;
    int pages = 0;
    do {
      const Answer page = node.get(target + (cursor.empty() ? "" : "&cursor=" + cursor));
      REQUIRE(page.status == 200);
      const auto body = page.json();
      for (const auto& record : body["records"]) {
        seen += record["values"].begin()->dump();
      }
      cursor = next_of(page);
      CHECK(page.headers.count("link") == (cursor.empty() ? 0 : 1));
      ++pages;
    } while (!cursor.empty());
    CHECK(seen == (std::string_view(order) == "asc" ? "12345" : "54321"));
    CHECK(pages == 3);
  }
  const Answer first = node.get("/api/v1/devices/d/telemetry?limit=2");
  std::string link = first.header("link");
  CHECK(link.ends_with(">; rel=\"next\""));
  link = link.substr(1, link.find('>') - 1);
  CHECK(node.get(link).json()["records"][0]["values"]["b"] == 3);
}

TEST_CASE("a cursor of other parameters is refused") {
  ApiNode node;
  node.post("d", R"([{"ts":1000,"values":{"a":1}},{"ts":2000,"values":{"a":2}}])");
  node.post("e", R"([{"ts":1000,"values":{"a":1}},{"ts":2000,"values":{"a":2}}])");
  const std::string cursor = next_of(node.get("/api/v1/devices/d/telemetry?limit=1&from=0"));
  REQUIRE_FALSE(cursor.empty());
  CHECK(node.get("/api/v1/devices/d/telemetry?from=0&limit=5&cursor=" + cursor).status == 200);
  for (const std::string& target :
       {"/api/v1/devices/e/telemetry?limit=1&from=0&cursor=" + cursor,
        "/api/v1/devices/d/telemetry?limit=1&from=1&cursor=" + cursor,
        "/api/v1/devices/d/telemetry?limit=1&from=0&order=desc&cursor=" + cursor,
        "/api/v1/devices?cursor=" + cursor, std::string("/api/v1/rejections?cursor=x"),
        "/api/v1/devices/d/telemetry?from=0&cursor=" + cursor + "AA",
        std::string("/api/v1/devices/d/telemetry?cursor=")}) {
    CAPTURE(target);
    const Answer answer = node.get(target);
    CHECK(answer.status == 400);
    CHECK(answer.code() == "invalid-cursor");
  }
}

TEST_CASE("a cursor of this list is refused if the list can not go on there") {
  http::RequestReader reader(http::RequestLimits{});
  static_cast<void>(reader.feed("GET /x?cursor=" + make_cursor("list", "abc") +
                                " HTTP/1.1\r\nHost: localhost\r\n\r\n"));
  Parameters parameters(reader.request(), 0);
  parameters.allow({"cursor"});
  std::string taken;
  const auto take = [&](bool known) {
    return [&taken, known](std::string& position) {
      taken = position;
      return known;
    };
  };
  CHECK_FALSE(page_problem(parameters, "list", take(true)));
  CHECK(taken == "abc");
  const auto unknown = page_problem(parameters, "list", take(false));
  REQUIRE(unknown);
  CHECK(unknown->code == "invalid-cursor");
  CHECK(page_problem(parameters, "other", take(true)));
}

TEST_CASE("from is inclusive, to exclusive, and both may be left out") {
  ApiNode node;
  node.post(
      "d",
      R"([{"ts":1600000001000,"values":{"a":1}},{"ts":1600000002000,"values":{"a":2}},{"ts":1600000003000,"values":{"a":3}}])");
  const auto count = [&](const std::string& query) {
    return node.get("/api/v1/devices/d/telemetry" + query).json()["records"].size();
  };
  CHECK(count("") == 3);
  CHECK(count("?from=1600000002000") == 2);
  CHECK(count("?to=1600000002000") == 1);
  CHECK(count("?from=1600000001000&to=1600000003000") == 2);
  CHECK(count("?from=2020-09-13T12:26:42Z") == 2);
  CHECK(count("?from=2020-09-13T13:26:42+01:00") == 2); // A forgotten %2B.
  CHECK(count("?from=-1h") == 0);
}

TEST_CASE("parameters that are wrong are named") {
  ApiNode node;
  const std::string base = "/api/v1/devices/d/telemetry?";
  for (const auto& [query, parameter] :
       std::vector<std::pair<std::string, std::string>>{{"from=yesterday", "from"},
                                                        {"limit=10001", "limit"},
                                                        {"limit=0", "limit"},
                                                        {"limit=-1", "limit"},
                                                        {"limit=1e3", "limit"},
                                                        {"order=up", "order"},
                                                        {"names=short", "names"},
                                                        {"numbers=hex", "numbers"},
                                                        {"agg=mean", "agg"},
                                                        {"step=1h", "step"},
                                                        {"form=1", "form"},
                                                        {"to=1&to=2", "to"}}) {
    const std::string& asked =
        query; // clang 14 captures no structured binding in CAPTURE's lambda.
    CAPTURE(asked);
    const Answer answer = node.get(base + query);
    CHECK(answer.status == 400);
    CHECK(answer.code() == "invalid-parameter");
    CHECK(answer.json()["errors"][0]["parameter"] == parameter);
  }
  CHECK(node.get("/api/v1/devices?sort=id").json()["detail"].get<std::string>().find("later") !=
        std::string::npos);
  CHECK(node.get("/api/v1/devices?limit=20000").json()["detail"] ==
        "limit is 20000; the maximum is 10000.");
  CHECK(node.get("/api/v1/rejections?reason=bad").code() == "invalid-parameter");
  CHECK(node.get("/api/v1/devices?filter=a==b").code() == "invalid-parameter");
}

TEST_CASE("values come back as they were sent") {
  ApiNode node;
  node.post(
      "d",
      R"({"ts":1594598424502,"values":{"n":18.899999618530273,"z":-0.0,"e":1E+2,"big":12345678901234567890123,"t":true,"s":"ü"}})");
  const Answer answer = node.get("/api/v1/devices/d/telemetry");
  for (const auto part : {R"("n":18.899999618530273)", R"("z":-0.0)", R"("e":1E+2)",
                          R"("big":12345678901234567890123)", R"("t":true)", "\"s\":\"ü\"",
                          R"("ts":1594598424502)", R"("ts_source":"device")"}) {
    CAPTURE(part);
    CHECK(answer.body.find(part) != std::string::npos);
  }
  const Answer text = node.get("/api/v1/devices/d/telemetry?numbers=text");
  CHECK(text.body.find(R"("big":"12345678901234567890123")") != std::string::npos);
  CHECK(text.body.find(R"("t":true)") != std::string::npos);
}

TEST_CASE("a page of records has these very bytes") {
  ApiNode node;
  node.post(
      "d",
      R"([{"ts":1594598424502,"values":{"a":-0.05,"b\"c":"x\ny","d":[true,22.50]}},{"ts":1594598424503,"values":{"z":"\u0007"}}])");
  const auto page = [&](const std::string& query) {
    return std::regex_replace(node.get("/api/v1/devices/d/telemetry" + query).body,
                              std::regex(R"("received_ts":\d+)"), R"("received_ts":0)");
  };
  CHECK(
      page("") ==
      R"({"device":"d","records":[{"ts":1594598424502,"received_ts":0,"ts_source":"device","values":{"a":-0.05,"b\"c":"x\ny","d.0":true,"d.1":22.50}},{"ts":1594598424503,"received_ts":0,"ts_source":"device","values":{"z":"\u0007"}}],"next_cursor":null})");
  CHECK(
      page("?fields=d.1,b%22c&numbers=text") ==
      R"({"device":"d","records":[{"ts":1594598424502,"received_ts":0,"ts_source":"device","values":{"b\"c":"x\ny","d.1":"22.50"}}],"next_cursor":null})");
}

TEST_CASE("fields= leaves out records that have none of them") {
  ApiNode node;
  node.post(
      "d",
      R"([{"ts":1,"values":{"a":1,"b":1}},{"ts":2,"values":{"b":2}},{"ts":3,"values":{"PM2.5":3}}])");
  const auto a = node.get("/api/v1/devices/d/telemetry?fields=a,x").json()["records"];
  REQUIRE(a.size() == 1);
  CHECK(a[0]["values"] == nlohmann::json{{"a", 1}});
  CHECK(node.get("/api/v1/devices/d/telemetry?fields=PM2.5&fields=b").json()["records"].size() ==
        3);
  node.post("d", R"({"ts":4,"values":{"a,b":4}})");
  const auto comma = node.get("/api/v1/devices/d/telemetry?fields=a%2Cb&fields=").json()["records"];
  REQUIRE(comma.size() == 1);
  CHECK(comma[0]["ts"] == 4000);
  CHECK(node.get("/api/v1/devices/d/telemetry?fields=zzz").json()["records"].empty());
}

TEST_CASE("the last values are those of each field, not of each record") {
  ApiNode node;
  node.post(
      "d",
      R"([{"ts":1600000001000,"values":{"a":1,"b":1}},{"ts":1600000002000,"values":{"b":2}},{"ts":1600000000500,"values":{"b":0,"c":7}}])");
  const auto body = node.get("/api/v1/devices/d/telemetry/last").json();
  CHECK(body["device"] == "d");
  CHECK(body["values"]["a"]["ts"] == 1600000001000);
  CHECK(body["values"]["b"]["value"] == 2);
  CHECK(body["values"]["c"]["ts"] == 1600000000500);
  CHECK(node.get("/api/v1/devices/d/telemetry/last?fields=a").json()["values"].size() == 1);
  CHECK(node.get("/api/v1/devices/x/telemetry/last").code() == "device-not-found");
}

TEST_CASE("devices are listed by id with their connectivity") {
  ApiNode node;
  for (const auto id : {"b", "connected", "a"}) {
    node.post(id, R"({"a":1})");
  }
  const Answer first = node.get("/api/v1/devices?limit=2");
  const auto items = first.json()["items"];
  REQUIRE(items.size() == 2);
  CHECK(items[0]["id"] == "a");
  CHECK(items[0]["connectivity"] == nlohmann::json{{"connected", false}});
  CHECK(items[0]["first_seen_ts"].is_number());
  const auto second = node.get("/api/v1/devices?limit=2&cursor=" + next_of(first)).json();
  REQUIRE(second["items"].size() == 1);
  CHECK(second["items"][0]["connectivity"]["protocol"] == "mqtt5");
  CHECK(second["next_cursor"].is_null());
}

TEST_CASE("a device that never sent a record has no time of its last one") {
  ApiNode node;
  node.store.see("d", 1'594'512'068'000);
  const auto item = node.get("/api/v1/devices").json()["items"][0];
  CHECK(item["first_seen_ts"] == 1'594'512'068'000);
  CHECK(item["last_seen_ts"].is_null());
}

TEST_CASE("rejections are filtered and paged, newest first") {
  ApiNode node;
  node.post("a", "bad");
  node.post("b", R"({"ts":"x","values":{"a":1}})");
  node.post("a", "worse");
  CHECK(node.get("/api/v1/rejections?device=a").json()["items"].size() == 2);
  CHECK(node.get("/api/v1/rejections?reason=timestamp-invalid").json()["items"].size() == 1);
  CHECK(node.get("/api/v1/rejections?to=1000").json()["items"].empty());
  CHECK(node.get("/api/v1/rejections?from=-1h").json()["items"].size() == 3);
  const Answer first = node.get("/api/v1/rejections?limit=2");
  CHECK(first.json()["items"][0]["sample"] == "worse");
  CHECK(first.json()["dropped"] == 3);
  const auto second = node.get("/api/v1/rejections?limit=2&cursor=" + next_of(first)).json();
  CHECK(second["items"].size() == 1);
  CHECK(node.get("/api/v1/ledger").json()["rejections_dropped"] == 3);
}

TEST_CASE("a store that can not read now is 503") {
  ApiNode node;
  node.store.reads_fail = true;
  const Answer answer = node.get("/api/v1/devices/d/telemetry");
  CHECK(answer.status == 503);
  CHECK(answer.code() == "shard-unavailable");
  CHECK(answer.header("retry-after") == "5");
}

TEST_CASE("when no read may wait, reads are refused and metrics are not") {
  ApiNode node([](Services& services) { services.limits.reads_waiting_max = 0; });
  CHECK(node.get("/api/v1/devices").code() == "overloaded");
  CHECK(node.get("/metrics").status == 200);
}

TEST_CASE("a page of large records ends early and goes on") {
  ApiNode node([](Services& services) { services.limits.page_bytes_max = 3000; });
  std::string batch = "[";
  for (int i = 0; i < 10; ++i) {
    batch += (i ? "," : "") + std::string("{\"ts\":") + std::to_string(1000 + i) +
             ",\"values\":{\"s\":\"" + std::string(1000, 'x') + "\"}}";
  }
  node.post("d", batch + "]");
  std::size_t records = 0;
  std::string cursor;
  int pages = 0;
  do {
    const Answer page = node.get("/api/v1/devices/d/telemetry" +
                                 (cursor.empty() ? std::string() : "?cursor=" + cursor));
    records += page.json()["records"].size();
    CHECK(page.body.size() < 5000);
    cursor = next_of(page);
    ++pages;
  } while (!cursor.empty() && pages < 20);
  CHECK(records == 10);
  CHECK(pages > 2);
}

TEST_CASE("names and escapes count in the size of a page, too") {
  ApiNode node([](Services& services) { services.limits.page_bytes_max = 20'000; });
  const std::string name(400, 'n');
  std::string batch = "[";
  for (int i = 0; i < 200; ++i) { // 400 bytes of values are 2,400 as JSON.
    batch += (i ? "," : "") + std::string("{\"ts\":") + std::to_string(1000 + i) +
             ",\"values\":{\"" + name + "\":\"";
    for (int k = 0; k < 400; ++k) {
      batch += "\\u0001";
    }
    batch += "\"}}";
  }
  node.post("d", batch + "]");
  const Answer page = node.get("/api/v1/devices/d/telemetry");
  CHECK(page.body.size() < 25'000);
  CHECK_FALSE(next_of(page).empty());
  CHECK(node.store.scan_limit_max < 50);
}

TEST_CASE("a day of a record a minute is one read of the store, and more of them few") {
  ApiNode node;
  std::string batch = "[";
  for (int i = 0; i < 3000; ++i) {
    batch += (i ? "," : "") + std::string("{\"ts\":") + std::to_string(1000 + i) +
             ",\"values\":{\"a\":1}}";
  }
  node.post("d", batch + "]");
  node.store.scans = 0;
  CHECK(node.get("/api/v1/devices/d/telemetry?limit=10000&to=2440000").json()["records"].size() ==
        1440);
  CHECK(node.store.scans == 1);
  CHECK(node.get("/api/v1/devices/d/telemetry?limit=3000").json()["records"].size() == 3000);
  CHECK(node.store.scans == 3);
}

TEST_CASE("last values that are too large together are refused, and some of them are not") {
  ApiNode node([](Services& services) { services.limits.page_bytes_max = 5000; });
  std::string record = "{";
  for (int i = 0; i < 10; ++i) {
    record += (i ? "," : "") + std::string("\"f") + std::to_string(i) + "\":\"" +
              std::string(1000, 'x') + "\"";
  }
  node.post("d", record + "}");
  const Answer answer = node.get("/api/v1/devices/d/telemetry/last");
  CHECK(answer.status == 422);
  CHECK(answer.code() == "validation-failed");
  CHECK(answer.json()["detail"].get<std::string>().find("fields=") != std::string::npos);
  CHECK(node.get("/api/v1/devices/d/telemetry/last?fields=f1,f7").status == 200);
}

TEST_CASE("metrics hold the ledger by reason, the store, HTTP and the process") {
  ApiNode node;
  node.post("d", R"({"a":1})");
  node.post("d", "bad");
  const Answer answer = node.get("/metrics");
  CHECK(answer.header("content-type").starts_with("text/plain; version=0.0.4"));
  for (const std::string line :
       {"spate_records_received_total 2\n", "spate_records_stored_total 1\n",
        "spate_records_rejected_total{reason=\"payload-not-json\"} 1\n",
        "spate_ledger_imbalance 0\n", "spate_records_in_flight 0\n",
        "# TYPE spate_wal_fsync_duration_seconds histogram\n",
        "spate_wal_fsync_duration_seconds_bucket{le=\"0.0001\"} 0\n",
        "spate_wal_fsync_duration_seconds_bucket{le=\"0.00025\"} 2\n",
        "spate_wal_fsync_duration_seconds_bucket{le=\"+Inf\"} 2\n",
        "spate_http_requests_total{code=\"200\"} 1\n",
        "spate_http_requests_total{code=\"400\"} 1\n", "spate_mqtt_connections 7\n",
        "spate_shard_up{shard=\"1\"} 1\n", "process_open_fds ",
        "spate_build_info{version=\"0.1.0\",commit=\"abcdef0\"} 1\n"}) {
    CAPTURE(line);
    CHECK(answer.body.find(line) != std::string::npos);
  }
}

TEST_CASE("every code that the doors use is in the document") {
  for (const auto code : {"not-found",
                          "invalid-body",
                          "invalid-cursor",
                          "invalid-device-id",
                          "invalid-parameter",
                          "device-not-found",
                          "method-not-allowed",
                          "payload-too-large",
                          "unsupported-media-type",
                          "all-records-rejected",
                          "command-not-found",
                          "command-already-sent",
                          "device-offline",
                          "idempotency-in-progress",
                          "idempotency-key-reused",
                          "validation-failed",
                          "command-queue-full",
                          "command-wait-timeout",
                          "internal-error",
                          "draining",
                          "not-ready",
                          "overloaded",
                          "operation-not-found",
                          "too-many-buckets",
                          "shard-unavailable",
                          "query-timeout",
                          "storage-full",
                          "malformed-request",
                          "request-timeout",
                          "uri-too-long",
                          "expectation-failed",
                          "misdirected-request",
                          "headers-too-large",
                          "not-implemented",
                          "http-version-not-supported"}) {
    CAPTURE(code);
    CHECK(find_problem_code(code) != nullptr);
  }
}
