// Spate - what the MQTT sessions of one loop share, with a store and a clock of the test's.
#pragma once

#include <cstdint>
#include <functional>
#include <utility>

#include "actors/mqtt_session.hpp"
#include "tests/actors/fake_store.hpp"

namespace spate::actors {

/// Base of fixtures, which hear what comes back. The loop does not run.
struct LoopParts {
  LoopParts(ReceiptListener& receipts, CopyTaker& copies, StoreAnswerTaker& answers,
            std::uint32_t number, SessionLimits limits,
            std::function<std::int64_t()> wall_now_ms = wall_ms)
      : writer(loop, store, receipts), messages(hub, loop, number, copies),
        door(sessions, loop, number, answers), context{store,
                                                       writer,
                                                       parser,
                                                       routes,
                                                       presence,
                                                       messages,
                                                       door,
                                                       sys,
                                                       loop,
                                                       limits,
                                                       "fsync",
                                                       {},
                                                       log::RateLimit(0, 0),
                                                       {},
                                                       {},
                                                       {},
                                                       std::mt19937_64(1),
                                                       number,
                                                       std::move(wall_now_ms)} {}
  LoopParts(const LoopParts&) = delete;
  LoopParts& operator=(const LoopParts&) = delete;

  /// The store answers what was handed over, and its receipts are passed on.
  void commit(model::CommitStatus status = model::CommitStatus::committed) {
    writer.hand_over();
    store.answer_all(status);
    deliver();
  }
  void deliver() {
    while (writer.deliver_receipts(100)) {
    }
  }

  net::Loop loop;
  FakeStore store;
  model::ShapeTable shapes;
  telemetry::RouteTable routes;
  telemetry::Parser parser{shapes};
  Presence presence;
  ShardWriter writer;
  MessageHub hub;
  MessageRouter messages;
  SessionHub sessions{hub};
  SysTopics sys;
  SessionDoor door;
  SessionContext context;
};

} // namespace spate::actors
