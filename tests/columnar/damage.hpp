// Blocks whose bytes are not what an encoder wrote.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "engine/base/hash.hpp"
#include "engine/columnar/block.hpp"

namespace spate::columnar {

/// Writes the checksum that the bytes of `block` have now.
inline void repair_checksum(std::string& block) {
  if (block.size() < 5) {
    return;
  }
  const auto checksum = static_cast<std::uint32_t>(hash_bytes(std::string_view(block).substr(5)));
  std::memcpy(block.data() + 1, &checksum, sizeof checksum);
}

/// Decodes all that can be decoded of `block`, which may hold anything; what comes out whole is
/// encoded and decoded again and must be the same. Returns whether all rows came out.
inline bool read_everything(const model::Shape& shape, std::string_view block) {
  static_cast<void>(block_span(block));
  const auto reader = BlockReader::open(shape, block);
  if (!reader) {
    return false;
  }
  std::vector<std::int64_t> times;
  static_cast<void>(reader->times(times));
  NumberColumn numbers;
  std::vector<std::uint8_t> booleans;
  std::vector<std::string_view> strings;
  std::string arena;
  std::size_t touched = 0;
  for (std::size_t f = 0; f < shape.fields().size(); ++f) {
    static_cast<void>(reader->head(f));
    switch (shape.fields()[f].value_class) {
    case model::ValueClass::number:
      static_cast<void>(reader->numbers(f, numbers));
      break;
    case model::ValueClass::boolean:
      static_cast<void>(reader->booleans(f, booleans));
      break;
    case model::ValueClass::string:
      if (reader->strings(f, strings, arena)) {
        for (const std::string_view value : strings) {
          touched += value.empty() ? 0 : static_cast<unsigned char>(value.back());
        }
      }
      break;
    }
  }
  static_cast<void>(touched);
  std::vector<Row> rows;
  if (!reader->all(rows, arena)) {
    return false;
  }
  if (rows.size() != reader->rows()) {
    std::abort();
  }
  std::string again;
  BlockEncoder().encode(shape, rows, Heads::with, again);
  const auto second = BlockReader::open(shape, again);
  std::vector<Row> same;
  std::string second_arena;
  if (!second || !second->all(same, second_arena) || same.size() != rows.size()) {
    std::abort();
  }
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (rows[i].time_ns != same[i].time_ns || rows[i].received_ms != same[i].received_ms ||
        rows[i].source != same[i].source || rows[i].values != same[i].values) {
      std::abort();
    }
  }
  return true;
}

} // namespace spate::columnar
