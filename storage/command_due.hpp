// Spate - which open commands have reached their end, and who was told.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "engine/base/uuid.hpp"
#include "storage/command_database.hpp"

namespace spate::storage {

/// Tells each open command that is due. At most `window` that were told may be open: then it waits
/// until they are final, or a second. So neither side gathers more than that, however many come due
/// at once; and those that stay open hold nobody up for longer.
///
/// Thread: the log's. Memory: `window` ids.
class CommandDue {
public:
  explicit CommandDue(std::size_t window = 256) : window_(window) {}

  /// The database was opened: nobody was told anything.
  void opened();
  /// Written: a command is due then.
  void created(std::int64_t expires_ms);
  /// Written: it is final.
  void ended(const Uuid& id);

  /// Those to be told now; empty: none. Errors as CommandDatabase.
  Result<std::vector<model::CommandRecord>> next(CommandDatabase& database, std::int64_t now_ms);
  /// When next() may have more to say; INT64_MAX: not before created() or ended().
  [[nodiscard]] std::int64_t wake_ms() const noexcept;

private:
  void rewind();

  const std::size_t window_;
  std::string from_;         ///< Keys below it were told or do not exist.
  std::int64_t next_ms_ = 0; ///< No key from there on is due earlier.
  std::set<Uuid> told_;      ///< And open.
  std::string first_told_;   ///< The lowest key told since the last rewind; empty: none.
  bool left_behind_ = false; ///< Some that were told are open and not in told_ any more.
  std::int64_t retell_ms_ = INT64_MAX;
};

} // namespace spate::storage
