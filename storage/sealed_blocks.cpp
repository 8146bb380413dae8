#include "storage/sealed_blocks.hpp"

#include <algorithm>
#include <utility>

#include "storage/partition.hpp"
#include "storage/rocks_options.hpp"
#include "storage/run_catalog.hpp"

namespace spate::storage {

SealedBlocks::SealedBlocks(rocksdb::DB& db, DirectoryState& state, SealedBlocksOptions options,
                           ErrorHandler on_error)
    : db_(db), state_(state), options_(std::move(options)), on_error_(std::move(on_error)) {}

SealedBlocks::~SealedBlocks() {
  stop();
  maintenance_.reset();
  view_.reset();
  spare_.reset();
  for (auto* family : {runs_, catalog_}) {
    if (family != nullptr) {
      db_.DestroyColumnFamilyHandle(family);
    }
  }
}

Result<void>
SealedBlocks::load(std::vector<std::pair<std::uint64_t, rocksdb::ColumnFamilyHandle*>> generations,
                   rocksdb::ColumnFamilyHandle* runs, rocksdb::ColumnFamilyHandle* catalog,
                   std::vector<Erasure> erasures) {
  runs_ = runs;
  catalog_ = catalog;
  BlocksView view;
  view.runs_family = runs;
  view.erasures = std::move(erasures);
  for (const auto& [number, handle] : generations) {
    view.generations.push_back(std::make_shared<const Generation>(db_, handle, number));
    next_generation_ = number + 1;
  }
  auto held = load_catalog(db_, catalog_);
  if (!held) {
    return fail(std::move(held.error()));
  }
  // The mark came with the runs that hold its rows.
  for (const std::uint64_t number : held->folded) {
    next_generation_ = std::max(next_generation_, number + 1);
    const auto folded =
        std::find_if(view.generations.begin(), view.generations.end(),
                     [number = number](const auto& g) { return g->number() == number; });
    if (folded != view.generations.end()) {
      if (const auto dropped = db_.DropColumnFamily((*folded)->handle()); !dropped.ok()) {
        return fail(error_of(dropped));
      }
      view.generations.erase(folded);
    }
  }
  if (!held->folded.empty() && !view.generations.empty()) {
    if (const auto forgot = forget_generations(db_, catalog_, held->folded); !forgot.ok()) {
      return fail(error_of(forgot));
    }
  }
  auto next_run = remove_unnamed_runs(db_, runs_, held->runs);
  if (!next_run) {
    return fail(std::move(next_run.error()));
  }
  next_run_ = *next_run;
  view.runs = std::make_shared<const std::vector<Run>>(std::move(held->runs));
  view_ = std::make_shared<const BlocksView>(std::move(view));
  return {};
}

Result<void> SealedBlocks::start() {
  if (view_->generations.empty()) {
    rocksdb::ColumnFamilyHandle* handle = nullptr;
    const auto created =
        create_family(db_, options_.generation,
                      std::string(kGenerationPrefix) + std::to_string(next_generation_), handle);
    if (!created.ok()) {
      return fail(error_of(created));
    }
    BlocksView view = *view_;
    view.generations.push_back(std::make_shared<const Generation>(db_, handle, next_generation_));
    view_ = std::make_shared<const BlocksView>(std::move(view));
  }
  for (const auto& generation : view_->generations) {
    auto size = size_of(*generation);
    if (!size) {
      return fail(std::move(size.error()));
    }
    sizes_.push_back(*size);
  }
  BlocksView view = *view_;
  if (sizes_.size() > 1 && sizes_.back().first_sealed_ms == 0) {
    // It was made ahead. The one before goes on: an opening is no reason to fold.
    spare_ = std::move(view.generations.back());
    view.generations.pop_back();
    sizes_.pop_back();
  }
  {
    const std::scoped_lock lock(state_.mutex);
    publish(std::move(view));
  }
  MaintenanceOptions maintenance;
  maintenance.fold_cpu_max = options_.fold_cpu_max;
  maintenance.next_run = next_run_;
  maintenance_ = std::make_unique<Maintenance>(*this, maintenance);
  maintenance_->start();
  return {};
}

/// Since when it holds blocks is not written down.
Result<SealedBlocks::Size> SealedBlocks::size_of(const Generation& generation) const {
  rocksdb::ReadOptions read;
  read.total_order_seek = true;
  const std::unique_ptr<rocksdb::Iterator> at(db_.NewIterator(read, generation.handle()));
  at->SeekToFirst();
  // A damaged block is a block, and no reason not to open: who reads it is told.
  if (!at->status().ok() && !at->status().IsCorruption()) {
    return fail(error_of(at->status()));
  }
  Size size;
  if (at->Valid() || !at->status().ok()) {
    size.first_sealed_ms = options_.now_ms();
    for (const auto& part : {rocksdb::DB::Properties::kLiveSstFilesSize,
                             rocksdb::DB::Properties::kCurSizeAllMemTables}) {
      std::uint64_t bytes = 0;
      db_.GetIntProperty(generation.handle(), part, &bytes);
      size.bytes += bytes;
    }
  }
  return size;
}

void SealedBlocks::stop() {
  if (maintenance_ != nullptr) {
    maintenance_->stop();
  }
}

rocksdb::ColumnFamilyHandle* SealedBlocks::active() const {
  const std::scoped_lock lock(state_.mutex);
  return view_->generations.back()->handle();
}

BlockLookup SealedBlocks::lookup() const {
  return {db_, blocks()};
}

void SealedBlocks::publish(BlocksView next) {
  next.snapshot = std::shared_ptr<const rocksdb::Snapshot>(
      db_.GetSnapshot(), [&db = db_](const rocksdb::Snapshot* s) { db.ReleaseSnapshot(s); });
  view_ = std::make_shared<const BlocksView>(std::move(next));
}

void SealedBlocks::sealed(std::size_t bytes, std::uint64_t sequence) {
  Size& active = sizes_.back();
  active.bytes += bytes;
  sealed_bytes_ += bytes;
  if (active.first_sealed_ms == 0) {
    active.first_sealed_ms = options_.now_ms();
    active.first_sequence = sequence;
  }
  publish(*view_);
}

void SealedBlocks::freeze_if_due(std::int64_t now_ms) {
  {
    const std::scoped_lock lock(state_.mutex);
    const Size& active = sizes_.back();
    const bool due = active.first_sealed_ms != 0 &&
                     (active.bytes >= options_.generation_bytes || freeze_wanted_ ||
                      now_ms - active.first_sealed_ms >= options_.fold_age_ms);
    if (active.first_sealed_ms == 0) {
      freeze_wanted_ = false; // There is nothing to freeze.
    }
    if (!due || spare_ == nullptr) {
      return;
    }
    freeze_wanted_ = false;
    BlocksView next = *view_;
    next.generations.push_back(std::exchange(spare_, nullptr));
    sizes_.emplace_back();
    publish(std::move(next));
  }
  maintenance_->poke();
}

void SealedBlocks::add_erasure(const Erasure& erasure) {
  BlocksView next = *view_;
  next.erasures.push_back(erasure);
  publish(std::move(next));
}

void SealedBlocks::renew_snapshot(std::uint64_t write) {
  std::shared_ptr<const BlocksView> old; // Released outside of the locks.
  const std::scoped_lock lock(turn_, state_.mutex);
  if (view_->snapshot->GetSequenceNumber() < write) {
    old = view_;
    publish(*view_);
  }
}

void SealedBlocks::remove_erasure(std::uint32_t number) {
  const std::scoped_lock lock(turn_, state_.mutex);
  BlocksView next = *view_;
  next.erasures.erase(std::remove_if(next.erasures.begin(), next.erasures.end(),
                                     [number](const Erasure& e) { return e.number == number; }),
                      next.erasures.end());
  publish(std::move(next));
}

bool SealedBlocks::folded_through(std::uint64_t sequence) const {
  const auto later = [sequence](const Size& size) {
    return size.first_sealed_ms == 0 || size.first_sequence > sequence;
  };
  const std::scoped_lock lock(state_.mutex);
  return std::all_of(sizes_.begin(), sizes_.end(), later) &&
         std::all_of(folded_.begin(), folded_.end(), [&](const auto& folded) {
           return folded.first.expired() || later(folded.second);
         });
}

void SealedBlocks::add_to(StoreStats& stats) const {
  {
    const std::scoped_lock lock(state_.mutex);
    stats.sealed_bytes += sealed_bytes_;
    stats.generations += sizes_.size();
    const std::int64_t now = options_.now_ms();
    for (const Size& size : sizes_) {
      stats.generation_bytes += size.bytes;
      if (size.first_sealed_ms != 0) {
        stats.fold_lag_ms = std::max(stats.fold_lag_ms, now - size.first_sealed_ms);
      }
    }
    stats.runs += view_->runs->size();
    for (const Run& run : *view_->runs) {
      stats.run_bytes += run.bytes;
      stats.run_rows += run.rows;
      stats.run_readings += run.readings;
    }
    stats.erasures += view_->erasures.size();
  }
  maintenance_->add_to(stats);
}

std::shared_ptr<const BlocksView> SealedBlocks::blocks() const {
  const std::scoped_lock lock(state_.mutex);
  return view_;
}

const model::Shape* SealedBlocks::shape(std::uint32_t series) const {
  const std::scoped_lock lock(state_.mutex);
  return state_.shapes.at(shape_of(series));
}

std::uint32_t SealedBlocks::retention_s(std::uint8_t retention_class) const {
  const std::scoped_lock lock(state_.mutex);
  return state_.classes.seconds(retention_class);
}

std::vector<Erasure> SealedBlocks::erasures() const {
  const std::scoped_lock lock(state_.mutex);
  return view_->erasures;
}

bool SealedBlocks::wants_generation() const {
  const std::scoped_lock lock(state_.mutex);
  return spare_ == nullptr;
}

void SealedBlocks::offer_generation(std::shared_ptr<const Generation> generation) {
  const std::scoped_lock lock(state_.mutex);
  spare_ = std::move(generation);
}

rocksdb::Status SealedBlocks::sync_wal() {
  rocksdb::WriteOptions how;
  how.sync = true;
  rocksdb::WriteBatch nothing;
  return db_.Write(how, &nothing);
}

void SealedBlocks::replace(const std::vector<std::uint64_t>& generations_gone,
                           const std::vector<std::uint32_t>& runs_gone,
                           const std::vector<Run>& runs_new) {
  std::shared_ptr<const BlocksView> old; // Released outside of the locks.
  const std::scoped_lock lock(turn_, state_.mutex);
  old = view_;
  BlocksView next = *view_;
  std::erase_if(folded_, [](const auto& folded) { return folded.first.expired(); });
  const auto among = [](const auto& list, auto number) {
    return std::find(list.begin(), list.end(), number) != list.end();
  };
  for (std::size_t i = next.generations.size(); i-- > 0;) {
    if (among(generations_gone, next.generations[i]->number())) {
      folded_.emplace_back(next.generations[i], sizes_[i]);
      next.generations.erase(next.generations.begin() + static_cast<std::ptrdiff_t>(i));
      sizes_.erase(sizes_.begin() + static_cast<std::ptrdiff_t>(i));
    }
  }
  std::vector<Run> runs;
  for (const Run& run : *view_->runs) {
    if (!among(runs_gone, run.number)) {
      runs.push_back(run);
    }
  }
  runs.insert(runs.end(), runs_new.begin(), runs_new.end());
  std::sort(runs.begin(), runs.end(),
            [](const Run& a, const Run& b) { return a.number < b.number; });
  next.runs = std::make_shared<const std::vector<Run>>(std::move(runs));
  publish(std::move(next));
}

void SealedBlocks::on_error(const rocksdb::Status& status) {
  on_error_(status);
}

} // namespace spate::storage
