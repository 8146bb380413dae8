#include "node/backup_work.hpp"

#include <optional>
#include <random>

#include "engine/base/clock.hpp"
#include "engine/base/uuid.hpp"
#include "node/version.hpp"
#include "storage/backup.hpp"

namespace spate::node {

namespace {

cli::BackupRow row_of(const storage::BackupInfo& info) {
  return {text_of(info.id), info.created_ms, info.size_bytes(), info.new_bytes, info.incremental};
}

storage::BackupWatch watch_of(const cli::BackupSteps& steps) {
  storage::BackupWatch watch;
  watch.progress = [&steps](const storage::BackupProgress& progress) {
    steps(progress.step, progress.done_bytes, progress.total_bytes);
  };
  return watch;
}

Result<storage::BackupInfo> find(const std::string& target, const std::string& id) {
  const std::optional<Uuid> wanted = parse_uuid(id);
  if (!id.empty() && !wanted) {
    return fail(Errc::usage, "'" + id + "' is no id of a backup; see: spate backup ls " + target);
  }
  return storage::find_backup(target, wanted);
}

} // namespace

cli::BackupWork backup_work() {
  cli::BackupWork work;
  work.create = [](const std::string& target, std::size_t keep,
                   const std::vector<std::string>& data_dirs,
                   const cli::BackupSteps& steps) -> Result<cli::BackupRow> {
    storage::BackupCreation creation;
    creation.target = target;
    creation.created_ms = wall_ms();
    creation.id = UuidSource(std::random_device{}()).next(creation.created_ms);
    creation.version = version();
    creation.keep = keep;
    const auto made =
        storage::create_backup(creation, storage::closed_databases(data_dirs), watch_of(steps));
    if (!made) {
      return fail(made.error());
    }
    return row_of(*made);
  };
  work.list = [](const std::string& target,
                 std::vector<std::string>& damaged) -> Result<std::vector<cli::BackupRow>> {
    const auto backups = storage::list_backups(target, &damaged);
    if (!backups) {
      return fail(backups.error());
    }
    std::vector<cli::BackupRow> rows;
    for (const storage::BackupInfo& info : *backups) {
      rows.push_back(row_of(info));
    }
    return rows;
  };
  work.verify = [](const std::string& target, const std::string& id, bool quick,
                   const cli::BackupSteps& steps) -> Result<cli::BackupChecked> {
    const auto info = find(target, id);
    if (!info) {
      return fail(info.error());
    }
    const auto report = storage::verify_backup(target, *info, quick, watch_of(steps));
    if (!report) {
      return fail(report.error());
    }
    return cli::BackupChecked{report->files, report->bytes, report->devices, report->records};
  };
  work.restore = [](const std::string& target, const std::string& id,
                    const std::vector<std::string>& data_dirs,
                    const cli::BackupSteps& steps) -> Result<cli::BackupRow> {
    const auto info = find(target, id);
    if (!info) {
      return fail(info.error());
    }
    if (auto restored = storage::restore_backup(target, *info, data_dirs, watch_of(steps));
        !restored) {
      return fail(std::move(restored.error()));
    }
    return row_of(*info);
  };
  return work;
}

} // namespace spate::node
