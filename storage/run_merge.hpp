// Spate - makes runs of generations, or of other runs: the fold itself, up to files that are ready
// to be ingested.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <rocksdb/db.h>

#include "engine/base/result.hpp"
#include "engine/columnar/block.hpp"
#include "engine/model/shape.hpp"
#include "storage/block_cursor.hpp"
#include "storage/blocks_view.hpp"
#include "storage/late_rows.hpp"
#include "storage/quarantine.hpp"
#include "storage/run_groups.hpp"
#include "storage/run_writer.hpp"
#include "storage/series_writer.hpp"

namespace spate::storage {

struct MergeInput {
  BlockSet set;
  std::string place;      ///< For people: `generation 3`, `run 17`.
  std::optional<Run> run; ///< If it is one.
};

struct MergeTask {
  /// All oldest generations, or runs as plan_merge() chose them.
  std::vector<MergeInput> inputs;
  /// Runs that are no inputs: where one of them lies, late rows stay late.
  std::vector<Run> others;
  std::uint8_t level = 0;
  std::vector<Erasure> erasures; ///< All that are known.
  std::size_t late_bytes_max = 16u << 20;
};

struct MergeTools {
  std::function<const model::Shape*(std::uint32_t series)> shape;
  std::function<std::uint32_t(std::uint8_t retention_class)> retention_s;
  std::function<std::uint32_t()> next_run;
  /// After each block that was read, with its rows; false ends the merge (storage_unavailable).
  std::function<bool(std::uint64_t rows)> pace;
};

/// For each series of the inputs, in the order of keys: rows of main blocks, in order of time, and
/// among them the late rows that may join them; then the late rows that may not, as late blocks.
///
/// A late row becomes a main row
/// - between the first and the last main row of its series in the inputs. Main blocks are sealed in
///   the order of their times and the inputs are neighbours by age, so no other set has main rows
///   there;
/// - anywhere in the span of its output if no other run lies over that. Generations that are not
///   folded yet do not matter: a late row is older than a main block that was sealed before it, and
///   what they hold as main rows is newer than all main rows sealed before.
///
/// Memory: a block of each input, the rows of one block to be, and MergeTask::late_bytes_max twice.
/// Failure: nothing is changed; the files go with this object. Damaged blocks are set aside. One
/// thread.
class RunMerge final : private BlockSink {
public:
  /// All borrowed.
  RunMerge(rocksdb::DB& db, const MergeTask& task, const RunFiles& files, const MergeTools& tools,
           Quarantine& quarantine);

  /// Errors: storage_full, storage_io; storage_unavailable: ended by MergeTools::pace.
  Result<void> run();

  struct Made {
    std::vector<Run> runs;
    std::vector<std::string> paths;
    std::uint64_t rows = 0;
    std::uint64_t bytes = 0;
    std::uint64_t duplicates = 0;
  };
  [[nodiscard]] const Made& made() const noexcept { return made_; }

private:
  using Series = std::pair<std::uint32_t, std::uint32_t>;

  Result<void> survey();
  Result<void> survey_block(const BlockKey& key, std::string_view block);
  bool has_late(const Series& series) const;
  Result<void> merge_series();
  Result<void> merge_main(const model::Shape& shape);
  Result<void> merge_block(const model::Shape& shape);
  Result<bool> copy_block(const model::Shape& shape, const columnar::BlockReader& reader);
  Result<void> late_before(std::int64_t time_ns, bool inclusive);
  Result<void> write_late();
  Result<void> skip_series();
  bool joins(std::int64_t time_ns);
  bool hides(std::size_t input, std::uint64_t order, std::int64_t time_ns) const;
  void choose_erasures(std::uint32_t device);
  Result<void> damaged(std::size_t input, const BlockKey& key, std::string_view block,
                       const std::string& reason);
  Result<void> unreadable(const BlockCursor::Unreadable& part);
  Result<void> block(std::size_t group, const BlockKey& key, std::string_view bytes,
                     const BlockFacts& facts) override;
  Result<void> finish();

  rocksdb::DB& db_;
  const MergeTask& task_;
  const RunFiles& files_;
  const MergeTools& tools_;
  Quarantine& quarantine_;

  RunGroups groups_;
  std::vector<std::unique_ptr<RunWriter>> writers_; ///< By group.
  std::vector<std::uint8_t> alone_;                 ///< By group: 0 not known, 1 no, 2 yes.
  std::vector<Series> late_series_;                 ///< Sorted; those with late blocks,
  bool all_may_be_late_ = false;                    ///< unless there were too many.
  std::vector<BlockSet> sets_;
  BlockCursor blocks_;
  std::unique_ptr<BlockCursor> late_blocks_;
  std::unique_ptr<LateRows> late_;
  SeriesWriter main_writer_;
  SeriesWriter late_writer_;

  // Of the series at hand.
  Series series_{0, 0};
  std::vector<const Erasure*> erasures_; ///< Of its device.
  bool late_here_ = false;               ///< late_ is at work.
  bool late_left_ = false;               ///< Some rows of it did not become main rows.
  std::optional<std::int64_t> first_main_ns_;
  std::optional<std::int64_t> last_main_ns_;
  std::optional<std::int64_t> main_end_ns_; ///< Of the main rows that were merged so far.
  std::vector<LateRows::Position>
      full_; ///< Times that have more rows than fit: the first left out.

  std::vector<columnar::Row> rows_;
  std::string arena_;
  Made made_;
};

} // namespace spate::storage
