#include "engine/columnar/numbers.hpp"

#include <algorithm>
#include <limits>

#include "engine/columnar/decimal.hpp"
#include "engine/columnar/floats.hpp"
#include "engine/columnar/integers.hpp"
#include "engine/columnar/strings.hpp"

namespace spate::columnar {

namespace {

// The first byte: five bits of scale, two of form, one that tells whether texts follow.
constexpr unsigned kScaleBits = 5;
constexpr unsigned kUniform = 0;   ///< All rows have that scale.
constexpr unsigned kShortest = 1;  ///< All are at that scale, and shown without zeros at the end,
                                   ///< but with at least as many decimals as the next byte says.
constexpr unsigned kEachScale = 2; ///< Scales follow, one a row.
constexpr unsigned kFloats = 3;    ///< All are widened floats, with at least as many decimals as the
                                   ///< next byte says; the short ones are at that scale.
constexpr unsigned kTexts = 4;

/// Shorter numbers gain nothing by being floats.
constexpr unsigned kFloatScaleMin = 9;

/// Rows without a mantissa get the one before, so that they cost nothing.
void fill_text_rows(NumberValues& values, std::size_t rows) {
  for (std::size_t t = 0; t < values.text_rows.size(); ++t) {
    const std::size_t row = values.text_rows[t];
    if (row != 0) {
      values.mantissas[row] = values.mantissas[row - 1];
      values.scales[row] = values.scales[row - 1];
      continue;
    }
    std::size_t first = 0; // The first row that is no text gives to all before it.
    while (first < values.text_rows.size() && values.text_rows[first] == first) {
      ++first;
    }
    values.mantissas[0] = first < rows ? values.mantissas[first] : 0;
    values.scales[0] = first < rows ? values.scales[first] : std::uint8_t{0};
  }
}

/// Brings all to `scale`, if they fit it and each has as many decimals as it would be shown with.
bool bring_to_scale(NumberValues& values, std::size_t rows, unsigned least, unsigned scale) {
  for (std::size_t i = 0; i < rows; ++i) {
    std::int64_t ignored = 0;
    const std::int64_t mantissa = values.mantissas[i];
    if ((values.scales[i] != least && mantissa % 10 == 0) || scale - values.scales[i] > kPowerMax ||
        __builtin_mul_overflow(mantissa, kPowers[scale - values.scales[i]], &ignored)) {
      return false;
    }
  }
  for (std::size_t i = 0; i < rows; ++i) {
    values.mantissas[i] *= kPowers[scale - values.scales[i]];
  }
  return true;
}

/// The floats that all values were, at one scale.
bool shorten_floats(const NumberValues& values, std::size_t rows, unsigned least,
                    std::vector<std::int64_t>& out, unsigned& scale) {
  WidenedFloats floats(least);
  std::vector<std::uint8_t> scales(rows);
  out.resize(rows);
  scale = 0;
  for (std::size_t i = 0; i < rows; ++i) {
    model::Decimal value{values.mantissas[i], values.scales[i]};
    if (!floats.shorten(value, value)) {
      return false;
    }
    out[i] = value.mantissa;
    scales[i] = value.scale;
    scale = std::max<unsigned>(scale, value.scale);
  }
  for (std::size_t i = 0; i < rows; ++i) {
    if (scale - scales[i] > kPowerMax ||
        __builtin_mul_overflow(out[i], kPowers[scale - scales[i]], &out[i])) {
      return false;
    }
  }
  return true;
}

bool widen_floats(std::size_t rows, unsigned least, NumberColumn& out) {
  WidenedFloats floats(least);
  for (std::size_t i = 0; i < rows; ++i) {
    model::Decimal value{out.mantissas[i], out.scales[i]};
    if (!floats.widen(value, value)) {
      return false;
    }
    out.mantissas[i] = value.mantissa;
    out.scales[i] = value.scale;
  }
  return true;
}

bool decode_texts(ByteReader& bytes, std::size_t rows, NumberColumn& out) {
  const std::uint64_t count = bytes.varint();
  if (!bytes.ok() || count == 0 || count > rows) {
    return false;
  }
  std::vector<std::int64_t> at(count);
  std::vector<std::string_view> texts;
  if (!decode_integers(bytes, at.data(), count) || !decode_strings(bytes, count, texts)) {
    return false;
  }
  std::int64_t next = 0;
  for (std::size_t i = 0; i < count; ++i) {
    if (at[i] < next || at[i] >= static_cast<std::int64_t>(rows) ||
        texts[i].size() > model::kNumberTextBytesMax) {
      return false;
    }
    const auto row = static_cast<std::uint32_t>(at[i]);
    out.texts.push_back({row, std::string(texts[i])});
    out.mantissas[row] = 0;
    if (out.scales.size() > 1) {
      out.scales[row] = 0;
    }
    next = at[i] + 1;
  }
  return true;
}

} // namespace

void encode_numbers(IntegerEncoder& integers, NumberValues& values, std::size_t rows, Effort effort,
                    std::string& out) {
  fill_text_rows(values, rows);
  const auto [least, most] =
      std::minmax_element(values.scales.begin(), values.scales.begin() + static_cast<long>(rows));
  const unsigned decimals = *least;
  unsigned scale = *most;
  const unsigned texts = values.texts.empty() ? 0 : kTexts;
  const auto begin = [&](unsigned form) {
    out.push_back(static_cast<char>(scale | (form | texts) << kScaleBits));
  };
  unsigned float_scale = 0;
  std::vector<std::int64_t> floats;
  if (effort == Effort::thorough && scale >= kFloatScaleMin &&
      shorten_floats(values, rows, decimals, floats, float_scale)) {
    scale = float_scale;
    begin(kFloats);
    out.push_back(static_cast<char>(decimals));
    values.mantissas.swap(floats);
  } else if (decimals == scale) {
    begin(kUniform);
  } else if (bring_to_scale(values, rows, decimals, scale)) {
    begin(kShortest);
    out.push_back(static_cast<char>(decimals));
  } else {
    begin(kEachScale);
    const std::vector<std::int64_t> scales(values.scales.begin(),
                                           values.scales.begin() + static_cast<long>(rows));
    integers.encode(scales.data(), rows, effort, out);
  }
  integers.encode(values.mantissas.data(), rows, effort, out);
  if (texts != 0) {
    put_varint(out, values.texts.size());
    const std::vector<std::int64_t> at(values.text_rows.begin(), values.text_rows.end());
    integers.encode(at.data(), at.size(), effort, out);
    encode_strings(integers, values.texts, values.texts.size(), effort, out);
  }
}

bool decode_numbers(ByteReader& bytes, std::size_t rows, NumberColumn& out) {
  out.texts.clear();
  const auto head = bytes.be<std::uint8_t>();
  const auto scale = static_cast<std::uint8_t>(head & ((1u << kScaleBits) - 1));
  const unsigned form = (head >> kScaleBits) & (kTexts - 1);
  if (!bytes.ok() || scale > model::kScaleMax || form > kFloats) {
    return false;
  }
  out.mantissas.resize(rows);
  out.scales.assign(form == kUniform ? 1 : rows, scale);
  const unsigned least =
      form == kShortest || form == kFloats ? bytes.be<std::uint8_t>() : 0;
  if (least > (form == kFloats ? model::kScaleMax : scale)) {
    return false;
  }
  if (form == kEachScale) {
    if (!decode_integers(bytes, out.mantissas.data(), rows)) {
      return false;
    }
    for (std::size_t i = 0; i < rows; ++i) {
      if (static_cast<std::uint64_t>(out.mantissas[i]) > model::kScaleMax) {
        return false;
      }
      out.scales[i] = static_cast<std::uint8_t>(out.mantissas[i]);
    }
  }
  if (!decode_integers(bytes, out.mantissas.data(), rows)) {
    return false;
  }
  if (form == kShortest) {
    for (std::size_t i = 0; i < rows; ++i) {
      unsigned shown = scale;
      std::int64_t mantissa = out.mantissas[i];
      for (; shown > least && mantissa % 10 == 0; --shown) {
        mantissa /= 10;
      }
      out.mantissas[i] = mantissa;
      out.scales[i] = static_cast<std::uint8_t>(shown);
    }
  }
  if (form == kFloats && !widen_floats(rows, least, out)) {
    return false;
  }
  return (head >> kScaleBits & kTexts) == 0 || decode_texts(bytes, rows, out);
}

} // namespace spate::columnar
