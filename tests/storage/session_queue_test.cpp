// Messages in the queues of sessions.
#include "storage/session_queue.hpp"
#include "tests/storage/session_fixture.hpp"

using namespace spate;
using namespace spate::storage;
using namespace spate::storage::test;

using Words = std::vector<std::string>;

TEST_SUITE("session queues") {
  TEST_CASE("what came while the client was away is given in its order [MQTT-4.6.0-6] "
            "[MQTT5-4.6.0-6]") {
    SessionFixture f;
    f.open();
    const auto number = f.connect("c").number;
    f.disconnect(number);
    model::ApplicationMessage full;
    full.topic = "a";
    full.payload = std::string("\0\1", 2);
    full.properties = "\x01\x01";
    full.qos = 2;
    SessionPublishing publishing;
    publishing.message = std::make_shared<const model::ApplicationMessage>(full);
    publishing.targets.push_back({number, 2, true, {3, 9}});
    f.done(publishing);
    f.publish("b", {number});
    CHECK(f.ears.take_queued().empty()); // Nobody is there.
    f.open();
    const auto opened = f.connect("c");
    CHECK(SessionFixture::words(opened.page) == Words{"1:a", "2:b"});
    const auto& first = opened.page[0];
    CHECK(first.message->payload == full.payload);
    CHECK(first.message->properties == full.properties);
    CHECK(first.message->qos == 2);
    CHECK(first.target.session == number);
    CHECK(first.target.qos == 2);
    CHECK(first.target.retain);
    CHECK(first.target.subscription_ids == std::vector<std::uint32_t>{3, 9});
    CHECK_FALSE(opened.more);
  }

  TEST_CASE("the connection is told what was put into its session's queue, once it is kept") {
    SessionFixture f;
    f.open();
    const auto a = f.connect("a").number;
    const auto b = f.connect("b").number;
    f.publish("t", {a, b});
    f.settle_clock();
    const auto told = f.ears.take_queued();
    REQUIRE(told.size() == 2);
    CHECK(told[0].session == a);
    CHECK(told[1].session == b);
    CHECK(told[1].queued.sequence == 1);
    CHECK(told[1].queued.message->topic == "t");
    CHECK(f.store->stats().queued == 2);
  }

  TEST_CASE("what an opening gives is not told again by what was queued before it in its step") {
    SessionFixture f;
    f.open();
    const auto a = f.connect("a").number;
    f.submit(std::vector<SessionEntry>{f.publishing(f.message("t"), {a}),
                                       SessionClosing{a, 3600, false, 0}, f.opening("a"),
                                       f.publishing(f.message("u"), {a})});
    f.ears.next();
    f.ears.next();
    CHECK(SessionFixture::words(f.ears.next().opened.page) == Words{"1:t"});
    f.ears.next();
    f.settle_clock();
    const auto told = f.ears.take_queued();
    REQUIRE(told.size() == 1);
    CHECK(told[0].queued.message->topic == "u");
  }

  TEST_CASE("a queue is given page by page, by count and by bytes") {
    SessionFixture f;
    f.open();
    const auto number = f.connect("c").number;
    for (int i = 1; i <= 7; ++i) {
      f.publish("t" + std::to_string(i), {number});
    }
    f.disconnect(number);
    auto opening = f.opening("c");
    opening.page_messages = 3;
    const auto opened = f.connect(opening);
    CHECK(SessionFixture::words(opened.page) == Words{"1:t1", "2:t2", "3:t3"});
    CHECK(opened.more);
    const auto second = f.ask(SessionPageLoad{number, 3, 3, 1u << 20});
    CHECK(SessionFixture::words(second.page) == Words{"4:t4", "5:t5", "6:t6"});
    CHECK(second.more);
    const auto small = f.ask(SessionPageLoad{number, 3, 100, 1}); // One at least.
    CHECK(SessionFixture::words(small.page) == Words{"4:t4"});
    CHECK(small.more);
    const auto last = f.ask(SessionPageLoad{number, 6, 3, 1u << 20});
    CHECK(SessionFixture::words(last.page) == Words{"7:t7"});
    CHECK_FALSE(last.more);
    CHECK(f.ask(SessionPageLoad{number, UINT64_MAX, 3, 1}).page.empty());
  }

  TEST_CASE("what was acknowledged is gone; what was not is sent again, with DUP if it was sent "
            "[MQTT-4.4.0-1] [MQTT5-4.4.0-1] [MQTT-3.3.1-1]") {
    SessionFixture f;
    f.open();
    const auto number = f.connect("c").number;
    for (const char* topic : {"a", "b", "c", "d"}) {
      f.publish(topic, {number});
    }
    f.submit(SessionSettling{number, 2, false});
    f.disconnect(number, 3600, false, 3);
    const auto opened = f.connect("c");
    CHECK(SessionFixture::words(opened.page) == Words{"1:a", "3:c", "4:d"});
    CHECK(opened.sent_through == 3);
    CHECK(f.store->stats().queued == 3);
    // This time the node dies: all of it may have been sent.
    f.open();
    CHECK(f.connect("c").sent_through == 4);
    // Nobody said that the connection is gone: as well.
    f.publish("e", {number});
    CHECK(f.connect("c").sent_through == 5);
  }

  TEST_CASE("what was sent once stays so, also if the next connection sent nothing") {
    SessionFixture f;
    f.open();
    const auto number = f.connect("c").number;
    f.publish("a", {number});
    f.publish("b", {number});
    f.disconnect(number, 3600, false, 1);
    f.connect("c");
    f.disconnect(number, 3600, false, 0);
    CHECK(f.connect("c").sent_through == 1);
    f.disconnect(number, 3600, false, 99); // More than there is.
    CHECK(f.connect("c").sent_through == 2);
  }

  TEST_CASE("sequences are never used again, though the queue was empty and the node restarted") {
    SessionFixture f;
    f.open();
    const auto number = f.connect("c").number;
    f.publish("a", {number});
    f.submit(SessionSettling{number, 1, false});
    CHECK(f.queue_of(number).empty());
    f.open();
    f.connect("c");
    f.publish("b", {number});
    CHECK(f.queue_of(number) == Words{"2:b"});
  }

  TEST_CASE("after PUBREC only the number stays, until PUBCOMP [MQTT-4.3.3-2] [MQTT5-4.3.3-8]") {
    SessionFixture f;
    f.open();
    const auto number = f.connect("c").number;
    f.publish("a", {number}, 2);
    f.publish("b", {number}, 2);
    f.done(SessionSettling{number, 1, true});
    f.done(SessionSettling{number, 1, true});
    CHECK(f.store->stats().queued_bytes == f.message("b")->bytes());
    f.open();
    CHECK(SessionFixture::words(f.connect("c").page) == Words{"1:", "2:b"});
    f.submit(SessionSettling{number, 1, false});
    f.submit(SessionSettling{number, 1, false});
    CHECK(f.queue_of(number) == Words{"2:b"});
    CHECK(f.store->stats().queued == 1);
  }

  TEST_CASE("the id of a QoS 2 PUBLISH is remembered until PUBREL, and its message goes out once "
            "[MQTT-4.3.3-2] [MQTT5-4.3.3-10]") {
    SessionFixture f;
    f.open();
    const auto sender = f.connect("s").number;
    const auto receiver = f.connect("r").number;
    auto publishing = f.publishing(f.message("a", "x", 2), {receiver}, 2);
    publishing.sender = sender;
    publishing.packet_id = 65'535;
    f.done(publishing);
    f.open();
    CHECK(f.connect("s").received_ids == std::vector<std::uint16_t>{65'535});
    f.done(publishing); // Again, with DUP.
    CHECK(f.queue_of(receiver) == Words{"1:a"});
    f.done(SessionReleasing{sender, 65'535});
    CHECK(f.connect("s").received_ids.empty());
    f.done(publishing); // The id is used again: another message.
    CHECK(f.queue_of(receiver) == Words{"1:a", "2:a"});
  }

  TEST_CASE("a full queue drops the newest and counts it, by count and by bytes") {
    SessionFixture f;
    f.options.queue_messages_max = 2;
    f.options.queue_bytes_max = 1000;
    f.open();
    const auto a = f.connect("a").number;
    const auto b = f.connect("b").number;
    for (const char* topic : {"1", "2", "3"}) {
      f.publish(topic, {a});
    }
    CHECK(f.queue_of(a) == Words{"1:1", "2:2"});
    CHECK(f.store->stats().dropped_full == 1);
    f.done(f.publishing(f.message("x", std::string(600, 'x')), {a, b}));
    f.done(f.publishing(f.message("y", std::string(600, 'y')), {b}));
    CHECK(f.queue_of(b) == Words{"1:x"});
    CHECK(f.store->stats().dropped_full == 3);
    f.submit(SessionSettling{a, 1, false});
    f.publish("4", {a}); // There is room again.
    CHECK(f.queue_of(a) == Words{"2:2", "3:4"});
    CHECK(f.store->stats().queued == 3);
  }

  TEST_CASE("a message that has expired is not given and not counted any more [MQTT5-3.3.2-5]") {
    SessionFixture f;
    f.open();
    const auto number = f.connect("c").number;
    f.disconnect(number);
    f.done(f.publishing(f.expiring("old", f.clock_ms + 1000), {number}));
    f.done(f.publishing(f.expiring("new", f.clock_ms + 9000), {number}));
    f.done(f.publishing(f.expiring("past", f.clock_ms), {number}));
    CHECK(f.store->stats().dropped_expired == 1);
    f.clock_ms += 1000;
    const auto opened = f.connect("c");
    REQUIRE(SessionFixture::words(opened.page) == Words{"2:new"});
    CHECK(opened.page[0].message->expires_ms == f.clock_ms + 8000);
    CHECK(f.store->stats().dropped_expired == 2);
    CHECK(f.store->stats().queued == 1);
  }

  TEST_CASE("one that was perhaps sent is sent again though it has expired: its receiver may hold "
            "its packet id") {
    SessionFixture f;
    f.open();
    const auto number = f.connect("c").number;
    f.done(f.publishing(f.expiring("sent", f.clock_ms + 1000), {number}, 2));
    f.done(f.publishing(f.expiring("unsent", f.clock_ms + 1000), {number}, 2));
    f.disconnect(number, 3600, false, 1);
    f.clock_ms += 1000;
    CHECK(SessionFixture::words(f.connect("c").page) == Words{"1:sent"});
  }

  std::size_t entries(SessionFixture & f) {
    std::size_t count = 0;
    REQUIRE(f.store->with_database([&](const auto&, rocksdb::DB& db, const auto&) {
      const std::unique_ptr<rocksdb::Iterator> at(db.NewIterator({}));
      for (at->SeekToFirst(); at->Valid(); at->Next()) {
        ++count;
      }
      return Result<void>();
    }));
    return count;
  }

  TEST_CASE("a message for many is written once, and goes with the last that holds it") {
    SessionFixture f;
    f.open();
    std::vector<SessionNumber> numbers;
    for (int i = 0; i < 5; ++i) {
      numbers.push_back(f.connect("c" + std::to_string(i)).number);
    }
    const auto before = entries(f);
    f.done(f.publishing(f.message("t", std::string(1000, 'x'), 2), numbers, 2));
    CHECK(entries(f) == before + 5 + 2);
    f.open();
    for (const SessionNumber number : numbers) {
      const auto page = f.ask(SessionPageLoad{number, 0, 10, 1u << 20}).page;
      REQUIRE(page.size() == 1);
      CHECK(page[0].message->payload == std::string(1000, 'x'));
    }
    f.submit(SessionSettling{numbers[0], 1, false});
    f.done(SessionSettling{numbers[1], 1, true});
    f.disconnect(numbers[2], 0);
    f.connect(f.opening("c3", 0, true));
    CHECK(f.ask(SessionPageLoad{numbers[4], 0, 10, 1u << 20}).page.at(0).message);
    f.submit(SessionSettling{numbers[1], 1, false});
    f.submit(SessionSettling{numbers[4], 1, false});
    for (const SessionNumber number : numbers) {
      f.disconnect(number, 0);
    }
    CHECK(entries(f) == 2); // Format and totals.
    CHECK(f.store->stats().queued_bytes == 0);
  }

  TEST_CASE("what frees something is taken, however much waits") {
    SessionQueue queue(SIZE_MAX, 1000);
    const auto submit = [&](SessionEntry entry) {
      SessionStep step;
      step.entries.push_back(std::move(entry));
      return queue.submit(1, step, 0);
    };
    auto message = std::make_shared<model::ApplicationMessage>();
    message->payload.assign(5000, 'x');
    SessionPublishing publishing;
    publishing.message = message;
    CHECK(submit(publishing) == SessionQueue::Submitted::waits);
    CHECK(submit(publishing) == SessionQueue::Submitted::full);
    CHECK(submit(SessionOpening{}) == SessionQueue::Submitted::full);
    CHECK(submit(SessionClosing{}) == SessionQueue::Submitted::waits);
    CHECK(submit(SessionSettling{}) == SessionQueue::Submitted::waits);
    CHECK(submit(SessionReleasing{}) == SessionQueue::Submitted::waits);
  }
}
