#include "engine/model/reject_reason.hpp"

#include <array>

namespace spate::model {

namespace {

constexpr std::array<std::string_view, kRejectReasons> kNames = {
    "",
    "payload-not-json",
    "payload-too-large",
    "depth-exceeded",
    "number-out-of-range",
    "invalid-utf8",
    "timestamp-invalid",
    "timestamp-in-future",
    "no-values",
    "too-many-fields",
    "device-unknown",
    "not-authorized",
    "quota-exceeded",
    "storage-full",
    "shard-unavailable",
    "no-route",
    "invalid-device-id",
    "too-many-devices",
    "too-many-shapes",
    "too-many-records",
    "unknown-command",
    "late-answer",
    "foreign-answer",
};

} // namespace

std::string_view name_of(RejectReason reason) noexcept {
  return kNames[static_cast<std::size_t>(reason)];
}

std::optional<RejectReason> reject_reason(std::string_view name) noexcept {
  for (std::size_t i = 1; i < kNames.size(); ++i) {
    if (kNames[i] == name) {
      return static_cast<RejectReason>(i);
    }
  }
  return std::nullopt;
}

} // namespace spate::model
