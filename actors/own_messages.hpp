// Spate - messages that no client is publishing now: wills and `$SYS`. Nobody waits for an answer.
#pragma once

#include <cstddef>
#include <cstdint>

#include "actors/message_router.hpp"
#include "actors/session_hub.hpp"
#include "storage/session_store.hpp"

namespace spate::actors {

/// To all who have subscribed to its topic, kept sessions included. Loop thread.
void publish_own(MessageRouter& messages, SessionDoor& door, const model::ApplicationMessage& own);

/// The message of a will that is published at `now_ms`.
[[nodiscard]] model::ApplicationMessage message_of(const storage::SessionWill& will,
                                                   std::int64_t now_ms);

/// Splits the publication of a will that the store of sessions tells: gives what the store is to
/// write, without a message if that is nothing; `connected` gets who else takes it. `turn` is that
/// of shared subscriptions. Any thread.
[[nodiscard]] storage::SessionPublishing split_will(const routing::Index& index,
                                                    const model::SharedMessage& will,
                                                    std::size_t turn, Matches& connected);
/// Passes it to those. Loop thread.
void pass_will(MessageRouter& messages, const model::ApplicationMessage& will,
               const Matches& connected);

} // namespace spate::actors
