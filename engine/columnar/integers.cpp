#include "engine/columnar/integers.hpp"

#include <algorithm>
#include <vector>

#include "engine/columnar/bins.hpp"
#include "engine/columnar/bits.hpp"
#include "engine/columnar/integer_forms.hpp"

namespace spate::columnar {

namespace {

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

/// `shared`: who knows the indexes, if they do not follow.
bool decode_dictionary(ByteReader& bytes, std::int64_t* values, std::size_t count, unsigned depth,
                       const IndexSource* shared) {
  const std::uint64_t size = bytes.varint();
  if (!bytes.ok() || size == 0 || size > count) {
    return false;
  }
  std::vector<std::int64_t> words(size);
  if (!decode(bytes, words.data(), size, depth + 1) ||
      !(shared != nullptr ? shared->indexes(bytes.varint(), values, count)
                          : decode(bytes, values, count, depth + 1))) {
    return false;
  }
  for (std::size_t i = 0; i < count; ++i) {
    const auto index = static_cast<std::uint64_t>(values[i]);
    if (index >= size) {
      return false;
    }
    values[i] = words[index];
  }
  return true;
}

bool decode_binned(ByteReader& bytes, std::int64_t* values, std::size_t count, unsigned form) {
  const std::size_t order = form - kBins;
  if (count <= order) {
    return false;
  }
  std::uint64_t value = order > 0 ? static_cast<std::uint64_t>(bytes.svarint()) : 0;
  std::uint64_t delta = order > 1 ? static_cast<std::uint64_t>(bytes.svarint()) : 0;
  const auto low = static_cast<std::uint64_t>(bytes.svarint());
  auto* const raw = reinterpret_cast<std::uint64_t*>(values); // Signed and unsigned may alias.
  if (!bytes.ok() || !decode_bins(bytes, raw + order, count - order)) {
    return false;
  }
  if (order == 0) {
    for (std::size_t i = 0; i < count; ++i) {
      raw[i] += low;
    }
    return true;
  }
  raw[0] = value;
  if (order == 1) {
    for (std::size_t i = 1; i < count; ++i) {
      raw[i] = value += raw[i] + low;
    }
    return true;
  }
  raw[1] = value += delta;
  for (std::size_t i = 2; i < count; ++i) {
    delta += raw[i] + low;
    raw[i] = value += delta;
  }
  return true;
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
  switch (form) {
  case kRuns:
    return decode_runs(bytes, values, count, depth);
  case kDictionary:
    return decode_dictionary(bytes, values, count, depth, nullptr);
  case kBins:
  case kBinsDelta:
  case kBinsDelta2:
    return decode_binned(bytes, values, count, form);
  default:
    break;
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

bool decode_integers(ByteReader& bytes, std::int64_t* values, std::size_t count,
                     const IndexSource* shared) {
  if (shared != nullptr && bytes.left() != 0 &&
      static_cast<unsigned char>(*bytes.position()) == kShared) {
    bytes.be<std::uint8_t>();
    return decode_dictionary(bytes, values, count, 0, shared);
  }
  return decode(bytes, values, count, 0);
}

bool decode_indexes(ByteReader& bytes, std::int64_t* out, std::size_t count) {
  const auto form = bytes.be<std::uint8_t>();
  const std::uint64_t size = bytes.varint();
  if (!bytes.ok() || form != kDictionary || size == 0 || size > count) {
    return false;
  }
  std::vector<std::int64_t> words(size);
  return decode(bytes, words.data(), size, 1) && decode(bytes, out, count, 1);
}

} // namespace spate::columnar
