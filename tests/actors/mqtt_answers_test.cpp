#include "actors/mqtt_commands.hpp"
#include "tests/actors/command_fixture.hpp"

namespace spate::actors {
namespace {

using Verdict = SettleAnswer::Verdict;
using model::RejectReason;

/// What the store is handed next as a rejection.
const model::Rejection& rejection_of(Fixture& f) {
  f.writer.hand_over();
  REQUIRE_FALSE(f.store.waiting.empty());
  REQUIRE(f.store.waiting.back()->rejections.size() == 1);
  return f.store.waiting.back()->rejections[0];
}

TEST_SUITE("actors.mqtt_answers") {
  TEST_CASE("an answer is acknowledged once the router has made it durable") {
    for (const std::uint8_t qos : {std::uint8_t{1}, std::uint8_t{2}}) {
      CommandFixture f;
      f.subscribe({"devices/d1/commands/#"});
      f.commit();
      f.answer(9, CommandFixture::topic(1),
               R"({"status":"failed","result":{"a":1},"reason":"stuck"})", qos);
      REQUIRE(f.router().answers.size() == 1);
      const CommandAnswer& answer = f.router().answers[0];
      CHECK(answer.device == "d1");
      CHECK(answer.id == command_id(1));
      CHECK(answer.alias == 0);
      CHECK(answer.at_ms == f.wall_ms);
      CHECK(answer.status == CommandAnswer::Status::failed);
      CHECK(answer.result == R"({"a":1})");
      CHECK(answer.reason == "stuck");
      CHECK_FALSE(f.next());
      f.settle(Verdict::taken);
      const wire::Ack ack = f.next_ack(Version::v5);
      CHECK(ack.type == (qos == 1 ? PacketType::puback : PacketType::pubrec));
      CHECK(ack.packet_id == 9);
      CHECK(ack.reason == Reason::success);
      f.settle(Verdict::taken); // Told twice: nothing happens.
      CHECK_FALSE(f.next());
      f.writer.hand_over();
      CHECK(f.store.waiting.empty()); // It is no telemetry.
      CHECK(f.context.counters.answers[static_cast<std::size_t>(Verdict::taken)].get() == 1);
    }
  }

  TEST_CASE("an answer takes its place in the order of acknowledgements") {
    CommandFixture f(Version::v311);
    f.subscribe({"devices/d1/commands/#"});
    f.publish(Version::v311, 1);
    f.answer(2, CommandFixture::topic(1), "1");
    f.publish(Version::v311, 3);
    f.commit();
    CHECK(f.next_ack(Version::v311).packet_id == 1);
    CHECK_FALSE(f.next());
    f.settle(Verdict::taken);
    CHECK(f.next_ack(Version::v311).packet_id == 2);
    CHECK(f.next_ack(Version::v311).packet_id == 3);
  }

  TEST_CASE("telemetry goes on as before between answers, also on one topic again and again") {
    CommandFixture f;
    f.subscribe({"devices/d1/commands/#"});
    for (std::uint16_t id = 1; id <= 3; ++id) {
      f.publish(Version::v5, id, 0);
      f.answer(0, CommandFixture::topic(1), "1", 0);
    }
    f.commit();
    CHECK(f.router().answers.size() == 3);
    CHECK(f.writer.ledger().snapshot().stored == 3);
  }

  TEST_CASE("the user property status goes before the payload's") {
    CommandFixture f;
    f.subscribe({"devices/d1/commands/#"});
    f.answer(1, CommandFixture::topic(1), "21.5", 1, "rejected");
    CHECK(f.router().answers[0].status == CommandAnswer::Status::rejected);
    CHECK(f.router().answers[0].result == "21.5");
  }

  TEST_CASE("a client whose id is the device may answer without a subscription") {
    CommandFixture f(Version::v5, {}, "d1");
    f.answer(1, CommandFixture::topic(1), "1");
    CHECK(f.router().answers.size() == 1);
    f.settle(Verdict::taken);
    CHECK(f.next_ack(Version::v5).reason == Reason::success);
  }

  TEST_CASE("an answer for a device of another's is refused, durably and by name") {
    for (const bool subscribed : {false, true}) {
      CommandFixture f;
      if (subscribed) {
        f.subscribe({"devices/d1/commands/#", "devices/+/commands/#"});
        f.commit();
      }
      f.answer(4, CommandFixture::topic(1, "victim"), R"({"status":"ok"})");
      CHECK(f.router().answers.empty());
      const model::Rejection& rejection = rejection_of(f);
      CHECK(rejection.reason == RejectReason::foreign_answer);
      CHECK(rejection.device == "c1"); // Who did it; the topic says to whom.
      CHECK(rejection.topic == CommandFixture::topic(1, "victim"));
      CHECK(rejection.sample == R"({"status":"ok"})");
      CHECK_FALSE(f.next());
      f.commit();
      const wire::Ack ack = f.next_ack(Version::v5);
      CHECK(ack.packet_id == 4);
      CHECK(ack.reason == Reason::not_authorized);
      CHECK(ack.reason_string == "foreign-answer");
      CHECK(f.rejected(RejectReason::foreign_answer) == 1);
    }
  }

  TEST_CASE("a device that unsubscribed answers no more") {
    CommandFixture f;
    f.subscribe({"devices/d1/commands/#"});
    f.unsubscribe("devices/d1/commands/#");
    f.commit();
    f.answer(1, CommandFixture::topic(1), "1");
    CHECK(rejection_of(f).reason == RejectReason::foreign_answer);
  }

  TEST_CASE("an answer to what is no command's id is refused without asking the router") {
    CommandFixture f(Version::v5, {.thingsboard_rpc = true}, "d1");
    for (const std::string_view topic :
         {"devices/d1/responses/", "devices/d1/responses/7", "devices/d1/responses/a/b",
          "devices/d1/responses/01977f2e-6d5b-7c3a-9f10-3b2f6a1d9e4",
          "v1/devices/me/rpc/response/0", "v1/devices/me/rpc/response/abc",
          "v1/devices/me/rpc/response/"}) {
      CAPTURE(topic);
      f.answer(1, topic, "1");
      CHECK(rejection_of(f).reason == RejectReason::unknown_command);
      CHECK(rejection_of(f).device == "d1");
      f.commit();
      CHECK(f.next_ack(Version::v5).reason == Reason::topic_name_invalid);
    }
    CHECK(f.router().answers.empty());
    CHECK(f.rejected(RejectReason::unknown_command) == 7);
  }

  TEST_CASE("answers that the router does not know, or that are late, become rejections") {
    const struct {
      Verdict verdict;
      RejectReason reason;
      Reason code;
    } cases[] = {
        {Verdict::unknown, RejectReason::unknown_command, Reason::topic_name_invalid},
        {Verdict::late, RejectReason::late_answer, Reason::implementation_specific_error},
    };
    for (const auto& expected : cases) {
      for (const std::uint8_t qos : {std::uint8_t{0}, std::uint8_t{1}, std::uint8_t{2}}) {
        CommandFixture f;
        f.subscribe({"devices/d1/commands/#"});
        f.commit();
        f.answer(3, CommandFixture::topic(1), "1", qos);
        f.settle(expected.verdict);
        CHECK(rejection_of(f).reason == expected.reason);
        CHECK(rejection_of(f).device == "d1");
        CHECK_FALSE(f.next());
        f.commit();
        CHECK(f.rejected(expected.reason) == 1);
        if (qos != 0) {
          CHECK(f.next_ack(Version::v5).reason == expected.code);
        }
        CHECK_FALSE(f.next());
        CHECK(f.session.in_flight() == 0);
        CHECK_FALSE(f.port.closed);
      }
    }
  }

  TEST_CASE("an answer that can not be made durable ends the connection unacknowledged") {
    CommandFixture f;
    f.subscribe({"devices/d1/commands/#"});
    f.answer(3, CommandFixture::topic(1), "1");
    f.settle(Verdict::unavailable);
    CHECK(f.goodbye().reason == Reason::implementation_specific_error);
    CHECK(f.port.closed);
    CHECK(f.router().gone.size() == 1);

    CommandFixture nobody_waits;
    nobody_waits.subscribe({"devices/d1/commands/#"});
    nobody_waits.answer(0, CommandFixture::topic(1), "1", 0);
    nobody_waits.settle(Verdict::unavailable);
    CHECK_FALSE(nobody_waits.port.closed);
  }

  TEST_CASE("an answer that comes twice is told twice and acknowledged twice") {
    CommandFixture f;
    f.subscribe({"devices/d1/commands/#"});
    f.session.on_deliver(f.command(1));
    f.puback(f.sent().packet_id);
    f.answer(1, CommandFixture::topic(1), "1");
    f.answer(2, CommandFixture::topic(1), "2");
    REQUIRE(f.router().answers.size() == 2);
    CHECK(f.router().answers[0].token != f.router().answers[1].token);
    f.settle(Verdict::taken, 0);
    f.settle(Verdict::taken, 1);
    CHECK(f.next_ack(Version::v5).packet_id == 1);
    CHECK(f.next_ack(Version::v5).packet_id == 2);
  }

  TEST_CASE("an answer before the PUBACK is as good as one behind it") {
    CommandFixture f;
    f.subscribe({"devices/d1/commands/#"});
    f.session.on_deliver(f.command(1));
    const std::uint16_t packet_id = f.sent().packet_id;
    f.answer(1, CommandFixture::topic(1), "1");
    CHECK(f.router().answers.size() == 1);
    CHECK_FALSE(f.router().hot);
    f.session.on_forget({command_id(1)}); // It is final.
    f.puback(packet_id);
    CHECK(f.router().delivered.empty());
    CHECK(f.context.counters.unknown_acks.get() == 0);
  }

  TEST_CASE("whatever bytes a device answers, the router gets JSON within its limits") {
    CommandFixture f;
    f.subscribe({"devices/d1/commands/#"});
    const std::string large(1'000'000, 'x');
    const std::string deep = std::string(30'000, '[') + std::string(30'000, ']');
    f.answer(1, CommandFixture::topic(1), large);
    f.answer(2, CommandFixture::topic(1), deep);
    f.answer(3, CommandFixture::topic(1), "\xff\xfe\x00 not UTF-8");
    REQUIRE(f.router().answers.size() == 3);
    CHECK(f.router().answers[0].status == CommandAnswer::Status::failed);
    CHECK(f.router().answers[0].result.empty());
    CHECK_FALSE(f.router().answers[0].reason.empty());
    CHECK(f.router().answers[1].result == '"' + deep + '"');
    CHECK(f.router().answers[2].result.front() == '"');
    CHECK_FALSE(f.port.closed);
  }

  TEST_CASE("a client with too many unsettled answers is not read until half are settled") {
    for (const Version version : {Version::v311, Version::v5}) {
      for (const std::uint8_t qos : {std::uint8_t{0}, std::uint8_t{1}}) {
        CommandFixture f(version);
        f.subscribe({"devices/d1/commands/#"});
        for (std::uint16_t i = 1; i <= kUnsettledAnswersMax; ++i) {
          CHECK(f.answer(i, CommandFixture::topic(1), "1", qos) > 0);
        }
        CHECK(f.port.paused);
        CHECK(f.answer(999, CommandFixture::topic(1), "1", qos) == 0); // Left for later.
        for (std::size_t i = 0; i < kUnsettledAnswersMax / 2; ++i) {
          CHECK(f.port.paused);
          f.settle(i % 2 == 0 ? Verdict::taken : Verdict::unknown, i);
        }
        CHECK_FALSE(f.port.paused);
        f.commit();
        CHECK(f.answer(999, CommandFixture::topic(1), "1", qos) > 0);
        CHECK_FALSE(f.port.closed);
      }
    }
  }

  TEST_CASE("one that is not read for both reasons waits for both to end") {
    CommandFixture f(Version::v311, {.receive_maximum = 70});
    f.subscribe({"devices/d1/commands/#"});
    f.commit();
    for (std::uint16_t i = 1; i <= kUnsettledAnswersMax; ++i) {
      f.answer(i, CommandFixture::topic(1), "1");
    }
    for (std::size_t i = kUnsettledAnswersMax; i-- > 1;) { // The first is not settled:
      f.settle(Verdict::taken, i);
    }
    CHECK(f.port.paused); // all are still owed their place in the order.
    f.settle(Verdict::taken, 0);
    CHECK_FALSE(f.port.paused);
  }

  TEST_CASE("a full disk keeps the answer to a refused answer what it is for telemetry") {
    CommandFixture f;
    f.subscribe({"devices/d1/commands/#"});
    f.commit();
    f.answer(1, CommandFixture::topic(1), "1");
    f.settle(Verdict::late);
    f.commit(model::CommitStatus::full);
    CHECK(f.next_ack(Version::v5).reason == Reason::quota_exceeded);
  }

  TEST_CASE("receipts of refused answers find a session that ended, and do nothing") {
    CommandFixture f;
    f.subscribe({"devices/d1/commands/#"});
    f.answer(1, CommandFixture::topic(1), "1");
    f.answer(2, CommandFixture::topic(2), "1");
    f.settle(Verdict::unknown, 0);
    f.session.on_closed();
    f.settle(Verdict::taken, 1);
    f.commit();
    CHECK_FALSE(f.next());
  }
}

} // namespace
} // namespace spate::actors
