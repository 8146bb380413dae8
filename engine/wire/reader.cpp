#include "engine/wire/reader.hpp"

#include "engine/base/utf8.hpp"

namespace spate::wire {

std::string_view PacketReader::text(const char* field) noexcept {
  const std::string_view text = binary(field);
  if (!is_utf8(text)) {
    refuse(Errc::malformed_packet, field, "is not UTF-8 [MQTT-1.5.3-1, MQTT5-1.5.4-1]");
    return {};
  }
  if (text.find('\0') != std::string_view::npos) {
    refuse(Errc::malformed_packet, field, "holds U+0000 [MQTT-1.5.3-2, MQTT5-1.5.4-2]");
    return {};
  }
  return text;
}

std::uint32_t PacketReader::long_variable(const char* field) noexcept {
  std::uint32_t value = 0;
  for (unsigned shift = 0; shift < 28; shift += 7) {
    if (bytes_.empty()) {
      cut_off(field);
      return 0;
    }
    const auto byte = static_cast<unsigned char>(bytes_[0]);
    bytes_.remove_prefix(1);
    value |= static_cast<std::uint32_t>(byte & 0x7f) << shift;
    if (byte < 0x80) {
      if (byte == 0 && shift > 0) {
        refuse(Errc::malformed_packet, field, "is not in its shortest form [MQTT5-1.5.5-1]");
        return 0;
      }
      return value;
    }
  }
  refuse(Errc::malformed_packet, field, "is longer than four bytes [MQTT5-1.5.5]");
  return 0;
}

void PacketReader::check_topic(std::string_view topic, const char* field) noexcept {
  if (const char* why = topic_name_fault(topic)) {
    refuse(is_utf8(topic) ? Errc::topic_invalid : Errc::malformed_packet, field, why);
  }
}

void PacketReader::refuse(Errc code, const char* field, const char* why) noexcept {
  if (ok()) {
    code_ = code;
    field_ = field;
    why_ = why;
  }
  bytes_ = {};
}

void PacketReader::adopt(const PacketReader& part) noexcept {
  if (!part.ok()) {
    refuse(part.code_, part.field_, part.why_);
  }
}

void PacketReader::cut_off(const char* field) noexcept {
  refuse(Errc::malformed_packet, field,
         "is cut off by the end of the packet [MQTT-4.8.0-1, MQTT5-4.13.1]");
}

tl::unexpected<Error> PacketReader::failure() const {
  return fail(code_, std::string(field_) + ' ' + why_);
}

} // namespace spate::wire
