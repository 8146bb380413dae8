// Spate - `spate backup`: makes, checks and restores backups.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/base/result.hpp"

namespace CLI {
class App;
}

namespace spate::cli {

struct BackupRow {
  std::string id;
  std::int64_t created_ms = 0;
  std::uint64_t size_bytes = 0;
  std::uint64_t new_bytes = 0;
  bool incremental = false;
};
struct BackupChecked {
  std::uint64_t files = 0;
  std::uint64_t bytes = 0;
  std::uint64_t devices = 0;
  std::uint64_t records = 0;
};

/// `total_bytes` 0: not known.
using BackupSteps =
    std::function<void(std::string_view step, std::uint64_t done, std::uint64_t total_bytes)>;

/// What is done on files, by who may know the store. An empty id means the newest backup. Errors:
/// usage, and those of the store, each one sentence for people.
struct BackupWork {
  std::function<Result<BackupRow>(const std::string& target, std::size_t keep,
                                  const std::vector<std::string>& data_dirs, const BackupSteps&)>
      create;
  std::function<Result<std::vector<BackupRow>>(const std::string& target,
                                               std::vector<std::string>& damaged)>
      list;
  std::function<Result<BackupChecked>(const std::string& target, const std::string& id, bool quick,
                                      const BackupSteps&)>
      verify;
  std::function<Result<BackupRow>(const std::string& target, const std::string& id,
                                  const std::vector<std::string>& data_dirs, const BackupSteps&)>
      restore;
};

/// Adds `backup` with its verbs to `app`; `run` as in add_command_verbs().
void add_backup_verbs(CLI::App& app, std::function<int()>& run, BackupWork work);

} // namespace spate::cli
