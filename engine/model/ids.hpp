// Spate - distinct types for what would otherwise be swapped integers.
#pragma once

#include <cstdint>
#include <string_view>

namespace spate::model {

enum class ShardId : std::uint16_t {};

/// Stands for (tenant, device id) within a data directory; given on first sight, never reused.
enum class DeviceNumber : std::uint32_t { unknown = 0 };

/// Until tenants exist every key carries this one.
inline constexpr std::string_view kDefaultTenant = "default";

/// Whose clock a record's time is.
enum class TsSource : std::uint8_t { device = 0, server = 1, corrected = 2 };

/// How a record came in; the names are those of the HTTP API.
enum class Protocol : std::uint8_t { mqtt311 = 0, mqtt5 = 1, http = 2 };

[[nodiscard]] std::string_view name_of(TsSource source) noexcept;
[[nodiscard]] std::string_view name_of(Protocol protocol) noexcept;

} // namespace spate::model
