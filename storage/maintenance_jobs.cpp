#include "storage/maintenance_jobs.hpp"

#include <algorithm>
#include <filesystem>
#include <utility>

#include <time.h>

#include "engine/base/log.hpp"
#include "storage/rocks_options.hpp"
#include "storage/run_catalog.hpp"

namespace spate::storage {

namespace {

/// Small generations are folded together: fewer and larger runs.
constexpr std::size_t kFoldGenerations = 8;
constexpr std::uint64_t kFoldBytes = 512u << 20;
constexpr std::uint64_t kRowsPerBlock = 64; ///< As commits seal them, for estimates.

std::string beside(const std::string& path, const char* name) {
  std::filesystem::path of(path);
  if (!of.has_filename()) {
    of = of.parent_path();
  }
  return (of.parent_path() / name).string();
}

std::uint64_t number_of(rocksdb::DB& db, const Generation& generation,
                        const std::string& property) {
  std::uint64_t value = 0;
  db.GetIntProperty(generation.handle(), property, &value);
  return value;
}

std::uint64_t bytes_of(rocksdb::DB& db, const Generation& generation) {
  return number_of(db, generation, rocksdb::DB::Properties::kLiveSstFilesSize) +
         number_of(db, generation, rocksdb::DB::Properties::kCurSizeAllMemTables);
}

std::uint64_t thread_cpu_us() noexcept {
  ::timespec time{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<std::uint64_t>(time.tv_sec) * 1'000'000 +
         static_cast<std::uint64_t>(time.tv_nsec) / 1'000;
}

/// Adds the time that a scope took.
class CpuCount {
public:
  explicit CpuCount(std::atomic<std::uint64_t>& to) : to_(to), begin_us_(thread_cpu_us()) {}
  ~CpuCount() { to_ += thread_cpu_us() - begin_us_; }
  CpuCount(const CpuCount&) = delete;
  CpuCount& operator=(const CpuCount&) = delete;

private:
  std::atomic<std::uint64_t>& to_;
  const std::uint64_t begin_us_;
};

} // namespace

MaintenanceJobs::MaintenanceJobs(MaintenanceHost& host, const MaintenanceOptions& options,
                                 Pace pace)
    : host_(host), options_(options), pace_(std::move(pace)),
      directory_(beside(host.path(), "fold")),
      quarantine_(beside(host.path(), "quarantine"), host.name()), next_run_(options.next_run) {
  // Files that an earlier process left: they are in no catalog.
  std::error_code error;
  std::filesystem::create_directories(directory_, error);
  for (const auto& entry : std::filesystem::directory_iterator(directory_, error)) {
    std::error_code ignored;
    std::filesystem::remove_all(entry.path(), ignored);
  }
  counts_.damaged_blocks = quarantine_.count();
}

Result<bool> MaintenanceJobs::make_generation() {
  if (!host_.wants_generation()) {
    return false;
  }
  {
    const auto view = host_.blocks(); // Kept: the committer may replace it at any time.
    for (const auto& generation : view->generations) {
      next_generation_ = std::max(next_generation_, generation->number() + 1);
    }
  }
  const std::uint64_t number = next_generation_++;
  rocksdb::DB& db = host_.database();
  rocksdb::ColumnFamilyHandle* handle = nullptr;
  const auto status =
      create_family(db, host_.generation_options(), "blk" + std::to_string(number), handle);
  if (!status.ok()) {
    return fail(error_of(status));
  }
  host_.offer_generation(std::make_shared<Generation>(db, handle, number));
  return true;
}

Result<void> MaintenanceJobs::remove_garbage() {
  std::vector<Garbage> garbage;
  {
    const std::scoped_lock lock(mutex_);
    garbage = garbage_;
  }
  for (const Garbage& item : garbage) {
    if (std::any_of(item.shown_by.begin(), item.shown_by.end(),
                    [](const auto& list) { return !list.expired(); })) {
      continue; // A reader would not find its rows any more.
    }
    const auto removed = remove_run_files(host_.database(), host_.runs_family(), item.run.number);
    if (!removed) {
      return fail(removed.error());
    }
    if (!*removed) {
      log::warn(
          "run-not-removed", "files of a replaced run are still there, which is tried again",
          {{"data_dir", std::string_view(host_.name())}, {"run", std::uint64_t{item.run.number}}});
      continue;
    }
    const std::scoped_lock lock(mutex_);
    std::erase_if(garbage_,
                  [&](const Garbage& other) { return other.run.number == item.run.number; });
  }
  return {};
}

Result<bool> MaintenanceJobs::drop_expired() {
  const std::int64_t now_ms = host_.now_ms();
  RunChange change;
  std::vector<Run> gone;
  std::uint64_t rows = 0;
  const auto view = host_.blocks();
  for (const Run& run : *view->runs) {
    if (expired(run, host_.retention_s(run.retention_class), now_ms)) {
      change.runs_gone.push_back(run.number);
      gone.push_back(run);
      rows += run.rows;
    }
  }
  if (gone.empty()) {
    return false;
  }
  if (auto written = write(change); !written) {
    return fail(written.error());
  }
  if (auto applied = apply(change, gone); !applied) {
    return fail(applied.error());
  }
  counts_.expired_runs += gone.size();
  counts_.expired_rows += rows;
  return true;
}

Result<bool> MaintenanceJobs::fold() {
  const auto view = host_.blocks();
  MergeTask task;
  Generations generations;
  std::uint64_t bytes = 0;
  for (std::size_t i = 0; i + 1 < view->generations.size() && i < kFoldGenerations; ++i) {
    const auto& generation = view->generations[i];
    bytes += bytes_of(host_.database(), *generation);
    if (i != 0 && bytes > kFoldBytes) {
      break;
    }
    task.inputs.push_back(
        {set_of(*generation), "generation " + std::to_string(generation->number()), {}});
    generations.push_back(generation);
  }
  if (generations.empty()) {
    return false;
  }
  task.others = *view->runs;
  if (auto performed = perform(task, generations, {}); !performed) {
    return fail(performed.error());
  }
  counts_.folds += generations.size();
  return true;
}

MergeTask MaintenanceJobs::task_of(const std::vector<std::uint32_t>& numbers,
                                   std::vector<Run>& inputs) const {
  const auto view = host_.blocks();
  MergeTask task;
  for (const std::uint32_t number : numbers) {
    for (const Run& run : *view->runs) {
      if (run.number == number) {
        task.inputs.push_back({set_of(*view, run), "run " + std::to_string(number), run});
        inputs.push_back(run);
      }
    }
  }
  for (const Run& run : *view->runs) {
    if (std::find(numbers.begin(), numbers.end(), run.number) == numbers.end()) {
      task.others.push_back(run);
    }
  }
  return task;
}

Result<bool> MaintenanceJobs::merge(MergeReason reason) {
  const auto plan = plan_merge(*host_.blocks()->runs, reason, host_.now_ms());
  if (!plan) {
    return false;
  }
  std::vector<Run> inputs;
  MergeTask task = task_of(plan->runs, inputs);
  task.level = plan->level;
  if (auto performed = perform(task, {}, inputs); !performed) {
    return fail(performed.error());
  }
  return true;
}

Result<bool> MaintenanceJobs::erase() {
  const std::vector<Erasure> erasures = host_.erasures();
  std::uint64_t newest = 0;
  for (const Erasure& erasure : erasures) {
    newest = std::max<std::uint64_t>(newest, erasure.number);
    if (erasure.number > quarantine_erased_) {
      if (auto erased = quarantine_.erase(erasure); !erased) {
        return fail(erased.error());
      }
    }
  }
  quarantine_erased_ = std::max(quarantine_erased_.load(), newest);
  counts_.damaged_blocks = quarantine_.count();
  RunChange raised;
  const auto runs = host_.blocks()->runs;
  for (const Run& run : *runs) {
    if (run.erased_through >= newest) {
      continue;
    }
    for (const Erasure& erasure : erasures) {
      const auto held =
          erasure.number <= run.erased_through ? Result<bool>(false) : holds(run, erasure);
      if (!held) {
        return fail(held.error());
      }
      if (*held) {
        std::vector<Run> inputs;
        MergeTask task = task_of({run.number}, inputs);
        task.level = run.level;
        if (auto performed = perform(task, {}, inputs); !performed) {
          return fail(performed.error());
        }
        return true;
      }
    }
    Run same = run;
    same.erased_through = static_cast<decltype(same.erased_through)>(newest);
    raised.runs_gone.push_back(run.number);
    raised.runs_new.push_back(same);
  }
  if (raised.runs_new.empty()) {
    return false;
  }
  if (auto written = write(raised); !written) {
    return fail(written.error());
  }
  // Their files stay, but views of the old list still count on them.
  if (auto applied = apply(raised, {}); !applied) {
    return fail(applied.error());
  }
  return true;
}

/// Whether the run has a block that may hold rows which the erasure hides.
Result<bool> MaintenanceJobs::holds(const Run& run, const Erasure& erasure) const {
  if (!erasure.span().overlaps({run.from_ns, run.to_ns})) {
    return false;
  }
  const auto view = host_.blocks();
  bool unreadable = false;
  BlockCursor blocks(host_.database(), {set_of(*view, run)}, nullptr, 0,
                     [&](const BlockCursor::Unreadable& part) -> Result<void> {
                       const bool holds_it =
                           part.from_device == erasure.device ||
                           (part.from_device < erasure.device &&
                            (part.to_device == 0 || erasure.device < part.to_device));
                       unreadable = unreadable || holds_it;
                       return {};
                     });
  auto moved = blocks.seek({erasure.device, 0, BlockKind::main, INT64_MIN, 0});
  for (; moved && blocks.valid() && blocks.key().device == erasure.device; moved = blocks.next()) {
    const auto block = columnar::block_span(blocks.block());
    // One that can not be read may hold anything.
    if (!block || erasure.span().meets(block->first_time_ns, block->last_time_ns)) {
      return true;
    }
    if (!pace_(0)) {
      return fail(Errc::storage_unavailable, "the search was ended");
    }
  }
  if (!moved) {
    return fail(moved.error());
  }
  return unreadable;
}

Result<void> MaintenanceJobs::perform(MergeTask& task, const Generations& generations,
                                      const std::vector<Run>& runs) {
  const CpuCount cpu(counts_.fold_cpu_us);
  rocksdb::DB& db = host_.database();
  task.erasures = host_.erasures();
  task.late_bytes_max = options_.late_bytes_max;
  const RunFiles files{file_options(db, host_.runs_family()), directory_, options_.file_bytes_max};
  const MergeTools tools{[this](std::uint32_t series) { return host_.shape(series); },
                         [this](std::uint8_t of) { return host_.retention_s(of); },
                         [this] { return next_run_++; }, pace_};
  RunMerge merge(db, task, files, tools, quarantine_);
  const auto merged = merge.run();
  counts_.damaged_blocks = quarantine_.count();
  if (!merged) {
    return fail(merged.error());
  }
  // What is replaced may lie in the unsynced log only: after a power cut it would be gone, or back
  // beside its run.
  if (const auto status = host_.sync_wal(); !status.ok()) {
    return fail(error_of(status));
  }
  RunChange change{merge.made().runs, merge.made().paths, {}, {}, {}};
  for (const Run& run : runs) {
    change.runs_gone.push_back(run.number);
  }
  for (const auto& generation : generations) {
    change.generations_gone.push_back(generation->number());
  }
  if (auto written = write(change); !written) {
    return written;
  }
  counts_.merges += generations.empty() ? change.runs_new.size() : 0;
  counts_.folded_rows += merge.made().rows;
  counts_.fold_bytes += merge.made().bytes;
  counts_.fold_duplicates += merge.made().duplicates;
  if (auto applied = apply(change, runs); !applied) {
    return applied;
  }
  return drop(generations);
}

/// The only way in which the catalog changes: beside the log, so that commits never wait for it.
Result<void> MaintenanceJobs::write(RunChange& change) {
  change.generations_dropped = std::exchange(dropped_, {});
  const auto status =
      install(host_.database(), host_.runs_family(), host_.catalog_family(), directory_, change);
  if (!status.ok()) {
    Error error = error_of(status);
    error.code = Errc::storage_io; // The manifest may say either.
    return fail(std::move(error));
  }
  return {};
}

/// The catalog has changed: so do views, and files go when the last old view does.
Result<void> MaintenanceJobs::apply(const RunChange& change, const std::vector<Run>& runs_gone) {
  std::erase_if(lists_, [](const auto& list) { return list.expired(); });
  lists_.push_back(host_.blocks()->runs);
  {
    const std::scoped_lock lock(mutex_);
    for (const Run& run : runs_gone) {
      garbage_.push_back({lists_, run});
    }
  }
  host_.replace(change.generations_gone, change.runs_gone, change.runs_new);
  return remove_garbage();
}

Result<void> MaintenanceJobs::drop(const Generations& generations) {
  rocksdb::DB& db = host_.database();
  for (const auto& generation : generations) {
    // Readers that have it still read it: it goes with the last of them.
    if (const auto status = db.DropColumnFamily(generation->handle()); !status.ok()) {
      return fail(error_of(status));
    }
    dropped_.push_back(generation->number());
  }
  return {};
}

std::uint64_t MaintenanceJobs::rows_ahead() const {
  const auto view = host_.blocks();
  std::uint64_t rows = 0;
  for (const Run& run : *view->runs) {
    rows += run.rows;
  }
  for (std::size_t i = 0; i + 1 < view->generations.size(); ++i) {
    rows += kRowsPerBlock * number_of(host_.database(), *view->generations[i],
                                      rocksdb::DB::Properties::kEstimateNumKeys);
  }
  return rows;
}

bool MaintenanceJobs::erased_through(std::uint64_t number) const {
  if (quarantine_erased_ < number) {
    return false;
  }
  const auto undone = [number](const Run& run) { return run.erased_through < number; };
  {
    const std::scoped_lock lock(mutex_);
    if (std::any_of(garbage_.begin(), garbage_.end(),
                    [&](const Garbage& item) { return undone(item.run); })) {
      return false;
    }
  }
  const auto view = host_.blocks();
  return std::none_of(view->runs->begin(), view->runs->end(), undone);
}

} // namespace spate::storage
