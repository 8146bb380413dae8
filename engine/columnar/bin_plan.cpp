#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "engine/columnar/bin_table.hpp"
#include "engine/columnar/bins.hpp"
#include "engine/columnar/bits.hpp"

namespace spate::columnar {

namespace {

constexpr std::size_t kGroupsMax = 96;
constexpr unsigned kRadixBits = 11;

double log2_of(std::size_t value) {
  static const auto table = [] {
    std::array<float, 4096> logs{};
    for (std::size_t i = 1; i < logs.size(); ++i) {
      logs[i] = static_cast<float>(std::log2(static_cast<double>(i)));
    }
    return logs;
  }();
  return value < table.size() ? static_cast<double>(table[value])
                              : std::log2(static_cast<double>(value));
}

void put_number(BitWriter& bits, std::uint64_t value, unsigned length_bits) {
  const unsigned width = width_of(value);
  bits.put(width, length_bits);
  if (width > 1) {
    bits.put(value & mask_of(width - 1), width - 1);
  }
}

} // namespace

void BinPlan::sort(const std::uint64_t* values, std::size_t count, std::uint64_t most) {
  distinct_.clear();
  counts_.clear();
  by_value_ = most < 4 * count + 1024;
  if (by_value_) {
    histogram_.assign(static_cast<std::size_t>(most) + 1, 0);
    for (std::size_t i = 0; i < count; ++i) {
      ++histogram_[values[i]];
    }
    for (std::size_t v = 0; v <= most; ++v) {
      if (histogram_[v] != 0) {
        distinct_.push_back(v);
        counts_.push_back(histogram_[v]);
      }
    }
    return;
  }
  sorted_.assign(values, values + count);
  other_.resize(count);
  for (unsigned shift = 0; shift < width_of(most); shift += kRadixBits) {
    histogram_.assign((std::size_t{1} << kRadixBits) + 1, 0);
    const auto digit = [shift](std::uint64_t v) { return (v >> shift) & mask_of(kRadixBits); };
    for (const std::uint64_t v : sorted_) {
      ++histogram_[digit(v) + 1];
    }
    for (std::size_t i = 1; i < histogram_.size(); ++i) {
      histogram_[i] += histogram_[i - 1];
    }
    for (const std::uint64_t v : sorted_) {
      other_[histogram_[digit(v)]++] = v;
    }
    sorted_.swap(other_);
  }
  for (const std::uint64_t v : sorted_) {
    if (distinct_.empty() || distinct_.back() != v) {
      distinct_.push_back(v);
      counts_.push_back(0);
    }
    ++counts_.back();
  }
}

void BinPlan::make_groups(std::size_t count) {
  groups_.clear();
  const std::size_t enough = distinct_.size() <= kGroupsMax ? 1 : count / (kGroupsMax / 2) + 1;
  std::uint32_t before = 0;
  std::size_t gathered = enough; // The first value opens a group.
  for (std::size_t i = 0; i < distinct_.size(); ++i) {
    if (gathered >= enough || counts_[i] >= enough) {
      groups_.push_back({distinct_[i], distinct_[i], before});
      gathered = 0;
    }
    groups_.back().high = distinct_[i];
    gathered += counts_[i];
    before += counts_[i];
  }
}

void BinPlan::choose_bins(std::size_t count, std::uint64_t most) {
  const std::size_t groups = groups_.size();
  // What a bin costs in write_bins(), about.
  const double bin_bits = 14.0 + width_of(most) / 2.0;
  const double all = log2_of(count);
  best_.assign(groups + 1, std::numeric_limits<double>::max());
  from_.assign(groups + 1, 0);
  best_[0] = 0;
  const auto before = [&](std::size_t g) {
    return g < groups ? groups_[g].before : static_cast<std::uint32_t>(count);
  };
  for (std::size_t end = 1; end <= groups; ++end) {
    for (std::size_t begin = end; begin-- > 0;) {
      const std::uint32_t hits = before(end) - before(begin);
      const unsigned width = width_of(groups_[end - 1].high - groups_[begin].low);
      const double bits = best_[begin] + bin_bits + hits * (all - log2_of(hits) + width);
      if (bits < best_[end]) {
        best_[end] = bits;
        from_[end] = static_cast<std::uint32_t>(begin);
      }
    }
  }
  bins_.clear();
  for (std::size_t end = groups; end > 0; end = from_[end]) {
    const std::size_t begin = from_[end];
    bins_.push_back({groups_[begin].low, before(end) - before(begin), 0,
                     width_of(groups_[end - 1].high - groups_[begin].low)});
  }
  std::reverse(bins_.begin(), bins_.end());
  bytes_ = static_cast<std::size_t>(best_[groups] / 8) + 5 + states_for(count) * table_bits_ / 8;
}

/// Weights in proportion to the hits, at least 1 each, 2^table_bits_ in all.
void BinPlan::weigh(std::size_t count) {
  const std::size_t size = std::size_t{1} << table_bits_;
  std::size_t sum = 0;
  for (Bin& bin : bins_) {
    const auto share = (static_cast<std::uint64_t>(bin.count) * size + count / 2) / count;
    bin.weight = static_cast<std::uint32_t>(std::max<std::uint64_t>(share, 1));
    sum += bin.weight;
  }
  while (sum != size) { // Whoever has most loses or wins least by it.
    const auto largest = std::max_element(
        bins_.begin(), bins_.end(), [](const Bin& a, const Bin& b) { return a.weight < b.weight; });
    if (sum < size) {
      largest->weight += static_cast<std::uint32_t>(size - sum);
      sum = size;
    } else {
      const std::size_t cut =
          std::min<std::size_t>(sum - size, std::max<std::uint32_t>(largest->weight / 8, 1));
      largest->weight -= static_cast<std::uint32_t>(cut);
      sum -= cut;
    }
  }
}

void BinPlan::make(const std::uint64_t* values, std::size_t count) {
  const std::uint64_t most = *std::max_element(values, values + count);
  table_bits_ =
      count > 4096 ? kTableBitsMax : std::clamp(width_of(count), kTableBitsMin, kTableBitsMax - 1);
  sort(values, count, most);
  make_groups(count);
  choose_bins(count, most);
}

void BinPlan::write_bins(std::string& out) const {
  std::uint64_t gap_max = 0;
  unsigned offset_max = 0;
  for (std::size_t b = 0; b < bins_.size(); ++b) {
    gap_max = std::max(gap_max, b == 0 ? 0 : bins_[b].low - bins_[b - 1].low);
    offset_max = std::max(offset_max, bins_[b].offset_bits);
  }
  const unsigned gap_bits = width_of(width_of(gap_max));
  const unsigned offset_bits = width_of(offset_max);
  constexpr std::size_t kBinBitsMax = 3 * 64;
  BitWriter bits(out, (bins_.size() + 1) * kBinBitsMax);
  bits.put(table_bits_ - kTableBitsMin, kLengthBits);
  bits.put(bins_.size() - 1, 8);
  bits.put(gap_bits, kLengthBits);
  bits.put(offset_bits, kLengthBits);
  for (std::size_t b = 0; b < bins_.size(); ++b) {
    if (b != 0) {
      put_number(bits, bins_[b].low - bins_[b - 1].low, gap_bits);
    }
    bits.put(bins_[b].offset_bits, offset_bits);
    put_number(bits, bins_[b].weight, 4);
  }
  bits.finish();
}

/// Fills bin_of_.
void BinPlan::find_bins(const std::uint64_t* values, std::size_t count) {
  if (by_value_) {
    const std::size_t end = histogram_.size(); // Of no use any more: now the bin of each value.
    for (std::size_t b = 0; b < bins_.size(); ++b) {
      const std::size_t next = b + 1 < bins_.size() ? bins_[b + 1].low : end;
      std::fill(histogram_.begin() + static_cast<long>(bins_[b].low),
                histogram_.begin() + static_cast<long>(next), static_cast<std::uint32_t>(b));
    }
    for (std::size_t i = 0; i < count; ++i) {
      bin_of_[i] = static_cast<std::uint8_t>(histogram_[values[i]]);
    }
    return;
  }
  for (std::size_t i = 0; i < count; ++i) {
    std::size_t b = 0; // Halves without branches: where a value lies can not be foreseen.
    for (std::size_t left = bins_.size(); left > 1;) {
      const std::size_t half = left / 2;
      b += bins_[b + half].low <= values[i] ? half : 0;
      left -= half;
    }
    bin_of_[i] = static_cast<std::uint8_t>(b);
  }
}

void BinPlan::encode(const std::uint64_t* values, std::size_t count, std::string& out) {
  weigh(count);
  write_bins(out);
  const std::size_t size = std::size_t{1} << table_bits_;
  // Of each bin: the entries of the table that are its own, in their order.
  starts_.clear();
  std::uint32_t start = 0;
  for (const Bin& bin : bins_) {
    starts_.push_back(start);
    start += bin.weight;
  }
  bin_of_.resize(std::max(size, count));
  spread(
      table_bits_, bins_.size(), [&](std::size_t b) { return bins_[b].weight; },
      [&](std::size_t position, std::size_t b) {
        bin_of_[position] = static_cast<std::uint8_t>(b);
      });
  states_.resize(size);
  for (std::size_t position = 0; position < size; ++position) {
    states_[starts_[bin_of_[position]]++] = static_cast<std::uint16_t>(position);
  }
  for (std::size_t b = 0; b < bins_.size(); ++b) {
    starts_[b] -= bins_[b].weight;
  }

  // From the last value to the first: reading turns it round.
  state_bits_.resize(count);
  const std::size_t turns = states_for(count);
  std::uint32_t state[kStates];
  std::fill_n(state, kStates, static_cast<std::uint32_t>(size));
  find_bins(values, count);
  std::size_t offsets_bits = 0;
  for (std::size_t i = count; i-- > 0;) {
    const std::size_t b = bin_of_[i];
    offsets_bits += bins_[b].offset_bits;
    std::uint32_t& x = state[i % turns];
    const std::uint32_t weight = bins_[b].weight;
    unsigned width = width_of(x) - width_of(weight);
    width -= (x >> width) < weight ? 1 : 0;
    state_bits_[i] = (x & static_cast<std::uint32_t>(mask_of(width))) << 8 | width;
    x = static_cast<std::uint32_t>(size) + states_[starts_[b] + (x >> width) - weight];
  }
  BitWriter bits(out, (turns + count) * table_bits_);
  for (std::size_t s = 0; s < turns; ++s) {
    bits.put(state[s] - size, table_bits_);
  }
  for (const std::uint32_t taken : state_bits_) {
    bits.put(taken >> 8, taken & 0xff);
  }
  bits.finish();
  BitWriter offsets(out, offsets_bits);
  for (std::size_t i = 0; i < count; ++i) {
    const Bin& bin = bins_[bin_of_[i]];
    offsets.put(values[i] - bin.low, bin.offset_bits);
  }
  offsets.finish();
}

} // namespace spate::columnar
