// Spate - what the store of sessions does with what it kept, when the node starts.
#pragma once

#include <cstdint>

#include <rocksdb/db.h>

#include "engine/base/result.hpp"
#include "storage/client_filter.hpp"
#include "storage/session_store.hpp"

namespace spate::storage {

/// One walk over all sessions: tells their subscriptions to `listener`, and has those that were
/// connected count as disconnected at `now_ms`. What is damaged is reported and left out. Memory:
/// none that grows with the sessions. `clients` gets their client ids. Errors: storage_io,
/// storage_full; storage_corrupt if the file itself can not be read.
Result<void> start_sessions(rocksdb::DB& db, std::int64_t now_ms, bool sync,
                            SessionListener& listener, ClientFilter& clients);

} // namespace spate::storage
