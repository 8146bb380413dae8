// Spate - fuzzes the MQTT codec: the input is a stream from a peer, once of 3.1.1 and once of 5.0.
// Nothing may be read beyond it, and what decodes must survive encoding and decoding again.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "tests/wire/any_packet.hpp"

namespace {

void walk(std::string_view stream, spate::wire::Version version) {
  constexpr std::size_t kPacketBytesMax = 32768;
  while (true) {
    const auto cut = spate::wire::next_frame(stream, kPacketBytesMax);
    if (cut.status != spate::wire::FrameStatus::complete) {
      return;
    }
    if (!spate::wire::recode(cut.frame, version).same) {
      std::abort();
    }
    stream.remove_prefix(cut.bytes);
  }
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view stream(reinterpret_cast<const char*>(data), size);
  walk(stream, spate::wire::Version::v311);
  walk(stream, spate::wire::Version::v5);
  return 0;
}
