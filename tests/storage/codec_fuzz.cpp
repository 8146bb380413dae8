// Spate - fuzzes what the store reads back from disk: commits, last rows, runs, erasures,
// rejections, shapes. Whatever the bytes are, nothing is read beyond them; what decodes can be
// walked to its end.
#include <cstdint>
#include <string_view>

#include "engine/model/row.hpp"
#include "engine/model/shape.hpp"
#include "storage/blocks_view.hpp"
#include "storage/log_codec.hpp"
#include "storage/rejection_ring.hpp"
#include "storage/run_catalog.hpp"
#include "storage/tail.hpp"

namespace {

using namespace spate;
using namespace spate::storage;

/// Values are read by a shape that they may not have been written with.
void read_values(const model::Shape* shape, std::string_view values) {
  if (shape == nullptr) {
    return;
  }
  model::RowReader reader(*shape, values);
  for (model::Value value; reader.next(value);) {
  }
  static_cast<void>(model::row_bytes(*shape, values));
}

void read_commit(std::string_view bytes, const model::Shape* shape) {
  LogDecoder decoder;
  if (!decoder.begin(bytes)) {
    return;
  }
  for (SealRecord seal; decoder.next_seal(seal);) {
  }
  for (LogRow row; decoder.next_row(row);) {
    read_values(shape, row.row.values);
  }
  static_cast<void>(decoder.complete());
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  model::ShapeTable shapes;
  const model::Shape* shape = shapes.intern({{"b", model::ValueClass::boolean},
                                             {"n", model::ValueClass::number},
                                             {"s", model::ValueClass::string}});
  read_commit(bytes, shape);
  LastRow last;
  static_cast<void>(last.restore(bytes));
  static_cast<void>(decode_erasure(1, bytes));
  static_cast<void>(decode_run(1, bytes));
  static_cast<void>(RejectionRing::decode(bytes));
  static_cast<void>(shapes.decode(bytes));
  return 0;
}
