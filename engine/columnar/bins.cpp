#include "engine/columnar/bins.hpp"

#include <algorithm>

#include "engine/columnar/bin_table.hpp"
#include "engine/columnar/bits.hpp"

namespace spate::columnar {

namespace {

std::uint64_t get_number(BitReader& bits, unsigned length_bits) {
  const auto width = static_cast<unsigned>(bits.get(length_bits));
  if (width == 0 || width > 64) {
    return 0;
  }
  return std::uint64_t{1} << (width - 1) | bits.get_wide(width - 1);
}

struct TableEntry {
  std::uint16_t next;
  std::uint8_t bits;
  std::uint8_t bin;
};

struct DecodedBin {
  std::uint64_t low;
  std::uint64_t mask; ///< Of its offsets.
  unsigned offset_bits;
  std::uint32_t weight;
};

struct Bins {
  unsigned table_bits = 0;
  std::size_t count = 0;
  unsigned offset_bits_max = 0;
  DecodedBin bins[kBinsMax];
  TableEntry table[std::size_t{1} << kTableBitsMax];
};

bool read_bins(ByteReader& bytes, Bins& bins) {
  BitReader bits(bytes.position(), bytes.left());
  bins.table_bits = static_cast<unsigned>(bits.get(kLengthBits)) + kTableBitsMin;
  bins.count = static_cast<std::size_t>(bits.get(8)) + 1;
  const auto gap_bits = static_cast<unsigned>(bits.get(kLengthBits));
  const auto offset_bits = static_cast<unsigned>(bits.get(kLengthBits));
  const std::size_t size = std::size_t{1} << bins.table_bits;
  std::uint64_t low = 0;
  std::size_t weights = 0;
  for (std::size_t b = 0; b < bins.count; ++b) {
    low += b == 0 ? 0 : get_number(bits, gap_bits);
    const auto offset = static_cast<unsigned>(bits.get(offset_bits));
    const std::uint64_t weight = get_number(bits, 4);
    if (weight == 0 || weight > size || offset > 64) {
      return false;
    }
    bins.bins[b] = {low, mask_of(offset), offset, static_cast<std::uint32_t>(weight)};
    bins.offset_bits_max = std::max(bins.offset_bits_max, offset);
    weights += static_cast<std::size_t>(weight);
  }
  if (!bits.ok() || weights != size || bins.table_bits > kTableBitsMax) {
    return false;
  }
  bytes.bytes(bits.bytes_taken());
  return true;
}

void make_table(Bins& bins) {
  spread(
      bins.table_bits, bins.count, [&](std::size_t b) { return bins.bins[b].weight; },
      [&](std::size_t position, std::size_t b) {
        bins.table[position].bin = static_cast<std::uint8_t>(b);
      });
  std::uint32_t next[kBinsMax];
  for (std::size_t b = 0; b < bins.count; ++b) {
    next[b] = bins.bins[b].weight;
  }
  const std::size_t size = std::size_t{1} << bins.table_bits;
  for (std::size_t position = 0; position < size; ++position) {
    TableEntry& entry = bins.table[position];
    const std::uint32_t x = next[entry.bin]++;
    const unsigned width = bins.table_bits + 1 - width_of(x);
    entry.bits = static_cast<std::uint8_t>(width);
    entry.next = static_cast<std::uint16_t>((x << width) - size);
  }
}

/// The bin of each value, written where the value will stand.
template <std::size_t kTurns>
void walk_states(BitReader& bits, const Bins& bins, std::uint64_t* values, std::size_t count) {
  // Four steps take 40 bits at most, which one look gives.
  constexpr std::size_t kLook = 4;
  static_assert(kLook * kTableBitsMax <= 57 && (kTurns == 1 || kTurns % kLook == 0));
  std::uint32_t state[kTurns];
  for (std::uint32_t& x : state) {
    x = static_cast<std::uint32_t>(bits.get(bins.table_bits));
  }
  std::size_t i = 0;
  for (; kTurns > 1 && i + kTurns <= count; i += kTurns) {
    for (std::size_t look = 0; look < kTurns; look += kLook) {
      std::uint64_t word = bits.peek();
      unsigned taken = 0;
      for (std::size_t s = look; s < look + kLook && s < kTurns; ++s) {
        const TableEntry entry = bins.table[state[s]];
        values[i + s] = entry.bin;
        state[s] = entry.next + static_cast<std::uint32_t>(word & ((1u << entry.bits) - 1));
        word >>= entry.bits;
        taken += entry.bits;
      }
      bits.skip(taken);
    }
  }
  for (; i < count; ++i) {
    std::uint32_t& x = state[i % kTurns];
    const TableEntry entry = bins.table[x];
    values[i] = entry.bin;
    x = entry.next + static_cast<std::uint32_t>(bits.get(entry.bits));
  }
}

bool decode_states(ByteReader& bytes, const Bins& bins, std::uint64_t* values, std::size_t count) {
  BitReader bits(bytes.position(), bytes.left());
  switch (states_for(count)) {
  case kStates:
    walk_states<kStates>(bits, bins, values, count);
    break;
  case kStates / 2:
    walk_states<kStates / 2>(bits, bins, values, count);
    break;
  default:
    walk_states<1>(bits, bins, values, count);
    break;
  }
  if (!bits.ok()) {
    return false;
  }
  bytes.bytes(bits.bytes_taken());
  return true;
}

/// From bins to values, by the offsets that follow.
bool decode_offsets(ByteReader& bytes, const Bins& bins, std::uint64_t* values, std::size_t count) {
  const auto bin_of = [&](std::size_t i) -> const DecodedBin& {
    return bins.bins[static_cast<std::uint8_t>(values[i])];
  };
  if (bins.offset_bits_max == 0) {
    for (std::size_t i = 0; i < count; ++i) {
      values[i] = bin_of(i).low;
    }
    return true;
  }
  const char* const begin = bytes.position();
  const std::size_t size = bytes.left();
  std::size_t bit = 0;
  std::size_t i = 0;
  constexpr std::size_t kStride = 64;
  if (bins.offset_bits_max <= 57) {
    // As long as a stride can not leave the bytes nothing is checked.
    while (i + kStride <= count &&
           (bit + kStride * bins.offset_bits_max) / 8 + sizeof(std::uint64_t) <= size) {
      for (const std::size_t end = i + kStride; i < end; ++i) {
        const DecodedBin& bin = bin_of(i);
        std::uint64_t word = 0;
        std::memcpy(&word, begin + bit / 8, sizeof word);
        values[i] = bin.low + ((word >> (bit % 8)) & bin.mask);
        bit += bin.offset_bits;
      }
    }
  }
  BitReader bits(begin, size, bit);
  for (; i < count; ++i) {
    const DecodedBin& bin = bin_of(i);
    values[i] = bin.low + bits.get_wide(bin.offset_bits);
  }
  if (!bits.ok()) {
    return false;
  }
  bytes.bytes(bits.bytes_taken());
  return true;
}

} // namespace

bool decode_bins(ByteReader& bytes, std::uint64_t* values, std::size_t count) {
  Bins bins;
  if (!bytes.ok() || !read_bins(bytes, bins)) {
    return false;
  }
  make_table(bins);
  return decode_states(bytes, bins, values, count) && decode_offsets(bytes, bins, values, count);
}

} // namespace spate::columnar
