#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <limits>

#include "engine/columnar/bin_table.hpp"
#include "engine/columnar/bins.hpp"
#include "engine/columnar/bits.hpp"

namespace spate::columnar {

namespace {

/// Fewer values are quicker sorted by comparing them than by counting digits; more by wide digits.
constexpr std::size_t kRadixFrom = 48;
constexpr std::size_t kRadixWideFrom = 1024;
/// Groups at most, and one: bins are numbered by a byte.
constexpr std::size_t kGroupsMax = 254;
/// So few distinct values are a group each. Of more, neighbours are one group until it holds some
/// values: fewer in it can not pay for a bin.
constexpr std::size_t kGroupsAlone = 64;
constexpr std::size_t kGroupHits = 4;
constexpr std::size_t kGroupHitsFew = 2; ///< Of few values.
constexpr std::size_t kFewValues = 256;
/// choose_bins() works with the square of the groups: more are joined, though bits are lost by it.
constexpr std::size_t kChoicesMax = 48;
constexpr std::array kJoinBits{0.0, 1.0, 2.0, 4.0};
/// A bin that takes so many more bits than its groups would is split anyhow.
constexpr double kExcessBitsMax = 80.0;
/// What a bin costs in write_bins(), about, beside how far it begins from the one before.
constexpr double kBinBits = 13.0;

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

/// Of values below `most`, which are few: how often each is there.
void BinPlan::count_values(const std::uint64_t* values, std::size_t count, std::uint64_t most) {
  if (histogram_.size() <= most) {
    histogram_.resize(static_cast<std::size_t>(most) + 1);
  }
  seen_.assign(static_cast<std::size_t>(most / 64) + 1, 0);
  for (std::size_t i = 0; i < count; ++i) {
    ++histogram_[values[i]];
    seen_[values[i] / 64] |= std::uint64_t{1} << (values[i] % 64);
  }
  for (std::size_t word = 0; word < seen_.size(); ++word) {
    for (std::uint64_t left = seen_[word]; left != 0; left &= left - 1) {
      const std::size_t v = word * 64 + static_cast<std::size_t>(std::countr_zero(left));
      distinct_.push_back(v);
      counts_.push_back(histogram_[v]);
    }
  }
}

void BinPlan::sort(const std::uint64_t* values, std::size_t count, std::uint64_t most) {
  if (by_value_) { // It is kept all zeros between plans: most of it is never touched.
    for (const std::uint64_t v : distinct_) {
      histogram_[v] = 0;
    }
  }
  distinct_.clear();
  counts_.clear();
  by_value_ = most < 4 * count + 1024;
  if (by_value_) {
    count_values(values, count, most);
    return;
  }
  sorted_.assign(values, values + count);
  if (count < kRadixFrom) {
    std::sort(sorted_.begin(), sorted_.end());
  } else {
    other_.resize(count);
    const unsigned digit_bits = count < kRadixWideFrom ? 8 : 11;
    for (unsigned shift = 0; shift < width_of(most); shift += digit_bits) {
      offsets_.assign((std::size_t{1} << digit_bits) + 1, 0);
      const auto digit = [=](std::uint64_t v) { return (v >> shift) & mask_of(digit_bits); };
      for (const std::uint64_t v : sorted_) {
        ++offsets_[digit(v) + 1];
      }
      for (std::size_t i = 1; i < offsets_.size(); ++i) {
        offsets_[i] += offsets_[i - 1];
      }
      for (const std::uint64_t v : sorted_) {
        other_[offsets_[digit(v)]++] = v;
      }
      sorted_.swap(other_);
    }
  }
  for (const std::uint64_t v : sorted_) {
    if (distinct_.empty() || distinct_.back() != v) {
      distinct_.push_back(v);
      counts_.push_back(0);
    }
    ++counts_.back();
  }
}

/// Bits of the values of a bin: which bin each is in, and where in it.
double BinPlan::bits_of(std::uint32_t hits, std::uint64_t low, std::uint64_t high) const {
  return hits * (count_bits_ - log2_of(hits) + width_of(high - low));
}

void BinPlan::make_groups(std::size_t count) {
  groups_.clear();
  const bool alone = distinct_.size() <= std::clamp(count / 2, kGroupsAlone / 2, kGroupsAlone);
  const std::size_t hits = count < kFewValues ? kGroupHitsFew : kGroupHits;
  const std::size_t enough = alone ? 1 : std::max(count / (kGroupsMax / 2) + 1, hits);
  std::size_t gathered = enough; // The first value opens a group.
  for (std::size_t i = 0; i < distinct_.size(); ++i) {
    if (gathered >= enough || counts_[i] >= enough) {
      groups_.push_back({distinct_[i], distinct_[i], 0, 0, 0});
      gathered = 0;
    }
    groups_.back().high = distinct_[i];
    groups_.back().hits += counts_[i];
    gathered += counts_[i];
  }
  least_bits_ = 0;
  std::uint64_t low = 0;
  for (Group& group : groups_) {
    group.head_bits = kBinBits + width_of(group.low - low);
    low = group.low;
    group.bits = bits_of(group.hits, group.low, group.high);
    least_bits_ +=
        group.hits * (count_bits_ - log2_of(group.hits) + log2_of(group.high - group.low + 1));
  }
}

/// Puts neighbours together that are as good in one bin: what choose_bins() does grows with the
/// square of the groups.
void BinPlan::join_groups(double lost_bits_max) {
  std::size_t top = 0;
  for (std::size_t next = 1; next < groups_.size(); ++next) {
    groups_[++top] = groups_[next];
    while (top > 0) {
      Group& before = groups_[top - 1];
      const Group& last = groups_[top];
      const double apart = before.bits + last.bits; // As bins of their own, or of what was joined.
      if (bits_of(before.hits + last.hits, before.low, last.high) - apart > lost_bits_max) {
        break;
      }
      before.high = last.high;
      before.hits += last.hits;
      before.bits = apart;
      --top;
    }
  }
  groups_.resize(top + 1);
}

void BinPlan::choose_bins() {
  const std::size_t groups = groups_.size();
  best_.assign(groups + 1, std::numeric_limits<double>::max());
  from_.assign(groups + 1, 0);
  best_[0] = 0;
  for (std::size_t end = 1; end <= groups; ++end) {
    std::uint32_t hits = 0;
    double apart = 0;
    for (std::size_t begin = end; begin-- > 0;) {
      const Group& first = groups_[begin];
      hits += first.hits;
      apart += first.bits;
      const double together = bits_of(hits, first.low, groups_[end - 1].high);
      if (together > apart + kExcessBitsMax) {
        break;
      }
      const double bits = best_[begin] + first.head_bits + together;
      if (bits < best_[end]) {
        best_[end] = bits;
        from_[end] = static_cast<std::uint32_t>(begin);
      }
    }
  }
  bins_.clear();
  for (std::size_t end = groups; end > 0; end = from_[end]) {
    const std::size_t begin = from_[end];
    std::uint32_t hits = 0;
    for (std::size_t g = begin; g < end; ++g) {
      hits += groups_[g].hits;
    }
    bins_.push_back(
        {groups_[begin].low, hits, 0, width_of(groups_[end - 1].high - groups_[begin].low)});
  }
  std::reverse(bins_.begin(), bins_.end());
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

bool BinPlan::make(const std::uint64_t* values, std::size_t count, std::uint64_t most,
                   std::size_t bytes_max) {
  table_bits_ =
      count > 4096 ? kTableBitsMax : std::clamp(width_of(count), kTableBitsMin, kTableBitsMax - 1);
  count_bits_ = log2_of(count);
  sort(values, count, most);
  make_groups(count);
  const std::size_t beside = 5 + states_for(count) * table_bits_ / 8;
  const auto bytes_for = [&](double bits) { return static_cast<std::size_t>(bits / 8) + beside; };
  if (bytes_for(least_bits_ + 2 * kBinBits) >= bytes_max) { // One bin alone is a plain form.
    return false;
  }
  for (std::size_t i = 0; i < kJoinBits.size() && (i == 0 || groups_.size() > kChoicesMax); ++i) {
    join_groups(kJoinBits[i]);
  }
  choose_bins();
  bytes_ = bytes_for(best_.back());
  return bytes_ < bytes_max;
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
    std::uint32_t b = 0;
    for (const std::uint64_t v : distinct_) { // Of no use any more: now the bin of each value.
      b += b + 1 < bins_.size() && bins_[b + 1].low <= v ? 1 : 0;
      histogram_[v] = b;
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
