// Spate - a store without a disk: keeps blocks until a test commits or refuses them.
#pragma once

#include <deque>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "engine/base/hash.hpp"
#include "storage/store.hpp"

namespace spate::actors {

class FakeStore final : public storage::Store {
public:
  explicit FakeStore(std::uint16_t shards = 2) : shards_(shards) {}

  model::ShardId shard_of(std::string_view device) const noexcept override {
    return static_cast<model::ShardId>(hash_bytes(device) % shards_);
  }
  std::uint16_t shards() const noexcept override { return shards_; }
  void submit(std::unique_ptr<model::TelemetryBlock> block) override {
    waiting.push_back(std::move(block));
  }
  std::size_t queued_bytes(model::ShardId) const noexcept override { return 0; }

  /// Answers the block that has waited longest (or the newest): every row stored unless `outcome`
  /// says otherwise.
  void answer(model::CommitStatus status = model::CommitStatus::committed, bool newest = false,
              model::RowOutcome outcome = model::RowOutcome::stored) {
    auto block = std::move(newest ? waiting.back() : waiting.front());
    newest ? waiting.pop_back() : waiting.pop_front();
    block->status = status;
    if (status == model::CommitStatus::committed) {
      for (model::Row& row : block->rows) {
        row.outcome = outcome;
        row.reject_reason = outcome == model::RowOutcome::rejected
                                ? model::RejectReason::too_many_devices
                                : model::RejectReason::none;
      }
      for (model::Message& message : block->messages) {
        if (message.device == model::DeviceNumber::unknown) {
          message.device = static_cast<model::DeviceNumber>(7);
        }
      }
    } else {
      block->status_detail = "the disk said no";
    }
    block->sink->on_receipt(std::move(block));
  }
  void answer_all(model::CommitStatus status = model::CommitStatus::committed) {
    while (!waiting.empty()) {
      answer(status);
    }
  }

  std::vector<storage::ShardHealth> health() const override { return {}; }
  storage::StoreStats stats() const override { return {}; }
  Result<storage::ScanPage> scan(const storage::ScanRequest&) override {
    return storage::ScanPage{};
  }
  Result<storage::ScanPage> last(const std::string&) override { return storage::ScanPage{}; }
  Result<storage::LastPage> lasts(const storage::LastRequest&) override { return unused(); }
  Result<storage::AggregatePage> aggregate(const storage::AggregateRequest&) override {
    return unused();
  }
  Result<storage::LogPage> log(const storage::LogRequest&) override { return {}; }
  Result<storage::Operation> erase(const storage::EraseRequest&) override { return unused(); }
  Result<storage::Operation> compact(const Uuid&) override { return unused(); }
  Result<storage::Operation> check(const Uuid&) override { return unused(); }
  Result<std::optional<storage::Operation>> operation(const Uuid&) override { return unused(); }
  Result<storage::OperationPage> operations(const storage::OperationQuery&) override {
    return unused();
  }
  Result<void> with_databases(const storage::DatabaseUser&) override { return unused(); }
  Result<storage::DevicePage> devices(const std::string&, std::size_t) override {
    return storage::DevicePage{};
  }
  Result<storage::RejectionPage> rejections(const storage::RejectionQuery&) override {
    return storage::RejectionPage{};
  }
  Result<bool> knows(const std::string& device) const override {
    if (closed) {
      return fail(Errc::storage_unavailable, "the disk said no");
    }
    return unknown.count(device) == 0;
  }
  void stop() override {}

  std::deque<std::unique_ptr<model::TelemetryBlock>> waiting;
  std::set<std::string> unknown; ///< Devices that knows() does not know.
  bool closed = false;           ///< knows() can not tell.

private:
  static tl::unexpected<Error> unused() { return fail(Errc::storage_unavailable, "not here"); }
  std::uint16_t shards_;
};

} // namespace spate::actors
