// Spate - `spate cmd`: sends commands to devices and follows them, over the HTTP API.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace CLI {
class App;
}

namespace spate::cli {

inline constexpr int kExitOk = 0;     ///< SUCCEEDED; accepted, if the end was not waited for.
inline constexpr int kExitFailed = 1; ///< It did not succeed, was refused, or no node answered.
inline constexpr int kExitUsage = 2;
inline constexpr int kExitNotMet = 3; ///< The wait ended first: it may still succeed.
inline constexpr int kExitFaults = 3; ///< Of `store check`: it was done, and there are faults.

inline constexpr const char* kDefaultUrl = "http://127.0.0.1:8080";
/// SPATE_URL, or kDefaultUrl.
[[nodiscard]] std::string default_url();

struct CommandOptions {
  std::string url;
  bool json = false; ///< Prints the API's own documents.
  std::string device;
  std::string id;   ///< Of get, cancel and watch.
  std::string name; ///< The rest is of send,
  std::optional<std::string> args;
  std::string wait; ///< Seconds; empty: not at all.
  std::string ttl;
  bool queue = false;
  bool urgent = false;
  std::string idempotency_key;
  std::string complete_on;
  std::vector<std::string> states; ///< and this of ls.
  std::size_t limit = 20;
};

/// Adds `cmd` with its verbs to `app`. After a successful parse that asked for one, `run` is set:
/// it does what was asked, prints, and gives the exit code. `app` may be gone by then.
void add_command_verbs(CLI::App& app, std::function<int()>& run);

int send_command(const CommandOptions& options);
int list_commands(const CommandOptions& options);
int get_command(const CommandOptions& options);
int cancel_command(const CommandOptions& options);
/// Follows one command until it is final, or without an id all of the device until it is killed.
int watch_commands(const CommandOptions& options);

} // namespace spate::cli
