#include "loadgen/load/device_names.hpp"

#include <cassert>
#include <charconv>

namespace spate::loadgen {

DeviceNames::DeviceNames(std::string_view rule, std::uint64_t first, std::uint32_t count)
    : first_(first), count_(count) {
  const std::size_t place = rule.find(kPlace);
  before_ = rule.substr(0, place);
  if (place != std::string_view::npos) {
    after_ = rule.substr(place + kPlace.size());
  }
  assert(before_.size() + after_.size() + 20 <= kNameBytesMax);
}

DeviceNames::DeviceNames(std::vector<std::string> listed)
    : count_(static_cast<std::uint32_t>(listed.size())), listed_(std::move(listed)) {}

std::string_view DeviceNames::name(std::uint32_t device,
                                   char (&buffer)[kNameBytesMax]) const noexcept {
  if (!listed_.empty()) {
    return listed_[device];
  }
  char* to = buffer + before_.copy(buffer, before_.size());
  to = std::to_chars(to, buffer + kNameBytesMax, first_ + device).ptr;
  to += after_.copy(to, after_.size());
  return {buffer, static_cast<std::size_t>(to - buffer)};
}

std::string DeviceNames::text(std::uint32_t device) const {
  char buffer[kNameBytesMax];
  return std::string(name(device, buffer));
}

} // namespace spate::loadgen
