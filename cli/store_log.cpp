// `spate store log`: the kept log of a stopped node as lines, for consumers that catch up and for a
// look.
#include <cstdio>

#include "cli/command_door.hpp"
#include "cli/commands.hpp"
#include "cli/store_operation.hpp"
#include "cli/store_verbs.hpp"

namespace spate::cli {

int print_log(const StoreVerbOptions& options, const OfflineStore& offline) {
  if (!offline.log) {
    return store_not_offered("read the log");
  }
  LogQuery query;
  query.from = options.positions;
  query.device = options.device;
  query.limit = options.limit;
  bool written = true;
  const auto next = offline.log(options.data_dirs, query, [&](std::string_view lines) {
    written = std::fwrite(lines.data(), 1, lines.size(), stdout) == lines.size();
    return written;
  });
  written = std::fflush(stdout) == 0 && written;
  if (!next) {
    return store_failed(next.error());
  }
  if (!written) {
    complain({Errc::file_unreadable, "the standard output can not be written"});
    return kExitFailed;
  }
  for (const std::string& position : *next) {
    std::fprintf(stderr, "Next: --from %s\n", position.c_str());
  }
  return kExitOk;
}

} // namespace spate::cli
