// Spate - an Application Message (MQTT-1.2): what a client publishes to others.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

namespace spate::model {

/// Immutable once it is shared: any thread.
struct ApplicationMessage {
  std::string topic;
  std::string payload;
  /// Properties of MQTT 5 that travel with it unchanged (Payload Format Indicator, Content Type,
  /// Response Topic, Correlation Data, User Properties in their order: MQTT5-3.3.2-17 and others),
  /// as they stand in a PUBLISH; without their length.
  std::string properties;
  std::int64_t expires_ms = 0; ///< Wall clock; 0: never. From Message Expiry Interval and arrival.
  std::uint8_t qos = 0;        ///< As published.
  bool retain = false;         ///< As published.

  [[nodiscard]] std::size_t bytes() const noexcept {
    return topic.size() + payload.size() + properties.size();
  }
};

using SharedMessage = std::shared_ptr<const ApplicationMessage>;

} // namespace spate::model
