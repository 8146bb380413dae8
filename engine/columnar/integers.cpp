#include "engine/columnar/integers.hpp"

#include <algorithm>
#include <numeric>
#include <vector>

#include "engine/columnar/bits.hpp"

namespace spate::columnar {

namespace {

// The first byte: which form, and its width of bits where it has one.
constexpr unsigned kFrame = 0;    ///< + width: smallest value, then what is above it.
constexpr unsigned kDelta = 65;   ///< + width: first value, smallest difference, the rest.
constexpr unsigned kDelta2 = 130; ///< + width: first, first difference, smallest change, the rest.
constexpr unsigned kFactor = 195; ///< A factor, first value; then all differences to it divided.
constexpr unsigned kRuns = 196;   ///< How many runs, their values, their lengths less one.

constexpr unsigned kDepthMax = 4;

/// Smallest and largest of signed values.
struct Range {
  std::int64_t low = 0;
  std::int64_t high = 0;
  void begin(std::int64_t value) { low = high = value; }
  void add(std::int64_t value) {
    low = std::min(low, value);
    high = std::max(high, value);
  }
  [[nodiscard]] unsigned width() const {
    return width_of(static_cast<std::uint64_t>(high) - static_cast<std::uint64_t>(low));
  }
};

void encode(const std::int64_t* values, std::size_t count, std::string& out, unsigned depth);

void encode_runs(const std::int64_t* values, std::size_t count, std::size_t runs, std::string& out,
                 unsigned depth) {
  std::vector<std::int64_t> heads;
  std::vector<std::int64_t> lengths;
  heads.reserve(runs);
  lengths.reserve(runs);
  for (std::size_t i = 0; i < count;) {
    std::size_t end = i + 1;
    while (end < count && values[end] == values[i]) {
      ++end;
    }
    heads.push_back(values[i]);
    lengths.push_back(static_cast<std::int64_t>(end - i - 1));
    i = end;
  }
  out.push_back(static_cast<char>(kRuns));
  put_varint(out, runs);
  encode(heads.data(), runs, out, depth + 1);
  encode(lengths.data(), runs, out, depth + 1);
}

void encode_factor(const std::int64_t* values, std::size_t count, std::uint64_t factor,
                   std::string& out, unsigned depth) {
  std::vector<std::int64_t> divided(count);
  for (std::size_t i = 0; i < count; ++i) {
    divided[i] = wrapping_difference(values[i], values[0]) / static_cast<std::int64_t>(factor);
  }
  out.push_back(static_cast<char>(kFactor));
  put_varint(out, factor);
  put_svarint(out, values[0]);
  encode(divided.data(), count, out, depth + 1);
}

/// Largest number that divides the differences of all values to the first; 1 if there is none, or
/// where they do not fit.
std::uint64_t common_factor(const std::int64_t* values, std::size_t count, const Range& range) {
  if (range.width() > 62) {
    return 1;
  }
  std::uint64_t factor = 0;
  for (std::size_t i = 1; i < count && factor != 1; ++i) {
    const std::int64_t difference = values[i] - values[0];
    factor =
        std::gcd(factor, static_cast<std::uint64_t>(difference < 0 ? -difference : difference));
  }
  return std::max<std::uint64_t>(factor, 1);
}

void encode(const std::int64_t* values, std::size_t count, std::string& out, unsigned depth) {
  if (count == 0) {
    return;
  }
  Range value;
  Range delta;
  Range delta2;
  std::size_t runs = 1;
  value.begin(values[0]);
  if (count > 1) {
    delta.begin(wrapping_difference(values[1], values[0]));
  }
  if (count > 2) {
    delta2.begin(wrapping_difference(wrapping_difference(values[2], values[1]), delta.low));
  }
  std::int64_t last_delta = 0;
  for (std::size_t i = 1; i < count; ++i) {
    value.add(values[i]);
    const std::int64_t difference = wrapping_difference(values[i], values[i - 1]);
    delta.add(difference);
    if (i > 1) {
      delta2.add(wrapping_difference(difference, last_delta));
    }
    last_delta = difference;
    runs += difference != 0 ? 1 : 0;
  }
  const unsigned width = value.width();
  const unsigned delta_width = delta.width();
  const unsigned delta2_width = delta2.width();
  const std::size_t plain = packed_bytes(count, width);
  const std::size_t by_delta = packed_bytes(count - 1, delta_width) + 1;
  const std::size_t by_delta2 = count < 3 ? by_delta : packed_bytes(count - 2, delta2_width) + 2;
  const std::size_t best = std::min({plain, by_delta, by_delta2});

  if (depth + 1 < kDepthMax && best > 4) {
    if (runs * (width + width_of(count / runs) + 2) / 8 + 4 < best) {
      return encode_runs(values, count, runs, out, depth);
    }
    if (const std::uint64_t factor = common_factor(values, count, value);
        factor > 1 && (count / 8) * (width_of(factor) - 1) > 4) {
      return encode_factor(values, count, factor, out, depth);
    }
  }
  if (best == plain) {
    out.push_back(static_cast<char>(kFrame + width));
    put_svarint(out, value.low);
    pack_bits(out, count, width, [&](std::size_t i) {
      return static_cast<std::uint64_t>(values[i]) - static_cast<std::uint64_t>(value.low);
    });
  } else if (best == by_delta) {
    out.push_back(static_cast<char>(kDelta + delta_width));
    put_svarint(out, values[0]);
    put_svarint(out, delta.low);
    pack_bits(out, count - 1, delta_width, [&](std::size_t i) {
      return static_cast<std::uint64_t>(values[i + 1]) - static_cast<std::uint64_t>(values[i]) -
             static_cast<std::uint64_t>(delta.low);
    });
  } else {
    out.push_back(static_cast<char>(kDelta2 + delta2_width));
    put_svarint(out, values[0]);
    put_svarint(out, wrapping_difference(values[1], values[0]));
    put_svarint(out, delta2.low);
    pack_bits(out, count - 2, delta2_width, [&](std::size_t i) {
      return static_cast<std::uint64_t>(values[i + 2]) -
             2 * static_cast<std::uint64_t>(values[i + 1]) + static_cast<std::uint64_t>(values[i]) -
             static_cast<std::uint64_t>(delta2.low);
    });
  }
}

bool decode(ByteReader& bytes, std::int64_t* values, std::size_t count, unsigned depth);

bool decode_packed(ByteReader& bytes, std::int64_t* values, std::size_t count, unsigned form) {
  if (form >= kDelta2) {
    const unsigned width = form - kDelta2;
    const auto first = static_cast<std::uint64_t>(bytes.svarint());
    auto delta = static_cast<std::uint64_t>(bytes.svarint());
    const auto low = static_cast<std::uint64_t>(bytes.svarint());
    const std::string_view packed = bytes.bytes(count < 3 ? 0 : packed_bytes(count - 2, width));
    if (!bytes.ok() || count < 2) {
      return false;
    }
    values[0] = static_cast<std::int64_t>(first);
    std::uint64_t value = first + delta;
    values[1] = static_cast<std::int64_t>(value);
    unpack_bits(packed.data(), count - 2, width, [&](std::size_t i, std::uint64_t v) {
      delta += low + v;
      value += delta;
      values[i + 2] = static_cast<std::int64_t>(value);
    });
    return true;
  }
  if (form >= kDelta) {
    const unsigned width = form - kDelta;
    auto value = static_cast<std::uint64_t>(bytes.svarint());
    const auto low = static_cast<std::uint64_t>(bytes.svarint());
    const std::string_view packed = bytes.bytes(packed_bytes(count - 1, width));
    if (!bytes.ok()) {
      return false;
    }
    values[0] = static_cast<std::int64_t>(value);
    unpack_bits(packed.data(), count - 1, width, [&](std::size_t i, std::uint64_t v) {
      value += low + v;
      values[i + 1] = static_cast<std::int64_t>(value);
    });
    return true;
  }
  const auto low = static_cast<std::uint64_t>(bytes.svarint());
  const std::string_view packed = bytes.bytes(packed_bytes(count, form));
  if (!bytes.ok()) {
    return false;
  }
  if (form == 0) {
    std::fill_n(values, count, static_cast<std::int64_t>(low));
    return true;
  }
  unpack_bits(packed.data(), count, form, [&](std::size_t i, std::uint64_t v) {
    values[i] = static_cast<std::int64_t>(low + v);
  });
  return true;
}

bool decode_runs(ByteReader& bytes, std::int64_t* values, std::size_t count, unsigned depth) {
  const std::uint64_t runs = bytes.varint();
  if (!bytes.ok() || runs == 0 || runs > count) {
    return false;
  }
  std::vector<std::int64_t> heads(runs);
  std::vector<std::int64_t> lengths(runs);
  if (!decode(bytes, heads.data(), runs, depth + 1) ||
      !decode(bytes, lengths.data(), runs, depth + 1)) {
    return false;
  }
  std::size_t at = 0;
  for (std::size_t run = 0; run < runs; ++run) {
    const auto more = static_cast<std::uint64_t>(lengths[run]);
    if (more >= count - at) {
      return false;
    }
    std::fill_n(values + at, more + 1, heads[run]);
    at += more + 1;
  }
  return at == count;
}

bool decode(ByteReader& bytes, std::int64_t* values, std::size_t count, unsigned depth) {
  if (count == 0) {
    return true;
  }
  const auto form = bytes.be<std::uint8_t>();
  if (!bytes.ok() || depth == kDepthMax) {
    return false;
  }
  if (form < kFactor) {
    return decode_packed(bytes, values, count, form);
  }
  if (form == kRuns) {
    return decode_runs(bytes, values, count, depth);
  }
  if (form != kFactor) {
    return false;
  }
  const std::uint64_t factor = bytes.varint();
  const auto first = static_cast<std::uint64_t>(bytes.svarint());
  if (!bytes.ok() || !decode(bytes, values, count, depth + 1)) {
    return false;
  }
  for (std::size_t i = 0; i < count; ++i) {
    values[i] = static_cast<std::int64_t>(first + static_cast<std::uint64_t>(values[i]) * factor);
  }
  return true;
}

} // namespace

void encode_integers(const std::int64_t* values, std::size_t count, std::string& out) {
  encode(values, count, out, 0);
}

bool decode_integers(ByteReader& bytes, std::int64_t* values, std::size_t count) {
  return decode(bytes, values, count, 0);
}

} // namespace spate::columnar
