#include "actors/device_queue.hpp"

#include <algorithm>

#include "engine/wire/codec.hpp"

namespace spate::actors {

void DeviceQueue::ready(const DeviceReady& session, std::size_t in_flight_limit) {
  const bool other = target != session.target;
  forget_earlier(session.target);
  if (other && target) {
    earlier.push_back({*target, session.device, filters, numbered, with_id,
                       static_cast<std::uint16_t>(in_flight_max)});
    if (earlier.size() > kEarlierMax) {
      earlier.erase(earlier.begin());
    }
  }
  if (other) {
    in_flight = 0;
  }
  if (other || filters != session.filters || numbered != session.numbered ||
      with_id != session.with_id) {
    read_up_to.reset();
    more = true; // What the log holds for it is to be read: other filters take other commands.
  }
  target = session.target;
  filters = session.filters;
  numbered = session.numbered;
  with_id = session.with_id;
  in_flight_max =
      std::max<std::size_t>(1, session.in_flight_max == 0
                                   ? in_flight_limit
                                   : std::min<std::size_t>(session.in_flight_max, in_flight_limit));
}

std::optional<DeviceReady> DeviceQueue::away() {
  target.reset();
  filters.clear();
  waiting.clear();
  in_flight = 0;
  read_up_to.reset();
  more = false;
  if (earlier.empty()) {
    return std::nullopt;
  }
  DeviceReady newest = std::move(earlier.back());
  earlier.pop_back();
  return newest;
}

void DeviceQueue::forget_earlier(const CommandTarget& session) {
  std::erase_if(earlier, [&session](const DeviceReady& other) { return other.target == session; });
}

bool DeviceQueue::takes(const model::Command& command) const {
  if (!target) {
    return false;
  }
  if (numbered) {
    return true;
  }
  std::string topic = "devices/" + command.device + "/commands/" + command.name;
  if (with_id) {
    topic.append("/").append(text_of(command.id));
  }
  return std::any_of(filters.begin(), filters.end(), [&topic](const std::string& filter) {
    return wire::filter_takes(filter, topic);
  });
}

} // namespace spate::actors
