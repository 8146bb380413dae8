// Spate - which texts are device ids (contract.md "Device id").
#pragma once

#include <string_view>

#include "engine/base/utf8.hpp"

namespace spate::model {

inline constexpr std::size_t kDeviceIdBytesMax = 256;

/// Null if `id` can name a device, else why not, as a phrase for people ("is empty").
/// A device id is 1 to 256 bytes of UTF-8 without control characters and `/ + #`, and not `.` or
/// `..`.
[[nodiscard]] const char* device_id_fault(std::string_view id) noexcept;

using spate::is_utf8;

} // namespace spate::model
