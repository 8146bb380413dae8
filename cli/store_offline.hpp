// Spate - what `spate store` needs to work on data directories that no node has open. This layer
// knows no store: the program gives these.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/base/result.hpp"

namespace spate::cli {

/// Steps done, of how many if that is known.
using StoreProgress =
    std::function<void(std::uint64_t done, const std::optional<std::uint64_t>& total)>;

struct StoreCheck {
  std::uint64_t blocks = 0; ///< Looked at, all copies.
  std::uint64_t rows = 0;
  std::uint64_t bytes = 0;
  std::vector<std::string> faults; ///< One sentence each: where, what, and what is lost by it.
};

struct LogQuery {
  std::vector<std::string> from; ///< Positions, at most one of each directory; else all that is kept.
  std::string device;            ///< Empty: all.
  std::uint64_t limit = 0;       ///< Records; 0: all.
};

/// All block, on the caller's thread, and open and close the directories themselves. Errors as
/// storage::Store::open(), with a sentence that says what to do. A function that is not set is not
/// offered.
struct OfflineStore {
  using Directories = std::vector<std::string>;
  /// The document of GET /api/v1/store.
  std::function<Result<std::string>(const Directories&)> stats;
  /// Seals, folds and merges everything. Returns the operation's document as the API shows it.
  std::function<Result<std::string>(const Directories&, const StoreProgress&)> compact;
  /// `target` is path and query of GET .../telemetry:export; `write` gets the file part by part and
  /// stops it with false.
  std::function<Result<void>(const Directories&, const std::string& target,
                             const std::function<bool(std::string_view)>& write)>
      export_range;
  /// Gives the kept log to `write` as NDJSON, directory by directory, until that returns false.
  /// Returns for each directory the position to go on from.
  std::function<Result<std::vector<std::string>>(
      const Directories&, const LogQuery&, const std::function<bool(std::string_view)>& write)>
      log;
  /// Reads every block and checks it. A directory that is too damaged to be opened is a fault.
  std::function<Result<StoreCheck>(const Directories&, const StoreProgress&)> check;
};

} // namespace spate::cli
