// Spate - why a record was refused. The names are part of the API and of the metrics.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace spate::model {

/// Stored on disk as a number: append only, never renumber.
enum class RejectReason : std::uint8_t {
  none = 0,
  payload_not_json = 1,
  payload_too_large = 2,
  depth_exceeded = 3,
  number_out_of_range = 4,
  invalid_utf8 = 5,
  timestamp_invalid = 6,
  timestamp_in_future = 7,
  no_values = 8,
  too_many_fields = 9,
  device_unknown = 10,
  not_authorized = 11,
  quota_exceeded = 12,
  storage_full = 13,
  shard_unavailable = 14,
  no_route = 15,
  invalid_device_id = 16,
  too_many_devices = 17,
  too_many_shapes = 18,
  too_many_records = 19,
  unknown_command = 20,
  late_answer = 21,
  foreign_answer = 22,
};
inline constexpr std::size_t kRejectReasons = 23;

/// As in the API: `payload-not-json`. `none` is empty.
[[nodiscard]] std::string_view name_of(RejectReason reason) noexcept;
[[nodiscard]] std::optional<RejectReason> reject_reason(std::string_view name) noexcept;

} // namespace spate::model
