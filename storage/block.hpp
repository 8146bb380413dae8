// Spate - sealed blocks: rows of one device and shape, in time order, as one value of the database.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "engine/base/result.hpp"
#include "storage/row_codec.hpp"

namespace spate::storage {

/// First byte of every block. A reader that does not know it reports storage_corrupt.
inline constexpr std::uint8_t kPlainBlock = 1;

/// What can be known without decoding the rows.
struct BlockHeader {
  std::uint64_t rows = 0;
  std::int64_t first_time_ns = 0;
  std::int64_t last_time_ns = 0;
  std::string_view body; ///< The rows; borrows the block.
};

/// Encodes `rows`, sorted as earlier() says and not empty.
void encode_block(std::string& out, const std::vector<RowView>& rows);

/// The same for rows that are already encoded as write_row() does, in time order.
void encode_block(std::string& out, std::uint64_t rows, std::int64_t first_time_ns,
                  std::int64_t last_time_ns, std::string_view body);

/// Error: storage_corrupt.
Result<BlockHeader> decode_header(std::string_view block);

/// Appends the rows, whose values borrow `block`. Error: storage_corrupt.
Result<void> decode_block(std::string_view block, std::vector<RowView>& rows);

} // namespace spate::storage
