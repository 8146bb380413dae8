#include <map>
#include <random>
#include <set>
#include <vector>

#include <doctest/doctest.h>

#include "actors/outbox.hpp"

namespace spate::actors {
namespace {

using wire::PacketType;
using wire::Reason;
using Answer = Outbox::Answer;

model::SharedMessage message(std::string payload = "x") {
  auto made = std::make_shared<model::ApplicationMessage>();
  made->payload = std::move(payload);
  return made;
}

Outbox::Entry entry(std::uint64_t sequence, std::uint8_t qos = 1, std::string payload = "x") {
  Outbox::Entry out;
  out.sequence = sequence;
  out.message = message(std::move(payload));
  out.qos = qos;
  return out;
}

/// Sends what may go; gives the sequences.
std::vector<std::uint64_t> send(Outbox& outbox) {
  std::vector<std::uint64_t> out;
  while (Outbox::Entry* next = outbox.next()) {
    out.push_back(next->sequence);
    outbox.sent(*next);
  }
  return out;
}

using Sequences = std::vector<std::uint64_t>;

TEST_SUITE("actors.outbox") {
  TEST_CASE("no more than the window is sent, in order, and an answer makes room for the next") {
    Outbox outbox(2, 1000);
    for (std::uint64_t i = 1; i <= 4; ++i) {
      outbox.push(entry(i));
    }
    CHECK(send(outbox) == Sequences{1, 2});
    CHECK(outbox.waiting() == 2);
    CHECK(outbox.on_ack(PacketType::puback, 2, Reason::success).answer == Answer::settled);
    CHECK(send(outbox) == Sequences{3});
    CHECK(outbox.on_ack(PacketType::puback, 1, Reason::success).sequence == 1);
    CHECK(outbox.on_ack(PacketType::puback, 3, Reason::quota_exceeded).answer == Answer::refused);
    CHECK(send(outbox) == Sequences{4});
    CHECK(outbox.in_flight() == 1);
    CHECK(outbox.sent_through() == 4);
  }

  TEST_CASE("QoS 2 keeps its place in the window until PUBCOMP") {
    Outbox outbox(1, 1000);
    outbox.push(entry(1, 2));
    outbox.push(entry(2, 2));
    CHECK(send(outbox) == Sequences{1});
    CHECK(outbox.on_ack(PacketType::puback, 1, Reason::success).answer == Answer::unknown);
    CHECK(outbox.on_ack(PacketType::pubcomp, 1, Reason::success).answer == Answer::unknown);
    CHECK(outbox.on_ack(PacketType::pubrec, 1, Reason::success).answer == Answer::received);
    CHECK(outbox.on_ack(PacketType::pubrec, 1, Reason::success).answer == Answer::repeated);
    CHECK(outbox.on_ack(PacketType::pubcomp, 1, Reason::success).answer == Answer::unknown);
    CHECK(send(outbox).empty());
    CHECK(outbox.release(1));
    CHECK_FALSE(outbox.release(1));
    CHECK(outbox.on_ack(PacketType::pubrec, 1, Reason::success).answer == Answer::repeated);
    CHECK(send(outbox).empty());
    CHECK(outbox.on_ack(PacketType::pubcomp, 1, Reason::success).answer == Answer::settled);
    CHECK(send(outbox) == Sequences{2});
    CHECK(outbox.on_ack(PacketType::pubrec, 2, Reason::packet_identifier_in_use).answer ==
          Answer::refused);
    CHECK(outbox.in_flight() == 0);
  }

  TEST_CASE("bytes in flight are bounded, but a single message always goes") {
    Outbox outbox(100, 10);
    outbox.push(entry(1, 1, std::string(50, 'x')));
    outbox.push(entry(2, 1, std::string(6, 'x')));
    outbox.push(entry(3, 1, std::string(6, 'x')));
    CHECK(outbox.waiting_bytes() == 62);
    CHECK(send(outbox) == Sequences{1});
    CHECK_FALSE(outbox.open(1));
    outbox.on_ack(PacketType::puback, 1, Reason::success);
    CHECK(send(outbox) == Sequences{2});
    outbox.on_ack(PacketType::puback, 2, Reason::success);
    CHECK(send(outbox) == Sequences{3});
    CHECK(outbox.open(4));
    CHECK_FALSE(outbox.open(5));
    CHECK(outbox.push_sent(4, 1, 4) == 4);
    CHECK(outbox.on_ack(PacketType::puback, 4, Reason::success).sequence == 4);
  }

  TEST_CASE("an id is not used again while its last user is unanswered") {
    Outbox outbox(65535, 1u << 30);
    for (std::uint64_t i = 1; i <= kMessageIds; ++i) {
      outbox.push_sent(i, 1, 1);
    }
    outbox.push(entry(kMessageIds + 1u));
    CHECK(send(outbox).empty());
    for (std::uint16_t id = 2; id <= kMessageIds; ++id) {
      CHECK(outbox.on_ack(PacketType::puback, id, Reason::success).sequence == id);
    }
    CHECK(send(outbox).empty()); // The first has the id still.
    CHECK(outbox.on_ack(PacketType::puback, 1, Reason::success).sequence == 1);
    CHECK(send(outbox) == Sequences{kMessageIds + 1u});
    CHECK(outbox.on_ack(PacketType::puback, 1, Reason::success).sequence == kMessageIds + 1u);
  }

  TEST_CASE("what an earlier connection left is released first, gaps in the numbers included") {
    Outbox outbox(10, 1000);
    Outbox::Entry received;
    received.sequence = 70'000;
    received.qos = 2;
    outbox.push(received);
    outbox.push(entry(90'000, 2));
    std::vector<std::uint64_t> owed;
    outbox.for_each_received([&](Outbox::Entry& each) { owed.push_back(each.sequence); });
    CHECK(owed == Sequences{70'000});
    CHECK(outbox.release(70'000));
    CHECK(outbox.on_ack(PacketType::pubcomp, packet_id_of(70'000), Reason::success).answer ==
          Answer::settled);
    CHECK(send(outbox) == Sequences{90'000});
  }

  TEST_CASE("beside a model with random answers nothing is lost, doubled or out of order") {
    std::mt19937 random(5);
    Outbox outbox(7, 1u << 20);
    struct Sent {
      int qos = 1;
      bool received = false;
    };
    std::map<std::uint64_t, Sent> in_flight;
    std::set<std::uint64_t> settled;
    std::map<std::uint64_t, int> qos_of;
    std::uint64_t last_sent = 0;
    const auto note_sent = [&](std::uint64_t sequence) {
      CHECK(sequence > last_sent);
      last_sent = sequence;
      in_flight[sequence] = {qos_of.at(sequence), false};
    };
    for (int step = 0; step < 20'000; ++step) {
      if (random() % 3 == 0) {
        const std::uint64_t sequence = outbox.next_sequence() + random() % 2;
        qos_of[sequence] = 1 + static_cast<int>(random() % 2);
        if (outbox.open(1)) {
          outbox.push_sent(sequence, static_cast<std::uint8_t>(qos_of[sequence]), 1);
          note_sent(sequence);
        } else {
          outbox.push(entry(sequence, static_cast<std::uint8_t>(qos_of[sequence])));
        }
      } else if (!in_flight.empty()) {
        auto at = in_flight.begin();
        std::advance(at, static_cast<long>(random() % in_flight.size()));
        const auto [sequence, sent] = *at;
        const bool refused = random() % 9 == 0;
        const auto reason = refused ? Reason::unspecified_error : Reason::success;
        const auto type = sent.qos == 1   ? PacketType::puback
                          : sent.received ? PacketType::pubcomp
                                          : PacketType::pubrec;
        const auto answered = outbox.on_ack(type, packet_id_of(sequence), reason);
        REQUIRE(answered.sequence == sequence);
        if (type == PacketType::pubrec && !refused) {
          CHECK(answered.answer == Answer::received);
          CHECK(outbox.release(sequence));
          at->second.received = true;
        } else {
          CHECK(settled.insert(sequence).second);
          in_flight.erase(at);
        }
      }
      for (const std::uint64_t sequence : send(outbox)) {
        note_sent(sequence);
      }
      REQUIRE(outbox.in_flight() == in_flight.size());
      REQUIRE(outbox.in_flight() <= 7);
      REQUIRE(settled.size() + in_flight.size() + outbox.waiting() == qos_of.size());
    }
    CHECK(settled.size() > 1000);
  }
}

} // namespace
} // namespace spate::actors
