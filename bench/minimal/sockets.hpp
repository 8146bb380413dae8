// Spate bench - sockets and signals of the servers that measure floors: the kernel's calls, nothing
// else.
#pragma once

#include <string>

#include "engine/base/result.hpp"

namespace spate::bench {

/// Listens on "HOST:PORT" (IPv4 literal) with SO_REUSEPORT, non-blocking. Gives the descriptor.
/// Errors: address_invalid, bind_failed.
Result<int> listen_on(const std::string& address);

/// Accepts one connection, non-blocking and without Nagle's delay; -1 when none is waiting.
int accept_from(int listener);

/// Sets the soft limit of descriptors to the hard one.
void raise_descriptor_limit();

/// Blocks SIGINT and SIGTERM for this thread and those that it starts later. SIGPIPE is ignored.
void hold_signals();
/// Waits for one of them.
void wait_for_signal();

} // namespace spate::bench
