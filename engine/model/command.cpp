#include "engine/model/command.hpp"

#include <algorithm>
#include <array>

namespace spate::model {

namespace {

constexpr std::array<std::string_view, kCommandStates> kStates = {
    "QUEUED",   "SENT",      "DELIVERED", "SUCCEEDED", "FAILED",
    "REJECTED", "TIMED_OUT", "EXPIRED",   "CANCELED"};

} // namespace

std::string_view name_of(CommandState state) noexcept {
  return kStates[static_cast<std::size_t>(state)];
}

std::optional<CommandState> command_state(std::string_view name) noexcept {
  const auto found = std::find(kStates.begin(), kStates.end(), name);
  if (found == kStates.end()) {
    return std::nullopt;
  }
  return static_cast<CommandState>(found - kStates.begin());
}

std::string_view name_of(CommandPriority priority) noexcept {
  return priority == CommandPriority::urgent ? "urgent" : "normal";
}

std::string_view name_of(IfOffline if_offline) noexcept {
  return if_offline == IfOffline::queue ? "queue" : "fail";
}

std::string_view name_of(CompleteOn complete_on) noexcept {
  return complete_on == CompleteOn::delivery ? "delivery" : "response";
}

bool is_command_name(std::string_view name) noexcept {
  const auto fits = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '-';
  };
  return !name.empty() && name.size() <= 64 && std::all_of(name.begin(), name.end(), fits);
}

std::uint32_t alias_of(const Uuid& id) noexcept {
  std::uint32_t bits = 0;
  for (std::size_t i = 12; i < 16; ++i) {
    bits = bits << 8 | id.bytes[i];
  }
  return (bits & 0x7fff'ffff) | 1;
}

} // namespace spate::model
