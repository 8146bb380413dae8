#include "engine/wire/topic.hpp"

#include <algorithm>

#include "engine/base/utf8.hpp"

namespace spate::wire {

namespace {

constexpr std::size_t kTopicBytesMax = 65535;

/// What holds for names and filters alike.
const char* common_fault(std::string_view topic) noexcept {
  if (topic.empty()) {
    return "is empty [MQTT-4.7.3-1, MQTT5-4.7.3-1]";
  }
  if (topic.size() > kTopicBytesMax) {
    return "is longer than 65,535 bytes [MQTT-4.7.3-3, MQTT5-4.7.3-3]";
  }
  if (!is_utf8(topic)) {
    return "is not UTF-8 [MQTT-1.5.3-1, MQTT5-1.5.4-1]";
  }
  if (topic.find('\0') != std::string_view::npos) {
    return "holds U+0000 [MQTT-1.5.3-2, MQTT5-1.5.4-2]";
  }
  if (topic.size() >= kTopicLevelsMax &&
      static_cast<std::size_t>(std::count(topic.begin(), topic.end(), '/')) >= kTopicLevelsMax) {
    return "has more than 128 levels, the limit here [MQTT-4.7.1, MQTT5-4.7.1]";
  }
  return nullptr;
}
static_assert(kTopicLevelsMax == 128, "the text above names the limit");

const char* wildcard_fault(std::string_view filter) noexcept {
  for (std::size_t at = filter.find_first_of("+#"); at != std::string_view::npos;
       at = filter.find_first_of("+#", at + 1)) {
    const bool opens_level = at == 0 || filter[at - 1] == '/';
    const bool last = at + 1 == filter.size();
    if (filter[at] == '#' && (!opens_level || !last)) {
      return "has a # that is not its whole last level [MQTT-4.7.1-2, MQTT5-4.7.1-1]";
    }
    if (filter[at] == '+' && (!opens_level || (!last && filter[at + 1] != '/'))) {
      return "has a + that is not a whole level [MQTT-4.7.1-3, MQTT5-4.7.1-2]";
    }
  }
  return nullptr;
}

const char* share_fault(std::string_view filter) noexcept {
  if (!filter.starts_with(kSharePrefix)) {
    return nullptr;
  }
  filter.remove_prefix(kSharePrefix.size());
  const std::size_t slash = filter.find('/');
  const std::string_view name = filter.substr(0, slash);
  if (name.empty() || name.find_first_of("+#") != std::string_view::npos) {
    return "has no share name without wildcards [MQTT5-4.8.2-1]";
  }
  if (slash == std::string_view::npos || slash + 1 == filter.size()) {
    return "has no filter after its share name [MQTT5-4.8.2-2]";
  }
  return nullptr;
}

} // namespace

const char* topic_name_fault(std::string_view topic) noexcept {
  if (plainly_good(topic)) {
    return nullptr;
  }
  if (const char* why = common_fault(topic)) {
    return why;
  }
  const bool wildcard =
      topic.find('+') != std::string_view::npos || topic.find('#') != std::string_view::npos;
  return wildcard ? "holds a wildcard [MQTT-3.3.2-2, MQTT5-3.3.2-2]" : nullptr;
}

const char* plain_filter_fault(std::string_view filter) noexcept {
  const char* why = common_fault(filter);
  return why != nullptr ? why : wildcard_fault(filter);
}

bool filter_takes(std::string_view filter, std::string_view topic) noexcept {
  if (topic.starts_with('$') && !filter.starts_with('$')) {
    return false;
  }
  for (;;) {
    const std::size_t filter_end = std::min(filter.find('/'), filter.size());
    const std::string_view wanted = filter.substr(0, filter_end);
    if (wanted == "#") {
      return true;
    }
    const std::size_t topic_end = std::min(topic.find('/'), topic.size());
    if (wanted != "+" && wanted != topic.substr(0, topic_end)) {
      return false;
    }
    const bool filter_ends = filter_end == filter.size();
    const bool topic_ends = topic_end == topic.size();
    if (topic_ends) {
      return filter_ends || filter.substr(filter_end) == "/#";
    }
    if (filter_ends) {
      return false;
    }
    filter.remove_prefix(filter_end + 1);
    topic.remove_prefix(topic_end + 1);
  }
}

const char* topic_filter_fault(std::string_view filter) noexcept {
  const char* why = plain_filter_fault(filter);
  return why != nullptr ? why : share_fault(filter);
}

} // namespace spate::wire
