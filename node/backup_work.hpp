// Spate - what `spate backup` does on files.
#pragma once

#include "cli/backup.hpp"

namespace spate::node {

[[nodiscard]] cli::BackupWork backup_work();

} // namespace spate::node
