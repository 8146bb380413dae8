#include "storage/session_queue.hpp"

#include <algorithm>

namespace spate::storage {

namespace {

std::size_t bytes_of(const SessionOpening& opening) noexcept {
  return opening.client_id.size() + (opening.will ? opening.will->message->bytes() : 0);
}
std::size_t bytes_of(const SessionSubscribing& subscribing) noexcept {
  std::size_t bytes = 0;
  for (const SessionSubscription& each : subscribing.added) {
    bytes += sizeof(each) + each.filter.size();
  }
  for (const std::string& each : subscribing.removed) {
    bytes += sizeof(each) + each.size();
  }
  return bytes;
}
std::size_t bytes_of(const SessionPublishing& publishing) noexcept {
  std::size_t bytes = publishing.message->bytes();
  for (const SessionTarget& target : publishing.targets) {
    bytes += sizeof(target) + target.subscription_ids.size() * sizeof(std::uint32_t);
  }
  return bytes;
}
std::size_t bytes_of(const RetainedLoad& load) noexcept {
  return load.filter.size() + load.after.size();
}
template <class Small>
std::size_t bytes_of(const Small&) noexcept {
  return 0;
}

} // namespace

std::size_t weight_of(const SessionEntry& entry) noexcept {
  return sizeof(entry) + std::visit([](const auto& each) { return bytes_of(each); }, entry);
}

std::size_t weight_of(const SessionStep& step) noexcept {
  std::size_t bytes = sizeof(Waiting<SessionStep>);
  for (const SessionEntry& entry : step.entries) {
    bytes += weight_of(entry);
  }
  return bytes;
}

bool is_answered(const SessionEntry& entry) noexcept {
  const auto* settling = std::get_if<SessionSettling>(&entry);
  return settling == nullptr || settling->received;
}

bool is_awaited(const SessionStep& step) noexcept {
  return std::any_of(step.entries.begin(), step.entries.end(), is_answered);
}

bool frees(const SessionStep& step) noexcept {
  return std::all_of(step.entries.begin(), step.entries.end(), [](const SessionEntry& entry) {
    return std::holds_alternative<SessionClosing>(entry) ||
           std::holds_alternative<SessionSettling>(entry) ||
           std::holds_alternative<SessionReleasing>(entry);
  });
}

bool is_load(const SessionEntry& entry) noexcept {
  const auto* retained = std::get_if<RetainedLoad>(&entry);
  return std::holds_alternative<SessionPageLoad>(entry) ||
         (retained != nullptr && retained->session == 0);
}

} // namespace spate::storage
