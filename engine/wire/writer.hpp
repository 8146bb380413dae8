// Spate - appends the fields of one MQTT packet. Internal to wire.
#pragma once

#include <cassert>
#include <cstdint>
#include <string>
#include <string_view>

#include "engine/base/bytes.hpp"
#include "engine/wire/properties.hpp"

namespace spate::wire {

/// The most that a Variable Byte Integer holds (MQTT5-1.5.5).
inline constexpr std::size_t kVariableMax = 268435455;
inline constexpr std::size_t kStringBytesMax = 65535;

/// A Variable Byte Integer is a LEB128 of at most four bytes.
inline void put_variable(std::string& out, std::size_t value) {
  assert(value <= kVariableMax);
  put_varint(out, value);
}

/// Moves what stands at and after `at` to make room for its length.
inline void insert_variable(std::string& out, std::size_t at, std::size_t value) {
  assert(value <= kVariableMax);
  char bytes[4];
  std::size_t size = 0;
  while (value >= 0x80 && size < 3) {
    bytes[size++] = static_cast<char>(value | 0x80);
    value >>= 7;
  }
  bytes[size++] = static_cast<char>(value);
  out.insert(at, bytes, size);
}

inline void put_byte(std::string& out, unsigned value) {
  out.push_back(static_cast<char>(value));
}

/// Strings are at most 65,535 bytes long: what the caller has beyond is a bug, and is cut off.
inline void put_string(std::string& out, std::string_view text) {
  assert(text.size() <= kStringBytesMax);
  text = text.substr(0, kStringBytesMax);
  put_be(out, static_cast<std::uint16_t>(text.size()));
  out.append(text);
}

/// Opens a packet; close() puts the remaining length in. `more` bytes are appended by the caller
/// after it.
class PacketWriter {
public:
  PacketWriter(std::string& out, PacketType type, unsigned flags = 0) : out_(out) {
    put_byte(out, static_cast<unsigned>(type) << 4 | flags);
    body_ = out.size();
  }
  void close(std::size_t more = 0) { insert_variable(out_, body_, out_.size() - body_ + more); }

private:
  std::string& out_;
  std::size_t body_ = 0;
};

/// Appends a property block; close() puts its length in.
class PropertyWriter {
public:
  explicit PropertyWriter(std::string& out) : out_(out), start_(out.size()) {}

  void byte(PropertyId id, unsigned value) {
    put_id(id);
    put_byte(out_, value);
  }
  void two_bytes(PropertyId id, std::uint16_t value) {
    put_id(id);
    put_be(out_, value);
  }
  void four_bytes(PropertyId id, std::uint32_t value) {
    put_id(id);
    put_be(out_, value);
  }
  void variable(PropertyId id, std::uint32_t value) {
    put_id(id);
    put_variable(out_, value);
  }
  void string(PropertyId id, std::string_view value) {
    put_id(id);
    put_string(out_, value);
  }
  /// Leaves out what is empty: the standard reads both alike.
  void string_if_any(PropertyId id, std::string_view value) {
    if (!value.empty()) {
      string(id, value);
    }
  }
  void user(const UserProperties& properties) {
    for (const auto& [name, value] : properties) {
      string(PropertyId::user, name);
      put_string(out_, value);
    }
  }
  void close() { insert_variable(out_, start_, out_.size() - start_); }

private:
  void put_id(PropertyId id) { put_byte(out_, static_cast<unsigned>(id)); }

  std::string& out_;
  std::size_t start_;
};

} // namespace spate::wire
