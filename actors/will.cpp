#include "actors/will.hpp"

#include <memory>
#include <utility>
#include <vector>

namespace spate::actors {

void publish_will(MessageRouter& messages, SessionDoor& door, const storage::SessionWill& will,
                  std::int64_t now_ms) {
  const model::ApplicationMessage& message = *will.message;
  const std::int64_t expires_ms = will.message_expiry_s != 0
                                      ? now_ms + std::int64_t{will.message_expiry_s} * 1000
                                      : message.expires_ms;
  Passing passing(message.topic, message.payload, message.properties, message.qos, message.retain,
                  expires_ms);
  Matches matches;
  messages.match(message.topic, nullptr, matches);
  std::vector<storage::SessionTarget> kept;
  messages.pass(passing, matches, kept);
  if (!door.is_open() || (kept.empty() && !message.retain)) {
    return;
  }
  storage::SessionPublishing publishing;
  publishing.message = passing.shared();
  publishing.targets = std::move(kept);
  // A store that is that busy, or that fails, tells of itself.
  door.submit(0, 0, StoreTask::none, 0, std::move(publishing));
}

} // namespace spate::actors
