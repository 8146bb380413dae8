#include "loadgen/receive/device_topics.hpp"
#include "loadgen/base/texts.hpp"

#include <algorithm>

namespace spate::loadgen {

namespace {

constexpr std::string_view kPlace = "{device}";

/// The device in `topic`, if it is `parts` with the same device in each place.
std::optional<std::string_view> match(const std::vector<std::string>& parts,
                                      std::string_view topic) noexcept {
  std::size_t fixed = 0;
  for (const std::string& part : parts) {
    fixed += part.size();
  }
  const std::size_t places = parts.size() - 1;
  if (topic.size() <= fixed || (topic.size() - fixed) % places != 0 ||
      !topic.starts_with(parts.front())) {
    return std::nullopt;
  }
  const std::string_view device =
      topic.substr(parts.front().size(), (topic.size() - fixed) / places);
  if (device.find('/') != std::string_view::npos) {
    return std::nullopt;
  }
  std::string_view rest = topic.substr(parts.front().size());
  for (std::size_t i = 1; i < parts.size(); ++i) {
    if (!rest.starts_with(device) || !rest.substr(device.size()).starts_with(parts[i])) {
      return std::nullopt;
    }
    rest.remove_prefix(device.size() + parts[i].size());
  }
  return device;
}

} // namespace

DeviceTopics::DeviceTopics(const std::vector<std::string>& templates) {
  for (const std::string& text : templates) {
    Parts parts = split(text, kPlace);
    if (parts.size() > 1 &&
        std::find(templates_.begin(), templates_.end(), parts) == templates_.end()) {
      templates_.push_back(std::move(parts));
    }
  }
}

std::optional<std::string_view> DeviceTopics::device(std::string_view topic) const noexcept {
  for (const Parts& parts : templates_) {
    if (const auto found = match(parts, topic)) {
      return found;
    }
  }
  return std::nullopt;
}

std::string DeviceTopics::filter(std::string_view topic_template) {
  std::string filter;
  for (std::size_t from = 0; from <= topic_template.size();) {
    const std::size_t end = std::min(topic_template.find('/', from), topic_template.size());
    const std::string_view level = topic_template.substr(from, end - from);
    filter += from == 0 ? "" : "/";
    filter += level.find(kPlace) == std::string_view::npos ? level : "+";
    from = end + 1;
  }
  return filter;
}

} // namespace spate::loadgen
