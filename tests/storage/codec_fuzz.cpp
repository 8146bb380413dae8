// Spate - fuzzes what the store reads back from disk: commits, blocks, rejections, shapes. Whatever
// the bytes are, nothing is read beyond them; what decodes can be walked to its end.
#include <cstdint>
#include <cstdlib>
#include <string_view>
#include <vector>

#include "engine/model/row.hpp"
#include "engine/model/shape.hpp"
#include "storage/block.hpp"
#include "storage/log_codec.hpp"
#include "storage/rejection_ring.hpp"

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

void read_block(std::string_view bytes, const model::Shape* shape) {
  std::vector<RowView> rows;
  if (!decode_block(bytes, rows)) {
    return;
  }
  const auto header = decode_header(bytes);
  if (!header || header->rows != rows.size()) {
    std::abort();
  }
  for (const RowView& row : rows) {
    read_values(shape, row.values);
  }
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  model::ShapeTable shapes;
  const model::Shape* shape = shapes.intern({{"b", model::ValueClass::boolean},
                                             {"n", model::ValueClass::number},
                                             {"s", model::ValueClass::string}});
  read_commit(bytes, shape);
  read_block(bytes, shape);
  static_cast<void>(RejectionRing::decode(bytes));
  static_cast<void>(shapes.decode(bytes));
  return 0;
}
