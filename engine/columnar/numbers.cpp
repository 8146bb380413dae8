#include "engine/columnar/numbers.hpp"

#include <algorithm>
#include <limits>

#include "engine/base/hash.hpp"
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
constexpr unsigned kFloats = 3;    ///< As kShortest; then which of them are widened floats.
constexpr unsigned kTexts = 4;

/// Shorter numbers gain nothing by being floats.
constexpr unsigned kFloatScaleMin = 9;

/// A number without zeros at its end, but with `least` decimals.
model::Decimal shown(model::Decimal value, unsigned least) {
  while (value.scale > least && value.mantissa % 10 == 0) {
    value.mantissa /= 10;
    --value.scale;
  }
  return value;
}

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

/// Values of which some are widened floats, all short and at one scale.
struct ShortNumbers {
  std::vector<std::int64_t> mantissas;
  std::vector<std::int64_t> widened; ///< Whether each was; 0 or 1.
  std::vector<std::uint8_t> scales;
  unsigned scale = 0;
};

/// False where a value is long and no float.
bool shorten_floats(const NumberValues& values, std::size_t rows, unsigned least,
                    ShortNumbers& out) {
  WidenedFloats floats(least);
  out.mantissas.resize(rows);
  out.widened.resize(rows);
  out.scales.resize(rows);
  for (std::size_t i = 0; i < rows; ++i) {
    const model::Decimal value{values.mantissas[i], values.scales[i]};
    model::Decimal small = value;
    if (floats.shorten(value, small)) {
      out.widened[i] = 1;
    } else if (value.scale < kFloatScaleMin && (value.scale == least || value.mantissa % 10 != 0)) {
      out.widened[i] = 0;
    } else {
      return false;
    }
    out.mantissas[i] = small.mantissa;
    out.scales[i] = small.scale;
    out.scale = std::max<unsigned>(out.scale, small.scale);
  }
  for (std::size_t i = 0; i < rows; ++i) {
    const unsigned more = out.scale - out.scales[i];
    if (more > kPowerMax ||
        __builtin_mul_overflow(out.mantissas[i], kPowers[more], &out.mantissas[i])) {
      return false;
    }
  }
  return true;
}

/// Back to what shorten_floats() got.
bool widen_floats(const std::vector<std::int64_t>& widened, unsigned least, NumberColumn& out) {
  WidenedFloats floats(least);
  for (std::size_t i = 0; i < widened.size(); ++i) {
    model::Decimal value = shown({out.mantissas[i], out.scales[i]}, least);
    if (widened[i] != 0 && !floats.widen(value, value)) {
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

std::optional<std::uint64_t> SharedIndexes::find_or_add(const std::vector<std::int64_t>& indexes,
                                                        std::uint64_t field) {
  const std::uint64_t hash = hash_bytes(
      {reinterpret_cast<const char*>(indexes.data()), indexes.size() * sizeof(std::int64_t)});
  for (std::size_t i = 0; i < count_; ++i) {
    if (known_[i].hash == hash && known_[i].indexes == indexes) {
      return known_[i].field;
    }
  }
  if (count_ == known_.size()) {
    known_.emplace_back();
  }
  known_[count_].hash = hash;
  known_[count_].field = field;
  known_[count_].indexes = indexes;
  ++count_;
  return std::nullopt;
}

void encode_numbers(IntegerEncoder& integers, SharedIndexes& shared, std::uint64_t field,
                    NumberValues& values, std::size_t rows, Effort effort, std::string& out) {
  fill_text_rows(values, rows);
  const auto [least, most] =
      std::minmax_element(values.scales.begin(), values.scales.begin() + static_cast<long>(rows));
  const unsigned decimals = *least;
  unsigned scale = *most;
  const unsigned texts = values.texts.empty() ? 0 : kTexts;
  const auto begin = [&](unsigned form) {
    out.push_back(static_cast<char>(scale | (form | texts) << kScaleBits));
  };
  ShortNumbers small;
  if (effort == Effort::thorough && scale >= kFloatScaleMin &&
      shorten_floats(values, rows, decimals, small)) {
    scale = small.scale;
    begin(kFloats);
    out.push_back(static_cast<char>(decimals));
    integers.encode(small.widened.data(), rows, effort, out);
    values.mantissas.swap(small.mantissas);
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
  if (!integers.indexes().empty()) {
    if (const auto other = shared.find_or_add(integers.indexes(), field)) {
      integers.share(*other, out);
    }
  }
  if (texts != 0) {
    put_varint(out, values.texts.size());
    const std::vector<std::int64_t> at(values.text_rows.begin(), values.text_rows.end());
    integers.encode(at.data(), at.size(), effort, out);
    encode_strings(integers, values.texts, values.texts.size(), effort, out);
  }
}

namespace {

/// Indexes in the columns of other fields.
class FieldIndexes final : public IndexSource {
public:
  FieldIndexes(const std::string_view* fields, std::size_t count)
      : fields_(fields), count_(count) {}

  bool indexes(std::uint64_t field, std::int64_t* out, std::size_t rows) const override {
    if (field >= count_) {
      return false;
    }
    ByteReader bytes(fields_[field]);
    const unsigned form = bytes.be<std::uint8_t>() >> kScaleBits & (kTexts - 1);
    if (form == kShortest || form == kFloats) {
      bytes.be<std::uint8_t>();
    }
    if (form == kEachScale || form == kFloats) {
      std::vector<std::int64_t> ignored(rows);
      if (!decode_integers(bytes, ignored.data(), rows)) {
        return false;
      }
    }
    return decode_indexes(bytes, out, rows);
  }

private:
  const std::string_view* fields_;
  std::size_t count_;
};

} // namespace

bool decode_numbers(ByteReader& bytes, std::size_t rows, const std::string_view* fields,
                    std::size_t field_count, NumberColumn& out) {
  out.texts.clear();
  const auto head = bytes.be<std::uint8_t>();
  const auto scale = static_cast<std::uint8_t>(head & ((1u << kScaleBits) - 1));
  const unsigned form = (head >> kScaleBits) & (kTexts - 1);
  if (!bytes.ok() || scale > model::kScaleMax || form > kFloats) {
    return false;
  }
  out.mantissas.resize(rows);
  out.scales.assign(form == kUniform ? 1 : rows, scale);
  const unsigned least = form == kShortest || form == kFloats ? bytes.be<std::uint8_t>() : 0;
  if (least > (form == kFloats ? model::kScaleMax : scale)) {
    return false;
  }
  std::vector<std::int64_t> widened(form == kFloats ? rows : 0);
  if (!decode_integers(bytes, widened.data(), widened.size())) {
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
  const FieldIndexes shared(fields, field_count);
  if (!decode_integers(bytes, out.mantissas.data(), rows, &shared)) {
    return false;
  }
  if (form == kShortest) {
    for (std::size_t i = 0; i < rows; ++i) {
      const model::Decimal value = shown({out.mantissas[i], scale}, least);
      out.mantissas[i] = value.mantissa;
      out.scales[i] = value.scale;
    }
  }
  if (form == kFloats && !widen_floats(widened, least, out)) {
    return false;
  }
  return (head >> kScaleBits & kTexts) == 0 || decode_texts(bytes, rows, out);
}

} // namespace spate::columnar
