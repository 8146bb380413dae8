// Spate - names for threads, so that top, perf and debuggers tell them apart.
#pragma once

#include <pthread.h>

namespace spate {

/// At most 15 characters: "loop-0", "committer-1".
inline void name_this_thread(const char* name) noexcept {
  pthread_setname_np(pthread_self(), name);
}

} // namespace spate
