#include "engine/model/device_id.hpp"

#include <cstdint>

#include "engine/model/ids.hpp"

namespace spate::model {

namespace {

/// Bytes that follow a lead byte, or -1 where it can not lead.
int continuation_bytes(unsigned char lead) noexcept {
  if (lead < 0x80) {
    return 0;
  }
  if (lead >= 0xc2 && lead <= 0xdf) {
    return 1;
  }
  if (lead >= 0xe0 && lead <= 0xef) {
    return 2;
  }
  if (lead >= 0xf0 && lead <= 0xf4) {
    return 3;
  }
  return -1;
}

/// The second byte decides overlong forms, surrogates and the upper end of Unicode.
bool second_byte_fits(unsigned char lead, unsigned char second) noexcept {
  switch (lead) {
  case 0xe0:
    return second >= 0xa0 && second <= 0xbf;
  case 0xed:
    return second >= 0x80 && second <= 0x9f;
  case 0xf0:
    return second >= 0x90 && second <= 0xbf;
  case 0xf4:
    return second >= 0x80 && second <= 0x8f;
  default:
    return second >= 0x80 && second <= 0xbf;
  }
}

} // namespace

bool is_utf8(std::string_view text) noexcept {
  for (std::size_t i = 0; i < text.size();) {
    const auto lead = static_cast<unsigned char>(text[i]);
    const int more = continuation_bytes(lead);
    if (more < 0 || text.size() - i <= static_cast<std::size_t>(more)) {
      return false;
    }
    for (int k = 1; k <= more; ++k) {
      const auto byte = static_cast<unsigned char>(text[i + static_cast<std::size_t>(k)]);
      if (k == 1 ? !second_byte_fits(lead, byte) : (byte < 0x80 || byte > 0xbf)) {
        return false;
      }
    }
    i += 1 + static_cast<std::size_t>(more);
  }
  return true;
}

const char* device_id_fault(std::string_view id) noexcept {
  if (id.empty()) {
    return "is empty";
  }
  if (id.size() > kDeviceIdBytesMax) {
    return "is longer than 256 bytes";
  }
  if (id == "." || id == "..") {
    return "may not be . or ..";
  }
  for (const char c : id) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7f) {
      return "holds a control character";
    }
    if (c == '/' || c == '+' || c == '#') {
      return "holds one of / + #";
    }
  }
  return is_utf8(id) ? nullptr : "is not UTF-8";
}

std::string_view name_of(TsSource source) noexcept {
  switch (source) {
  case TsSource::device:
    return "device";
  case TsSource::server:
    return "server";
  case TsSource::corrected:
    return "corrected";
  }
  return "unknown";
}

std::string_view name_of(Protocol protocol) noexcept {
  switch (protocol) {
  case Protocol::mqtt311:
    return "mqtt3.1.1";
  case Protocol::mqtt5:
    return "mqtt5";
  case Protocol::http:
    return "http";
  }
  return "unknown";
}

} // namespace spate::model
