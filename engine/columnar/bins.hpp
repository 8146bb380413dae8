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
  /// Finds bins for `values`, which are above a common base. Replaces what it held.
  void make(const std::uint64_t* values, std::size_t count);

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
    std::uint32_t before; ///< Values in all groups before it.
  };
  void sort(const std::uint64_t* values, std::size_t count, std::uint64_t most);
  void make_groups(std::size_t count);
  void choose_bins(std::size_t count, std::uint64_t most);
  void weigh(std::size_t count);
  void write_bins(std::string& out) const;
  void find_bins(const std::uint64_t* values, std::size_t count);

  unsigned table_bits_ = 0;
  bool by_value_ = false; ///< histogram_ has an entry for each value.
  std::size_t bytes_ = 0;
  std::vector<Bin> bins_;
  std::vector<Group> groups_;
  std::vector<std::uint64_t> distinct_;
  std::vector<std::uint32_t> counts_; ///< Of each distinct value.
  std::vector<std::uint64_t> sorted_;
  std::vector<std::uint64_t> other_;
  std::vector<std::uint32_t> histogram_;
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
