#include "loadgen/fleet/device_commands.hpp"

#include <algorithm>
#include <cassert>

#include "engine/base/hash.hpp"
#include "loadgen/fleet/client_session.hpp"

namespace spate::loadgen {

namespace {

constexpr std::uint16_t kSlotBits = 0xff;

/// The slot, and four bits that change with each use: a late second PUBACK is then unknown instead
/// of being taken for another answer's.
std::uint16_t packet_id_of(std::uint8_t slot, std::uint64_t number) noexcept {
  return static_cast<std::uint16_t>(ClientSession::kAnswerIdMin | (number & 0x0f) << 8 | slot);
}

} // namespace

CommandAddress address_of(const wire::Publish& publish, wire::Version version) {
  CommandAddress address;
  const std::string_view topic = publish.topic;
  const std::size_t last = topic.rfind('/');
  address.id = topic.substr(last == std::string_view::npos ? 0 : last + 1);
  if (version == wire::Version::v5) {
    if (!publish.correlation_data.empty()) {
      address.id = publish.correlation_data;
      address.correlation = publish.correlation_data;
    }
    address.response_topic = publish.response_topic;
    return address;
  }
  // devices / {device} / commands / {name} / {id}
  const std::size_t device = topic.find('/');
  const std::size_t word = device == std::string_view::npos ? device : topic.find('/', device + 1);
  constexpr std::string_view kWord = "/commands/";
  if (word != std::string_view::npos && topic.substr(word).starts_with(kWord) &&
      last >= word + kWord.size() && !address.id.empty()) {
    address.response_topic = topic.substr(0, word);
    address.response_topic += "/responses/";
    address.response_topic += address.id;
  }
  return address;
}

bool DeviceCommands::known(std::uint64_t hash) const noexcept {
  return std::find(remembered_.begin(), remembered_.end(), hash) != remembered_.end();
}

DeviceCommands::Taken DeviceCommands::take(const CommandAddress& address, std::int64_t due_ns,
                                           std::uint8_t& slot) {
  const std::uint64_t hash = hash_bytes(address.id);
  if (known(hash)) {
    return Taken::repeated;
  }
  if (free_.empty() && slots_.size() == kOpenMax) {
    return Taken::full; // Not remembered: if it comes again there may be room.
  }
  if (remembered_.size() < kRememberedMax) {
    remembered_.push_back(hash);
  } else {
    remembered_[taken_ % kRememberedMax] = hash;
  }
  ++taken_;
  if (free_.empty()) {
    free_.push_back(static_cast<std::uint8_t>(slots_.size()));
    slots_.emplace_back();
  }
  slot = free_.back();
  free_.pop_back();
  slots_[slot] = {address.response_topic, std::string(address.correlation), due_ns, taken_,
                  packet_id_of(slot, taken_)};
  ++open_;
  return Taken::fresh;
}

bool DeviceCommands::make_ready(std::uint8_t slot, std::uint64_t number) {
  if (slot >= slots_.size() || slots_[slot].number != number) {
    return false;
  }
  assert(!slots_[slot].ready && !slots_[slot].sent);
  slots_[slot].ready = true;
  ready_.push_back(slot);
  return true;
}

const DeviceCommands::Open* DeviceCommands::next_ready() const {
  return ready_.empty() ? nullptr : &slots_[ready_.front()];
}

void DeviceCommands::sent() {
  Open& command = slots_[ready_.front()];
  ready_.pop_front();
  command.ready = false;
  command.sent = true;
}

void DeviceCommands::free(std::uint8_t slot) {
  slots_[slot] = {};
  free_.push_back(slot);
  --open_;
}

bool DeviceCommands::acked(std::uint16_t packet_id) {
  const std::size_t slot = packet_id & kSlotBits;
  if (slot >= slots_.size() || !slots_[slot].sent || slots_[slot].packet_id != packet_id) {
    return false;
  }
  free(static_cast<std::uint8_t>(slot));
  return true;
}

std::size_t DeviceCommands::resend(bool session_present) {
  std::vector<std::uint8_t> again;
  for (std::size_t i = 0; i < slots_.size(); ++i) {
    if (slots_[i].sent) {
      slots_[i].sent = false;
      slots_[i].ready = slots_[i].again = true;
      slots_[i].dup = session_present;
      again.push_back(static_cast<std::uint8_t>(i));
    }
  }
  std::sort(again.begin(), again.end(),
            [this](auto a, auto b) { return slots_[a].number < slots_[b].number; });
  ready_.insert(ready_.begin(), again.begin(), again.end());
  return again.size();
}

std::size_t DeviceCommands::abandon() {
  const std::size_t lost = open_;
  slots_.clear();
  free_.clear();
  ready_.clear();
  open_ = 0;
  return lost;
}

} // namespace spate::loadgen
