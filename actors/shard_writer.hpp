// Spate - gathers the records of one loop and hands them to the store, a block a shard at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "engine/model/ledger.hpp"
#include "engine/model/telemetry_block.hpp"
#include "engine/net/loop.hpp"
#include "storage/store.hpp"

namespace spate::actors {

/// Hears of messages whose receipt came back. Loop thread.
class ReceiptListener {
public:
  virtual ~ReceiptListener() = default;
  /// Once a message, in the order of add() per shard. block.status says whether it is durable.
  virtual void on_message(const model::TelemetryBlock& block, const model::Message& message) = 0;
};

struct ShardWriterLimits {
  std::size_t in_flight_bytes_max =
      16u << 20; ///< Gathered, or handed over and not back yet, all shards of this loop.
  std::size_t block_records_max = 1024;     ///< A block this full is handed over at once,
  std::size_t block_bytes_max = 256u << 10; ///< or this large.
};

/// Flow:    parser -> open_block(), add() -> hand_over() -> Store -> receipt -> ReceiptListener
/// Thread:  its loop's; only on_receipt() comes from committer threads and just passes the block
/// on. Limits:  over_limit() tells the loop to stop reading; nothing is ever dropped here. Ledger:
/// counts each record as received and in flight on add(), and as stored, duplicate or rejected
///          when its receipt is back, so the equation holds at every moment.
class ShardWriter final : public model::ReceiptSink {
public:
  /// All borrowed; they outlive the writer. The store must have answered everything (drained())
  /// before the writer goes.
  ShardWriter(net::Loop& loop, storage::Store& store, ReceiptListener& listener,
              ShardWriterLimits limits = {});
  ~ShardWriter() override;

  /// The block that this loop gathers for `shard`. Append rows, values, names and rejections of one
  /// message, then call add(); or cut back what was appended (after a payload that turned out bad).
  [[nodiscard]] model::TelemetryBlock& open_block(model::ShardId shard);
  /// Closes a message: message.rows_begin.. and its rejections are already in the open block.
  void add(model::ShardId shard, const model::Message& message);
  /// Hands all gathered blocks to the store. Called at the end of each iteration of the loop.
  void hand_over();

  [[nodiscard]] bool over_limit() const noexcept;
  /// So far below the limit that reading may go on after a pause.
  [[nodiscard]] bool well_below_limit() const noexcept;
  /// Nothing gathered, nothing in flight.
  [[nodiscard]] bool drained() const noexcept;
  [[nodiscard]] const model::LedgerCell& ledger() const noexcept { return ledger_; }

  /// Passes receipts that have arrived to the listener. Called by the loop's hooks; `messages_max`
  /// bounds one call. Returns true if more are waiting.
  bool deliver_receipts(std::size_t messages_max);

  void on_receipt(std::unique_ptr<model::TelemetryBlock> block) override;

private:
  struct Inbox;
  void hand_over(std::size_t shard);
  void settle(const model::TelemetryBlock& block);

  net::Loop& loop_;
  storage::Store& store_;
  ReceiptListener& listener_;
  const ShardWriterLimits limits_;
  model::LedgerCell ledger_;
  model::LedgerCounts
      gathered_; ///< Of the open blocks; not in the ledger before they are handed over.
  std::vector<std::unique_ptr<model::TelemetryBlock>> open_;  ///< By shard.
  std::vector<std::unique_ptr<model::TelemetryBlock>> spare_; ///< Reused, so their capacity stays.
  std::vector<std::unique_ptr<model::TelemetryBlock>> arrived_;
  std::size_t arrived_next_block_ = 0;
  std::size_t arrived_next_message_ = 0;
  std::size_t in_flight_bytes_ = 0;
  std::size_t gathered_bytes_ = 0;
  std::size_t gathered_messages_ = 0;
  std::unique_ptr<Inbox> inbox_;
};

} // namespace spate::actors
