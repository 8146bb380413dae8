// Spate - blocks of a ledger from outside: a type byte, a length byte pair, a body, and again.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "engine/base/bytes.hpp"
#include "loadgen/proof/ledger_reader.hpp"

using namespace spate;
using namespace spate::loadgen;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  ByteReader input({reinterpret_cast<const char*>(data), size});
  LedgerDecoder decoder;
  LedgerRecord record;
  char buffer[DeviceNames::kNameBytesMax];
  while (!input.empty()) {
    const auto type = static_cast<char>(input.be<std::uint8_t>());
    const auto length = input.be<std::uint16_t>();
    if (!decoder.take(type, input.bytes(length))) {
      break;
    }
    for (;;) {
      const auto more = decoder.next(record);
      if (!more) {
        return 0;
      }
      if (!*more) {
        break;
      }
      // Whatever is given has a name.
      (void)decoder.names().name(record.cohort, record.device, buffer);
    }
  }
  if (decoder.names().devices() > kLedgerDevicesMax) {
    std::abort();
  }
  return 0;
}
