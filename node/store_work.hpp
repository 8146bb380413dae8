// Spate - what `spate store` does on data directories that no node has open.
#pragma once

#include "cli/store_offline.hpp"

namespace spate::node {

[[nodiscard]] cli::OfflineStore store_work();

} // namespace spate::node
