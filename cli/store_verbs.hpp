// Spate - `spate store`: what is on disk, and the work on it, of a running node or offline.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "cli/store_offline.hpp"

namespace CLI {
class App;
}

namespace spate::cli {

struct StoreVerbOptions {
  std::string url;                    ///< Of a running node,
  std::vector<std::string> data_dirs; ///< or these, if there are some.
  bool json = false;
  // The rest is of export.
  std::string device;
  std::string file; ///< Empty or "-": the standard output.
  std::string format;
  std::string from;
  std::string to;
  std::vector<std::string> fields;
  std::string names;
  std::string agg;
  std::string step;
  // Of log, with device.
  std::vector<std::string> positions;
  std::uint64_t limit = 0; ///< 0: all.

  [[nodiscard]] bool offline() const noexcept { return !data_dirs.empty(); }
};

/// Adds `store` with its verbs to `app`, as add_command_verbs() does.
void add_store_verbs(CLI::App& app, OfflineStore offline, std::function<int()>& run);

int show_store(const StoreVerbOptions& options, const OfflineStore& offline);
/// Waits for the end of the operation; 0 if it SUCCEEDED.
int compact_store(const StoreVerbOptions& options, const OfflineStore& offline);
int export_store(const StoreVerbOptions& options, const OfflineStore& offline);
/// The kept log of a stopped node as NDJSON.
int print_log(const StoreVerbOptions& options, const OfflineStore& offline);
/// Reads every block. kExitFaults if there are faults.
int check_store(const StoreVerbOptions& options, const OfflineStore& offline);
/// Adds the result of the operation store.check to `check`. False if it is none.
bool read_check(std::string_view result, StoreCheck& check);

/// Path and query of the export.
[[nodiscard]] std::string export_target(const StoreVerbOptions& options);
/// The document of GET /api/v1/store as lines of a table. Error: malformed_payload.
Result<std::string> store_table(std::string_view document);

} // namespace spate::cli
