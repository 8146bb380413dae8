// Spate - publishes a will: nobody waits for an answer to it.
#pragma once

#include <cstdint>

#include "actors/message_router.hpp"
#include "actors/session_hub.hpp"
#include "storage/session_store.hpp"

namespace spate::actors {

/// To all who have subscribed to its topic, kept sessions included. Loop thread.
void publish_will(MessageRouter& messages, SessionDoor& door, const storage::SessionWill& will,
                  std::int64_t now_ms);

} // namespace spate::actors
