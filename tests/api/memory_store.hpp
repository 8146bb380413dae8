// A store in memory: what the doors need of one, with failures on demand.
#pragma once

#include <algorithm>
#include <atomic>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "engine/base/hash.hpp"
#include "storage/store.hpp"
#include "tests/api/memory_aggregate.hpp"

namespace spate::api {

class MemoryStore final : public storage::Store {
public:
  std::atomic<model::CommitStatus> status{model::CommitStatus::committed};
  std::atomic<bool> hold{false}; ///< Keep blocks until release().
  std::atomic<bool> second_shard_ok{true};
  std::atomic<bool> first_shard_ok{true};
  std::atomic<std::size_t> queued{0};
  std::atomic<bool> reads_fail{false};
  std::atomic<std::size_t> scan_limit_max{0}; ///< The most records that one scan() asked for.
  std::atomic<bool> endless{false};           ///< Reads go on until they are cancelled.
  std::atomic<int> scans{0};
  std::atomic<int> fail_after{0};       ///< The so manieth scan from now finds a corrupt block.
  storage::StoreStats more_stats;       ///< Set before the store is shared.
  std::atomic<bool> refuse_rows{false}; ///< As the store does beyond its limit of devices.

  /// What the last block said of its last message, for the store's own rejections and limits.
  std::atomic<model::Protocol> last_protocol{model::Protocol::mqtt311};
  std::atomic<std::uint64_t> last_origin{0};
  std::atomic<std::uint32_t> last_retention_s{0};

  model::ShardId shard_of(std::string_view device) const noexcept override {
    return static_cast<model::ShardId>(hash_bytes(device) % 2);
  }
  std::uint16_t shards() const noexcept override { return 2; }

  void submit(std::unique_ptr<model::TelemetryBlock> block) override {
    if (hold) {
      const std::scoped_lock lock(mutex_);
      held_.push_back(std::move(block));
      return;
    }
    settle(std::move(block));
  }
  /// From any thread.
  std::size_t release() {
    std::vector<std::unique_ptr<model::TelemetryBlock>> blocks;
    {
      const std::scoped_lock lock(mutex_);
      blocks.swap(held_);
    }
    for (auto& block : blocks) {
      settle(std::move(block));
    }
    return blocks.size();
  }
  std::size_t queued_bytes(model::ShardId) const noexcept override { return queued; }

  std::vector<storage::ShardHealth> health() const override {
    return {{model::ShardId{0}, first_shard_ok, first_shard_ok ? "" : "fdatasync failed"},
            {model::ShardId{1}, second_shard_ok, second_shard_ok ? "" : "fdatasync failed"}};
  }
  storage::StoreStats stats() const override {
    const std::scoped_lock lock(mutex_);
    storage::StoreStats stats = more_stats;
    stats.commits = commits_;
    stats.devices = devices_.size();
    stats.sync_us.record(120, commits_);
    return stats;
  }

  /// The device subscribed to its commands; it never sent a record.
  void see(const std::string& device, std::int64_t received_ms) {
    const std::scoped_lock lock(mutex_);
    devices_[device].first_seen_ms = received_ms;
  }
  Result<bool> knows(const std::string& device) const override {
    if (reads_fail) {
      return fail(Errc::storage_unavailable, "Shard 1 is being reopened.");
    }
    const std::scoped_lock lock(mutex_);
    return devices_.count(device) != 0;
  }
  Result<storage::ScanPage> scan(const storage::ScanRequest& request) override {
    ++scans;
    if (run_endless(request.cancelled)) {
      return fail(Errc::storage_unavailable, "cancelled");
    }
    const std::scoped_lock lock(mutex_);
    scan_limit_max = std::max(scan_limit_max.load(), request.limit);
    const auto device = devices_.find(request.device);
    if (reads_fail) {
      return fail(Errc::storage_unavailable, "Shard 1 is being reopened.");
    }
    if (device == devices_.end()) {
      return fail(Errc::device_unknown);
    }
    if (fail_after > 0 && --fail_after == 0) {
      return fail(Errc::storage_corrupt, "block checksum mismatch");
    }
    storage::ScanPage page;
    std::size_t bytes = 0;
    std::vector<storage::StoredRecord> all = device->second.records;
    if (request.descending) {
      std::reverse(all.begin(), all.end());
    }
    for (const storage::StoredRecord& record : all) {
      const auto key = std::pair(record.time_ns, record.tie);
      if (record.time_ns < request.from_ns || record.time_ns >= request.to_ns ||
          (request.accepts && !request.accepts(*record.shape))) {
        continue;
      }
      if (request.after) {
        const auto after = std::pair(request.after->time_ns, request.after->tie);
        if (request.descending ? key >= after : key <= after) {
          continue;
        }
      }
      if (page.records.size() == request.limit || bytes > request.bytes_max) {
        page.more = true;
        break;
      }
      bytes += record.values.size();
      page.records.push_back(record);
    }
    return page;
  }
  Result<storage::ScanPage> last(const std::string& id) override {
    const std::scoped_lock lock(mutex_);
    const auto device = devices_.find(id);
    if (device == devices_.end()) {
      return fail(Errc::device_unknown);
    }
    std::map<const model::Shape*, storage::StoredRecord> newest;
    for (const storage::StoredRecord& record : device->second.records) {
      newest.insert_or_assign(record.shape, record);
    }
    storage::ScanPage out;
    for (const auto& [shape, record] : newest) {
      out.records.push_back(record);
    }
    return out;
  }
  Result<storage::LastPage> lasts(const storage::LastRequest& request) override {
    if (reads_fail) {
      return fail(Errc::storage_unavailable, "Shard 1 is being reopened.");
    }
    const std::scoped_lock lock(mutex_);
    storage::LastPage page;
    std::size_t looked = 0;
    for (auto at = devices_.upper_bound(request.after); at != devices_.end(); ++at) {
      if (looked++ == request.limit) {
        page.more = true;
        break;
      }
      std::map<const model::Shape*, storage::StoredRecord> newest;
      for (const storage::StoredRecord& record : at->second.records) {
        if (!request.accepts || request.accepts(*record.shape)) {
          newest.insert_or_assign(record.shape, record);
        }
      }
      page.position = at->first;
      if (!newest.empty()) {
        storage::LastPage::Device& device = page.devices.emplace_back();
        device.id = at->first;
        for (const auto& [shape, record] : newest) {
          device.records.push_back(record);
        }
      }
    }
    return page;
  }
  Result<storage::AggregatePage> aggregate(const storage::AggregateRequest& request) override {
    if (run_endless(request.cancelled)) {
      return fail(Errc::storage_unavailable, "cancelled");
    }
    const std::scoped_lock lock(mutex_);
    const auto device = devices_.find(request.device);
    if (reads_fail) {
      return fail(Errc::storage_unavailable, "Shard 1 is being reopened.");
    }
    if (device == devices_.end()) {
      return fail(Errc::device_unknown);
    }
    return aggregate_records(request, device->second.records);
  }

  /// Operations end when the test says so.
  void finish(storage::OperationState state, const std::string& error = {}) {
    const std::scoped_lock lock(mutex_);
    for (storage::Operation& operation : operations_) {
      if (!operation.ended()) {
        operation.state = state;
        operation.done = operation.total.value_or(0);
        operation.started_ms = operation.finished_ms = operation.created_ms + 1;
        operation.result = state == storage::OperationState::succeeded ? R"({"rows":1})" : "";
        operation.error = error;
      }
    }
  }
  Result<storage::LogPage> log(const storage::LogRequest&) override { return {}; }
  Result<storage::Operation> erase(const storage::EraseRequest& request) override {
    const std::scoped_lock lock(mutex_);
    const auto device = devices_.find(request.device);
    if (reads_fail) {
      return fail(Errc::storage_unavailable, "Shard 1 is being reopened.");
    }
    if (device == devices_.end()) {
      return fail(Errc::device_unknown);
    }
    const std::uint64_t hash = hash_bytes(request.device) ^
                               static_cast<std::uint64_t>(request.from_ns) ^
                               (static_cast<std::uint64_t>(request.to_ns) << 1);
    for (const storage::Operation& operation : operations_) {
      if (!request.idempotency_key.empty() &&
          operation.idempotency_key == request.idempotency_key) {
        if (operation.request_hash != hash) {
          return fail(Errc::idempotency_conflict);
        }
        return operation;
      }
    }
    auto& records = device->second.records;
    records.erase(std::remove_if(records.begin(), records.end(),
                                 [&](const storage::StoredRecord& record) {
                                   return record.time_ns >= request.from_ns &&
                                          record.time_ns < request.to_ns;
                                 }),
                  records.end());
    storage::Operation& operation =
        add_operation(request.operation, storage::OperationType::telemetry_erase);
    operation.idempotency_key = request.idempotency_key;
    operation.request_hash = hash;
    return operation;
  }
  Result<storage::Operation> compact(const Uuid& id) override {
    if (reads_fail) {
      return fail(Errc::storage_unavailable, "Shard 1 is being reopened.");
    }
    const std::scoped_lock lock(mutex_);
    storage::Operation& operation = add_operation(id, storage::OperationType::store_compact);
    operation.total = 4;
    return operation;
  }
  Result<storage::Operation> check(const Uuid& id) override {
    if (reads_fail) {
      return fail(Errc::storage_unavailable, "Shard 1 is being reopened.");
    }
    const std::scoped_lock lock(mutex_);
    return add_operation(id, storage::OperationType::store_check);
  }
  Result<std::optional<storage::Operation>> operation(const Uuid& id) override {
    const std::scoped_lock lock(mutex_);
    for (const storage::Operation& operation : operations_) {
      if (operation.id == id) {
        return std::optional(operation);
      }
    }
    return std::optional<storage::Operation>();
  }
  Result<storage::OperationPage> operations(const storage::OperationQuery& query) override {
    const std::scoped_lock lock(mutex_);
    storage::OperationPage page;
    for (auto at = operations_.rbegin(); at != operations_.rend(); ++at) {
      const bool state = query.states.empty() || std::find(query.states.begin(), query.states.end(),
                                                           at->state) != query.states.end();
      if (!state || (query.type && at->type != *query.type) ||
          (query.before && !(at->id < *query.before))) {
        continue;
      }
      if (page.operations.size() == query.limit) {
        page.more = true;
        break;
      }
      page.operations.push_back(*at);
    }
    return page;
  }
  Result<void> with_databases(const storage::DatabaseUser&) override { return unused(); }
  Result<storage::DevicePage> devices(const std::string& after, std::size_t limit) override {
    const std::scoped_lock lock(mutex_);
    storage::DevicePage page;
    for (auto at = devices_.upper_bound(after); at != devices_.end(); ++at) {
      if (page.devices.size() == limit) {
        page.more = true;
        break;
      }
      const Device& device = at->second;
      page.devices.push_back({at->first, device.first_seen_ms,
                              device.records.empty() ? 0 : device.records.back().received_ms});
    }
    return page;
  }
  Result<storage::RejectionPage> rejections(const storage::RejectionQuery& query) override {
    const std::scoped_lock lock(mutex_);
    storage::RejectionPage page;
    page.dropped = 3;
    std::size_t position = query.after.empty() ? rejections_.size() : std::stoul(query.after);
    for (; position > 0; --position) {
      const model::Rejection& rejection = rejections_[position - 1];
      if ((query.device && rejection.device != *query.device) ||
          (query.reason && rejection.reason != *query.reason) ||
          rejection.received_ms < query.from_ms || rejection.received_ms >= query.to_ms) {
        continue;
      }
      if (page.rejections.size() == query.limit) {
        page.more = true;
        break;
      }
      page.rejections.push_back(rejection);
      page.position = std::to_string(position - 1);
    }
    return page;
  }
  void stop() override {}

private:
  static tl::unexpected<Error> unused() { return fail(Errc::storage_unavailable, "not here"); }
  struct Device {
    std::vector<storage::StoredRecord> records; ///< Sorted by (time, tie).
    std::int64_t first_seen_ms = 0;
    Arena arena;
  };

  /// True if the read was cancelled.
  bool run_endless(const std::function<bool()>& cancelled) const {
    while (endless) {
      if (cancelled && cancelled()) {
        return true;
      }
      std::this_thread::yield();
    }
    return false;
  }
  storage::Operation& add_operation(const Uuid& id, storage::OperationType type) {
    storage::Operation& operation = operations_.emplace_back();
    operation.id = id;
    operation.type = type;
    operation.created_ms = 1'594'598'500'000;
    return operation;
  }
  void settle(std::unique_ptr<model::TelemetryBlock> block) {
    {
      const std::scoped_lock lock(mutex_);
      block->status = status;
      last_protocol = block->messages.back().protocol;
      last_origin = block->origin;
      last_retention_s = block->messages.back().retention_s;
      if (block->status == model::CommitStatus::committed) {
        commit(*block);
      } else {
        block->status_detail = "The disk says no.";
      }
    }
    block->sink->on_receipt(std::move(block));
  }
  void commit(model::TelemetryBlock& block) {
    ++commits_;
    rejections_.insert(rejections_.end(), block.rejections.begin(), block.rejections.end());
    for (const model::Message& message : block.messages) {
      if (message.rows == 0 && !message.seen) {
        continue;
      }
      if (refuse_rows) {
        for (std::uint32_t i = 0; i < message.rows; ++i) {
          block.rows[message.rows_begin + i].outcome = model::RowOutcome::rejected;
          block.rows[message.rows_begin + i].reject_reason = model::RejectReason::too_many_devices;
        }
        continue;
      }
      const auto [at, added] = devices_.try_emplace(std::string(block.name(message)));
      Device& device = at->second;
      if (added) {
        device.first_seen_ms = message.received_ms;
      }
      for (std::uint32_t i = 0; i < message.rows; ++i) {
        add(device, block, block.rows[message.rows_begin + i], message.received_ms);
      }
    }
  }
  static void add(Device& device, const model::TelemetryBlock& block, model::Row& row,
                  std::int64_t received_ms) {
    storage::StoredRecord record{row.time_ns,
                                 received_ms,
                                 row.source,
                                 row.shape,
                                 device.arena.keep(block.values_of(row)),
                                 0};
    for (const storage::StoredRecord& other : device.records) {
      if (other.time_ns != record.time_ns) {
        continue;
      }
      if (other.shape == record.shape &&
          model::same_values(*record.shape, other.values, record.values)) {
        row.outcome = model::RowOutcome::duplicate;
        return;
      }
      ++record.tie;
    }
    row.outcome = model::RowOutcome::stored;
    const auto at = std::upper_bound(
        device.records.begin(), device.records.end(), record, [](const auto& a, const auto& b) {
          return std::pair(a.time_ns, a.tie) < std::pair(b.time_ns, b.tie);
        });
    device.records.insert(at, std::move(record));
  }

  mutable std::mutex mutex_;
  std::map<std::string, Device> devices_;
  std::vector<model::Rejection> rejections_;
  std::vector<storage::Operation> operations_; ///< Oldest first.
  std::vector<std::unique_ptr<model::TelemetryBlock>> held_;
  std::uint64_t commits_ = 0;
};

} // namespace spate::api
