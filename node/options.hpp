// Spate - the command line of `spate`.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "engine/base/result.hpp"
#include "node/config.hpp"

namespace spate::node {

enum class Action : std::uint8_t {
  serve,
  config_check,
  run,  ///< A verb of the client: Options::run does it.
  done, ///< --help or --version was answered.
};

struct Options {
  Action action = Action::done;
  Config config; ///< Defaults < file < environment < command line, for serve and config_check.
  std::string config_file;
  std::function<int()> run; ///< Gives the exit code.
};

/// Exit codes of the binary.
inline constexpr int kExitOk = 0;
inline constexpr int kExitFailed = 1;
inline constexpr int kExitUsage = 2;

/// Reads the command line and, where it names one, the configuration file. Prints help and version
/// itself. Errors: usage (also printed with a hint), config_invalid, file_unreadable.
Result<Options> read_options(int argc, char** argv);

} // namespace spate::node
