#include "api/backups.hpp"

#include <filesystem>
#include <fstream>
#include <thread>

#include <stdlib.h>

#include "tests/api/api_node.hpp"

using namespace spate;
using namespace spate::api;
using Json = nlohmann::json;

namespace {

constexpr std::string_view kJson = "Content-Type: application/json\r\n";
const std::string kBackups = "/api/v1/backups";

/// Doors with a store whose databases can not be had until released; the copies themselves are
/// storage's business.
struct BackupNode {
  std::string root;
  std::string directory;
  std::atomic<bool> hold{false};
  Backups backups;
  ApiNode node;

  static std::string make_directory() {
    std::string path = "/tmp/spate-api-backups-XXXXXX";
    REQUIRE(::mkdtemp(path.data()) != nullptr);
    return path;
  }
  BackupOptions options() {
    BackupOptions out;
    out.directory = directory;
    out.databases.telemetry = [this](const storage::DatabaseUser&) -> Result<void> {
      while (hold) {
        std::this_thread::yield();
      }
      return fail(Errc::storage_unavailable, "a: closed for repair");
    };
    out.now_ms = [] { return 1'594'598'424'502; };
    return out;
  }
  explicit BackupNode(const std::string& below = "")
      : root(make_directory()), directory(root + below), backups(options()),
        node([this](Services& services) { services.backups = &backups; }) {}
  ~BackupNode() {
    hold = false;
    backups.stop(); // It may be about to write there.
    std::filesystem::remove_all(root);
  }
  Answer post(const std::string& body, const std::string& headers = "") {
    return node.ask("POST", kBackups, std::string(kJson) + headers, body);
  }
};

} // namespace

TEST_CASE("a backup is accepted as an operation, one at a time, and its end is told") {
  BackupNode f;
  f.hold = true;
  const Answer accepted = f.post(R"({"destination":"nightly"})");
  REQUIRE(accepted.status == 202);
  CHECK(accepted.json()["type"] == "backup.create");
  CHECK(accepted.json()["state"] == "RUNNING");
  const std::string id = accepted.json()["id"];
  CHECK(accepted.header("location") == "/api/v1/operations/" + id);
  CHECK(f.node.get("/api/v1/operations/" + id).json()["state"] == "RUNNING");
  CHECK(f.node.get("/api/v1/operations?type=backup.create").json()["items"].size() == 1);
  CHECK(f.node.get("/api/v1/operations?type=store.compact").json()["items"].empty());
  const Json running = f.node.get(kBackups + "/" + id).json();
  CHECK(running["state"] == "RUNNING");
  CHECK(running["destination"] == "nightly");
  CHECK(f.post("{}").code() == "state-conflict");
  CHECK(f.post("{}").status == 409);

  f.hold = false;
  const Answer ended = f.node.ask("GET", "/api/v1/operations/" + id, "Prefer: wait=20\r\n");
  CHECK(ended.json()["state"] == "FAILED");
  CHECK(ended.json()["error"]["detail"] == "a: closed for repair");
  const Json failed = f.node.get(kBackups + "/" + id).json();
  CHECK(failed["state"] == "FAILED");
  CHECK(failed["error"] == "a: closed for repair");
  CHECK(f.node.get(kBackups).json()["items"].size() == 1);
}

TEST_CASE("a backup whose directory is not there is listed all the same") {
  BackupNode f("/a-file/backups"); // It can not be made.
  std::ofstream(f.root + "/a-file") << "x";
  const std::string id = f.post("{}").json()["id"];
  f.node.ask("GET", "/api/v1/operations/" + id, "Prefer: wait=20\r\n");
  CHECK(f.node.get(kBackups + "/" + id).json()["state"] == "FAILED");
  CHECK(f.node.get(kBackups).json()["items"].size() == 1);
}

TEST_CASE("a key makes one backup of many requests") {
  BackupNode f;
  f.hold = true;
  const Answer first = f.post("{}", "Idempotency-Key: k\r\n");
  const Answer again = f.post("{}", "Idempotency-Key: k\r\n");
  CHECK(again.status == 202);
  CHECK(again.json()["id"] == first.json()["id"]);
  CHECK(again.header("idempotency-replayed") == "true");
  CHECK(f.post(R"({"keep":3})", "Idempotency-Key: k\r\n").code() == "idempotency-key-reused");
}

TEST_CASE("what can not be backed up is refused, with the member that is wrong") {
  BackupNode f;
  for (const std::string destination :
       {"../x", "a/../../x", "/etc", "x/y", "manifests", "data0", "verify-x"}) {
    CAPTURE(destination);
    const Answer answer = f.post(Json{{"destination", destination}}.dump());
    CHECK(answer.status == 422);
    CHECK(answer.json()["errors"][0]["pointer"] == "/destination");
  }
  // Its sibling of a longer name is not below it.
  CHECK(f.post(Json{{"destination", f.directory + "2"}}.dump()).status == 422);
  CHECK(f.post(R"({"keep":-1})").status == 422);
  CHECK(f.post(R"({"keep":"3"})").status == 422);
  CHECK(f.post(R"({"incremental":false})").status == 422);
  CHECK(f.post(R"({"other":1})").status == 422);
  CHECK(f.post("[]").code() == "invalid-body");
  CHECK(f.post("{").code() == "invalid-body");
  CHECK(f.node.get(kBackups).json() == Json{{"items", Json::array()}, {"next_cursor", nullptr}});
  CHECK(f.node.get(kBackups + "/x").status == 404);
  CHECK(f.node.get(kBackups + "?cursor=x").code() == "invalid-cursor");
  CHECK(f.post(Json{{"destination", f.directory}}.dump()).status == 202);
}

TEST_CASE("without a directory in the configuration there are no backups over HTTP") {
  ApiNode node;
  const Answer answer = node.ask("POST", kBackups, kJson, "{}");
  CHECK(answer.status == 422);
  CHECK(answer.json()["detail"].get<std::string>().find("[backup] directory") != std::string::npos);
  CHECK(node.get(kBackups).status == 422);
  CHECK(node.ask("DELETE", kBackups).status == 405);
}
