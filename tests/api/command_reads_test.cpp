#include "tests/api/command_node.hpp"

using namespace spate;
using namespace spate::api;
using actors::CommandReply;
using actors::CommandResult;
using model::CommandState;

namespace {

const model::CommandRecord kSent = command_record(1, CommandState::sent);

} // namespace

TEST_CASE("methods that a command does not have are named in Allow") {
  CommandNode n;
  const std::string one = CommandNode::path_of(kSent);
  Answer answer = n.node.ask("PUT", one, "", "{}");
  CHECK(answer.status == 405);
  CHECK(answer.header("allow") == "GET, HEAD, DELETE, OPTIONS");
  answer = n.node.ask("DELETE", CommandNode::kPath);
  CHECK(answer.status == 405);
  CHECK(answer.header("allow") == "GET, HEAD, POST, OPTIONS");
  CHECK(n.node.ask("OPTIONS", CommandNode::kPath).header("allow") == "GET, HEAD, POST, OPTIONS");
  CHECK(n.node.ask("OPTIONS", one).status == 204);
  CHECK(n.node.ask("HEAD", one).status == 200);
  CHECK(n.node.ask("HEAD", CommandNode::kPath).status == 200);
  CHECK(n.node.get(one + "/x").code() == "not-found");
}

TEST_CASE("a command that is there is 200, final or not") {
  CommandNode n;
  n.commands.tell({CommandResult::ok, kSent, false, ""});
  Answer answer = n.node.get(CommandNode::path_of(kSent));
  CHECK(answer.status == 200);
  CHECK(answer.json()["state"] == "SENT");
  CHECK(answer.headers.count("preference-applied") == 0);
  CHECK(n.commands.asked_for == kSent.command.id);
  CHECK(n.commands.asked_wait_ms == 0);
  n.commands.tell({CommandResult::wait_over, kSent, false, ""});
  answer = n.node.ask("GET", CommandNode::path_of(kSent), "Prefer: wait=7\r\n");
  CHECK(answer.status == 200);
  CHECK(answer.header("preference-applied") == "wait=7");
  CHECK(n.commands.asked_wait_ms == 7000);
  CHECK(n.node.ask("GET", CommandNode::path_of(kSent), "Prefer: wait=x\r\n").status == 400);
  CHECK(n.node.get(CommandNode::path_of(kSent) + "?wait=7").code() == "invalid-parameter");
}

TEST_CASE("a reader may wait for the end of a command") {
  CommandNode n;
  n.commands.hold = true;
  n.send_held("GET", CommandNode::path_of(kSent), "Prefer: wait=60\r\n", "");
  n.finish({CommandResult::ok, command_record(1, CommandState::succeeded), false, ""});
  CHECK(n.node.client->receive().json()["state"] == "SUCCEEDED");
}

TEST_CASE("at a stop who asks hears the state of now, and who cancels is told to ask again") {
  for (const CommandResult result : {CommandResult::draining, CommandResult::wait_over}) {
    CommandNode n;
    n.commands.tell({result, kSent, false, ""});
    Answer answer = n.node.ask("GET", CommandNode::path_of(kSent), "Prefer: wait=60\r\n");
    CHECK(answer.status == 200);
    CHECK(answer.json()["state"] == "SENT");
    answer = n.node.ask("DELETE", CommandNode::path_of(kSent));
    CHECK(answer.status == 503);
    CHECK(answer.code() == "draining");
    CHECK(answer.header("retry-after") == "2");
    n.commands.tell({result, command_record(1, CommandState::canceled), false, ""});
    CHECK(n.node.ask("DELETE", CommandNode::path_of(kSent)).status == 200);
  }
}

TEST_CASE("which is missing, the command or the device, is told apart") {
  CommandNode n;
  n.commands.tell({CommandResult::not_found, std::nullopt, false, ""});
  for (const auto method : {"GET", "DELETE"}) {
    for (const auto id : {"/01977f2e-6d5b-7c3a-9f10-3b2f6a1d9e44", "/no-uuid", "/"}) {
      const std::string tail = id;
      CAPTURE(tail);
      Answer answer = n.node.ask(method, "/api/v1/devices/d/commands" + tail);
      CHECK(answer.status == 404);
      CHECK(answer.code() == "command-not-found");
      answer = n.node.ask(method, "/api/v1/devices/nobody/commands" + tail);
      CHECK(answer.status == 404);
      CHECK(answer.code() == "device-not-found");
    }
  }
}

TEST_CASE("a command is canceled before it is sent, and again without harm") {
  CommandNode n;
  const model::CommandRecord canceled = command_record(1, CommandState::canceled);
  n.commands.tell({CommandResult::ok, canceled, false, ""});
  Answer answer = n.node.ask("DELETE", CommandNode::path_of(kSent));
  CHECK(answer.status == 200);
  CHECK(answer.json()["state"] == "CANCELED");
  CHECK(n.commands.asked_for == kSent.command.id);
  n.commands.tell({CommandResult::already_sent, canceled, false, ""});
  CHECK(n.node.ask("DELETE", CommandNode::path_of(kSent)).status == 200);
  CHECK(n.node.ask("DELETE", CommandNode::path_of(kSent) + "?force=1").code() ==
        "invalid-parameter");
}

TEST_CASE("canceling what was sent is 409 with its state") {
  CommandNode n;
  n.commands.tell({CommandResult::already_sent, kSent, false, ""});
  Answer answer = n.node.ask("DELETE", CommandNode::path_of(kSent));
  CHECK(answer.status == 409);
  CHECK(answer.code() == "command-already-sent");
  CHECK(answer.json()["command"]["state"] == "SENT");
  CHECK(answer.json()["detail"].get<std::string>().find("may have run") != std::string::npos);
  n.commands.tell(
      {CommandResult::already_sent, command_record(1, CommandState::succeeded), false, ""});
  answer = n.node.ask("DELETE", CommandNode::path_of(kSent));
  CHECK(answer.json()["detail"] == "It is SUCCEEDED already.");
  n.commands.tell({CommandResult::unavailable, std::nullopt, false, ""});
  CHECK(n.node.ask("DELETE", CommandNode::path_of(kSent)).code() == "shard-unavailable");
  CHECK(n.node.get(CommandNode::path_of(kSent)).code() == "shard-unavailable");
}

TEST_CASE("commands are paged newest first, without gaps or repeats") {
  CommandNode n;
  for (unsigned i = 1; i <= 100; ++i) {
    n.commands.memory.records.push_back(
        command_record(i, i % 3 == 0 ? CommandState::succeeded : CommandState::queued));
  }
  for (const auto& [query, wanted] :
       std::vector<std::pair<std::string, std::size_t>>{{"?limit=7", 100},
                                                        {"?limit=40", 100},
                                                        {"?limit=5&state=SUCCEEDED", 33},
                                                        {"?limit=100&state=SUCCEEDED,QUEUED", 100},
                                                        {"?state=EXPIRED&limit=3", 0}}) {
    const std::string& asked = query;
    for (const std::size_t looks : {std::size_t{1000}, std::size_t{3}}) {
      CAPTURE(asked);
      CAPTURE(looks);
      n.commands.memory.looks_max = looks;
      std::vector<std::string> seen;
      std::string target = std::string(CommandNode::kPath) + asked;
      for (int pages = 0; !target.empty() && pages < 200; ++pages) {
        const Answer page = n.node.get(target);
        REQUIRE(page.status == 200);
        const auto body = page.json();
        for (const auto& item : body["items"]) {
          seen.push_back(item["id"].get<std::string>());
        }
        const std::string link = page.header("link");
        target = link.empty() ? "" : link.substr(1, link.find('>') - 1);
        CHECK(body["next_cursor"].is_null() == link.empty());
      }
      CHECK(seen.size() == wanted);
      CHECK(std::is_sorted(seen.rbegin(), seen.rend()));
      CHECK(std::adjacent_find(seen.begin(), seen.end()) == seen.end());
    }
  }
  CHECK(n.commands.memory.limit_max <= 32); // They may be large, so few are read at a time.
}

TEST_CASE("states may be separated or repeated, and unknown ones are refused") {
  CommandNode n;
  n.commands.memory.records = {command_record(1, CommandState::queued),
                               command_record(2, CommandState::sent),
                               command_record(3, CommandState::timed_out)};
  const auto count = [&](const std::string& query) {
    return n.node.get(std::string(CommandNode::kPath) + query).json()["items"].size();
  };
  CHECK(count("") == 3);
  CHECK(count("?state=SENT,TIMED_OUT") == 2);
  CHECK(count("?state=SENT&state=QUEUED&state=SENT") == 2);
  for (const auto query :
       {"?state=sent", "?state=", "?state=SENT,", "?state=SENT,x", "?limit=0", "?order=asc"}) {
    const std::string asked = query;
    CAPTURE(asked);
    CHECK(n.node.get(std::string(CommandNode::kPath) + asked).code() == "invalid-parameter");
  }
  CHECK(n.node.get(std::string(CommandNode::kPath) + "?cursor=AAAA").code() == "invalid-cursor");
}

TEST_CASE("a page of large commands ends early and goes on") {
  CommandNode n([](Services& services) { services.limits.page_bytes_max = 10'000; });
  for (unsigned i = 1; i <= 20; ++i) {
    n.commands.memory.records.push_back(command_record(i, CommandState::queued));
    n.commands.memory.records.back().command.args = "\"" + std::string(4000, 'x') + "\"";
  }
  std::size_t seen = 0;
  std::string target(CommandNode::kPath);
  for (int pages = 0; !target.empty() && pages < 20; ++pages) {
    const Answer page = n.node.get(target);
    CHECK(page.body.size() < 15'000);
    seen += page.json()["items"].size();
    const std::string link = page.header("link");
    target = link.empty() ? "" : link.substr(1, link.find('>') - 1);
  }
  CHECK(seen == 20);
}

TEST_CASE("an empty list is one of a known device") {
  CommandNode n;
  CHECK(n.node.get(CommandNode::kPath).json()["items"].empty());
  CHECK(n.node.get("/api/v1/devices/nobody/commands").code() == "device-not-found");
  n.commands.memory.records = {command_record(1, CommandState::queued, "nobody")};
  CHECK(n.node.get("/api/v1/devices/nobody/commands").json()["items"].size() == 1);
  n.commands.memory.fails = true;
  CHECK(n.node.get(CommandNode::kPath).code() == "shard-unavailable");
}

TEST_CASE("metrics may be histograms with labels") {
  ApiNode node([](Services& services) {
    services.metrics = [](std::vector<Metric>& out) {
      Metric metric{Metric::Kind::histogram,
                    "spate_command_latency_seconds",
                    "Latency.",
                    {{"class", "urgent"}},
                    0};
      metric.values.emplace().record(900);
      metric.bounds = {500, 1000};
      metric.per_unit = 1e6;
      out.push_back(metric);
    };
  });
  const std::string text = node.get("/metrics").body;
  for (const std::string line :
       {"# TYPE spate_command_latency_seconds histogram\n",
        "spate_command_latency_seconds_bucket{class=\"urgent\",le=\"0.0005\"} 0\n",
        "spate_command_latency_seconds_bucket{class=\"urgent\",le=\"0.001\"} 1\n",
        "spate_command_latency_seconds_count{class=\"urgent\"} 1\n"}) {
    CAPTURE(line);
    CHECK(text.find(line) != std::string::npos);
  }
}
