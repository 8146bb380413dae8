#include <algorithm>
#include <limits>
#include <numeric>

#include "engine/columnar/bits.hpp"
#include "engine/columnar/integers.hpp"

namespace spate::columnar {

namespace {

/// Bins do not pay for fewer values.
constexpr std::size_t kBinsFrom = 24;
/// A dictionary pays where words are wide: else bins do the same.
constexpr unsigned kDictionaryWidth = 14;

/// Smallest and largest of signed values.
struct Range {
  std::int64_t low = std::numeric_limits<std::int64_t>::max();
  std::int64_t high = std::numeric_limits<std::int64_t>::min();
  void add(std::int64_t value) {
    low = std::min(low, value);
    high = std::max(high, value);
  }
  [[nodiscard]] std::uint64_t span() const {
    return low > high ? 0 : static_cast<std::uint64_t>(high) - static_cast<std::uint64_t>(low);
  }
  [[nodiscard]] unsigned width() const { return width_of(span()); }
};

std::uint64_t unsigned_of(std::int64_t value) {
  return static_cast<std::uint64_t>(value);
}

/// Largest number that divides the differences of all values to the first; 1 if there is none, or
/// where they do not fit.
std::int64_t common_factor(const std::int64_t* values, std::size_t count, unsigned width) {
  if (width > 62) {
    return 1;
  }
  std::int64_t factor = 0;
  for (std::size_t i = 1; i < count && factor != 1; ++i) {
    const std::int64_t difference = values[i] - values[0];
    if (factor == 0 || difference % factor != 0) {
      factor = std::gcd(factor, difference);
    }
  }
  return std::max<std::int64_t>(factor, 1);
}

} // namespace

/// What one walk over the values tells.
struct IntegerEncoder::Survey {
  Range ranges[3]; ///< Of the values, their differences, the changes of these.
  std::size_t runs = 1;

  Survey(const std::int64_t* values, std::size_t count) {
    Range value;
    Range delta;
    Range delta2;
    std::int64_t last = values[0];
    value.add(last);
    std::int64_t before = 0;
    if (count > 1) {
      before = wrapping_difference(values[1], last);
      last = values[1];
      value.add(last);
      delta.add(before);
      runs += before != 0 ? 1 : 0;
    }
    for (std::size_t i = 2; i < count; ++i) {
      const std::int64_t difference = wrapping_difference(values[i], last);
      last = values[i];
      value.add(last);
      delta.add(difference);
      delta2.add(wrapping_difference(difference, before));
      before = difference;
      runs += difference != 0 ? 1 : 0;
    }
    ranges[0] = value;
    ranges[1] = delta;
    ranges[2] = delta2;
  }
  /// What a plain form of that order takes; values are `count`.
  [[nodiscard]] std::size_t bytes(std::size_t count, unsigned order) const {
    return count <= order ? ~std::size_t{0}
                          : packed_bytes(count - order, ranges[order].width()) + order + 2;
  }
};

void IntegerEncoder::encode_runs(const std::int64_t* values, std::size_t count, std::size_t runs,
                                 Effort effort, std::string& out, unsigned depth) {
  auto& heads = levels_[depth].values;
  auto& lengths = levels_[depth].more;
  heads.clear();
  lengths.clear();
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
  encode(heads.data(), runs, effort, out, depth + 1);
  encode(lengths.data(), runs, effort, out, depth + 1);
}

void IntegerEncoder::encode_factor(const std::int64_t* values, std::size_t count,
                                   std::int64_t factor, Effort effort, std::string& out,
                                   unsigned depth) {
  auto& divided = levels_[depth].values;
  divided.resize(count);
  const auto divide = [&](auto by) {
    for (std::size_t i = 0; i < count; ++i) {
      divided[i] = wrapping_difference(values[i], values[0]) / by();
    }
  };
  if (factor == 1'000'000) { // Known to the compiler it is a multiplication.
    divide([] { return std::int64_t{1'000'000}; });
  } else if (factor == 1'000'000'000) {
    divide([] { return std::int64_t{1'000'000'000}; });
  } else {
    divide([factor] { return factor; });
  }
  out.push_back(static_cast<char>(kFactor));
  put_varint(out, unsigned_of(factor));
  put_svarint(out, values[0]);
  encode(divided.data(), count, effort, out, depth + 1);
}

bool IntegerEncoder::encode_dictionary(const std::int64_t* values, std::size_t count,
                                       std::string& out, unsigned depth) {
  auto& words = levels_[depth].values;
  auto& indexes = levels_[depth].more;
  words.assign(values, values + count);
  std::sort(words.begin(), words.end());
  words.erase(std::unique(words.begin(), words.end()), words.end());
  if (words.size() * 2 > count) {
    return false;
  }
  indexes.resize(count);
  for (std::size_t i = 0; i < count; ++i) {
    indexes[i] = std::lower_bound(words.begin(), words.end(), values[i]) - words.begin();
  }
  const std::size_t begin = out.size();
  out.push_back(static_cast<char>(kDictionary));
  put_varint(out, words.size());
  encode(words.data(), words.size(), Effort::thorough, out, depth + 1);
  if (depth == 0) {
    words_bytes_ = out.size() - begin;
  }
  encode(indexes.data(), count, Effort::thorough, out, depth + 1);
  return true;
}

void IntegerEncoder::share(std::uint64_t other, std::string& out) const {
  const std::size_t begin = out.size() - best_bytes_;
  out[begin] = static_cast<char>(kShared);
  out.resize(begin + words_bytes_);
  put_varint(out, other);
}

/// Fills changes_[order].
void IntegerEncoder::make_changes(const std::int64_t* values, std::size_t count,
                                  const Survey& survey, unsigned order) {
  auto& changes = changes_[order];
  const std::uint64_t low = unsigned_of(survey.ranges[order].low);
  changes.resize(count - order);
  for (std::size_t i = 0; i + order < count; ++i) {
    const std::uint64_t v[3] = {unsigned_of(values[i]), order > 0 ? unsigned_of(values[i + 1]) : 0,
                                order > 1 ? unsigned_of(values[i + 2]) : 0};
    changes[i] = (order == 0 ? v[0] : order == 1 ? v[1] - v[0] : v[2] - 2 * v[1] + v[0]) - low;
  }
}

namespace {

void put_firsts(const std::int64_t* values, unsigned order, std::string& out) {
  if (order > 0) {
    put_svarint(out, values[0]);
  }
  if (order > 1) {
    put_svarint(out, wrapping_difference(values[1], values[0]));
  }
}

} // namespace

void IntegerEncoder::encode(const std::int64_t* values, std::size_t count, Effort effort,
                            std::string& out, unsigned depth) {
  if (count == 0) {
    return;
  }
  const Survey survey(values, count);
  unsigned order = 0;
  std::size_t best = survey.bytes(count, 0);
  for (const unsigned other : {1u, 2u}) {
    if (survey.bytes(count, other) < best) {
      order = other;
      best = survey.bytes(count, other);
    }
  }
  const unsigned width = survey.ranges[order].width();
  if (best > 6 && depth + 1 < kDepthMax) {
    if (effort == Effort::thorough) {
      encode_thorough(values, count, survey, out, depth);
      return;
    }
    const unsigned run_bits = survey.ranges[0].width() + width_of(count / survey.runs) + 2;
    if (survey.runs * run_bits / 8 + 6 < best) {
      encode_runs(values, count, survey.runs, effort, out, depth);
      return;
    }
  }
  out.push_back(static_cast<char>(order * kDelta + width));
  put_firsts(values, order, out);
  const std::uint64_t low = unsigned_of(survey.ranges[order].low);
  put_svarint(out, survey.ranges[order].low);
  switch (order) {
  case 0:
    pack_bits(out, count, width, [&](std::size_t i) { return unsigned_of(values[i]) - low; });
    break;
  case 1:
    pack_bits(out, count - 1, width, [&](std::size_t i) {
      return unsigned_of(values[i + 1]) - unsigned_of(values[i]) - low;
    });
    break;
  default:
    pack_bits(out, count - 2, width, [&](std::size_t i) {
      return unsigned_of(values[i + 2]) - 2 * unsigned_of(values[i + 1]) + unsigned_of(values[i]) -
             low;
    });
    break;
  }
}

void IntegerEncoder::encode_thorough(const std::int64_t* values, std::size_t count,
                                     const Survey& survey, std::string& out, unsigned depth) {
  const unsigned value_width = survey.ranges[0].width();
  if (const std::int64_t factor = common_factor(values, count, value_width); factor > 1) {
    encode_factor(values, count, factor, Effort::thorough, out, depth);
    return;
  }
  Level& level = levels_[depth];
  level.best.clear();
  const auto keep_better = [&] {
    if (level.best.empty() || level.trial.size() < level.best.size()) {
      level.best.swap(level.trial);
    }
  };
  if (survey.runs * 2 < count) {
    level.trial.clear();
    encode_runs(values, count, survey.runs, Effort::thorough, level.trial, depth);
    keep_better();
  }
  if (value_width > kDictionaryWidth && count > 16) {
    level.trial.clear();
    if (encode_dictionary(values, count, level.trial, depth)) {
      keep_better();
    }
  }
  // From here on nothing goes deeper, so that one set of plans is enough.
  unsigned form = 0;
  std::size_t best = survey.bytes(count, 0);
  for (const unsigned order : {1u, 2u}) {
    if (survey.bytes(count, order) < best) {
      best = survey.bytes(count, order);
      form = order;
    }
  }
  // The narrowest first: mostly the others can then be left soon.
  std::array<unsigned, 3> orders{0, 1, 2};
  std::stable_sort(orders.begin(), orders.end(), [&](unsigned a, unsigned b) {
    return survey.ranges[a].width() < survey.ranges[b].width();
  });
  bool binned = false;
  for (const unsigned order : orders) {
    if (count < kBinsFrom + order ||
        (order == 2 && survey.ranges[2].width() > survey.ranges[1].width())) {
      continue;
    }
    make_changes(values, count, survey, order);
    const std::size_t beside = order + 2;
    if (best > beside && plans_[order].make(changes_[order].data(), count - order,
                                            survey.ranges[order].span(), best - beside)) {
      best = plans_[order].bytes() + beside;
      form = order;
      binned = true;
    }
  }
  if (!level.best.empty() && level.best.size() <= best) {
    out.append(level.best);
    best_bytes_ = level.best.size();
    shareable_ = depth == 0 && static_cast<unsigned char>(level.best[0]) == kDictionary;
    return;
  }
  if (!binned) {
    encode(values, count, Effort::quick, out, depth);
    return;
  }
  out.push_back(static_cast<char>(kBins + form));
  put_firsts(values, form, out);
  put_svarint(out, survey.ranges[form].low);
  plans_[form].encode(changes_[form].data(), count - form, out);
}

} // namespace spate::columnar
