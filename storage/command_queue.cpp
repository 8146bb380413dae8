#include "storage/command_queue.hpp"

namespace spate::storage {

bool is_awaited(const CommandEntry& entry) noexcept {
  const auto* update = std::get_if<CommandUpdate>(&entry);
  return update == nullptr || update->sync;
}

std::size_t weight_of(const CommandEntry& entry) noexcept {
  std::size_t bytes = sizeof(WaitingEntry);
  if (const auto* creation = std::get_if<CommandCreation>(&entry)) {
    bytes += creation->command.args.size() + creation->idempotency_key.size();
  } else if (const auto* update = std::get_if<CommandUpdate>(&entry)) {
    bytes += update->progress.result.size() + update->progress.reason.size();
  }
  return bytes;
}

} // namespace spate::storage
