// Spate - one device's blocks in generations and runs, put there by hand, and the same rows in a
// plain list.
#pragma once

#include <algorithm>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include <doctest/doctest.h>
#include <rocksdb/db.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/slice_transform.h>
#include <rocksdb/table.h>

#include "engine/columnar/block.hpp"
#include "engine/model/row.hpp"
#include "engine/model/shape.hpp"
#include "storage/aggregate.hpp"
#include "tests/storage/store_fixture.hpp"

namespace spate::storage::test {

/// A record that owns its values.
struct PlainRow {
  std::uint32_t series = 0;
  std::int64_t time_ns = 0;
  model::TsSource source = model::TsSource::device;
  std::string values;
  std::uint64_t rank = 0; ///< When it arrived among those of its shape and time, as reads see it.
};

/// Ranks of rows in tails. Those in main blocks have 0, in late ones the block's order.
inline constexpr std::uint64_t kLateTailRank = UINT64_MAX;
inline constexpr std::uint64_t kMainTailRank = kLateTailRank - 1;

inline std::string number_row(const std::string& text) {
  std::string out;
  model::Decimal decimal;
  if (model::parse_decimal(text, decimal)) {
    model::append_decimal(out, decimal);
  } else {
    model::append_number_text(out, text);
  }
  return out;
}

class BlocksFixture {
public:
  static constexpr std::uint32_t kDevice = 7;

  /// Families as the store has them: bloom filters on the prefixes that a read stays in.
  explicit BlocksFixture(std::size_t generations = 2) {
    rocksdb::Options options;
    options.create_if_missing = true;
    options.disable_auto_compactions = true;
    rocksdb::DB* db = nullptr;
    REQUIRE(rocksdb::DB::Open(options, dir_.sub("db"), &db).ok());
    db_.reset(db);
    for (std::size_t i = 0; i < generations; ++i) {
      view_.generations.push_back(
          std::make_shared<Generation>(*db_, make_family("blk" + std::to_string(i), 4), i));
    }
    runs_family_ = make_family("runs", 8);
    view_.runs_family = runs_family_;
  }
  ~BlocksFixture() {
    view_.generations.clear();
    view_.snapshot.reset();
    db_->DestroyColumnFamilyHandle(runs_family_);
  }

  const model::Shape& shape(std::uint32_t number, std::vector<model::FieldView> fields) {
    const model::Shape* made = shapes_.intern(fields);
    REQUIRE(made != nullptr);
    by_number_[number] = made;
    return *made;
  }
  void series(std::uint32_t number, std::int64_t kept_from_ns = INT64_MIN) {
    series_.push_back({number, by_number_.at(shape_of(number)), kept_from_ns});
  }
  [[nodiscard]] const model::Shape& shape_of_series(std::uint32_t series) const {
    return *by_number_.at(shape_of(series));
  }

  /// A run without blocks yet.
  std::size_t run(std::uint8_t retention_class, std::uint64_t erased_through = 0) {
    Run run;
    run.number = static_cast<std::uint32_t>(runs_.size() + 1);
    run.retention_class = retention_class;
    run.erased_through = static_cast<decltype(run.erased_through)>(erased_through);
    run.first_time_ns = INT64_MAX;
    run.last_time_ns = INT64_MIN;
    runs_.push_back(run);
    return runs_.size() - 1;
  }

  /// Puts rows, ascending, as one block into a run, or a generation if `run` is none.
  BlockKey block(const std::vector<PlainRow>& rows, BlockKind kind, std::uint64_t order,
                 std::optional<std::size_t> run, columnar::Heads heads,
                 std::size_t generation = 0) {
    std::vector<columnar::Row> borrowed;
    for (const PlainRow& row : rows) {
      borrowed.push_back({row.time_ns, row.time_ns / 1'000'000 + 5, row.source, row.values});
    }
    std::string value;
    encoder_.encode(shape_of_series(rows[0].series), borrowed, heads, value);
    const BlockKey key{kDevice, rows[0].series, kind, rows.back().time_ns, order};
    put(key, value, run, generation);
    if (run) {
      Run& at = runs_[*run];
      at.first_time_ns = std::min(at.first_time_ns, rows.front().time_ns);
      at.last_time_ns = std::max(at.last_time_ns, rows.back().time_ns);
      at.blocks += 1;
      at.late_blocks += kind == BlockKind::late ? 1 : 0;
    }
    return key;
  }
  void put(const BlockKey& key, const std::string& value, std::optional<std::size_t> run,
           std::size_t generation = 0) {
    std::string bytes;
    rocksdb::ColumnFamilyHandle* family = runs_family_;
    if (run) {
      put_be(bytes, runs_[*run].number);
    } else {
      family = view_.generations[generation]->handle();
    }
    append_block_key(bytes, key);
    REQUIRE(db_->Put({}, family, bytes, value).ok());
  }
  void flush() {
    REQUIRE(db_->Flush({}, runs_family_).ok());
    for (const auto& generation : view_.generations) {
      REQUIRE(db_->Flush({}, generation->handle()).ok());
    }
  }
  void tail(std::vector<PlainRow> rows, BlockKind kind = BlockKind::main) {
    kept_.push_back(std::move(rows));
    TailRows tail;
    tail.series = kept_.back().at(0).series;
    tail.kind = kind;
    for (const PlainRow& row : kept_.back()) {
      tail.rows.push_back({row.time_ns, row.time_ns / 1'000'000, row.source, row.values});
    }
    tails_.push_back(std::move(tail));
  }
  void erase(const Erasure& erasure) { erasures_.push_back(erasure); }

  AggregatedDevice device() {
    view_.runs = std::make_shared<const std::vector<Run>>(runs_);
    view_.snapshot.reset(db_->GetSnapshot(), [this](const rocksdb::Snapshot* snapshot) {
      db_->ReleaseSnapshot(snapshot);
    });
    return {{*db_, view_, kDevice}, series_, tails_, erasures_};
  }
  Result<AggregatePage> aggregate(const AggregateRequest& request,
                                  AggregateCounts* counts = nullptr) {
    return aggregate_device(device(), request, counts);
  }
  rocksdb::DB& db() { return *db_; }

private:
  rocksdb::ColumnFamilyHandle* make_family(const std::string& name, std::size_t prefix) {
    rocksdb::ColumnFamilyOptions options;
    options.disable_auto_compactions = true;
    options.prefix_extractor.reset(rocksdb::NewFixedPrefixTransform(prefix));
    rocksdb::BlockBasedTableOptions table;
    table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(10));
    table.whole_key_filtering = false;
    options.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
    rocksdb::ColumnFamilyHandle* handle = nullptr;
    REQUIRE(db_->CreateColumnFamily(options, name, &handle).ok());
    return handle;
  }

  TempDir dir_;
  std::unique_ptr<rocksdb::DB> db_;
  rocksdb::ColumnFamilyHandle* runs_family_ = nullptr;
  BlocksView view_;
  std::vector<Run> runs_;
  model::ShapeTable shapes_;
  std::map<std::uint32_t, const model::Shape*> by_number_;
  std::vector<AggregatedDevice::Series> series_;
  std::vector<TailRows> tails_;
  std::deque<std::vector<PlainRow>> kept_;
  std::vector<Erasure> erasures_;
  columnar::BlockEncoder encoder_;
};

} // namespace spate::storage::test
