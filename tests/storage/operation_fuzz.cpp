// Spate - fuzzes the record of an operation: what decodes is encoded to the same operation again.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "storage/operation.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace spate::storage;
  const auto operation = decode_operation({reinterpret_cast<const char*>(data), size});
  if (!operation) {
    return 0;
  }
  std::string bytes;
  encode(*operation, bytes);
  const auto again = decode_operation(bytes);
  std::string same;
  if (again) {
    encode(*again, same);
  }
  if (!again || same != bytes || name_of(again->state).empty() || name_of(again->type).empty()) {
    std::abort();
  }
  return 0;
}
