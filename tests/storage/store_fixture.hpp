// Spate - a store in a temporary directory and a sink that waits for receipts.
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include <stdlib.h>
#include <unistd.h>

#include <doctest/doctest.h>
#include <rocksdb/db.h>

#include "engine/model/row.hpp"
#include "storage/store_internals.hpp"

namespace spate::storage::test {

/// Where TMPDIR says, or else in memory: what a sync means is tested with PowerFs, and a real one
/// only costs time, several times that of all else on a busy disk.
inline std::string temp_base() {
  constexpr const char* kMemory = "/dev/shm";
  constexpr std::uintmax_t kEnoughBytes = 1u << 30;
  if (const char* given = ::getenv("TMPDIR"); given != nullptr) {
    return given;
  }
  std::error_code error;
  const auto space = std::filesystem::space(kMemory, error);
  return !error && space.available >= kEnoughBytes && ::access(kMemory, W_OK) == 0 ? kMemory
                                                                                   : "/tmp";
}

/// Removed with all that is in it.
class TempDir {
public:
  TempDir() {
    path_ = temp_base() + "/spate-store-XXXXXX";
    REQUIRE(::mkdtemp(path_.data()) != nullptr);
  }
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;
  ~TempDir() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  [[nodiscard]] const std::string& path() const noexcept { return path_; }
  [[nodiscard]] std::string sub(const std::string& name) const { return path_ + "/" + name; }

private:
  std::string path_;
};

/// Collects receipts; wait() blocks until so many have come.
class Receipts final : public model::ReceiptSink {
public:
  void on_receipt(std::unique_ptr<model::TelemetryBlock> block) override {
    {
      const std::scoped_lock lock(mutex_);
      blocks_.push_back(std::move(block));
    }
    arrived_.notify_all();
  }
  std::vector<std::unique_ptr<model::TelemetryBlock>> wait(std::size_t count) {
    std::unique_lock lock(mutex_);
    arrived_.wait(lock, [&] { return blocks_.size() >= count; });
    return std::exchange(blocks_, {});
  }

private:
  std::mutex mutex_;
  std::condition_variable arrived_;
  std::vector<std::unique_ptr<model::TelemetryBlock>> blocks_;
};

/// Appends messages to a block as a parser would.
class BlockMaker {
public:
  explicit BlockMaker(model::ShapeTable& shapes) : shapes_(&shapes) {
    block_ = std::make_unique<model::TelemetryBlock>();
  }

  BlockMaker& message(const std::string& device, std::int64_t received_ms) {
    model::Message message;
    message.name_begin = static_cast<std::uint32_t>(block_->names.size());
    message.name_bytes = static_cast<std::uint32_t>(device.size());
    message.rows_begin = static_cast<std::uint32_t>(block_->rows.size());
    message.received_ms = received_ms;
    block_->names += device;
    block_->messages.push_back(message);
    return *this;
  }

  /// A record of the last message with one number field.
  BlockMaker& row(std::int64_t time_ns, const std::string& number, const std::string& field = "t",
                  model::TsSource source = model::TsSource::device) {
    model::Row row;
    row.shape = shapes_->intern({{field, model::ValueClass::number}});
    REQUIRE(row.shape != nullptr);
    row.time_ns = time_ns;
    row.source = source;
    row.values_begin = static_cast<std::uint32_t>(block_->values.size());
    model::Decimal decimal;
    REQUIRE(model::parse_decimal(number, decimal));
    model::append_decimal(block_->values, decimal);
    row.values_bytes = static_cast<std::uint32_t>(block_->values.size()) - row.values_begin;
    block_->rows.push_back(row);
    ++block_->messages.back().rows;
    return *this;
  }

  BlockMaker& rejection(const std::string& device, model::RejectReason reason,
                        std::int64_t received_ms) {
    model::Rejection rejection;
    rejection.device = device;
    rejection.reason = reason;
    rejection.received_ms = received_ms;
    rejection.topic = "devices/" + device + "/telemetry";
    rejection.detail = "why";
    rejection.sample = "{";
    block_->rejections.push_back(rejection);
    return *this;
  }

  model::TelemetryBlock& block() { return *block_; }
  std::unique_ptr<model::TelemetryBlock> take(model::ShardId shard, model::ReceiptSink& sink) {
    block_->shard = shard;
    block_->sink = &sink;
    return std::exchange(block_, std::make_unique<model::TelemetryBlock>());
  }

private:
  model::ShapeTable* shapes_;
  std::unique_ptr<model::TelemetryBlock> block_;
};

/// A store that can be closed and opened again, and short words for what tests do with it.
struct Fixture {
  TempDir dir;
  std::unique_ptr<model::ShapeTable> shapes = std::make_unique<model::ShapeTable>();
  StoreOptions options;
  StoreInternals internals;
  Receipts receipts;
  std::unique_ptr<Store> store;

  Fixture() {
    options.data_dirs = {dir.sub("a")};
    options.shards = 1;
    options.durability = Durability::os; // Tests of the fsync itself say so.
    options.disk_free_min_bytes = 1;
    options.commit_interval_us = 0; // Tests wait for each commit, so nothing is gained by waiting.
    options.log_bytes_max = 4u << 20;
    internals.reopen_pause_min = std::chrono::milliseconds(1);
    internals.tick = std::chrono::milliseconds(5);
    internals.now_ms = [this] { return received_ms.load(); };
  }
  ~Fixture() { store.reset(); }

  /// Until the operation has ended, which must be well.
  void await(const Uuid& id) {
    for (;;) {
      const auto operation = store->operation(id);
      REQUIRE(operation);
      REQUIRE(*operation);
      if ((*operation)->ended()) {
        CHECK((*operation)->state == OperationState::succeeded);
        return;
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  }

  Result<std::unique_ptr<Store>> try_open() { return open_store(options, *shapes, internals); }
  void open() {
    auto opened = try_open();
    if (!opened) {
      FAIL(opened.error().detail);
    }
    store = std::move(*opened);
  }
  /// As a new process would: shapes are numbered anew.
  void reopen() {
    store.reset();
    shapes = std::make_unique<model::ShapeTable>();
    open();
  }

  BlockMaker maker() { return BlockMaker(*shapes); }
  std::unique_ptr<model::TelemetryBlock> commit(BlockMaker& maker, std::uint16_t shard = 0) {
    store->submit(maker.take(static_cast<model::ShardId>(shard), receipts));
    return std::move(receipts.wait(1).front());
  }
  /// One record of one device; what became of it.
  model::RowOutcome put(const std::string& device, std::int64_t time_ns, const std::string& number,
                        const std::string& field = "t",
                        model::TsSource source = model::TsSource::device) {
    auto make = maker();
    make.message(device, received_ms++).row(time_ns, number, field, source);
    const auto block = commit(make, static_cast<std::uint16_t>(store->shard_of(device)));
    REQUIRE(block->status == model::CommitStatus::committed);
    return block->rows[0].outcome;
  }

  /// Of a store that is closed: log windows that exist.
  std::size_t windows() const {
    std::vector<std::string> names;
    REQUIRE(rocksdb::DB::ListColumnFamilies({}, options.data_dirs[0] + "/db", &names).ok());
    return static_cast<std::size_t>(
        std::count_if(names.begin(), names.end(),
                      [](const std::string& name) { return name.compare(0, 3, "log") == 0; }));
  }

  std::vector<StoredRecord> all(const std::string& device, bool descending = false) {
    ScanRequest request;
    request.device = device;
    request.descending = descending;
    request.limit = 100'000;
    auto page = store->scan(request);
    if (!page) {
      FAIL(page.error().detail);
    }
    CHECK_FALSE(page->more);
    for (StoredRecord& record : page->records) {
      record.values = kept.keep(record.values);
    }
    return std::move(page->records);
  }
  /// "time=value" of each record.
  std::vector<std::string> texts(const std::vector<StoredRecord>& records) {
    std::vector<std::string> out;
    for (const StoredRecord& record : records) {
      out.push_back(std::to_string(record.time_ns) + "=" + text_of(record));
    }
    return out;
  }
  static std::string text_of(const StoredRecord& record) {
    model::RowReader reader(*record.shape, record.values);
    model::Value value;
    std::string out;
    while (reader.next(value)) {
      model::append_text(out, std::get<model::Decimal>(value));
    }
    return out;
  }

  Arena kept; ///< Values of the records that all() has given.
  std::atomic<std::int64_t> received_ms{1'700'000'000'000}; ///< The store's clock too.
};

using Texts = std::vector<std::string>;

} // namespace spate::storage::test
