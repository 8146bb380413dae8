// Spate - servers that a comparison starts on this machine, each with a directory of its own.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <string_view>

#include <sys/types.h>

#include "engine/base/result.hpp"
#include "loadgen/servers/child_process.hpp"

namespace spate::loadgen {

/// Who takes part in a comparison.
struct ServerSpec {
  enum class Kind : std::uint8_t { spate, mosquitto, nats, given };
  Kind kind = Kind::given;
  std::string name;   ///< In tables: "spate", "mosquitto", "HOST:PORT".
  std::string target; ///< mqtt://HOST:PORT, if it runs already.
  pid_t pid = 0;      ///< Whose CPU time is read; 0 = unknown.
};

/// "spate", "mosquitto", "nats-server", or HOST:PORT (mqtt://..., mqtts://...) with "@PID" behind
/// it or not; "NAME=" before either names it. Error: usage.
Result<ServerSpec> parse_server(std::string_view word);

/// Its program is there, or it runs already.
[[nodiscard]] bool is_installed(const ServerSpec& spec);

/// A server process on loopback.
/// Thread: any one.
class LocalServer {
public:
  /// Starts it (or only speaks of it, if it is given) and waits until it takes connections. Its
  /// program is looked for beside this one, in PATH and in /usr/sbin. Errors: file_unreadable (not
  /// found), connect_failed with the end of its log, or when `stop` is set while it waits.
  static Result<std::unique_ptr<LocalServer>> start(const ServerSpec& spec,
                                                    const std::atomic<bool>& stop);
  /// Stops it and removes its directory.
  ~LocalServer();
  LocalServer(const LocalServer&) = delete;
  LocalServer& operator=(const LocalServer&) = delete;

  [[nodiscard]] const std::string& target() const noexcept { return target_; }
  [[nodiscard]] pid_t pid() const noexcept { return pid_; }

private:
  LocalServer() = default;
  [[nodiscard]] std::string log_end() const;
  Result<void> await_ready(int port, const std::atomic<bool>& stop);

  std::string name_;
  std::string target_;
  std::string directory_; ///< Empty if it was given.
  pid_t pid_ = 0;
  std::unique_ptr<ChildProcess> process_; ///< Null if it was given.
};

} // namespace spate::loadgen
