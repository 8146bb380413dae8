#include "engine/columnar/block_head.hpp"

#include <algorithm>
#include <numeric>

#include "engine/columnar/decimal.hpp"

namespace spate::columnar {

namespace {

__extension__ using Wide = __int128;

/// Of a value brought to the scale of its column: kBlockRowsMax of them make a sum that fits.
constexpr Wide kWideMax = Wide{1} << 108;

/// `value` at `scale`. False if it is above kWideMax.
bool at_scale(model::Decimal value, unsigned scale, Wide& out) {
  Wide wide = value.mantissa;
  for (unsigned more = scale - value.scale; more > 0; --more) {
    wide *= 10;
    if (wide > kWideMax || wide < -kWideMax) {
      return false;
    }
  }
  out = wide;
  return true;
}

void put_wide(std::string& out, Wide value) {
  __extension__ using UWide = unsigned __int128;
  UWide left = (static_cast<UWide>(value) << 1) ^ static_cast<UWide>(value >> 127);
  for (; left >= 0x80; left >>= 7) {
    out.push_back(static_cast<char>(static_cast<unsigned char>(left) | 0x80));
  }
  out.push_back(static_cast<char>(left));
}

bool read_wide(ByteReader& bytes, Wide& out) {
  __extension__ using UWide = unsigned __int128;
  UWide value = 0;
  for (unsigned shift = 0; shift < 128; shift += 7) {
    const auto byte = bytes.be<std::uint8_t>();
    value |= static_cast<UWide>(byte & 0x7f) << shift;
    if (byte < 0x80) {
      out = static_cast<Wide>((value >> 1) ^ (~(value & 1) + 1));
      return bytes.ok();
    }
  }
  return false;
}

void put_decimal(std::string& out, model::Decimal value) {
  out.push_back(static_cast<char>(value.scale));
  put_svarint(out, value.mantissa);
}

bool read_decimal(ByteReader& bytes, model::Decimal& out) {
  out.scale = bytes.be<std::uint8_t>();
  out.mantissa = bytes.svarint();
  return bytes.ok() && out.scale <= model::kScaleMax;
}

} // namespace

std::optional<ColumnHead> head_of(const NumberValues& values, std::size_t rows) {
  if (!values.texts.empty()) {
    return std::nullopt;
  }
  ColumnHead head;
  head.scale =
      *std::max_element(values.scales.begin(), values.scales.begin() + static_cast<long>(rows));
  const auto begin = values.mantissas.begin();
  const auto end = begin + static_cast<long>(rows);
  head.first = {*begin, values.scales[0]};
  head.last = {*(end - 1), values.scales[rows - 1]};
  if (std::all_of(values.scales.begin(), values.scales.begin() + static_cast<long>(rows),
                  [&](std::uint8_t scale) { return scale == head.scale; })) {
    const auto [least, most] = std::minmax_element(begin, end);
    head.min = {*least, head.scale};
    head.max = {*most, head.scale};
    head.sum = std::accumulate(begin, end, Wide{0});
    return head;
  }
  Wide least = 0;
  Wide most = 0;
  for (std::size_t i = 0; i < rows; ++i) {
    const model::Decimal value{values.mantissas[i], values.scales[i]};
    Wide wide = 0;
    if (!at_scale(value, head.scale, wide)) {
      return std::nullopt;
    }
    head.sum += wide;
    if (i == 0 || wide < least) {
      least = wide;
      head.min = value;
    }
    if (i == 0 || wide > most) {
      most = wide;
      head.max = value;
    }
  }
  return head;
}

std::optional<ColumnHead> head_of(const std::vector<std::uint8_t>& booleans, std::size_t rows) {
  ColumnHead head;
  const auto begin = booleans.begin();
  const auto end = begin + static_cast<long>(rows);
  head.min.mantissa = *std::min_element(begin, end);
  head.max.mantissa = *std::max_element(begin, end);
  head.first.mantissa = booleans[0];
  head.last.mantissa = booleans[rows - 1];
  head.sum = std::count(begin, end, std::uint8_t{1});
  return head;
}

void append_head(std::string& out, const ColumnHead& head) {
  out.push_back(static_cast<char>(head.scale));
  put_decimal(out, head.min);
  put_decimal(out, head.max);
  put_decimal(out, head.first);
  put_decimal(out, head.last);
  put_wide(out, head.sum);
}

bool read_head(ByteReader& bytes, ColumnHead& head) {
  head.scale = bytes.be<std::uint8_t>();
  return read_decimal(bytes, head.min) && read_decimal(bytes, head.max) &&
         read_decimal(bytes, head.first) && read_decimal(bytes, head.last) &&
         read_wide(bytes, head.sum) && head.scale <= model::kScaleMax && bytes.ok();
}

} // namespace spate::columnar
