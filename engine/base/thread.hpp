// Spate - names for threads, so that top, perf and debuggers tell them apart, and their priority.
#pragma once

#include <pthread.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace spate {

/// At most 15 characters: "loop-0", "committer-1".
inline void name_this_thread(const char* name) noexcept {
  pthread_setname_np(pthread_self(), name);
}

/// Runs this thread before others of the process that want the CPU at the same time. Needs
/// CAP_SYS_NICE or RLIMIT_NICE: false if that is not given, and nothing has changed.
inline bool prefer_this_thread() noexcept {
  constexpr int kNice = -5;
  const auto thread = static_cast<id_t>(::syscall(SYS_gettid));
  return ::setpriority(PRIO_PROCESS, thread, kNice) == 0;
}

} // namespace spate
