// Spate - a program that runs beside this one and ends with it.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <sys/types.h>

#include "engine/base/result.hpp"

namespace spate::loadgen {

/// In a process group of its own, so that Ctrl-C at a terminal comes to us only, who end it in good
/// order; if we die, it gets SIGTERM.
/// Thread: the one that started it, which must live as long.
class ChildProcess {
public:
  enum class Output : std::uint8_t { standard, all }; ///< What goes to its file.

  /// `words` begins with the program's path. Error: connect_failed.
  static Result<std::unique_ptr<ChildProcess>> start(const std::vector<std::string>& words,
                                                     const std::string& file, Output output);
  /// Ends it: SIGTERM, and SIGKILL after half a minute.
  ~ChildProcess();
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;

  [[nodiscard]] pid_t pid() const noexcept { return pid_; }
  void signal(int number) const;
  /// Its exit code once it has ended; 128 and the signal's number if that ended it.
  [[nodiscard]] std::optional<int> ended();

private:
  explicit ChildProcess(pid_t pid) : pid_(pid) {}
  const pid_t pid_;
  std::optional<int> code_;
};

} // namespace spate::loadgen
