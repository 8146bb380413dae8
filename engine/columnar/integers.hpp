// Spate - a sequence of 64-bit integers as few bytes: the one codec that all columns are made of.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "engine/base/bytes.hpp"
#include "engine/columnar/bins.hpp"
#include "engine/columnar/integer_forms.hpp"

namespace spate::columnar {

/// How much is tried: `quick` is for blocks that are soon written anew.
enum class Effort : std::uint8_t { quick, thorough };

/// Writes sequences; keeps its buffers. One thread.
class IntegerEncoder {
public:
  /// Appends `count` values. Their number is not written: the reader knows it.
  void encode(const std::int64_t* values, std::size_t count, Effort effort, std::string& out) {
    shareable_ = false;
    encode(values, count, effort, out, 0);
  }
  /// The same of values whose differences to the first are known to be multiples of `factor`.
  void encode_multiples(const std::int64_t* values, std::size_t count, std::int64_t factor,
                        Effort effort, std::string& out) {
    shareable_ = false;
    encode_factor(values, count, factor, effort, out, 0);
  }

  /// After encode() has chosen a dictionary: the word of each value, until the next encode(). Else
  /// empty.
  [[nodiscard]] const std::vector<std::int64_t>& indexes() const noexcept {
    return shareable_ ? levels_[0].more : none_;
  }
  /// Rewrites what that encode() appended: the indexes are those of sequence `other`.
  void share(std::uint64_t other, std::string& out) const;

private:
  /// Buffers of one depth.
  struct Level {
    std::vector<std::int64_t> values;
    std::vector<std::int64_t> more;
    std::string trial;
    std::string best;
  };
  struct Survey;

  void encode(const std::int64_t* values, std::size_t count, Effort effort, std::string& out,
              unsigned depth);
  void encode_runs(const std::int64_t* values, std::size_t count, std::size_t runs, Effort effort,
                   std::string& out, unsigned depth);
  void encode_factor(const std::int64_t* values, std::size_t count, std::int64_t factor,
                     Effort effort, std::string& out, unsigned depth);
  bool encode_dictionary(const std::int64_t* values, std::size_t count, std::string& out,
                         unsigned depth);
  void encode_thorough(const std::int64_t* values, std::size_t count, const Survey& survey,
                       std::string& out, unsigned depth);
  void make_changes(const std::int64_t* values, std::size_t count, const Survey& survey,
                    unsigned order);

  bool shareable_ = false;
  std::size_t words_bytes_ = 0; ///< Of the dictionary at the top, up to its indexes.
  std::size_t best_bytes_ = 0;  ///< All of it.
  std::vector<std::int64_t> none_;
  std::array<Level, kDepthMax> levels_;
  std::array<BinPlan, 3> plans_;                      ///< Of values, differences, their changes.
  std::array<std::vector<std::uint64_t>, 3> changes_; ///< The same, above their smallest.
};

/// The indexes of other sequences, for those that share them.
class IndexSource {
public:
  virtual ~IndexSource() = default;
  /// False if that sequence has none. The work is in proportion to `count`.
  virtual bool indexes(std::uint64_t sequence, std::int64_t* out, std::size_t count) const = 0;
};

/// Reads `count` values. False if the bytes make no sense; then `values` holds anything. The work
/// is in proportion to `count`. Null: none is shared.
[[nodiscard]] bool decode_integers(ByteReader& bytes, std::int64_t* values, std::size_t count,
                                   const IndexSource* shared = nullptr);

/// Reads the indexes of a sequence that is a dictionary; false if it is none.
[[nodiscard]] bool decode_indexes(ByteReader& bytes, std::int64_t* out, std::size_t count);

} // namespace spate::columnar
