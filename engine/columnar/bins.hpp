// Spate - integers as bins: which bin a value lies in is coded by how often it is hit (tANS), where
// in the bin as plain bits. Close to the entropy of noisy values, and quick to read.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "engine/base/bytes.hpp"

namespace spate::columnar {

/// Bins that suit some values; keeps its buffers.
class BinPlan {
public:
  /// Finds bins for `values`, which are above a common base; `most` is the largest. Replaces what
  /// it held. False if encode() would write `bytes_max` or more: then it must not be called.
  bool make(const std::uint64_t* values, std::size_t count, std::uint64_t most,
            std::size_t bytes_max);

  /// About what encode() will write.
  [[nodiscard]] std::size_t bytes() const noexcept { return bytes_; }

  /// Appends the values that the bins were made for. Their number is not written.
  void encode(const std::uint64_t* values, std::size_t count, std::string& out);

private:
  struct Bin {
    std::uint64_t low;
    std::uint32_t count;
    std::uint32_t weight;
    unsigned offset_bits;
  };
  /// Some values, all of one bin.
  struct Group {
    std::uint64_t low;
    std::uint64_t high;
    std::uint32_t hits;
    double head_bits; ///< Of a bin that begins here.
    double bits;      ///< Of its values, in a bin of their own or in several.
  };
  void count_values(const std::uint64_t* values, std::size_t count, std::uint64_t most);
  void sort(const std::uint64_t* values, std::size_t count, std::uint64_t most);
  void make_groups(std::size_t count);
  [[nodiscard]] double bits_of(std::uint32_t hits, std::uint64_t low, std::uint64_t high) const;
  void join_groups(double lost_bits_max);
  void choose_bins();
  void weigh(std::size_t count);
  void write_bins(std::string& out) const;
  void find_bins(const std::uint64_t* values, std::size_t count);

  unsigned table_bits_ = 0;
  bool by_value_ = false; ///< histogram_ has an entry for each value, zero but for distinct_.
  double count_bits_ = 0; ///< Logarithm of the number of values.
  double least_bits_ = 0; ///< Of all values, if bins cost nothing.
  std::size_t bytes_ = 0;
  std::vector<Bin> bins_;
  std::vector<Group> groups_;
  std::vector<std::uint64_t> distinct_;
  std::vector<std::uint32_t> counts_; ///< Of each distinct value.
  std::vector<std::uint64_t> sorted_;
  std::vector<std::uint64_t> other_;
  std::vector<std::uint32_t> histogram_;
  std::vector<std::uint64_t> seen_; ///< A bit for each value that is there.
  std::vector<std::uint32_t> offsets_;
  std::vector<double> best_;
  std::vector<std::uint32_t> from_;
  std::vector<std::uint16_t> states_;
  std::vector<std::uint32_t> starts_;
  std::vector<std::uint8_t> bin_of_;
  std::vector<std::uint32_t> state_bits_; ///< Bits that reading a value takes: value << 8 | width.
};

/// Reads `count` values, at least one. False if the bytes make no sense.
[[nodiscard]] bool decode_bins(ByteReader& bytes, std::uint64_t* values, std::size_t count);

} // namespace spate::columnar
