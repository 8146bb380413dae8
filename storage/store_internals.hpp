// Spate - what tests set in a store and users do not.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "engine/base/clock.hpp"
#include "storage/directory_format.hpp"
#include "storage/store.hpp"

namespace rocksdb {
class Env;
} // namespace rocksdb

namespace spate::storage {

struct StoreInternals {
  rocksdb::Env* env = nullptr; ///< Null: the real one. Outlives the store.
  std::function<std::optional<DiskSpace>(const std::string&)> disk_space = storage::disk_space;
  std::function<std::int64_t()> now_ms = wall_ms;
  std::size_t window_bytes = 0; ///< 0: a quarter of the log budget, at most 32 MiB.
  std::size_t block_buffer_bytes = 16u << 20;
  std::size_t generation_bytes = 256u << 20; ///< Sealed blocks that are folded at once.
  std::size_t recent_keys_max = 1u << 20;
  std::size_t turn_rows_max = 64u << 10; ///< One commit, so that receipts are not delayed.
  std::size_t turn_bytes_max = 8u << 20;
  std::chrono::milliseconds tick{1000};
  std::chrono::milliseconds reopen_pause_min{200};
  std::chrono::milliseconds reopen_pause_max{5000};
};

/// Store::open() with these.
Result<std::unique_ptr<Store>> open_store(StoreOptions options, model::ShapeTable& shapes,
                                          StoreInternals internals);

} // namespace spate::storage
