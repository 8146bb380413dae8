// Spate - what a loop hands to a shard, and what comes back as its receipt.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "engine/model/ids.hpp"
#include "engine/model/reject_reason.hpp"
#include "engine/model/shape.hpp"

namespace spate::model {

/// Who waits for a message's receipt. Only the loop that made it reads it: slot and generation find
/// the session (or find that it is gone), sequence the message within it. Never a pointer.
struct AckToken {
  std::uint32_t slot = 0;
  std::uint32_t generation = 0;
  std::uint32_t sequence = 0;
};

enum class RowOutcome : std::uint8_t { pending, stored, duplicate, rejected };

/// One record. Its values lie in TelemetryBlock::values, encoded as row.hpp says.
struct Row {
  const Shape* shape = nullptr;
  std::int64_t time_ns = 0; ///< Since 1970 UTC, >= 0; the precision that the device sent.
  std::uint32_t values_begin = 0;
  std::uint32_t values_bytes = 0;
  TsSource source = TsSource::server;
  RowOutcome outcome = RowOutcome::pending;        ///< Set by the store.
  RejectReason reject_reason = RejectReason::none; ///< Set with RowOutcome::rejected.
};

/// What was refused, from whom, and why. Kept in the store's bounded ring.
struct Rejection {
  std::int64_t received_ms = 0;
  RejectReason reason = RejectReason::none;
  Protocol protocol = Protocol::mqtt311;
  std::string device; ///< Device id, or what stood in its place; at most 256 bytes.
  std::string topic;  ///< Topic or URL path; at most 256 bytes.
  std::string detail; ///< For people; at most 256 bytes.
  std::string sample; ///< The start of the payload, made printable; at most 128 bytes.
  std::uint32_t records =
      1; ///< How many records of the message it stands for: details are bounded.
};

/// One PUBLISH or one HTTP body: records of one device, answered together.
struct Message {
  DeviceNumber device = DeviceNumber::unknown; ///< If unknown, `name` says who; the store fills it.
  std::uint32_t name_begin = 0;                ///< Into TelemetryBlock::names.
  std::uint32_t name_bytes = 0;
  std::uint32_t rows_begin = 0; ///< Into TelemetryBlock::rows.
  std::uint32_t rows = 0;
  std::uint32_t rejected =
      0; ///< Records refused before the hand-over; their Rejections are in the block.
  std::int64_t received_ms = 0;
  AckToken ack;
  Protocol protocol = Protocol::mqtt311; ///< For the rejections that the store makes.
  std::uint32_t retention_s = 0;         ///< How long its records are kept; 0: for ever.
  /// The device counts as seen although no row came: it subscribed to its commands.
  bool seen = false;
};

enum class CommitStatus : std::uint8_t {
  pending,
  committed,   ///< Durable as configured; each row has its outcome.
  full,        ///< Refused: free space is below the floor. Nothing of the block is stored.
  unavailable, ///< Refused: the data directory failed, is being reopened or stops. The block may or
               ///< may not be on disk; nobody is acknowledged.
};

class ReceiptSink;

/// Records of one shard, gathered by one loop during one iteration and handed over as a whole. The
/// same object comes back as the receipt. One owner at a time: loop -> store -> loop.
struct TelemetryBlock {
  ShardId shard{};
  std::vector<Message> messages;
  std::vector<Row> rows;
  std::vector<Rejection> rejections;
  std::string values; ///< Row bytes.
  std::string names;  ///< Device ids of messages whose number is not known yet.

  /// Of the rows that are being appended: a hash of their device. See ShapeTable::intern().
  std::uint64_t origin = 0;
  ReceiptSink* sink = nullptr;       ///< Borrowed; outlives the block.
  std::size_t handed_over_bytes = 0; ///< bytes() as its loop counts it.
  CommitStatus status = CommitStatus::pending;
  std::string status_detail; ///< Why it is not committed.

  [[nodiscard]] std::string_view name(const Message& message) const noexcept {
    return std::string_view(names).substr(message.name_begin, message.name_bytes);
  }
  [[nodiscard]] std::string_view values_of(const Row& row) const noexcept {
    return std::string_view(values).substr(row.values_begin, row.values_bytes);
  }
  /// A rejection with all its texts.
  static constexpr std::size_t kRejectionBytes = sizeof(Rejection) + 3 * 256 + 128;
  /// What it weighs in queues.
  [[nodiscard]] std::size_t bytes() const noexcept {
    return values.size() + names.size() + rows.size() * sizeof(Row) +
           messages.size() * sizeof(Message) + rejections.size() * kRejectionBytes;
  }
  /// Empties it for reuse; capacity stays.
  void clear() noexcept {
    messages.clear();
    rows.clear();
    rejections.clear();
    values.clear();
    names.clear();
    handed_over_bytes = 0;
    origin = 0;
    status = CommitStatus::pending;
    status_detail.clear();
  }
};

/// Where blocks come back. Called by the store's committer thread: only pass the block on, never
/// block.
class ReceiptSink {
public:
  virtual ~ReceiptSink() = default;
  virtual void on_receipt(std::unique_ptr<TelemetryBlock> block) = 0;
};

} // namespace spate::model
