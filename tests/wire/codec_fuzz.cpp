// Spate - fuzzes the MQTT codec: the input is a stream from a peer, once of 3.1.1 and once of 5.0.
// Nothing may be read beyond it, and what decodes must survive encoding and decoding again, also on
// its way to a subscriber. The input is also a topic name and a filter.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "engine/wire/topic.hpp"
#include "tests/wire/any_packet.hpp"

namespace {

void walk(std::string_view stream, spate::wire::Version version) {
  constexpr std::size_t kPacketBytesMax = 32768;
  while (true) {
    const auto cut = spate::wire::next_frame(stream, kPacketBytesMax);
    if (cut.status != spate::wire::FrameStatus::complete) {
      return;
    }
    if (!spate::wire::recode(cut.frame, version).same ||
        !spate::wire::delivered_same(cut.frame, version)) {
      std::abort();
    }
    stream.remove_prefix(cut.bytes);
  }
}

/// A good name is a good filter that takes itself, as # does unless it begins with a dollar sign. A
/// filter with a wildcard is no name.
void check_topic(std::string_view text) {
  using namespace spate::wire;
  const bool name = topic_name_fault(text) == nullptr;
  const bool filter = plain_filter_fault(text) == nullptr;
  const bool wild = text.find_first_of("+#") != std::string_view::npos;
  const bool good = !name || (filter && !wild && filter_takes(text, text) &&
                              filter_takes("#", text) == !text.starts_with('$'));
  if (!good || (filter && name == wild) || (topic_filter_fault(text) == nullptr && !filter)) {
    std::abort();
  }
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view stream(reinterpret_cast<const char*>(data), size);
  walk(stream, spate::wire::Version::v311);
  walk(stream, spate::wire::Version::v5);
  check_topic(stream);
  if (const std::size_t half = stream.find('\n'); half != std::string_view::npos) {
    const std::string_view filter = stream.substr(0, half);
    const std::string_view topic = stream.substr(half + 1);
    check_topic(filter);
    check_topic(topic);
    if (spate::wire::plain_filter_fault(filter) == nullptr &&
        spate::wire::topic_name_fault(topic) == nullptr) {
      static_cast<void>(spate::wire::filter_takes(filter, topic));
    }
  }
  return 0;
}
