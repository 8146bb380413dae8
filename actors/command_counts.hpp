// Spate - what the command router counted; read by metrics from any thread.
#pragma once

#include <array>
#include <cstdint>
#include <mutex>

#include "engine/base/counters.hpp"
#include "engine/base/histogram.hpp"
#include "engine/model/command.hpp"

namespace spate::actors {

struct CommandCounts {
  Counter created;
  std::array<Counter, model::kCommandStates> ended; ///< By final state.
  Counter refused_offline;
  Counter refused_queue_full;
  Counter refused_overloaded;
  Counter refused_unavailable;
  Counter repeated_keys;
  Counter sent; ///< PUBLISHes, those that were sent again included.
  Counter answers_taken;
  Counter answers_repeated;
  Counter answers_late;
  Counter answers_unknown;
  Counter live;  ///< Now in memory.
  Counter ready; ///< Devices that take commands, now.

  /// From accepting to the device's answer, microseconds, by CommandPriority.
  void record_latency(model::CommandPriority priority, std::uint64_t us) {
    const std::scoped_lock lock(mutex_);
    latency_us_[static_cast<std::size_t>(priority)].record(us);
  }
  [[nodiscard]] Histogram latency_us(model::CommandPriority priority) const {
    const std::scoped_lock lock(mutex_);
    return latency_us_[static_cast<std::size_t>(priority)];
  }

private:
  mutable std::mutex mutex_;
  std::array<Histogram, 2> latency_us_;
};

} // namespace spate::actors
