// Spate - what the doors answer, without a server: for work on a store that no node has open.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "api/services.hpp"
#include "engine/base/result.hpp"

namespace spate::api {

/// The document of GET /api/v1/store. Blocks.
[[nodiscard]] std::string store_document(const Services& services);
/// As the API shows it.
[[nodiscard]] std::string operation_document(const storage::Operation& operation);

/// Gives the file of GET `target` (.../telemetry:export?...) to `write`, part by part, until that
/// returns false, which is no error. Blocks. Errors: usage (a parameter can not be read),
/// device_unknown, storage_corrupt and others, with a sentence for people.
Result<void> export_offline(const Services& services, std::string_view target,
                            const std::function<bool(std::string_view)>& write);

struct LogQuery {
  storage::LogPosition after;
  std::string device; ///< Empty: all.
};
inline constexpr std::size_t kLogPageRecords = 4096;

/// Gives the kept log of one data directory behind a position to `write`, a line for each record or
/// gap, until there is no more, `left` records have come (it is counted down), or `write` returns
/// false. Returns the position to go on behind. Blocks. Errors: as Store::log().
Result<storage::LogPosition> log_offline(const Services& services, const LogQuery& query,
                                         std::uint64_t& left,
                                         const std::function<bool(std::string_view)>& write);

} // namespace spate::api
