#include "engine/model/device_id.hpp"

#include "engine/model/ids.hpp"

namespace spate::model {

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
