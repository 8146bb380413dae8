// Spate - where damaged blocks are set aside: never served, never guessed at, never silently lost.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "engine/base/result.hpp"
#include "storage/blocks_view.hpp"
#include "storage/keys.hpp"

namespace spate::storage {

/// A directory of `<n>.block`, a block's bytes, each beside `<n>.txt`, which says what it was. An
/// unreadable part of a file has the text only. One thread; count() any.
class Quarantine {
public:
  /// `name` of the data directory is for the log. Counts what is there.
  Quarantine(std::string directory, std::string name);

  struct Damage {
    BlockKey key; ///< As far as it is known.
    std::int64_t first_time_ns = 0;
    std::string place; ///< Generation or run.
    std::string reason;
  };
  /// Copies the block; the same one twice is kept once. Durable on return. Errors: storage_full,
  /// storage_io.
  Result<void> set_aside(const Damage& damage, std::string_view block);
  /// A part of a file that can not be read at all.
  Result<void> report(const Damage& damage);
  /// Removes the blocks that may hold rows which the erasure hides. Those that come later are for
  /// whoever sets them aside to ask about.
  Result<void> erase(const Erasure& erasure);
  [[nodiscard]] std::uint64_t count() const noexcept {
    return count_.load(std::memory_order_relaxed);
  }

  /// What lies in a quarantine, as far as its texts can be read; by number. Any thread.
  struct Entry {
    std::string file; ///< Of the text, without its directory.
    bool has_block = false;
    std::uint32_t device = 0; ///< 0: not known.
    std::string series;
    std::string first_time_ns;
    std::string last_time_ns;
    std::string place;
    std::string reason;
  };
  [[nodiscard]] static std::vector<Entry> list(const std::string& directory);

private:
  Result<void> write(const Damage& damage, std::string_view block, bool has_block);

  const std::string directory_;
  const std::string name_;
  std::uint64_t next_ = 1;
  std::set<std::string> known_; ///< Keys set aside by this process: a job may be done again.
  std::atomic<std::uint64_t> count_{0};
};

} // namespace spate::storage
