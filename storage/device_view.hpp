// Spate - a device as one reader sees it: its unsealed rows and its blocks at the same moment.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "engine/model/shape.hpp"
#include "storage/blocks_view.hpp"

namespace spate::storage {

/// Owns its copies; any thread.
struct DeviceView {
  struct Series {
    std::uint32_t number = 0;
    const model::Shape* shape = nullptr;
    std::int64_t kept_from_ns = 0; ///< Older rows are past their retention.
  };
  struct TailCopy {
    std::uint32_t series = 0;
    BlockKind kind = BlockKind::main;
    std::string bytes;
  };
  std::uint32_t device = 0;
  std::vector<Series> series;
  std::vector<TailCopy> tails; ///< Those of late rows last.
  std::shared_ptr<const BlocksView> blocks;
};

} // namespace spate::storage
