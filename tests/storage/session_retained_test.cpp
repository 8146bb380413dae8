// Retained messages.
#include "tests/storage/session_fixture.hpp"

using namespace spate;
using namespace spate::storage;
using namespace spate::storage::test;

using Words = std::vector<std::string>;

TEST_SUITE("retained messages") {
  TEST_CASE("the last message of a topic is kept, an empty one removes it [MQTT-3.3.1-5] "
            "[MQTT-3.3.1-10] [MQTT5-3.3.1-5] [MQTT5-3.3.1-6]") {
    SessionFixture f;
    f.open();
    CHECK_FALSE(f.store->has_retained());
    f.done(f.publishing(f.retained("a", "1"), {}));
    f.done(f.publishing(f.retained("a", "2"), {}));
    CHECK(f.store->has_retained());
    f.open();
    CHECK(f.store->has_retained());
    const auto page = f.ask(RetainedLoad{"a", {}, 10, 1000}).page;
    REQUIRE(page.size() == 1);
    CHECK(page[0].message->payload == "2");
    CHECK(page[0].sequence == 0);
    CHECK(page[0].target.retain);
    CHECK(f.store->stats().retained == 1);
    CHECK(f.store->stats().retained_bytes == 2);
    f.done(f.publishing(f.message("a", ""), {})); // Without the flag it changes nothing.
    f.done(f.publishing(f.message("a", "3"), {}));
    CHECK(f.ask(RetainedLoad{"a", {}, 10, 1000}).page.at(0).message->payload == "2");
    f.done(f.publishing(f.retained("a", ""), {}));
    f.done(f.publishing(f.retained("never", ""), {}));
    CHECK_FALSE(f.store->has_retained());
    CHECK(f.store->stats().retained_bytes == 0);
    CHECK(f.retained_of("#").empty());
  }

  TEST_CASE("filters take what they match, in pages [MQTT-4.7.1-2] [MQTT-4.7.2-1]") {
    SessionFixture f;
    f.open();
    for (const char* topic :
         {"a", "a/b", "a/b/c", "a/c/c", "ab/b", "/a", "$SYS/b", "a/b c", "b/b"}) {
      f.done(f.publishing(f.retained(topic), {}));
    }
    CHECK(f.retained_of("a/b") == Words{"a/b"});
    CHECK(f.retained_of("a/#") == Words{"a", "a/b", "a/b/c", "a/b c", "a/c/c"});
    CHECK(f.retained_of("+/b") == Words{"a/b", "ab/b", "b/b"});
    CHECK(f.retained_of("a/+/c") == Words{"a/b/c", "a/c/c"});
    CHECK(f.retained_of("$SYS/#") == Words{"$SYS/b"});
    CHECK(f.retained_of("#").size() == 8);
    CHECK(f.retained_of("+") == Words{"a"});
    CHECK(f.retained_of("+/+") == Words{"/a", "a/b", "a/b c", "ab/b", "b/b"});
    CHECK(f.retained_of("none/#").empty());
  }

  TEST_CASE("what a load may look at is bounded, and it goes on where it stopped") {
    SessionFixture f;
    f.options.waiting_bytes_max = 1u << 30;
    f.open();
    std::vector<SessionEntry> entries;
    for (int i = 0; i < 5000; ++i) {
      entries.push_back(f.publishing(f.retained("d/" + std::to_string(i) + "/on"), {}));
    }
    entries.push_back(f.publishing(f.retained("d/9999/off"), {}));
    const auto count = entries.size();
    f.submit(std::move(entries));
    for (std::size_t i = 0; i < count; ++i) {
      f.ears.next();
    }
    const auto first = f.ask(RetainedLoad{"+/+/off", {}, 10, 1000});
    CHECK(first.page.empty());
    CHECK(first.more);
    CHECK_FALSE(first.after.empty());
    CHECK(f.retained_of("+/+/off") == Words{"d/9999/off"});
  }

  TEST_CASE("no more retained messages than may be, nor bytes; one may take another's place") {
    SessionFixture f;
    f.options.retained_max = 2;
    f.options.retained_bytes_max = 100;
    f.open();
    const auto number = f.connect("c").number;
    f.done(f.publishing(f.retained("a"), {}));
    f.done(f.publishing(f.retained("b"), {}));
    const auto refused = f.ask(f.publishing(f.retained("c"), {number}));
    CHECK(refused.status == SessionStatus::full);
    CHECK(refused.detail == "as many retained messages are kept as may be");
    CHECK(f.queue_of(number).empty()); // All of it or nothing.
    f.done(f.publishing(f.retained("a", std::string(90, 'x')), {}));
    CHECK(f.ask(f.publishing(f.retained("b", "1234567890"), {})).status == SessionStatus::full);
    CHECK(f.ask(RetainedLoad{"b", {}, 1, 100}).page.at(0).message->payload == "x");
    f.done(f.publishing(f.retained("a", ""), {}));
    f.done(f.publishing(f.retained("c"), {}));
    CHECK(f.retained_of("#") == Words{"b", "c"});
  }

  TEST_CASE("for a kept session they go to the sequences that were set aside, before newer ones") {
    SessionFixture f;
    f.open();
    for (const char* topic : {"a/1", "a/2", "a/3"}) {
      f.done(f.publishing(f.retained(topic), {}));
    }
    model::ApplicationMessage two;
    two.topic = "a/2";
    two.payload = "x";
    two.qos = 2;
    two.retain = true;
    f.done(f.publishing(std::make_shared<const model::ApplicationMessage>(two), {}));
    two.topic = "a/3";
    f.done(f.publishing(std::make_shared<const model::ApplicationMessage>(two), {}));
    const auto number = f.connect("c").number;
    f.publish("older", {number});
    SessionSubscribing subscribing{number, {f.subscription("a/#", 7)}, {}, 2};
    const auto first = f.ask(subscribing).sequence;
    CHECK(first == 2);
    f.publish("newer", {number});
    f.settle_clock();
    f.ears.take_queued();
    RetainedLoad load{"a/#", {}, 2, 1u << 20, number, 1, 7, first, first + 2};
    auto receipt = f.ask(load);
    REQUIRE(receipt.page.size() == 1); // Of QoS 0.
    CHECK(receipt.page[0].message->topic == "a/1");
    CHECK(receipt.more);
    CHECK(receipt.sequence == first + 1);
    load.after = receipt.after;
    load.sequence = receipt.sequence;
    receipt = f.ask(load);
    CHECK_FALSE(receipt.more);
    CHECK(receipt.sequence == first + 2);
    CHECK(f.queue_of(number) == Words{"1:older", "2:a/2", "3:a/3", "4:newer"});
    f.settle_clock();
    CHECK(f.ears.take_queued().empty()); // Who asked pages.
    CHECK(f.store->stats().queued == 4);
    load.after = {};
    load.sequence = receipt.sequence;
    load.messages_max = 10;
    CHECK(f.ask(load).sequence == first + 2); // No place is left.
    CHECK(f.store->stats().dropped_full == 2);
    f.disconnect(number);
    f.open();
    const auto page = f.connect("c").page;
    REQUIRE(page.size() == 4);
    CHECK(page[1].target.qos == 1); // The smaller of both.
    CHECK(page[1].target.retain);
    CHECK(page[1].target.subscription_ids == std::vector<std::uint32_t>{7});
    CHECK(page[1].message->payload == "x");
    f.submit(SessionSettling{number, 2, false});
    CHECK(f.queue_of(number) == Words{"1:older", "3:a/3", "4:newer"});
    CHECK(f.retained_of("#") == Words{"a/1", "a/2", "a/3"}); // They stay.
  }

  TEST_CASE("one that has expired is gone, at once for readers, and then from the counts "
            "[MQTT5-3.3.2-5]") {
    SessionFixture f;
    f.open();
    f.done(f.publishing(f.expiring("a", f.clock_ms + 1000, true), {}));
    f.done(f.publishing(f.expiring("b", f.clock_ms + 1000, true), {}));
    f.done(f.publishing(f.retained("b", "newer"), {}));
    f.clock_ms += 999;
    CHECK(f.retained_of("#") == Words{"a", "b"});
    f.clock_ms += 1;
    CHECK(f.retained_of("#") == Words{"b"});
    f.settle_clock();
    CHECK(f.store->stats().retained == 1);
    CHECK(f.store->stats().retained_bytes == 6);
    f.done(f.publishing(f.expiring("b", f.clock_ms, true), {})); // Has expired: takes its place.
    CHECK_FALSE(f.store->has_retained());
  }
}
