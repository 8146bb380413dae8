#include "storage/store_check.hpp"

#include <algorithm>
#include <filesystem>
#include <limits>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include <rocksdb/metadata.h>
#include <rocksdb/options.h>
#include <rocksdb/sst_file_reader.h>
#include <rocksdb/table.h>

#include "engine/columnar/block.hpp"
#include "storage/block_cursor.hpp"
#include "storage/command_codec.hpp"
#include "storage/directory_format.hpp"
#include "storage/manifest_check.hpp"
#include "storage/rocks_options.hpp"
#include "storage/sealed_blocks.hpp"
#include "storage/session_codec.hpp"
#include "storage/small_database.hpp"

namespace spate::storage {

namespace {

constexpr std::size_t kReadaheadBytes = 512u << 10;
/// Devices that are named where a part of a file can not be read.
constexpr std::size_t kNamesMax = 8;
constexpr std::uint64_t kNumbersTried = 10'000;

std::string device_text(const BlockOwner& owner, std::uint32_t number) {
  return owner.device.empty() ? "device number " + std::to_string(number)
                              : "device " + owner.device;
}

std::vector<rocksdb::LiveFileMetaData> files_of(rocksdb::DB& db) {
  std::vector<rocksdb::LiveFileMetaData> files;
  db.GetLiveFilesMetaData(&files);
  return files;
}

/// Reads all of a table file from the disk, whatever is cached of it.
rocksdb::Status verify_file(rocksdb::DB& db, const rocksdb::LiveFileMetaData& file) {
  rocksdb::BlockBasedTableOptions table;
  table.no_block_cache = true;
  rocksdb::Options options;
  options.env = db.GetEnv();
  options.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  rocksdb::SstFileReader reader(options);
  rocksdb::Status status = reader.Open(file.db_path + file.name);
  if (status.ok()) {
    status = reader.VerifyChecksum();
  }
  return status;
}

/// Whether it still belongs to the database: others remove files meanwhile.
bool is_live(rocksdb::DB& db, const rocksdb::LiveFileMetaData& file) {
  const auto files = files_of(db);
  return std::any_of(files.begin(), files.end(),
                     [&](const auto& other) { return other.name == file.name; });
}

class Check {
public:
  Check(const CheckedDirectory& directory, const CheckWatch& watch)
      : directory_(directory), watch_(watch) {
    for (const Run& run : *directory.view.runs) {
      sets_.push_back(set_of(directory.view, run));
      total_ += run.blocks;
    }
    for (const auto& generation : directory.view.generations) {
      sets_.push_back(set_of(*generation));
      std::uint64_t keys = 0;
      directory.db.GetIntProperty(generation->handle(), rocksdb::DB::Properties::kEstimateNumKeys,
                                  &keys);
      total_ += keys;
    }
    found_.resize(sets_.size());
  }

  Result<CheckReport> run() {
    const auto files = files_of(directory_.db);
    total_ += files.size();
    if (auto checked = check_blocks(); !checked) {
      return fail(std::move(checked.error()));
    }
    for (std::size_t i = 0; i < directory_.view.runs->size(); ++i) {
      check_run((*directory_.view.runs)[i], found_[i], files);
    }
    for (const auto& file : files) {
      if (!step()) {
        return ended();
      }
      check_file(file);
    }
    list_quarantine();
    return std::move(report_);
  }

private:
  /// What was read of one set.
  struct Found {
    std::uint64_t blocks = 0;
    std::uint64_t late_blocks = 0;
    std::uint64_t rows = 0;
    std::int64_t first_time_ns = std::numeric_limits<std::int64_t>::max();
    std::int64_t last_time_ns = std::numeric_limits<std::int64_t>::min();
    bool unreadable = false; ///< A part of its files.
    bool damaged = false;    ///< Some fault was told.
  };

  static tl::unexpected<Error> ended() {
    return fail(Errc::storage_unavailable, "the check was ended");
  }
  bool step() {
    ++done_;
    return watch_(done_, std::max(done_, total_));
  }

  [[nodiscard]] std::size_t runs() const noexcept { return directory_.view.runs->size(); }
  [[nodiscard]] std::string place(std::size_t set) const {
    return set < runs() ? "run " + std::to_string((*directory_.view.runs)[set].number)
                        : "generation " +
                              std::to_string(directory_.view.generations[set - runs()]->number());
  }
  void fault(const std::string& text) { report_.add(directory_.name + ": " + text); }

  Result<void> check_blocks() {
    BlockCursor at(directory_.db, sets_, directory_.view.snapshot.get(), kReadaheadBytes,
                   [this](const BlockCursor::Unreadable& part) { return unreadable(part); });
    Result<void> moved = at.seek_to_first();
    for (; moved && at.valid(); moved = at.next()) {
      check_block(at.input(), at.key(), at.block());
      if (!step()) {
        return ended();
      }
    }
    if (!moved) { // Nothing behind it can be judged either.
      for (Found& found : found_) {
        found.damaged = true;
      }
      fault("the blocks behind " + device_text(owner_, key_ ? key_->device : 0) +
            " can not be read and were not checked: " + moved.error().detail + ".");
    }
    return {};
  }

  Result<void> unreadable(const BlockCursor::Unreadable& part) {
    found_[part.input].unreadable = found_[part.input].damaged = true;
    fault("blocks of " + place(part.input) + " with records of " + devices_text(part) +
          " can not be read: " + part.reason + "; the records in them are lost.");
    return {};
  }

  /// Some of the devices whose blocks may lie in a part that can not be read.
  [[nodiscard]] std::string devices_text(const BlockCursor::Unreadable& part) const {
    std::string out;
    std::size_t named = 0;
    const std::uint64_t first = std::max<std::uint32_t>(part.from_device, 1);
    const std::uint64_t end = part.to_device == 0 ? UINT32_MAX : part.to_device;
    for (std::uint64_t number = first; number < std::min(end, first + kNumbersTried); ++number) {
      const std::string name = directory_.owner(static_cast<std::uint32_t>(number), 0).device;
      if (name.empty()) {
        continue;
      }
      if (named++ == kNamesMax) {
        return out + " and others";
      }
      out.append(out.empty() ? "" : ", ").append(name);
    }
    return out.empty() ? "unknown devices" : out;
  }

  void check_block(std::size_t set, const BlockKey& key, std::string_view block) {
    if (!key_ || key_->device != key.device || key_->series != key.series) {
      owner_ = directory_.owner(key.device, key.series);
      main_end_ns_.reset();
    }
    key_ = key;
    ++report_.blocks;
    report_.bytes += block.size();
    ++found_[set].blocks;
    found_[set].late_blocks += key.kind == BlockKind::late ? 1 : 0;
    std::string why;
    if (owner_.device.empty()) {
      why = "no device has this number";
    } else if (!owner_.has_series) {
      why = "the device is not known to have records of this series";
    } else if (owner_.shape == nullptr) {
      why = "its shape is not known";
    } else {
      why = content_fault(set, key, block);
    }
    if (!why.empty()) {
      damaged(set, key, block, why);
    }
  }

  /// Why the bytes are no block of this key; empty if they are.
  std::string content_fault(std::size_t set, const BlockKey& key, std::string_view block) {
    const auto reader = columnar::BlockReader::open(*owner_.shape, block);
    if (!reader) {
      return reader.error().detail;
    }
    for (std::size_t field = 0; field < owner_.shape->fields().size(); ++field) {
      if (owner_.shape->fields()[field].value_class != model::ValueClass::string) {
        if (auto head = reader->head(field); !head) {
          return head.error().detail;
        }
      }
    }
    rows_.clear();
    arena_.clear();
    if (auto read = reader->all(rows_, arena_); !read) {
      return read.error().detail;
    }
    const std::int64_t first_ns = reader->first_time_ns();
    const std::int64_t last_ns = reader->last_time_ns();
    const bool ascending = std::is_sorted(
        rows_.begin(), rows_.end(),
        [](const columnar::Row& a, const columnar::Row& b) { return a.time_ns < b.time_ns; });
    if (!ascending || rows_.front().time_ns != first_ns || rows_.back().time_ns != last_ns) {
      return "its records have other times than its head says";
    }
    if (last_ns != key.last_time_ns) {
      return "its key says another time than it does";
    }
    report_.rows += rows_.size();
    Found& found = found_[set];
    found.rows += rows_.size();
    found.first_time_ns = std::min(found.first_time_ns, first_ns);
    found.last_time_ns = std::max(found.last_time_ns, last_ns);
    if (key.kind == BlockKind::main) {
      const bool overlaps = main_end_ns_ && first_ns <= *main_end_ns_;
      main_end_ns_ = std::max(last_ns, main_end_ns_.value_or(last_ns));
      if (overlaps) {
        return "its times overlap those of another main block";
      }
    }
    if (set < runs() && class_of(key.series) != (*directory_.view.runs)[set].retention_class) {
      return "it is kept for another time than its run";
    }
    return {};
  }

  void damaged(std::size_t set, const BlockKey& key, std::string_view block,
               const std::string& why) {
    found_[set].damaged = true;
    std::string from;
    std::string lost = "its records are lost";
    if (const auto span = columnar::block_span(block)) {
      from = "from " + std::to_string(span->first_time_ns) + " ns ";
      lost = "its " + std::to_string(span->rows) + " records are lost";
    }
    fault("a block of " + place(set) + " with records of " + device_text(owner_, key.device) +
          ", series " + std::to_string(key.series) + ", times " + from + "to " +
          std::to_string(key.last_time_ns) + " ns, is damaged: " + why + "; " + lost + ".");
  }

  void check_run(const Run& run, const Found& found,
                 const std::vector<rocksdb::LiveFileMetaData>& files) {
    const std::string name = "run " + std::to_string(run.number);
    std::uint64_t bytes = 0;
    for (const auto& file : files) {
      if (run_of(file) == run.number) {
        bytes += file.size;
      }
    }
    if (bytes != run.bytes) {
      fault("the files of " + name + " have " + std::to_string(bytes) +
            " bytes, but the catalogue says " + std::to_string(run.bytes) +
            ": some of its records are lost or there twice.");
    }
    if (found.damaged) {
      return; // Then they differ by what was told already.
    }
    if (found.blocks != run.blocks || found.late_blocks != run.late_blocks ||
        found.rows != run.rows) {
      fault(name + " holds " + std::to_string(found.rows) + " records in " +
            std::to_string(found.blocks) + " blocks (" + std::to_string(found.late_blocks) +
            " late), but the catalogue says " + std::to_string(run.rows) + " in " +
            std::to_string(run.blocks) + " (" + std::to_string(run.late_blocks) +
            " late): some of its records are lost or there twice.");
    } else if (found.blocks != 0 &&
               (found.first_time_ns != run.first_time_ns ||
                found.last_time_ns != run.last_time_ns || found.first_time_ns < run.from_ns ||
                found.last_time_ns >= run.to_ns)) {
      fault(name + " holds records from " + std::to_string(found.first_time_ns) + " to " +
            std::to_string(found.last_time_ns) +
            " ns, but the catalogue says otherwise: readers may pass over some of them.");
    }
  }

  [[nodiscard]] static std::optional<std::uint32_t>
  run_of(const rocksdb::LiveFileMetaData& file) noexcept {
    if (file.column_family_name != kRunsFamily || file.smallestkey.size() < kRunKeyBytes) {
      return std::nullopt;
    }
    return get_be<std::uint32_t>(file.smallestkey.data());
  }

  /// Whether the blocks of this file were found to be unreadable already.
  [[nodiscard]] bool told(const rocksdb::LiveFileMetaData& file) const {
    const auto run = run_of(file);
    for (std::size_t i = 0; i < found_.size(); ++i) {
      const bool mine =
          i < runs() ? run == (*directory_.view.runs)[i].number
                     : file.column_family_name ==
                           std::string(kGenerationPrefix) +
                               std::to_string(directory_.view.generations[i - runs()]->number());
      if (mine && found_[i].unreadable) {
        return true;
      }
    }
    return false;
  }

  void check_file(const rocksdb::LiveFileMetaData& file) {
    if (told(file)) {
      return;
    }
    const rocksdb::Status status = verify_file(directory_.db, file);
    if (!status.ok() && is_live(directory_.db, file)) {
      fault("the file db" + file.name + " of " + file.column_family_name +
            " can not be read whole: " + describe(status) + "; what lies there is lost.");
    }
  }

  void list_quarantine() {
    for (const Quarantine::Entry& entry : Quarantine::list(directory_.quarantine)) {
      fault("quarantine/" + entry.file + ": " + (entry.has_block ? "a block" : "a part") + " of " +
            (entry.place.empty() ? "an unknown place" : entry.place) + " with records of " +
            device_text(directory_.owner(entry.device, 0), entry.device) + ", series " +
            entry.series + ", times to " + entry.last_time_ns +
            " ns, was set aside: " + entry.reason + "; its records are lost" +
            (entry.has_block ? ", its bytes are kept there." : "."));
    }
  }

  const CheckedDirectory& directory_;
  const CheckWatch& watch_;
  std::vector<BlockSet> sets_; ///< Runs, then generations.
  std::vector<Found> found_;   ///< By set.
  std::uint64_t done_ = 0;
  std::uint64_t total_ = 0;
  CheckReport report_;

  // Of the series at hand.
  std::optional<BlockKey> key_;
  BlockOwner owner_;
  std::optional<std::int64_t> main_end_ns_;
  std::vector<columnar::Row> rows_;
  std::string arena_;
};

void check_small_database(const std::string& path, std::string_view holds, CheckReport& report) {
  std::error_code error;
  if (!std::filesystem::exists(path, error)) {
    return;
  }
  const std::string what(holds);
  for (const DamagedLog& log : find_damaged_logs(path)) {
    report.add(path + ": a record of the write-ahead log is damaged: " + log.place() + "; " + what +
               " that were written behind it are lost.");
  }
  if (!has_database_at(path)) {
    if (const auto prepared = prepare_database_at(path); !prepared) {
      report.add(prepared.error().detail + "; its " + what + " can not be read.");
    }
    return;
  }
  const std::uint32_t format = holds == "commands" ? kCommandLogFormat : kSessionStoreFormat;
  const auto database = open_small_database(path, nullptr, false, {format, holds, {}, 1u << 20},
                                            [](const rocksdb::Status&) {});
  if (!database) {
    report.add(database.error().detail + "; its " + what + " can not be read.");
    return;
  }
  for (const auto& file : files_of(**database)) {
    const rocksdb::Status status = verify_file(**database, file);
    if (!status.ok() && is_live(**database, file)) {
      report.add(path + ": the file " + file.name.substr(1) +
                 " can not be read whole: " + describe(status) + "; " + what + " in it are lost.");
    }
  }
}

} // namespace

Result<CheckReport> check_directory(const CheckedDirectory& directory, const CheckWatch& watch) {
  return Check(directory, watch).run();
}

CheckReport check_small_databases(const std::string& data_dir) {
  CheckReport report;
  for (const std::string_view name : kSmallDatabases) {
    check_small_database(data_dir + "/" + std::string(name), name, report);
  }
  return report;
}

} // namespace spate::storage
