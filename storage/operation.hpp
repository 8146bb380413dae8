// Spate - the receipt of long work on the store: what it is, how far it is, how it ended.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/base/result.hpp"
#include "engine/base/uuid.hpp"

namespace spate::storage {

/// Stored on disk as numbers: append only.
enum class OperationType : std::uint8_t {
  telemetry_erase = 0,
  store_compact = 1,
  backup_create = 2,
  store_check = 3
};
enum class OperationState : std::uint8_t { queued, running, succeeded, failed, canceled };

/// As in the API: `telemetry.erase`, `SUCCEEDED`.
[[nodiscard]] std::string_view name_of(OperationType type) noexcept;
[[nodiscard]] std::string_view name_of(OperationState state) noexcept;
[[nodiscard]] std::optional<OperationType> operation_type(std::string_view name) noexcept;
[[nodiscard]] std::optional<OperationState> operation_state(std::string_view name) noexcept;

/// One that has ended is kept for a week, and at most kOperationsMax of them.
struct Operation {
  Uuid id;
  OperationType type = OperationType::telemetry_erase;
  OperationState state = OperationState::queued;
  std::uint64_t done = 0; ///< Steps, of
  std::optional<std::uint64_t> total;
  std::int64_t created_ms = 0;
  std::int64_t started_ms = 0;    ///< 0: not yet.
  std::int64_t finished_ms = 0;   ///< 0: not yet.
  std::string result;             ///< A JSON object; empty: none.
  std::string error;              ///< For people; empty: none.
  std::string idempotency_key;    ///< Empty: none.
  std::uint64_t request_hash = 0; ///< Of what was asked with the key.
  std::uint64_t subject = 0;      ///< What it works on: the number of an erasure.

  [[nodiscard]] bool ended() const noexcept { return state >= OperationState::succeeded; }
};
inline constexpr std::size_t kOperationsMax = 10'000;
inline constexpr std::int64_t kOperationKeptMs = 7ll * 24 * 3600 * 1000;

struct OperationQuery {
  std::vector<OperationState> states; ///< Empty: all.
  std::optional<OperationType> type;
  std::size_t limit = 100;
  std::optional<Uuid> before; ///< Continue behind this one.
};
struct OperationPage {
  std::vector<Operation> operations; ///< Newest first.
  bool more = false;
};

void encode(const Operation& operation, std::string& out);
/// Error: storage_corrupt.
Result<Operation> decode_operation(std::string_view bytes);

} // namespace spate::storage
