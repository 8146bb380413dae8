#include "actors/shard_writer.hpp"

#include <cassert>
#include <mutex>
#include <utility>

namespace spate::actors {

namespace {

/// Blocks kept for reuse, and what one may have grown to.
constexpr std::size_t kSpareBlocksMax = 16;
constexpr std::size_t kSpareBytesMax = 1u << 20;

model::RejectReason reason_for(model::CommitStatus status) {
  return status == model::CommitStatus::full ? model::RejectReason::storage_full
                                             : model::RejectReason::shard_unavailable;
}

} // namespace

/// Where committers leave receipts. The lock is held for a push or a swap only.
struct ShardWriter::Inbox {
  std::mutex mutex;
  std::vector<std::unique_ptr<model::TelemetryBlock>> blocks;
};

ShardWriter::ShardWriter(net::Loop& loop, storage::Store& store, ReceiptListener& listener,
                         ShardWriterLimits limits)
    : loop_(loop), store_(store), listener_(listener), limits_(limits), open_(store.shards()),
      inbox_(std::make_unique<Inbox>()) {}

ShardWriter::~ShardWriter() {
  assert(in_flight_bytes_ == 0);
}

model::TelemetryBlock& ShardWriter::open_block(model::ShardId shard) {
  auto& block = open_[static_cast<std::size_t>(shard)];
  if (!block) {
    if (spare_.empty()) {
      block = std::make_unique<model::TelemetryBlock>();
    } else {
      block = std::move(spare_.back());
      spare_.pop_back();
      block->clear();
    }
    block->shard = shard;
    block->sink = this;
  }
  return *block;
}

void ShardWriter::add(model::ShardId shard, const model::Message& message) {
  const auto index = static_cast<std::size_t>(shard);
  model::TelemetryBlock& block = *open_[index];
  assert(message.rows_begin + message.rows == block.rows.size());
  block.messages.push_back(message);
  ++gathered_messages_;
  gathered_bytes_ -= block.handed_over_bytes;
  block.handed_over_bytes = block.bytes();
  gathered_bytes_ += block.handed_over_bytes;
  gathered_.received += message.rows + message.rejected;
  gathered_.in_flight += message.rows + message.rejected;
  if (block.rows.size() >= limits_.block_records_max ||
      block.messages.size() >= limits_.block_records_max ||
      block.handed_over_bytes >= limits_.block_bytes_max) {
    hand_over(index);
  }
}

void ShardWriter::hand_over(std::size_t shard) {
  if (!open_[shard] || open_[shard]->messages.empty()) {
    return;
  }
  // Counted before the store can answer, so that no snapshot sees a record stored but never
  // received.
  ledger_.update([this](model::LedgerCounts& counts) { counts += gathered_; });
  gathered_ = {};
  gathered_bytes_ -= open_[shard]->handed_over_bytes;
  in_flight_bytes_ += open_[shard]->handed_over_bytes;
  gathered_messages_ -= open_[shard]->messages.size();
  store_.submit(std::move(open_[shard]));
}

void ShardWriter::hand_over() {
  if (gathered_messages_ == 0) {
    return;
  }
  for (std::size_t shard = 0; shard < open_.size(); ++shard) {
    hand_over(shard);
  }
}

bool ShardWriter::over_limit() const noexcept {
  return gathered_bytes_ + in_flight_bytes_ >= limits_.in_flight_bytes_max;
}

bool ShardWriter::well_below_limit() const noexcept {
  return gathered_bytes_ + in_flight_bytes_ <= limits_.in_flight_bytes_max / 2;
}

bool ShardWriter::drained() const noexcept {
  return in_flight_bytes_ == 0 && gathered_messages_ == 0;
}

void ShardWriter::on_receipt(std::unique_ptr<model::TelemetryBlock> block) {
  bool was_empty = false;
  {
    const std::scoped_lock lock(inbox_->mutex);
    was_empty = inbox_->blocks.empty();
    inbox_->blocks.push_back(std::move(block));
  }
  if (was_empty) {
    loop_.wake();
  }
}

void ShardWriter::settle(const model::TelemetryBlock& block) {
  model::LedgerCounts settled;
  const auto rejected = [&settled](model::RejectReason reason) -> std::uint64_t& {
    return settled.rejected[static_cast<std::size_t>(reason)];
  };
  const bool committed = block.status == model::CommitStatus::committed;
  std::uint64_t records = block.rows.size();
  if (committed) {
    for (const model::Row& row : block.rows) {
      if (row.outcome == model::RowOutcome::stored) {
        ++settled.stored;
      } else if (row.outcome == model::RowOutcome::duplicate) {
        ++settled.duplicate;
      } else {
        ++rejected(row.reject_reason);
      }
    }
  } else {
    rejected(reason_for(block.status)) += block.rows.size();
  }
  // A refused record is counted for its own reason even where its details could not be written.
  for (const model::Rejection& rejection : block.rejections) {
    rejected(rejection.reason) += rejection.records;
  }
  for (const model::Message& message : block.messages) {
    records += message.rejected;
  }
  ledger_.update([&](model::LedgerCounts& counts) {
    counts += settled;
    counts.in_flight -= records;
  });
}

bool ShardWriter::deliver_receipts(std::size_t messages_max) {
  if (arrived_next_block_ == arrived_.size()) {
    arrived_.clear();
    arrived_next_block_ = 0;
    const std::scoped_lock lock(inbox_->mutex);
    arrived_.swap(inbox_->blocks);
  }
  while (arrived_next_block_ < arrived_.size() && messages_max > 0) {
    auto& block = arrived_[arrived_next_block_];
    if (arrived_next_message_ == 0) {
      settle(*block);
    }
    for (; arrived_next_message_ < block->messages.size() && messages_max > 0; --messages_max) {
      listener_.on_message(*block, block->messages[arrived_next_message_++]);
    }
    if (arrived_next_message_ < block->messages.size()) {
      break;
    }
    arrived_next_message_ = 0;
    ++arrived_next_block_;
    in_flight_bytes_ -= block->handed_over_bytes;
    if (spare_.size() < kSpareBlocksMax && block->bytes() <= kSpareBytesMax) {
      spare_.push_back(std::move(block));
    } else {
      block.reset();
    }
  }
  return arrived_next_block_ < arrived_.size();
}

} // namespace spate::actors
