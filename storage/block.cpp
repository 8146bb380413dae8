#include "storage/block.hpp"

#include <cassert>

namespace spate::storage {

void encode_block(std::string& out, std::uint64_t rows, std::int64_t first_time_ns,
                  std::int64_t last_time_ns, std::string_view body) {
  assert(rows != 0 && first_time_ns <= last_time_ns);
  out.push_back(static_cast<char>(kPlainBlock));
  put_varint(out, rows);
  put_svarint(out, first_time_ns);
  put_varint(out,
             static_cast<std::uint64_t>(last_time_ns) - static_cast<std::uint64_t>(first_time_ns));
  out.append(body);
}

void encode_block(std::string& out, const std::vector<RowView>& rows) {
  ByteBuffer body;
  RowBase base;
  for (const RowView& row : rows) {
    char* at = body.reserve(kRowOverheadMax + row.values.size());
    body.advance(write_row(at, base, row));
  }
  encode_block(out, rows.size(), rows.front().time_ns, rows.back().time_ns, body.view());
}

Result<BlockHeader> decode_header(std::string_view block) {
  ByteReader reader(block);
  const auto format = reader.be<std::uint8_t>();
  BlockHeader header;
  header.rows = reader.varint();
  header.first_time_ns = reader.svarint();
  header.last_time_ns =
      wrapping_sum(header.first_time_ns, static_cast<std::int64_t>(reader.varint()));
  if (!reader.ok() || format != kPlainBlock || header.rows == 0 || header.rows > reader.left() ||
      header.last_time_ns < header.first_time_ns) {
    return fail(Errc::storage_corrupt, "a block has an unknown format or a damaged head");
  }
  header.body = {reader.position(), reader.left()};
  return header;
}

Result<void> decode_block(std::string_view block, std::vector<RowView>& rows) {
  const auto header = decode_header(block);
  if (!header) {
    return fail(header.error());
  }
  const std::size_t before = rows.size();
  rows.reserve(before + header->rows);
  RowCursor cursor(header->body);
  for (RowView row; cursor.next(row);) {
    rows.push_back(row);
  }
  if (cursor.corrupt() || rows.size() - before != header->rows ||
      rows[before].time_ns != header->first_time_ns ||
      rows.back().time_ns != header->last_time_ns) {
    return fail(Errc::storage_corrupt, "the rows of a block do not fit its head");
  }
  return {};
}

} // namespace spate::storage
