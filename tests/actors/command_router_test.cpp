#include "tests/actors/command_router_fixture.hpp"

namespace spate::actors {
namespace {

using model::CommandState;
using Status = CommandAnswer::Status;
using LogStatus = storage::CommandLogStatus;
using Verdict = SettleAnswer::Verdict;

TEST_CASE("nothing is sent and nobody is told before the command is logged") {
  RouterFixture f;
  f.ready();
  f.create(RouterFixture::request());
  CHECK(f.sessions.delivered.empty());
  CHECK(f.replies.empty());
  f.log_all();
  REQUIRE(f.replies.size() == 1);
  CHECK(f.replies[0].result == CommandResult::ok);
  CHECK(f.replies[0].record->progress.state == CommandState::queued);
  REQUIRE(f.sessions.delivered.size() == 1);
  CHECK(f.sessions.delivered[0].second.args == R"({"level":3})");
}

TEST_CASE("a command that can not be logged is refused and not sent") {
  RouterFixture f;
  f.ready();
  for (const auto& [status, result] :
       {std::pair(LogStatus::disk_full, CommandResult::disk_full),
        std::pair(LogStatus::unavailable, CommandResult::unavailable),
        std::pair(LogStatus::queue_full, CommandResult::queue_full)}) {
    f.create(RouterFixture::request());
    f.log_all(status);
    CHECK(f.replies.back().result == result);
  }
  f.log.full = true;
  f.create(RouterFixture::request());
  CHECK(f.replies.back().result == CommandResult::unavailable);
  CHECK(f.sessions.delivered.empty());
  CHECK(f.router.counts().live.get() == 0);
}

TEST_CASE("the one who waits hears the answer once it is logged, and not before") {
  RouterFixture f;
  f.ready();
  CommandRequest r = RouterFixture::request();
  r.wait_ms = 5000;
  const Uuid id = f.sent_command(r);
  f.wall_ms += 3;
  f.acked(id);
  f.wall_ms += 4;
  f.answer(id);
  CHECK(f.replies.empty());
  CHECK(f.sessions.settled.empty());
  f.log_all();
  REQUIRE(f.replies.size() == 1);
  const model::CommandProgress& end = f.replies[0].record->progress;
  CHECK(end.state == CommandState::succeeded);
  CHECK(end.result == R"({"done":true})");
  CHECK(end.sent_ms == f.wall_ms - 7);
  CHECK(end.delivered_ms == f.wall_ms - 4);
  CHECK(end.completed_ms == f.wall_ms);
  CHECK(end.total_us == 7000);
  REQUIRE(f.sessions.settled.size() == 1);
  CHECK(f.sessions.settled[0].verdict == Verdict::taken);
  CHECK(f.state(id) == CommandState::succeeded);
  CHECK(f.router.counts().live.get() == 0);
}

TEST_CASE("the device says how it ended") {
  RouterFixture f;
  f.ready();
  for (const auto& [status, state] : {std::pair(Status::failed, CommandState::failed),
                                      std::pair(Status::rejected, CommandState::rejected)}) {
    const Uuid id = f.sent_command();
    f.answer(id, status);
    f.log_all();
    CHECK(f.state(id) == state);
  }
  const Uuid refused = f.sent_command();
  f.acked(refused, 1, "Not authorized");
  f.log_all();
  CHECK(f.state(refused) == CommandState::rejected);
  CHECK(f.log.records.at(refused).progress.reason == "Not authorized");
  CommandRequest r = RouterFixture::request();
  r.complete_on = model::CompleteOn::delivery;
  const Uuid mute = f.sent_command(r);
  f.acked(mute);
  f.log_all();
  CHECK(f.state(mute) == CommandState::succeeded);
}

TEST_CASE("a wait that ends first tells the state of then, and the answer still counts") {
  RouterFixture f;
  f.ready();
  CommandRequest r = RouterFixture::request();
  r.wait_ms = 5000;
  const Uuid id = f.sent_command(r);
  f.acked(id);
  f.pass(5000);
  REQUIRE(f.replies.size() == 1);
  CHECK(f.replies[0].result == CommandResult::wait_over);
  CHECK(f.replies[0].record->progress.state == CommandState::delivered);
  f.answer(id);
  f.log_all();
  CHECK(f.state(id) == CommandState::succeeded);
  CHECK_FALSE(f.router.timer_ns());
}

TEST_CASE("who waits as long as the command lives hears how far it was, not that it is over") {
  RouterFixture f;
  f.ready();
  CommandRequest r = RouterFixture::request();
  r.wait_ms = r.ttl_ms = 2000;
  const Uuid id = f.sent_command(r);
  f.wall_ms += 2000;
  f.due(); // Before the timer.
  f.log_all();
  REQUIRE(f.replies.size() == 1);
  CHECK(f.replies[0].result == CommandResult::wait_over);
  CHECK(f.replies[0].record->progress.state == CommandState::sent);
  CHECK(f.state(id) == CommandState::timed_out);
  f.router.on_timer(f.now());
  CHECK(f.replies.size() == 1);
}

TEST_CASE("a device that is away is offline at once, and the words say why") {
  RouterFixture f;
  f.create(RouterFixture::request());
  CHECK(f.replies.back().result == CommandResult::device_offline);
  CHECK(f.replies.back().detail.find("is not connected") != std::string::npos);
  f.create(RouterFixture::request("telemetry-only"));
  CHECK(f.replies.back().detail.find("has not subscribed") != std::string::npos);
  f.ready("lamp", 1, {"devices/lamp/commands/off/+"});
  f.create(RouterFixture::request("lamp", "on"));
  CHECK(f.replies.back().detail.find("'on'") != std::string::npos);
  f.ready("lamp", 1, {"devices/lamp/commands/+/+"});
  f.create(RouterFixture::request("lamp", "on"));
  f.log_all();
  CHECK(f.replies.back().result == CommandResult::ok);
  f.gone();
  f.create(RouterFixture::request());
  CHECK(f.replies.back().result == CommandResult::device_offline);
  CHECK(f.log.records.size() == 1);
}

TEST_CASE(
    "queued commands cost no memory while the device is away and go out in order when it comes") {
  CommandLimits limits;
  limits.in_flight_max = 4;
  limits.page = 3;
  RouterFixture f(limits);
  std::vector<Uuid> wanted;
  for (int i = 0; i < 20; ++i) {
    CommandRequest r = RouterFixture::request();
    r.if_offline = model::IfOffline::queue;
    r.priority = i == 15 ? model::CommandPriority::urgent : model::CommandPriority::normal;
    f.create(r);
    f.log_all();
    const Uuid id = f.replies.back().record->command.id;
    i == 15 ? (void)wanted.insert(wanted.begin(), id) : wanted.push_back(id);
  }
  CHECK(f.router.counts().live.get() == 0);
  f.ready();
  std::vector<Uuid> got;
  while (got.size() < 20) {
    f.log_all();
    REQUIRE(f.sessions.delivered.size() > got.size());
    CHECK(f.sessions.delivered.size() - got.size() <= limits.in_flight_max);
    const Uuid id = f.sessions.delivered[got.size()].second.id;
    got.push_back(id);
    f.sent(id);
    f.acked(id);
    f.answer(id);
  }
  f.log_all();
  CHECK(got == wanted);
  CHECK(f.log.open_commands() == 0);
}

TEST_CASE("a new command does not pass older ones that are still in the log, unless it is urgent") {
  CommandLimits limits;
  limits.in_flight_max = 1;
  limits.page = 2;
  RouterFixture f(limits);
  CommandRequest r = RouterFixture::request();
  r.if_offline = model::IfOffline::queue;
  for (int i = 0; i < 4; ++i) {
    f.create(r);
  }
  f.log_all();
  f.ready();
  f.log_all();
  f.create(r);
  f.log_all();
  const Uuid last = f.replies.back().record->command.id;
  r.priority = model::CommandPriority::urgent;
  f.create(r);
  f.log_all();
  const Uuid urgent = f.replies.back().record->command.id;
  std::vector<Uuid> got;
  for (std::size_t i = 0; i < 6; ++i) {
    REQUIRE(f.sessions.delivered.size() == i + 1);
    got.push_back(f.sessions.delivered[i].second.id);
    f.sent(got.back());
    f.acked(got.back());
    f.log_all();
  }
  CHECK(got[1] == urgent);
  CHECK(got[5] == last);
}

TEST_CASE("what was sent and not acknowledged goes to the next session of the device, what was "
          "acknowledged does not") {
  RouterFixture f;
  f.ready();
  const Uuid lost = f.sent_command();
  const Uuid acked = f.sent_command();
  f.acked(acked);
  f.log_all();
  f.gone();
  CHECK(f.router.counts().live.get() == 0);
  f.ready("lamp", 2);
  f.log_all();
  REQUIRE(f.sessions.delivered.size() == 3);
  CHECK(f.sessions.delivered[2].second.id == lost);
  CHECK(f.sessions.delivered[2].first == RouterFixture::target(2));
  f.answer(acked); // Not in memory any more.
  f.log_all();
  CHECK(f.state(acked) == CommandState::succeeded);
  CHECK(f.sessions.settled.back().verdict == Verdict::taken);
}

TEST_CASE(
    "a second session takes over: what the first did not acknowledge is sent again when it ends") {
  RouterFixture f;
  f.ready();
  const Uuid first = f.sent_command();
  f.ready("lamp", 2);
  CHECK(f.sessions.delivered.size() == 1); // The first may still acknowledge it.
  f.gone("lamp", 1);
  REQUIRE(f.sessions.delivered.size() == 2);
  CHECK(f.sessions.delivered[1].first == RouterFixture::target(2));
  CHECK(f.sessions.delivered[1].second.id == first);
  CHECK(f.router.is_ready("lamp"));
  f.sent(first, 2);
  f.acked(first, 1); // Of a session that has it no more.
  f.log_all();
  CHECK(f.state(first) == CommandState::sent);
  f.acked(first, 2);
  f.log_all();
  CHECK(f.state(first) == CommandState::delivered);
}

TEST_CASE("after its time a command that was never sent is EXPIRED, one that was is TIMED_OUT") {
  RouterFixture f;
  CommandRequest r = RouterFixture::request();
  r.if_offline = model::IfOffline::queue;
  f.create(r);
  f.log_all();
  const Uuid never = f.replies.back().record->command.id;
  f.wall_ms += 59'999;
  f.due();
  CHECK(f.log.waiting.empty());
  f.wall_ms += 1;
  f.due();
  f.log_all();
  CHECK(f.state(never) == CommandState::expired);
  f.ready();
  f.log_all();
  CHECK(f.sessions.delivered.empty());

  const Uuid sent = f.sent_command();
  f.wall_ms += 60'000;
  f.due();
  f.log_all();
  CHECK(f.state(sent) == CommandState::timed_out);
}

TEST_CASE("a command that was just given to a session is not called EXPIRED before the session has "
          "said whether it sent it") {
  RouterFixture f;
  f.ready();
  f.create(RouterFixture::request());
  f.log_all();
  const Uuid id = f.sessions.delivered.back().second.id;
  f.wall_ms += 60'000;
  f.due();
  CHECK(f.log.waiting.empty());
  SUBCASE("it did, just in time") {
    f.sent(id);
    f.log_all();
    CHECK(f.state(id) == CommandState::timed_out);
  }
  SUBCASE("it did not") {
    f.sent(id, 1, false);
    f.log_all();
    CHECK(f.state(id) == CommandState::expired);
  }
}

TEST_CASE("a late answer is refused, and the command says so") {
  RouterFixture f;
  f.ready();
  const Uuid id = f.sent_command();
  f.wall_ms += 60'000;
  SUBCASE("before the log has told that it is due") {}
  SUBCASE("while its end is being logged") {
    f.due();
  }
  SUBCASE("long after") {
    f.due();
    f.log_all();
  }
  f.wall_ms += 40;
  f.answer(id);
  f.log_all();
  CHECK(f.state(id) == CommandState::timed_out);
  CHECK(f.log.records.at(id).progress.reason ==
        "an answer came 40 ms after its time was over and was refused");
  REQUIRE(f.sessions.settled.size() == 1);
  CHECK(f.sessions.settled[0].verdict == Verdict::late);
}

TEST_CASE("an answer that comes twice is taken once and acknowledged twice") {
  RouterFixture f;
  f.ready();
  const Uuid id = f.sent_command();
  f.answer(id);
  f.answer(id, Status::failed); // While the first is being logged.
  f.log_all();
  f.answer(id, Status::failed);
  f.log_all();
  CHECK(f.state(id) == CommandState::succeeded);
  REQUIRE(f.sessions.settled.size() == 3);
  for (const SettleAnswer& settled : f.sessions.settled) {
    CHECK(settled.verdict == Verdict::taken);
  }
  CHECK(f.router.counts().answers_repeated.get() == 2);
}

TEST_CASE("an answer to a command that the device never had is unknown, also to another device's") {
  RouterFixture f;
  f.ready();
  const Uuid id = f.sent_command();
  f.device = "other";
  f.answer(id);
  f.answer(Uuid{});
  f.log_all();
  REQUIRE(f.sessions.settled.size() == 2);
  CHECK(f.sessions.settled[0].verdict == Verdict::unknown);
  CHECK(f.sessions.settled[1].verdict == Verdict::unknown);
  CHECK(f.state(id) == CommandState::sent);
}

TEST_CASE("a dialect with integers finds its command by alias, live or not") {
  RouterFixture f;
  f.ready();
  const Uuid live = f.sent_command();
  CommandAnswer answer;
  answer.target = RouterFixture::target(1);
  answer.device = "lamp";
  answer.alias = model::alias_of(live);
  f.router.on(answer, f.now());
  f.log_all();
  CHECK(f.state(live) == CommandState::succeeded);
  const Uuid away = f.sent_command();
  f.acked(away);
  f.log_all();
  f.gone();
  answer.alias = model::alias_of(away);
  f.router.on(answer, f.now());
  f.log_all();
  CHECK(f.state(away) == CommandState::succeeded);
}

TEST_CASE("an end that the log refuses is told to nobody and submitted again") {
  RouterFixture f;
  f.ready();
  CommandRequest r = RouterFixture::request();
  r.wait_ms = 30'000;
  const Uuid id = f.sent_command(r);
  f.answer(id);
  f.log_all(LogStatus::unavailable);
  CHECK(f.replies.empty());
  REQUIRE(f.sessions.settled.size() == 1);
  CHECK(f.sessions.settled[0].verdict == Verdict::unavailable);
  REQUIRE(f.router.timer_ns());
  f.pass(1000);
  f.log_all();
  REQUIRE(f.replies.size() == 1);
  CHECK(f.replies[0].record->progress.state == CommandState::succeeded);
}

TEST_CASE("what is not sent can be cancelled, twice without harm; what is sent can not") {
  RouterFixture f;
  CommandRequest r = RouterFixture::request();
  r.if_offline = model::IfOffline::queue;
  f.create(r);
  f.log_all();
  const Uuid id = f.replies.back().record->command.id;
  for (int i = 0; i < 2; ++i) {
    f.cancel(id);
    f.log_all();
    CHECK(f.replies.back().result == CommandResult::ok);
    CHECK(f.replies.back().record->progress.state == CommandState::canceled);
  }
  f.ready();
  f.log_all();
  CHECK(f.sessions.delivered.empty());
  const Uuid sent = f.sent_command();
  f.cancel(sent);
  CHECK(f.replies.back().result == CommandResult::already_sent);
  f.answer(sent);
  f.cancel(sent); // While its end is being logged.
  f.log_all();
  CHECK(f.replies.back().result == CommandResult::already_sent);
  f.cancel(sent);
  f.log_all();
  CHECK(f.replies.back().result == CommandResult::already_sent);
  f.cancel(Uuid{});
  f.log_all();
  CHECK(f.replies.back().result == CommandResult::not_found);
}

TEST_CASE("a command that only waits in the session can be taken back") {
  RouterFixture f;
  f.ready();
  f.create(RouterFixture::request());
  f.log_all();
  const Uuid id = f.sessions.delivered.back().second.id;
  f.cancel(id);
  CHECK(f.replies.size() == 1);
  CHECK(f.sessions.taken_back == std::vector<Uuid>{id});
  SUBCASE("in time") {
    f.sent(id, 1, false);
    f.log_all();
    REQUIRE(f.replies.size() == 2);
    CHECK(f.replies.back().result == CommandResult::ok);
    CHECK(f.state(id) == CommandState::canceled);
  }
  SUBCASE("too late") {
    f.sent(id);
    REQUIRE(f.replies.size() == 2);
    CHECK(f.replies.back().result == CommandResult::already_sent);
    CHECK(f.replies.back().record->progress.state == CommandState::sent);
  }
}

TEST_CASE("a device that adds a filter gets what waits for it") {
  RouterFixture f;
  CommandRequest r = RouterFixture::request("lamp", "set");
  r.if_offline = model::IfOffline::queue;
  f.create(r);
  f.log_all();
  f.ready("lamp", 1, {"devices/lamp/commands/reboot/+"});
  f.log_all();
  CHECK(f.sessions.delivered.empty());
  f.create(r); // While it is there, but does not take it.
  f.log_all();
  f.ready("lamp", 1, {"devices/lamp/commands/reboot/+", "devices/lamp/commands/set/+"});
  f.log_all();
  CHECK(f.sessions.delivered.size() == 2);
}

TEST_CASE("commands in memory are bounded by what they weigh, too") {
  CommandLimits limits;
  limits.live_bytes_max = 100'000;
  RouterFixture f(limits);
  f.ready();
  CommandRequest r = RouterFixture::request();
  r.args = "\"" + std::string(60'000, 'x') + "\"";
  for (int i = 0; i < 3; ++i) {
    f.create(r);
  }
  REQUIRE(f.replies.size() == 1);
  CHECK(f.replies[0].result == CommandResult::overloaded);
}

TEST_CASE("a command that is ending is not given to the device any more, and holds no place in the "
          "window") {
  CommandLimits limits;
  limits.in_flight_max = 1;
  RouterFixture f(limits);
  f.ready();
  const Uuid first = f.sent_command();
  f.create(RouterFixture::request());
  f.log_all();
  const Uuid second = f.replies.back().record->command.id;
  f.cancel(second);
  f.acked(first); // While CANCELED is on its way to the disk.
  CHECK(f.sessions.delivered.size() == 1);
  f.log_all();
  CHECK(f.state(second) == CommandState::canceled);
  f.create(RouterFixture::request());
  f.log_all();
  CHECK(f.sessions.delivered.size() == 2);
}

TEST_CASE("a command that a page brings before its own receipt is sent") {
  CommandLimits limits;
  limits.page = 2;
  RouterFixture f(limits);
  CommandRequest r = RouterFixture::request();
  r.if_offline = model::IfOffline::queue;
  f.create(r);
  f.log_all();
  f.ready();
  // One group: the page is read when C and D are written, whose receipts come behind it.
  f.create(r);
  f.create(r);
  const auto page = std::move(f.log.waiting.front());
  f.log.waiting.pop_front();
  f.log.waiting.push_back(page);
  std::vector<storage::CommandReceipt> receipts;
  while (!f.log.waiting.empty()) {
    receipts.push_back(std::move(f.log.step().front()));
  }
  std::rotate(receipts.begin(), receipts.end() - 1, receipts.end());
  f.router.on_logged(std::move(receipts), f.now());
  f.log_all();
  CHECK(f.sessions.delivered.size() == 3);
}

TEST_CASE("a PUBACK that comes after the session has unsubscribed counts") {
  RouterFixture f;
  f.ready();
  const Uuid id = f.sent_command();
  DeviceReady none;
  none.target = RouterFixture::target(1);
  none.device = "lamp";
  f.router.on(none, f.now());
  f.acked(id);
  f.log_all();
  CHECK(f.state(id) == CommandState::delivered);
  f.ready();
  f.log_all();
  CHECK(f.sessions.delivered.size() == 1); // Not a second time.
}

TEST_CASE("when a later subscriber leaves, the earlier one is the device again") {
  RouterFixture f;
  f.ready("lamp", 1);
  f.ready("lamp", 2);
  f.gone("lamp", 2);
  f.create(RouterFixture::request());
  f.log_all();
  REQUIRE(f.sessions.delivered.size() == 1);
  CHECK(f.sessions.delivered[0].first == RouterFixture::target(1));
  f.ready("lamp", 3);
  f.gone("lamp", 1); // Not the one that has it now.
  f.gone("lamp", 3);
  CHECK_FALSE(f.router.is_ready("lamp"));
}

TEST_CASE("a creation that was refused and yet is on disk is sent to the device that is here") {
  RouterFixture f;
  f.ready();
  f.create(RouterFixture::request());
  auto entry = f.log.waiting.front(); // As a reopened log may have it.
  f.log.broken = "the disk said no";
  f.router.on_logged(f.log.step(LogStatus::unavailable), f.now());
  CHECK(f.replies.back().result == CommandResult::unavailable);
  f.log.waiting.push_front(std::move(entry));
  static_cast<void>(f.log.step());
  f.log_all(LogStatus::unavailable); // Its queue is read too early,
  f.pass(1000);                      // and again.
  f.log_all();
  CHECK(f.sessions.delivered.size() == 1);
}

TEST_CASE("find tells the state of now, or waits for the final one") {
  RouterFixture f;
  f.ready();
  const Uuid id = f.sent_command();
  f.find(id);
  CHECK(f.replies.back().record->progress.state == CommandState::sent);
  f.acked(id);
  f.gone();
  f.find(id, 5000); // Out of the log.
  f.log_all();
  const std::size_t told = f.replies.size();
  f.answer(id);
  f.log_all();
  REQUIRE(f.replies.size() == told + 1);
  CHECK(f.replies.back().record->progress.state == CommandState::succeeded);
  f.find(id, 5000);
  f.log_all();
  CHECK(f.replies.size() == told + 2);
  f.find(id, 0, "other");
  f.log_all();
  CHECK(f.replies.back().result == CommandResult::not_found);
}

TEST_CASE("a repeated idempotency key gives the first command in its present state") {
  RouterFixture f;
  f.ready();
  CommandRequest r = RouterFixture::request();
  r.idempotency_key = "k";
  r.request_hash = 5;
  f.create(r);
  f.create(r); // The first is not answered yet.
  CHECK(f.replies.back().result == CommandResult::key_in_progress);
  f.log_all();
  const Uuid id = f.replies.back().record->command.id;
  f.sent(id);
  f.create(r);
  f.log_all();
  CHECK(f.replies.back().result == CommandResult::ok);
  CHECK(f.replies.back().replayed);
  CHECK(f.replies.back().record->command.id == id);
  CHECK(f.replies.back().record->progress.state == CommandState::sent);
  CHECK(f.sessions.delivered.size() == 1);

  CommandRequest other = r;
  other.request_hash = 6;
  f.create(other);
  f.log_all();
  CHECK(f.replies.back().result == CommandResult::key_reused);

  f.gone();
  f.create(r); // Offline now: the repetition still finds its command.
  f.log_all();
  CHECK(f.replies.back().record->command.id == id);
  r.idempotency_key = "new";
  f.create(r);
  f.log_all();
  CHECK(f.replies.back().result == CommandResult::device_offline);
  CHECK(f.log.records.size() == 1);
}

TEST_CASE("a key is running as long as its request waits") {
  RouterFixture f;
  f.ready();
  CommandRequest r = RouterFixture::request();
  r.idempotency_key = "k";
  r.wait_ms = 5000;
  const Uuid id = f.sent_command(r);
  f.create(r);
  CHECK(f.replies.back().result == CommandResult::key_in_progress);
  f.answer(id);
  f.log_all();
  f.create(r);
  f.log_all();
  CHECK(f.replies.back().replayed);
  CHECK(f.replies.back().record->progress.state == CommandState::succeeded);
}

TEST_CASE("commands in memory are bounded") {
  CommandLimits limits;
  limits.live_max = 2;
  RouterFixture f(limits);
  f.ready();
  for (int i = 0; i < 3; ++i) {
    f.create(RouterFixture::request());
  }
  REQUIRE(f.replies.size() == 1);
  CHECK(f.replies[0].result == CommandResult::overloaded);
}

TEST_CASE("a command larger than the client takes fails with the reason") {
  RouterFixture f;
  f.ready();
  f.create(RouterFixture::request());
  f.log_all();
  const Uuid id = f.sessions.delivered.back().second.id;
  f.sent(id, 1, false, "it is larger than the client's Maximum Packet Size of 20");
  f.log_all();
  CHECK(f.state(id) == CommandState::failed);
  CHECK(f.log.records.at(id).progress.reason.find("Maximum Packet Size") != std::string::npos);
}

TEST_CASE("at the stop everyone who waits is told the state of now") {
  RouterFixture f;
  f.ready();
  CommandRequest r = RouterFixture::request();
  r.wait_ms = 5000;
  f.sent_command(r);
  f.router.end_waits();
  f.log_all();
  REQUIRE(f.replies.size() == 1);
  CHECK(f.replies[0].result == CommandResult::draining);
  f.create(r); // Its entry is under way when the stop comes.
  f.log_all();
  CHECK(f.replies.back().result == CommandResult::draining);
  CHECK(f.router.idle());
}

TEST_CASE("ten thousand devices with ten commands each get every one, although half of them "
          "reconnect in the middle") {
  CommandLimits limits;
  limits.reads_max = 16;
  RouterFixture f(limits);
  constexpr std::uint32_t kDevices = 10'000;
  for (std::uint32_t d = 0; d < kDevices; ++d) {
    for (int i = 0; i < 10; ++i) {
      CommandRequest r = RouterFixture::request("d" + std::to_string(d));
      r.if_offline = model::IfOffline::queue;
      f.create(std::move(r));
    }
  }
  f.log_all();
  CHECK(f.router.counts().live.get() == 0);
  std::map<Uuid, int> acknowledged;
  std::size_t served = 0;
  // Sessions publish what they are given; `acknowledges` says whose devices acknowledge.
  const auto serve = [&](auto&& acknowledges) {
    do {
      f.log_all();
      for (; served < f.sessions.delivered.size(); ++served) {
        const auto [target, command] = f.sessions.delivered[served];
        f.device = command.device;
        f.sent(command.id, target.slot);
        if (acknowledges(target.slot)) {
          ++acknowledged[command.id];
          f.acked(command.id, target.slot);
        }
      }
    } while (!f.log.waiting.empty() || served < f.sessions.delivered.size());
  };
  for (std::uint32_t d = 0; d < kDevices; ++d) {
    f.ready("d" + std::to_string(d), d);
  }
  serve([](std::uint32_t slot) { return slot % 2 == 1; }); // The even ones lose their connection.
  CHECK(acknowledged.size() == 50'000);
  for (std::uint32_t d = 0; d < kDevices; d += 2) {
    f.gone("d" + std::to_string(d), d);
    f.ready("d" + std::to_string(d), kDevices + d);
  }
  serve([](std::uint32_t) { return true; });
  CHECK(acknowledged.size() == 100'000);
  for (const auto& [id, record] : f.log.records) {
    REQUIRE(record.progress.state == CommandState::delivered);
    REQUIRE(acknowledged.at(id) == 1);
  }
}

} // namespace
} // namespace spate::actors
