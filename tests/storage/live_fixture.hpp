// Spate - an open data directory without a committer thread, for tests that look inside.
#pragma once

#include <atomic>
#include <memory>
#include <string>

#include "storage/device_scan.hpp"
#include "storage/live_directory.hpp"
#include "tests/storage/store_fixture.hpp"

namespace spate::storage::test {

struct NoSink final : model::ReceiptSink {
  void on_receipt(std::unique_ptr<model::TelemetryBlock>) override {}
};

struct LiveFixture {
  TempDir dir;
  model::ShapeTable shapes;
  LiveOptions options;
  std::atomic<std::uint64_t> devices_total{0};
  std::atomic<int> background_errors{0};
  std::unique_ptr<LiveDirectory> live;
  NoSink sink;
  std::int64_t now_ms = 1'700'000'000'000;

  LiveFixture() {
    options.path = dir.sub("db");
    options.name = dir.path();
    options.durability = Durability::os;
  }
  Result<void> try_open() {
    live.reset();
    auto opened = LiveDirectory::open(options, shapes, nullptr, devices_total,
                                      [this](const rocksdb::Status&) { ++background_errors; });
    if (!opened) {
      return fail(std::move(opened.error()));
    }
    live = std::move(*opened);
    return {};
  }
  void open() {
    if (const auto opened = try_open(); !opened) {
      FAIL(opened.error().detail);
    }
  }
  BlockMaker maker() { return BlockMaker(shapes); }
  std::unique_ptr<model::TelemetryBlock> commit(BlockMaker& maker) {
    Blocks blocks;
    blocks.push_back(maker.take(model::ShardId{0}, sink));
    REQUIRE(live->build(blocks, now_ms));
    REQUIRE(live->write().ok());
    return std::move(blocks[0]);
  }
  Result<ScanPage> scan(const std::string& device, bool descending = false) {
    ScanRequest request;
    request.device = device;
    request.descending = descending;
    request.limit = 100'000;
    return scan_device(live->database(), *live->view(device), request);
  }
  ScanPage all(const std::string& device) {
    auto page = scan(device);
    REQUIRE(page);
    return std::move(*page);
  }
  static std::size_t count(const model::TelemetryBlock& block, model::RowOutcome outcome) {
    std::size_t rows = 0;
    for (const model::Row& row : block.rows) {
      rows += row.outcome == outcome ? 1 : 0;
    }
    return rows;
  }
};

} // namespace spate::storage::test
