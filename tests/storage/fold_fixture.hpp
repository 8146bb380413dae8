// Spate - a database with sealed blocks and a maintenance thread over it, and a model of what must
// be in it. Stands in for the commit: main and late blocks come out as it makes them.
#pragma once

#include <algorithm>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
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
#include "storage/block_cursor.hpp"
#include "storage/maintenance.hpp"
#include "storage/rocks_options.hpp"
#include "storage/run_catalog.hpp"
#include "tests/storage/power_fs.hpp"
#include "tests/storage/store_fixture.hpp"

namespace spate::storage::test {

struct TestRow {
  std::int64_t time_ns = 0;
  std::int64_t received_ms = 0;
  model::TsSource source = model::TsSource::device;
  std::string values;
};

inline std::string number_values(const std::string& text) {
  std::string out;
  model::Decimal decimal;
  REQUIRE(model::parse_decimal(text, decimal));
  model::append_decimal(out, decimal);
  return out;
}

/// `time=value source` of each row, in order of reading.
using RowTexts = std::vector<std::string>;
using SeriesKey = std::pair<std::uint32_t, std::uint32_t>;

class FoldHost final : public MaintenanceHost {
public:
  explicit FoldHost(std::string directory, rocksdb::Env* env = nullptr)
      : path_(directory + "/db"), name_(std::move(directory)), env_(env) {
    rocksdb::BlockBasedTableOptions table;
    table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(10));
    table.whole_key_filtering = false;
    table.no_block_cache = true;
    generation_.prefix_extractor.reset(rocksdb::NewFixedPrefixTransform(4));
    generation_.disable_auto_compactions = true;
    generation_.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
    table.block_size = 4096; // Small, so that little is damaged at once.
    runs_ = generation_;
    runs_.compression = rocksdb::kZSTD;
    runs_.prefix_extractor.reset(rocksdb::NewFixedPrefixTransform(8));
    runs_.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
    generation_.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
    number_shape_ = shapes_.intern({{"t", model::ValueClass::number}});
    mixed_shape_ = shapes_.intern({{"a", model::ValueClass::number},
                                   {"b", model::ValueClass::boolean},
                                   {"s", model::ValueClass::string}});
  }
  ~FoldHost() override { close(); }

  void open() { REQUIRE(try_open()); }
  /// As a data directory does: folded generations go, then runs that the catalog does not name.
  bool try_open() {
    close();
    rocksdb::DBOptions options =
        database_options(env_, name_, [this](const rocksdb::Status&) { ++background_errors; });
    std::vector<std::string> names;
    if (!rocksdb::DB::ListColumnFamilies(options, path_, &names).ok()) {
      names = {"default"};
      std::filesystem::create_directories(path_);
    }
    for (const char* needed : {"runs", "catalog"}) {
      if (std::find(names.begin(), names.end(), needed) == names.end()) {
        names.emplace_back(needed);
      }
    }
    std::vector<rocksdb::ColumnFamilyDescriptor> families;
    for (const std::string& name : names) {
      families.emplace_back(name, name == "runs"            ? runs_
                                  : name.starts_with("blk") ? generation_
                                                            : rocksdb::ColumnFamilyOptions());
    }
    rocksdb::DB* db = nullptr;
    std::vector<rocksdb::ColumnFamilyHandle*> handles;
    const auto status = rocksdb::DB::Open(options, path_, families, &handles, &db);
    if (!status.ok()) {
      MESSAGE(status.ToString());
      return false;
    }
    db_.reset(db);
    std::map<std::uint64_t, rocksdb::ColumnFamilyHandle*> generations;
    for (auto* handle : handles) {
      const std::string& name = handle->GetName();
      if (name == "runs") {
        runs_family_ = handle;
      } else if (name == "catalog") {
        catalog_family_ = handle;
      } else if (name.starts_with("blk")) {
        generations[std::stoull(name.substr(3))] = handle;
      } else {
        db_->DestroyColumnFamilyHandle(handle);
      }
    }
    auto catalog = load_catalog(*db_, catalog_family_);
    REQUIRE(catalog);
    for (const std::uint64_t folded : catalog->folded) {
      if (const auto at = generations.find(folded); at != generations.end()) {
        if (!db_->DropColumnFamily(at->second).ok()) {
          return false;
        }
        db_->DestroyColumnFamilyHandle(at->second);
        generations.erase(at);
        ++dropped_at_open;
      }
    }
    if (!forget_generations(*db_, catalog_family_, catalog->folded).ok()) {
      return false;
    }
    const auto next_run = remove_unnamed_runs(*db_, runs_family_, catalog->runs);
    if (!next_run) {
      return false;
    }
    auto view = std::make_shared<BlocksView>();
    view->runs_family = runs_family_;
    view->runs = std::make_shared<const std::vector<Run>>(catalog->runs);
    for (const auto& [number, handle] : generations) {
      view->generations.push_back(std::make_shared<Generation>(*db_, handle, number));
    }
    view_ = std::move(view);
    maintenance_options.next_run = *next_run;
    maintenance = std::make_unique<Maintenance>(*this, maintenance_options);
    errors = 0;
    return view_->generations.empty() ? freeze() : true;
  }
  void close() {
    maintenance.reset();
    spare_.reset();
    view_.reset();
    if (db_ != nullptr) {
      db_->DestroyColumnFamilyHandle(runs_family_);
      db_->DestroyColumnFamilyHandle(catalog_family_);
      db_.reset();
    }
  }

  // What the committer does.

  /// Rows of one commit and series, in order of arrival: sealed as main rows where they are newer
  /// than all main rows before, else as late ones. False: not written.
  bool seal(std::uint32_t device, std::uint32_t series, const std::vector<TestRow>& rows) {
    const SeriesKey key{device, series};
    std::vector<TestRow> main;
    std::vector<TestRow> late;
    const auto known = sealed_max_.find(key);
    for (const TestRow& row : rows) {
      (known == sealed_max_.end() || row.time_ns > known->second ? main : late).push_back(row);
    }
    ++sequence_;
    rocksdb::WriteBatch batch;
    const auto view = blocks();
    auto* active = view->generations.back()->handle();
    std::vector<std::pair<BlockKind, std::vector<TestRow>*>> kinds{{BlockKind::main, &main},
                                                                   {BlockKind::late, &late}};
    for (const auto& [kind, part] : kinds) {
      if (part->empty()) {
        continue;
      }
      std::stable_sort(part->begin(), part->end(),
                       [](const TestRow& a, const TestRow& b) { return a.time_ns < b.time_ns; });
      batch.Put(active,
                block_key({device, series, kind, part->back().time_ns, order_of(sequence_)}),
                encoded(series, *part));
    }
    // The log's side of a seal: without it replay brings the rows back.
    batch.Put("seal" + number_key(sequence_), "");
    rocksdb::WriteOptions options;
    options.sync = synced;
    if (!db_->Write(options, &batch).ok()) {
      return false;
    }
    if (!main.empty()) {
      sealed_max_[key] = main.back().time_ns;
    }
    for (const auto* part : {&main, &late}) {
      for (const TestRow& row : *part) {
        model_[key].push_back({row, sequence_});
      }
    }
    return true;
  }
  std::string encoded(std::uint32_t series, const std::vector<TestRow>& rows) {
    std::vector<columnar::Row> views;
    for (const TestRow& row : rows) {
      views.push_back({row.time_ns, row.received_ms, row.source, row.values});
    }
    std::string block;
    encoder_.encode(*shape(series), views, columnar::Heads::without, block);
    return block;
  }
  /// A new active generation. False: it can not be made.
  bool freeze() {
    const std::scoped_lock lock(mutex_);
    auto view = std::make_shared<BlocksView>(*view_);
    if (spare_ == nullptr) {
      std::uint64_t number = next_generation_;
      for (const auto& generation : view->generations) {
        number = std::max(number, generation->number() + 1);
      }
      rocksdb::ColumnFamilyHandle* handle = nullptr;
      if (!db_->CreateColumnFamily(generation_, "blk" + std::to_string(number), &handle).ok()) {
        return false;
      }
      next_generation_ = number + 1;
      spare_ = std::make_shared<Generation>(*db_, handle, number);
    }
    view->generations.push_back(std::exchange(spare_, nullptr));
    view_ = std::move(view);
    return true;
  }
  void erase(std::uint32_t device, std::int64_t from_ns, std::int64_t to_ns) {
    Erasure erasure;
    erasure.number = static_cast<decltype(erasure.number)>(erasures_.size() + 1);
    erasure.device = device;
    erasure.from_ns = from_ns;
    erasure.to_ns = to_ns;
    erasure.sequence = sequence_;
    erasures_.push_back(erasure);
    for (auto& [key, rows] : model_) {
      if (key.first == device) {
        std::erase_if(rows, [&](const auto& row) { return erasure.covers(row.first.time_ns); });
      }
    }
  }
  /// Steps until there is no more to do. False: an error.
  bool run_all() {
    while (maintenance->step()) {
    }
    return errors == 0;
  }

  // What must be there, and what is.

  RowTexts expected(const SeriesKey& key) const {
    auto rows = model_.at(key);
    std::stable_sort(rows.begin(), rows.end(), [](const auto& a, const auto& b) {
      return a.first.time_ns < b.first.time_ns;
    });
    std::vector<TestRow> plain;
    for (const auto& [row, sequence] : rows) {
      plain.push_back(row);
    }
    return distinct(key.second, plain);
  }
  struct Found {
    RowTexts rows;
    std::size_t on_disk = 0; ///< With repeats and erased rows.
    std::size_t late = 0;    ///< Of these.
    std::set<std::uint64_t> sequences;
  };
  /// As a reader: main rows, then late ones by order; repeats left out. Checks that main blocks are
  /// disjoint and that blocks are as the keys say.
  Found found(const SeriesKey& key) {
    const auto view = blocks();
    struct Row {
      TestRow row;
      BlockKind kind;
      std::uint64_t order;
    };
    std::vector<Row> rows;
    Found out;
    std::map<std::int64_t, std::int64_t> mains; ///< First time by last time.
    const auto read = [&](const BlockSet& set) {
      BlockCursor at(*db_, {set}, nullptr, 0, {});
      REQUIRE(at.seek({key.first, key.second, BlockKind::main, INT64_MIN, 0}));
      while (at.valid() && at.key().device == key.first && at.key().series == key.second) {
        const auto reader = columnar::BlockReader::open(*shape(key.second), at.block());
        REQUIRE(reader);
        CHECK(reader->last_time_ns() == at.key().last_time_ns);
        std::vector<columnar::Row> decoded;
        std::string arena;
        REQUIRE(reader->all(decoded, arena));
        if (at.key().kind == BlockKind::main) {
          CHECK(mains.emplace(reader->last_time_ns(), reader->first_time_ns()).second);
        }
        out.sequences.insert(sequence_of(at.key().order));
        out.on_disk += decoded.size();
        out.late += at.key().kind == BlockKind::late ? decoded.size() : 0;
        for (const columnar::Row& row : decoded) {
          const bool hidden =
              std::any_of(erasures_.begin(), erasures_.end(), [&](const Erasure& erasure) {
                return erasure.device == key.first && erasure.number > set.erased_through &&
                       erasure.touches(at.key().order, row.time_ns, row.time_ns);
              });
          if (!hidden) {
            rows.push_back({{row.time_ns, row.received_ms, row.source, std::string(row.values)},
                            at.key().kind,
                            at.key().order});
          }
        }
        REQUIRE(at.next());
      }
    };
    for (const Run& run : *view->runs) {
      read(set_of(*view, run));
    }
    for (const auto& generation : view->generations) {
      read(set_of(*generation));
    }
    std::int64_t end = INT64_MIN;
    for (const auto& [last, first] : mains) {
      CHECK(first > end);
      end = last;
    }
    std::stable_sort(rows.begin(), rows.end(), [](const Row& a, const Row& b) {
      return std::tuple(a.row.time_ns, a.kind, a.kind == BlockKind::main ? 0 : a.order) <
             std::tuple(b.row.time_ns, b.kind, b.kind == BlockKind::main ? 0 : b.order);
    });
    std::vector<TestRow> plain;
    for (Row& row : rows) {
      plain.push_back(std::move(row.row));
    }
    out.rows = distinct(key.second, plain);
    return out;
  }
  /// All series hold what they must.
  void check_all() {
    for (const auto& [key, rows] : model_) {
      CAPTURE(key.first);
      CAPTURE(key.second);
      CHECK(found(key).rows == expected(key));
    }
  }
  std::size_t model_rows() const {
    std::size_t rows = 0;
    for (const auto& [key, of] : model_) {
      rows += expected(key).size();
    }
    return rows;
  }
  std::size_t rows_on_disk() {
    std::size_t rows = 0;
    for (const auto& [key, of] : model_) {
      rows += found(key).on_disk;
    }
    return rows;
  }
  /// Whether its blocks in the only run can be read.
  bool readable(std::uint32_t device) {
    const auto view = blocks();
    bool all = true;
    BlockCursor at(*db_, {set_of(*view, view->runs->at(0))}, nullptr, 0, [&](const auto&) {
      all = false;
      return Result<void>();
    });
    REQUIRE(at.seek({device, 0, BlockKind::main, INT64_MIN, 0}));
    return all && at.valid() && at.key().device == device;
  }
  std::vector<Run> run_list() const { return *blocks()->runs; }
  std::size_t run_files() const {
    rocksdb::ColumnFamilyMetaData meta;
    db_->GetColumnFamilyMetaData(runs_family_, &meta);
    return meta.file_count;
  }
  /// Forgets what a power cut took: rows of commits whose seals are gone. Returns how many commits.
  std::size_t forget_lost() {
    std::set<std::uint64_t> lost;
    for (std::uint64_t sequence = 1; sequence <= sequence_; ++sequence) {
      if (!sealed(sequence)) {
        lost.insert(sequence);
      }
    }
    for (auto& [key, rows] : model_) {
      std::erase_if(rows, [&](const auto& row) { return lost.count(row.second) != 0; });
    }
    return lost.size();
  }
  [[nodiscard]] bool sealed(std::uint64_t sequence) const {
    std::string value;
    return db_->Get({}, "seal" + number_key(sequence), &value).ok();
  }

  // MaintenanceHost
  rocksdb::DB& database() override { return *db_; }
  rocksdb::ColumnFamilyHandle* runs_family() override { return runs_family_; }
  rocksdb::ColumnFamilyHandle* catalog_family() override { return catalog_family_; }
  const rocksdb::ColumnFamilyOptions& generation_options() override { return generation_; }
  rocksdb::Env* env() override { return env_; }
  const std::string& path() const override { return path_; }
  const std::string& name() const override { return name_; }
  std::shared_ptr<const BlocksView> blocks() const override {
    const std::scoped_lock lock(mutex_);
    if (!views_are_brief) {
      return view_;
    }
    return {new BlocksView(*view_), [](BlocksView* view) {
              static std::vector<std::unique_ptr<BlocksView>> gone; // Read after its end: not UB.
              *view = BlocksView();
              gone.emplace_back(view);
            }};
  }
  const model::Shape* shape(std::uint32_t series) const override {
    return shape_of(series) == 1 ? number_shape_ : shape_of(series) == 2 ? mixed_shape_ : nullptr;
  }
  std::uint32_t retention_s(std::uint8_t retention_class) const override {
    return retention.at(retention_class);
  }
  std::vector<Erasure> erasures() const override { return erasures_; }
  std::int64_t now_ms() const override { return now; }
  bool wants_generation() const override {
    const std::scoped_lock lock(mutex_);
    return want_generations && spare_ == nullptr;
  }
  void offer_generation(std::shared_ptr<const Generation> generation) override {
    const std::scoped_lock lock(mutex_);
    spare_ = std::move(generation);
  }
  rocksdb::Status sync_wal() override { return skip_sync ? rocksdb::Status() : db_->SyncWAL(); }
  void replace(const std::vector<std::uint64_t>& generations_gone,
               const std::vector<std::uint32_t>& runs_gone,
               const std::vector<Run>& runs_new) override {
    if (skip_replace) {
      return;
    }
    const std::scoped_lock lock(mutex_);
    auto view = std::make_shared<BlocksView>(*view_);
    std::erase_if(view->generations, [&](const auto& generation) {
      return std::find(generations_gone.begin(), generations_gone.end(), generation->number()) !=
             generations_gone.end();
    });
    std::vector<Run> runs = *view->runs;
    std::erase_if(runs, [&](const Run& run) {
      return std::find(runs_gone.begin(), runs_gone.end(), run.number) != runs_gone.end();
    });
    runs.insert(runs.end(), runs_new.begin(), runs_new.end());
    std::sort(runs.begin(), runs.end(),
              [](const Run& a, const Run& b) { return a.number < b.number; });
    view->runs = std::make_shared<const std::vector<Run>>(std::move(runs));
    view_ = std::move(view);
  }
  void on_error(const rocksdb::Status& status) override {
    ++errors;
    last_error = status.ToString();
  }

  MaintenanceOptions maintenance_options;
  std::unique_ptr<Maintenance> maintenance;
  std::map<std::uint8_t, std::uint32_t> retention{{0, 0}, {1, 30 * 24 * 3600}, {2, 3600}};
  std::atomic<std::int64_t> now{1'700'000'000'000};
  bool want_generations = false;
  bool views_are_brief = false; ///< Only who got one keeps it. One thread.
  bool synced = false;
  bool skip_sync = false;    ///< Breaks the host, to see that tests notice.
  bool skip_replace = false; ///< Likewise.
  std::atomic<int> errors{0};
  std::atomic<int> background_errors{0};
  std::string last_error;
  int dropped_at_open = 0;

private:
  RowTexts distinct(std::uint32_t series, const std::vector<TestRow>& rows) const {
    RowTexts out;
    std::vector<const TestRow*> kept;
    for (const TestRow& row : rows) {
      if (!kept.empty() && kept.back()->time_ns != row.time_ns) {
        kept.clear();
      }
      const bool repeat = row.source == model::TsSource::device && kept.size() < 64 &&
                          std::any_of(kept.begin(), kept.end(), [&](const TestRow* other) {
                            return other->source == model::TsSource::device &&
                                   model::same_values(*shape(series), other->values, row.values);
                          });
      if (repeat) {
        continue;
      }
      kept.push_back(&row);
      out.push_back(std::to_string(row.time_ns) + "=" + row.values + " " +
                    std::to_string(static_cast<int>(row.source)) + " " +
                    std::to_string(row.received_ms));
    }
    return out;
  }

  const std::string path_;
  const std::string name_;
  rocksdb::Env* env_;
  rocksdb::ColumnFamilyOptions generation_;
  rocksdb::ColumnFamilyOptions runs_;
  model::ShapeTable shapes_;
  const model::Shape* number_shape_ = nullptr;
  const model::Shape* mixed_shape_ = nullptr;
  std::unique_ptr<rocksdb::DB> db_;
  rocksdb::ColumnFamilyHandle* runs_family_ = nullptr;
  rocksdb::ColumnFamilyHandle* catalog_family_ = nullptr;
  mutable std::mutex mutex_;
  std::shared_ptr<const BlocksView> view_;
  std::shared_ptr<const Generation> spare_;
  std::uint64_t next_generation_ = 1;
  std::uint64_t sequence_ = 0;
  std::map<SeriesKey, std::int64_t> sealed_max_;
  std::map<SeriesKey, std::vector<std::pair<TestRow, std::uint64_t>>> model_; ///< By arrival.
  std::vector<Erasure> erasures_;
  columnar::BlockEncoder encoder_;
};

} // namespace spate::storage::test
