// Spate - reads the fields of one MQTT packet and remembers the first thing that is wrong. Internal
// to wire.
#pragma once

#include <cstdint>
#include <string_view>

#include "engine/base/bytes.hpp"
#include "engine/base/result.hpp"
#include "engine/wire/codec.hpp"

namespace spate::wire {

/// Never leaves its bytes. After the first refusal ok() is false, all further reads give zero or
/// empty and empty() is true, so that a decoder reads field after field and asks once at its end.
/// The reasons are static text: a refused packet costs one string, a good one none.
class PacketReader {
public:
  explicit PacketReader(std::string_view bytes) noexcept : bytes_(bytes) {}

  /// Checks packet type and header flags of `frame`; a PUBLISH has its flags checked by its
  /// decoder.
  PacketReader(const Frame& frame, PacketType expected) noexcept : bytes_(frame.body) {
    if (frame.type != expected) {
      refuse(Errc::protocol_error, "packet", "is of another type than expected [MQTT5-4.13.1]");
    } else if (expected != PacketType::publish && frame.flags != reserved_flags(expected)) {
      refuse(Errc::malformed_packet, "fixed header",
             "has wrong reserved flags [MQTT-2.2.2-2, MQTT5-2.1.3-1]");
    }
  }

  /// MQTT 5 wants the shortest remaining length.
  void check_length_form(const Frame& frame, Version version) noexcept {
    if (!frame.length_minimal && version == Version::v5) {
      refuse(Errc::malformed_packet, "remaining length",
             "is not in its shortest form [MQTT5-1.5.5-1]");
    }
  }

  [[nodiscard]] bool ok() const noexcept { return why_ == nullptr; }
  [[nodiscard]] bool empty() const noexcept { return bytes_.empty(); }
  [[nodiscard]] std::size_t left() const noexcept { return bytes_.size(); }

  std::uint8_t byte(const char* field) noexcept { return number<std::uint8_t>(field); }
  std::uint16_t two_bytes(const char* field) noexcept { return number<std::uint16_t>(field); }
  std::uint32_t four_bytes(const char* field) noexcept { return number<std::uint32_t>(field); }

  /// Variable Byte Integer (MQTT5-1.5.5).
  std::uint32_t variable(const char* field) noexcept {
    if (!bytes_.empty() && static_cast<unsigned char>(bytes_[0]) < 0x80) {
      const auto value = static_cast<unsigned char>(bytes_[0]);
      bytes_.remove_prefix(1);
      return value;
    }
    return long_variable(field);
  }

  std::string_view raw(std::size_t size, const char* field) noexcept {
    if (bytes_.size() < size) {
      cut_off(field);
      return {};
    }
    const std::string_view view = bytes_.substr(0, size);
    bytes_.remove_prefix(size);
    return view;
  }
  std::string_view rest() noexcept { return raw(bytes_.size(), ""); }

  /// Two bytes of length and as many bytes: Binary Data, or a string that the caller checks.
  std::string_view binary(const char* field) noexcept { return raw(two_bytes(field), field); }

  /// A string: UTF-8 without U+0000.
  std::string_view text(const char* field) noexcept;

  /// Never 0.
  std::uint16_t packet_id() noexcept {
    const std::uint16_t id = two_bytes("packet identifier");
    if (id == 0) {
      refuse(Errc::malformed_packet, "packet identifier", "is 0 [MQTT-2.3.1-1, MQTT5-2.2.1-3]");
    }
    return id;
  }

  /// A topic name to publish to.
  void check_topic(std::string_view topic, const char* field) noexcept;

  /// Nothing may follow the last field.
  void check_end() noexcept {
    if (!bytes_.empty()) {
      refuse(Errc::malformed_packet, "packet", "has bytes after its last field [MQTT5-4.13.1]");
    }
  }

  /// The first refusal stays. `field` and `why` are static and read as one phrase.
  void refuse(Errc code, const char* field, const char* why) noexcept;
  /// Takes over what `part`, a piece of this packet, was refused for.
  void adopt(const PacketReader& part) noexcept;

  [[nodiscard]] tl::unexpected<Error> failure() const;

private:
  static constexpr std::uint8_t reserved_flags(PacketType type) noexcept {
    return type == PacketType::pubrel || type == PacketType::subscribe ||
                   type == PacketType::unsubscribe
               ? 2
               : 0;
  }

  template <class UInt>
  UInt number(const char* field) noexcept {
    if (bytes_.size() < sizeof(UInt)) {
      cut_off(field);
      return 0;
    }
    const UInt value = get_be<UInt>(bytes_.data());
    bytes_.remove_prefix(sizeof(UInt));
    return value;
  }

  std::uint32_t long_variable(const char* field) noexcept;
  void cut_off(const char* field) noexcept;

  std::string_view bytes_;
  const char* field_ = nullptr;
  const char* why_ = nullptr;
  Errc code_ = Errc::malformed_packet;
};

/// Runs `parse(PacketReader&, Packet&)` over `frame`. The packet is built where the caller finds
/// it.
template <class Packet, class Parse>
Result<Packet> decode(const Frame& frame, PacketType expected, Version version, Parse parse) {
  Result<Packet> result;
  PacketReader in(frame, expected);
  in.check_length_form(frame, version);
  if (in.ok()) {
    parse(in, *result);
    in.check_end();
  }
  if (!in.ok()) [[unlikely]] {
    result = in.failure();
  }
  return result;
}

} // namespace spate::wire
