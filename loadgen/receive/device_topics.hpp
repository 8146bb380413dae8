// Spate - which device a message came from, by its topic.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace spate::loadgen {

/// The topics of a run's cohorts, each with {device} in it.
/// Immutable; any thread.
class DeviceTopics {
public:
  /// Templates like "devices/{device}/telemetry"; those without {device} name no device, and none
  /// is found by them.
  explicit DeviceTopics(const std::vector<std::string>& templates);

  /// The device of a topic, a part of it; nothing if it is none of these topics.
  [[nodiscard]] std::optional<std::string_view> device(std::string_view topic) const noexcept;

  /// A filter that takes all topics of a template: + for each level that names the device.
  [[nodiscard]] static std::string filter(std::string_view topic_template);

private:
  using Parts = std::vector<std::string>; ///< What stands between the places; two at least.
  std::vector<Parts> templates_;
};

} // namespace spate::loadgen
