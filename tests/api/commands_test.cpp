#include "tests/api/command_node.hpp"

using namespace spate;
using namespace spate::api;
using actors::CommandReply;
using actors::CommandResult;
using model::CommandState;

namespace {

constexpr std::string_view kBody = R"({"name":"set-interval","args":{"seconds":1.50}})";

bool holds(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

} // namespace

TEST_CASE("a command to a device that was never seen is 404, also with queue") {
  CommandNode n;
  for (const auto body : {R"({"name":"reboot"})", R"({"name":"reboot","if_offline":"queue"})"}) {
    const Answer answer =
        n.send(body, "", "application/json", "/api/v1/devices/never-seen/commands");
    CHECK(answer.status == 404);
    CHECK(answer.code() == "device-not-found");
  }
  CHECK(n.commands.created() == 0);
}

TEST_CASE("a device whose session takes commands is known without any record") {
  CommandNode n;
  {
    const std::scoped_lock lock(n.commands.mutex);
    n.commands.ready.insert("new");
  }
  CHECK(n.send(kBody, "", "application/json", "/api/v1/devices/new/commands").status == 202);
  CHECK(n.commands.last().device == "new");
}

TEST_CASE("while it can not be told whether the device is known, nothing is created") {
  CommandNode n;
  n.node.store.reads_fail = true;
  const Answer answer = n.send(kBody);
  CHECK(answer.status == 503);
  CHECK(answer.code() == "shard-unavailable");
  CHECK(answer.header("retry-after") == "5");
  CHECK(n.commands.created() == 0);
}

TEST_CASE("what a command log or router refuses has a status and a code of its own") {
  CommandNode n;
  struct Case {
    CommandResult result;
    int status;
    const char* code;
    const char* retry_after;
  };
  for (const Case& each : {Case{CommandResult::device_offline, 409, "device-offline", ""},
                           {CommandResult::queue_full, 429, "command-queue-full", "5"},
                           {CommandResult::key_in_progress, 409, "idempotency-in-progress", "1"},
                           {CommandResult::key_reused, 422, "idempotency-key-reused", ""},
                           {CommandResult::disk_full, 507, "storage-full", "5"},
                           {CommandResult::unavailable, 503, "shard-unavailable", "5"},
                           {CommandResult::overloaded, 503, "overloaded", "2"}}) {
    CAPTURE(each.code);
    n.commands.tell({each.result, std::nullopt, false, "Since the test says so."});
    Answer answer = n.send(kBody);
    CHECK(answer.status == each.status);
    CHECK(answer.code() == each.code);
    CHECK(answer.header("retry-after") == each.retry_after);
    CHECK(answer.json()["detail"] == "Since the test says so.");
    CHECK(answer.headers.count("location") == 0);
    n.commands.tell({each.result, std::nullopt, false, ""});
    CHECK(n.send(kBody).json()["detail"].get<std::string>().size() > 20);
  }
}

TEST_CASE("without a wait a durable command is 202 and says where it is") {
  CommandNode n;
  const model::CommandRecord record = command_record(1, CommandState::queued);
  const Answer answer = n.send(kBody);
  CHECK(answer.status == 202);
  CHECK(answer.header("location") == CommandNode::path_of(record));
  CHECK(answer.header("content-type") == "application/json");
  CHECK(answer.headers.count("preference-applied") == 0);
  CHECK(answer.headers.count("idempotency-replayed") == 0);
  const auto body = answer.json();
  CHECK(body["state"] == "QUEUED");
  CHECK(body["final"] == false);
  CHECK(body["result"].is_null());
  CHECK(body["reason"].is_null());
  CHECK(body["timings"]["created_ts"] == 1000);
  for (const auto later : {"sent_ts", "delivered_ts", "completed_ts", "total_us"}) {
    CHECK(body["timings"][later].is_null());
  }
  CHECK(n.commands.last().wait_ms == 0);
}

TEST_CASE("a final command is 200 with what the device answered, as it was sent") {
  CommandNode n;
  model::CommandRecord record = command_record(1, CommandState::failed);
  record.progress.reason = "stuck \"valve\"";
  n.commands.tell({CommandResult::ok, record, false, ""});
  const Answer answer = n.send(kBody, "Prefer: wait=5\r\n");
  CHECK(answer.status == 200);
  CHECK(answer.header("preference-applied") == "wait=5");
  CHECK(answer.header("location") == CommandNode::path_of(record));
  CHECK(holds(answer.body, R"("args":{"seconds":1.50})"));
  CHECK(holds(answer.body, R"("result":{"seconds":1.50})"));
  const auto body = answer.json();
  CHECK(body["state"] == "FAILED");
  CHECK(body["final"] == true);
  CHECK(body["reason"] == "stuck \"valve\"");
  CHECK(body["timings"]["total_us"] == 21'120);
  CHECK(n.commands.last().wait_ms == 5000);
}

TEST_CASE("a wait ends when the command does, however late the reply comes") {
  CommandNode n;
  n.commands.hold = true;
  n.send_held("POST", CommandNode::kPath, "Prefer: wait=60\r\n", kBody);
  n.finish({CommandResult::ok, command_record(1, CommandState::succeeded), false, ""});
  const Answer answer = n.node.client->receive();
  CHECK(answer.status == 200);
  CHECK(answer.json()["state"] == "SUCCEEDED");
}

TEST_CASE("a wait that ends first is 504 with the command inside, or 202 if that was asked for") {
  CommandNode n;
  for (const CommandState state :
       {CommandState::queued, CommandState::sent, CommandState::delivered}) {
    const model::CommandRecord record = command_record(7, state);
    n.commands.tell({CommandResult::wait_over, record, false, ""});
    const Answer answer = n.send(kBody, "Prefer: wait=5\r\n");
    CHECK(answer.status == 504);
    CHECK(answer.code() == "command-wait-timeout");
    CHECK(answer.header("location") == CommandNode::path_of(record));
    CHECK(answer.header("preference-applied") == "wait=5");
    CHECK(answer.json()["command"]["state"] == std::string(model::name_of(state)));
    const bool not_sent = holds(answer.json()["detail"].get<std::string>(), "not sent");
    CHECK(not_sent == (state == CommandState::queued));

    const Answer async = n.send(kBody, "Prefer: respond-async, wait=5\r\n");
    CHECK(async.status == 202);
    CHECK(async.header("preference-applied") == "respond-async, wait=5");
    CHECK(async.header("location") == CommandNode::path_of(record));
    CHECK(async.json()["state"] == std::string(model::name_of(state)));
  }
}

TEST_CASE("who hangs up while waiting does no harm") {
  CommandNode n;
  n.commands.hold = true;
  n.send_held("POST", CommandNode::kPath, "Prefer: wait=60\r\n", kBody);
  n.node.client = std::make_unique<Client>(n.node.server->address().port);
  n.finish({CommandResult::ok, command_record(1, CommandState::succeeded), false, ""});
  CHECK(n.node.get("/livez").status == 200);
}

TEST_CASE("at a stop who waits hears the state of now, and nothing new is taken") {
  CommandNode n;
  n.commands.tell({CommandResult::ok, command_record(1, CommandState::sent), false, ""});
  n.commands.hold = true;
  n.send_held("POST", CommandNode::kPath, "Prefer: wait=60\r\n", kBody);
  n.node.phase = Phase::draining;
  Client other(n.node.server->address().port);
  for (const auto& [method, path] :
       {std::pair<std::string, std::string>{"POST", CommandNode::kPath},
        {"DELETE", CommandNode::path_of(command_record(1, CommandState::sent))}}) {
    other.send(ApiNode::request(method, path, "Content-Type: application/json\r\n",
                                method == "POST" ? kBody : ""));
    CHECK(other.receive().code() == "draining");
  }
  n.node.loop.post([&] { n.node.server->drain(); });
  const Answer answer = n.node.client->receive();
  CHECK(answer.status == 503);
  CHECK(answer.code() == "draining");
  CHECK(answer.json()["command"]["state"] == "SENT");
  CHECK(answer.header("connection") == "close");
}

TEST_CASE("a wait that the node's stop ends is no timeout, and says that the command lives on") {
  CommandNode n;
  for (const CommandState state :
       {CommandState::queued, CommandState::sent, CommandState::delivered}) {
    const model::CommandRecord record = command_record(7, state);
    n.commands.tell({CommandResult::draining, record, true, ""});
    const Answer answer = n.send(kBody, "Prefer: wait=60\r\n");
    CHECK(answer.status == 503);
    CHECK(answer.code() == "draining");
    CHECK(answer.header("retry-after") == "2");
    CHECK(answer.header("location") == CommandNode::path_of(record));
    CHECK(answer.header("idempotency-replayed") == "true");
    const auto body = answer.json();
    CHECK(body["command"]["state"] == std::string(model::name_of(state)));
    const auto detail = body["detail"].get<std::string>();
    CHECK_FALSE(holds(detail, "60 s"));
    CHECK(holds(detail, "instead of sending it again"));
    CHECK(holds(detail, "not sent") == (state == CommandState::queued));

    const Answer async = n.send(kBody, "Prefer: respond-async, wait=60\r\n");
    CHECK(async.status == 202);
    CHECK(async.json()["state"] == std::string(model::name_of(state)));
  }
  n.commands.tell({CommandResult::draining, command_record(7, CommandState::failed), false, ""});
  CHECK(n.send(kBody, "Prefer: wait=60\r\n").status == 200);
}

TEST_CASE("how long a command lives follows from the wait and if_offline, unless it is said") {
  CommandNode n;
  const auto ttl = [&](std::string_view body, std::string_view headers) {
    REQUIRE(n.send(body, headers).status < 300);
    return n.commands.last().ttl_ms;
  };
  CHECK(ttl(R"({"name":"a"})", "") == 60'000);
  CHECK(ttl(R"({"name":"a","if_offline":"queue"})", "") == 86'400'000);
  n.commands.tell({CommandResult::ok, command_record(1, CommandState::succeeded), false, ""});
  CHECK(ttl(R"({"name":"a"})", "Prefer: wait=3\r\n") == 3000);
  CHECK(ttl(R"({"name":"a","if_offline":"queue"})", "Prefer: wait=3\r\n") == 3000);
  CHECK(ttl(R"({"name":"a","ttl_ms":1})", "Prefer: wait=3\r\n") == 1);
  CHECK(ttl(R"({"name":"a","ttl_ms":2592000000})", "") == 2'592'000'000);
  CHECK(ttl(R"({"name":"a"})", "Prefer: wait=0\r\n") == 60'000);
}

TEST_CASE("all that a body says reaches the router") {
  CommandNode n;
  REQUIRE(n.send(R"({"name":"a.B-9_","args":[1e2,"x"],"priority":"urgent","if_offline":"queue",)"
                 R"("complete_on":"delivery","ttl_ms":5})",
                 "Idempotency-Key: k-1\r\n")
              .status == 202);
  const actors::CommandRequest request = n.commands.last();
  CHECK(request.device == "d");
  CHECK(request.name == "a.B-9_");
  CHECK(request.args == R"([1e2,"x"])");
  CHECK(request.priority == model::CommandPriority::urgent);
  CHECK(request.if_offline == model::IfOffline::queue);
  CHECK(request.complete_on == model::CompleteOn::delivery);
  CHECK(request.ttl_ms == 5);
  CHECK(request.idempotency_key == "k-1");
}

TEST_CASE("a wait above 60 s is cut and said, one that is no number is refused") {
  CommandNode n;
  n.commands.tell({CommandResult::ok, command_record(1, CommandState::succeeded), false, ""});
  CHECK(n.send(kBody, "Prefer: wait=3600\r\n").header("preference-applied") == "wait=60");
  CHECK(n.commands.last().wait_ms == 60'000);
  CHECK(n.send(kBody, "Prefer: wait=99999999999999999999999\r\n").status == 200);
  CHECK(n.commands.last().wait_ms == 60'000);
  const std::size_t created = n.commands.created();
  for (const auto prefer : {"wait=soon", "wait=-1", "wait=1.5", "wait", "wait=", "wait=5s"}) {
    const std::string text = prefer;
    CAPTURE(text);
    const Answer answer = n.send(kBody, "Prefer: " + text + "\r\n");
    CHECK(answer.status == 400);
    CHECK(answer.code() == "invalid-parameter");
    CHECK(answer.json()["errors"][0]["parameter"] == "Prefer");
  }
  CHECK(n.commands.created() == created);
}

TEST_CASE("other preferences are ignored, and fields of one name are one list") {
  CommandNode n;
  n.commands.tell({CommandResult::wait_over, command_record(1, CommandState::sent), false, ""});
  const Answer answer =
      n.send(kBody, "Prefer: handling=\"a, wait=9\", RESPOND-ASYNC\r\nPrefer: Wait = \"7\";x=1, "
                    "wait=8\r\n");
  CHECK(answer.status == 202);
  CHECK(answer.header("preference-applied") == "respond-async, wait=7");
}

TEST_CASE("an Idempotency-Key is 1 to 128 visible ASCII characters, once") {
  CommandNode n;
  for (const std::string& headers :
       {std::string("Idempotency-Key: \r\n"), std::string("Idempotency-Key: a b\r\n"),
        "Idempotency-Key: " + std::string(129, 'k') + "\r\n",
        std::string("Idempotency-Key: k\xc3\xbc\r\n"),
        std::string("Idempotency-Key: a\r\nIdempotency-Key: a\r\n")}) {
    CAPTURE(headers);
    const Answer answer = n.send(kBody, headers);
    CHECK(answer.status == 400);
    CHECK(answer.code() == "invalid-parameter");
    CHECK(answer.json()["errors"][0]["parameter"] == "Idempotency-Key");
  }
  CHECK(n.commands.created() == 0);
  const std::string longest(128, '~');
  CHECK(n.send(kBody, "Idempotency-Key: " + longest + "\r\n").status == 202);
  CHECK(n.commands.last().idempotency_key == longest);
}

TEST_CASE("a request is the same again by its device and body, not by how long it waits") {
  CommandNode n;
  n.node.post("e", R"({"a":1})");
  const auto hash = [&](std::string_view body, std::string_view headers, std::string_view path) {
    REQUIRE(n.send(body, headers, "application/json", path).status < 600);
    return n.commands.last().request_hash;
  };
  const std::uint64_t first = hash(kBody, "", CommandNode::kPath);
  CHECK(hash(kBody, "Prefer: wait=5\r\n", CommandNode::kPath) == first);
  CHECK(hash(kBody, "", "/api/v1/devices/%64/commands") == first);
  CHECK(hash(kBody, "", "/api/v1/devices/e/commands") != first);
  CHECK(hash(R"({"name":"set-interval"})", "", CommandNode::kPath) != first);
}

TEST_CASE("a replay says so and has the state of now") {
  CommandNode n;
  n.commands.tell({CommandResult::ok, command_record(1, CommandState::succeeded), true, ""});
  Answer answer = n.send(kBody, "Idempotency-Key: k\r\n");
  CHECK(answer.status == 200);
  CHECK(answer.header("idempotency-replayed") == "true");
  n.commands.tell({CommandResult::ok, command_record(1, CommandState::sent), true, ""});
  answer = n.send(kBody, "Idempotency-Key: k\r\n");
  CHECK(answer.status == 202);
  CHECK(answer.header("idempotency-replayed") == "true");
}

TEST_CASE("forms, lists of records and bodies without a type are 415") {
  CommandNode n;
  for (const auto type : {"application/x-www-form-urlencoded", "text/plain",
                          "multipart/form-data; boundary=x", "application/x-ndjson", ""}) {
    const Answer answer = n.send(kBody, "", type);
    CHECK(answer.status == 415);
    CHECK(answer.code() == "unsupported-media-type");
  }
  CHECK(n.send(kBody, "Content-Encoding: gzip\r\n").status == 415);
  CHECK(n.send(kBody, "", "Application/JSON; charset=utf-8").status == 202);
  CHECK(n.commands.created() == 1);
}

TEST_CASE("a body that is too large is refused before it is read, or once its chunks are") {
  CommandNode n;
  const std::string large = R"({"name":"a","args":")" + std::string(140'000, 'x') + "\"}";
  CHECK(n.send(large).code() == "payload-too-large");
  n.node.client = std::make_unique<Client>(n.node.server->address().port);
  n.node.client->send(ApiNode::request("POST", CommandNode::kPath,
                                       "Content-Type: application/json\r\n"
                                       "Transfer-Encoding: chunked\r\n"));
  char size[16];
  std::snprintf(size, sizeof size, "%zx\r\n", large.size());
  n.node.client->send(size + large + "\r\n0\r\n\r\n");
  CHECK(n.node.client->receive().code() == "payload-too-large");
  CHECK(n.commands.created() == 0);
}

TEST_CASE("unknown query parameters are refused, and bad device ids named") {
  CommandNode n;
  CHECK(n.send(kBody, "", "application/json", "/api/v1/devices/d/commands?wait=5").code() ==
        "invalid-parameter");
  CHECK(n.send(kBody, "", "application/json", "/api/v1/devices/a%2Fb/commands").code() ==
        "invalid-device-id");
  CHECK(n.commands.created() == 0);
}

TEST_CASE("without a command log the doors are not ready") {
  ApiNode node;
  for (const auto method : {"GET", "POST"}) {
    const Answer answer = node.ask(method, CommandNode::kPath, "Content-Type: application/json\r\n",
                                   std::string_view(method) == "POST" ? kBody : "");
    CHECK(answer.status == 503);
    CHECK(answer.code() == "not-ready");
    CHECK(answer.header("retry-after") == "2");
  }
  CHECK(node.get("/readyz").status == 200);
}

TEST_CASE("the loop's hooks reach the router, also between two reads") {
  CommandNode n;
  n.node.get("/livez");
  CHECK(n.commands.polls > 0);
  CHECK(n.commands.polled > 0);
  CHECK(n.commands.between > 0);
}
