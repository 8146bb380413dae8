#include "actors/shard_writer.hpp"

#include <doctest/doctest.h>

#include "tests/actors/fake_store.hpp"

namespace spate::actors {
namespace {

struct Heard final : ReceiptListener {
  std::vector<std::uint32_t> sequences;
  std::vector<model::CommitStatus> statuses;
  void on_message(const model::TelemetryBlock& block, const model::Message& message) override {
    sequences.push_back(message.ack.sequence);
    statuses.push_back(block.status);
  }
};

struct Fixture {
  model::ShapeTable shapes;
  const model::Shape* shape = shapes.intern({{"t", model::ValueClass::boolean}});
  net::Loop loop;
  FakeStore store;
  Heard heard;
  ShardWriter writer{loop, store, heard, {.in_flight_bytes_max = 2000, .block_records_max = 4}};

  ~Fixture() {
    writer.hand_over();
    store.answer_all();
    while (writer.deliver_receipts(1000)) {
    }
  }

  void add(std::uint16_t shard, std::uint32_t sequence, std::uint32_t rows = 1,
           std::uint32_t rejected = 0) {
    const auto id = static_cast<model::ShardId>(shard);
    model::TelemetryBlock& block = writer.open_block(id);
    model::Message message;
    message.rows_begin = static_cast<std::uint32_t>(block.rows.size());
    message.rows = rows;
    message.rejected = rejected;
    message.ack.sequence = sequence;
    for (std::uint32_t i = 0; i < rows; ++i) {
      block.rows.push_back({.shape = shape, .values_begin = 0, .values_bytes = 1});
      block.values.push_back('\1');
    }
    for (std::uint32_t i = 0; i < rejected; ++i) {
      block.rejections.emplace_back().reason = model::RejectReason::no_values;
    }
    writer.add(id, message);
  }
  model::LedgerCounts ledger() const { return writer.ledger().snapshot(); }
};

TEST_SUITE("actors.shard_writer") {
  TEST_CASE("records of an iteration leave as one block a shard") {
    Fixture f;
    f.add(0, 1);
    f.add(1, 2);
    f.add(0, 3);
    CHECK(f.store.waiting.empty());
    f.writer.hand_over();
    REQUIRE(f.store.waiting.size() == 2);
    CHECK(f.store.waiting[0]->messages.size() == 2);
    CHECK(f.store.waiting[1]->messages.size() == 1);
  }

  TEST_CASE("a full block does not wait for the end of the iteration") {
    Fixture f;
    for (std::uint32_t i = 0; i < 4; ++i) {
      f.add(0, i);
    }
    CHECK(f.store.waiting.size() == 1);
  }

  TEST_CASE("the ledger balances before, during and after a commit, with every outcome") {
    Fixture f;
    f.add(0, 1, 2, 1);
    f.add(1, 2, 1);
    f.writer.hand_over();
    CHECK(f.ledger().received == 4);
    CHECK(f.ledger().in_flight == 4);
    CHECK(f.ledger().imbalance() == 0);

    f.store.answer(model::CommitStatus::committed, false, model::RowOutcome::duplicate);
    f.writer.deliver_receipts(100);
    CHECK(f.ledger().duplicate == 2);
    CHECK(f.ledger().rejected[static_cast<std::size_t>(model::RejectReason::no_values)] == 1);
    CHECK(f.ledger().in_flight == 1);
    CHECK(f.ledger().imbalance() == 0);

    f.store.answer(model::CommitStatus::unavailable);
    f.writer.deliver_receipts(100);
    CHECK(f.ledger().rejected[static_cast<std::size_t>(model::RejectReason::shard_unavailable)] ==
          1);
    CHECK(f.ledger().in_flight == 0);
    CHECK(f.ledger().imbalance() == 0);
    CHECK(f.writer.drained());
  }

  TEST_CASE("receipts reach the listener in order and within the budget of a call") {
    Fixture f;
    for (std::uint32_t i = 0; i < 10; ++i) {
      f.add(0, i);
    }
    f.writer.hand_over();
    f.store.answer_all();
    CHECK(f.writer.deliver_receipts(3));
    CHECK(f.heard.sequences == std::vector<std::uint32_t>{0, 1, 2});
    while (f.writer.deliver_receipts(3)) {
    }
    CHECK(f.heard.sequences == std::vector<std::uint32_t>{0, 1, 2, 3, 4, 5, 6, 7, 8, 9});
    CHECK(f.writer.drained());
  }

  TEST_CASE("too many bytes in flight are told, and no longer once receipts are back") {
    Fixture f;
    CHECK_FALSE(f.writer.over_limit());
    for (std::uint32_t i = 0; i < 40; ++i) {
      f.add(0, i);
    }
    f.writer.hand_over();
    CHECK(f.writer.over_limit());
    f.store.answer_all();
    while (f.writer.deliver_receipts(100)) {
    }
    CHECK_FALSE(f.writer.over_limit());
  }

  TEST_CASE("large records count while they gather, and do not wait for a thousand others") {
    Fixture f;
    model::TelemetryBlock& block = f.writer.open_block(model::ShardId{0});
    block.values.append(3000, 'x');
    CHECK_FALSE(f.writer.over_limit());
    f.add(0, 1);
    CHECK(f.writer.over_limit());
    CHECK(f.store.waiting.empty());
    f.writer.open_block(model::ShardId{0}).values.append(256u << 10, 'x');
    f.add(0, 2);
    CHECK(f.store.waiting.size() == 1);
    f.store.answer_all();
    f.writer.deliver_receipts(1000);
    CHECK(f.writer.well_below_limit());
  }

  TEST_CASE("a reused block starts empty") {
    Fixture f;
    f.add(0, 1, 1, 1);
    f.writer.hand_over();
    f.store.answer(model::CommitStatus::full);
    f.writer.deliver_receipts(10);
    const model::TelemetryBlock& again = f.writer.open_block(model::ShardId{0});
    CHECK(again.rows.empty());
    CHECK(again.rejections.empty());
    CHECK(again.status == model::CommitStatus::pending);
    CHECK(again.status_detail.empty());
  }
}

} // namespace
} // namespace spate::actors
