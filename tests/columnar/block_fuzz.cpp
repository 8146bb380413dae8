// Spate - fuzzes columnar blocks. Whatever the bytes are, as they are and with the checksum that
// they would have: nothing is read beyond them, and rows that come out can be encoded again.
#include <cstdint>
#include <string>
#include <string_view>

#include "tests/columnar/damage.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace spate;
  if (size == 0) {
    return 0;
  }
  static model::ShapeTable shapes;
  static const model::Shape* const all[] = {
      shapes.intern({{"n", model::ValueClass::number}}),
      shapes.intern({{"b", model::ValueClass::boolean},
                     {"n", model::ValueClass::number},
                     {"s", model::ValueClass::string}}),
      shapes.intern({{"m", model::ValueClass::number}, {"n", model::ValueClass::number}}),
  };
  const model::Shape& shape = *all[data[0] % 3];
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  static_cast<void>(columnar::read_everything(shape, bytes));
  std::string repaired(bytes);
  columnar::repair_checksum(repaired);
  static_cast<void>(columnar::read_everything(shape, repaired));
  return 0;
}
