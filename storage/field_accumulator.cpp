#include "storage/field_accumulator.hpp"

#include <algorithm>
#include <limits>

namespace spate::storage {

namespace {

using model::Decimal;

constexpr std::uint32_t kSums = bit(Function::sum) | bit(Function::avg);
constexpr std::uint32_t kExtremes = bit(Function::min) | bit(Function::max);
constexpr std::uint32_t kEnds = bit(Function::first) | bit(Function::last);
constexpr std::uint32_t kPercentiles = bit(Function::p50) | bit(Function::p99);

Error scale_error() {
  return {Errc::storage_corrupt, "a number has more decimals than there can be"};
}

std::uint8_t scale_at(const columnar::NumberColumn& column, std::size_t row) noexcept {
  return column.scales[column.scales.size() == 1 ? 0 : row];
}

/// The first text at or behind `row`.
auto text_at(const columnar::NumberColumn& column, std::size_t row) noexcept {
  return std::lower_bound(
      column.texts.begin(), column.texts.end(), row,
      [](const columnar::NumberColumn::Text& text, std::size_t at) { return text.row < at; });
}

model::Value value_at(const columnar::NumberColumn& column, std::size_t row) noexcept {
  if (const auto text = text_at(column, row); text != column.texts.end() && text->row == row) {
    return model::NumberText{text->text};
  }
  return Decimal{column.mantissas[row], scale_at(column, row)};
}

} // namespace

Result<void> FieldAccumulator::add(const model::Value& value, Moment moment) {
  ++count_;
  take_ends(
      moment, [&] { return value; }, moment, [&] { return value; });
  if (const auto* decimal = std::get_if<Decimal>(&value)) {
    ++numbers_;
    return add_decimals({&decimal->mantissa, 1}, decimal->scale);
  }
  if (const auto* text = std::get_if<model::NumberText>(&value)) {
    ++numbers_;
    return add_text(text->text);
  }
  if (const auto* boolean = std::get_if<bool>(&value)) {
    ++booleans_;
    booleans_true_ += *boolean ? 1 : 0;
  }
  return {};
}

Result<void> FieldAccumulator::add_numbers(const columnar::NumberColumn& column, std::size_t begin,
                                           std::size_t end, Moment first, Moment last) {
  count_ += end - begin;
  numbers_ += end - begin;
  take_ends(
      first, [&] { return value_at(column, begin); }, last,
      [&] { return value_at(column, end - 1); });
  if (!wants(kSums | kExtremes | kPercentiles)) {
    return {};
  }
  const std::span mantissas(column.mantissas);
  const std::span scales(column.scales);
  const auto add_run = [&](std::size_t from, std::size_t to) {
    return scales.size() == 1
               ? add_decimals(mantissas.subspan(from, to - from), scales[0])
               : add_decimals(mantissas.subspan(from, to - from), scales.subspan(from, to - from));
  };
  for (auto text = text_at(column, begin); text != column.texts.end() && text->row < end; ++text) {
    if (auto added = add_run(begin, text->row); !added) {
      return added;
    }
    if (auto added = add_text(text->text); !added) {
      return added;
    }
    begin = text->row + 1;
  }
  return add_run(begin, end);
}

Result<void> FieldAccumulator::add_booleans(std::span<const std::uint8_t> values, Moment first,
                                            Moment last) {
  count_ += values.size();
  booleans_ += values.size();
  booleans_true_ += static_cast<std::size_t>(
      std::count_if(values.begin(), values.end(), [](std::uint8_t value) { return value != 0; }));
  take_ends(
      first, [&] { return values.front() != 0; }, last, [&] { return values.back() != 0; });
  return {};
}

Result<void> FieldAccumulator::add_strings(std::span<const std::string_view> values, Moment first,
                                           Moment last) {
  count_ += values.size();
  take_ends(
      first, [&] { return values.front(); }, last, [&] { return values.back(); });
  return {};
}

Result<void> FieldAccumulator::add_numbers(const columnar::ColumnHead& head, std::size_t rows,
                                           Moment first, Moment last) {
  if (std::max({head.min.scale, head.max.scale, head.first.scale, head.last.scale, head.scale}) >
      model::kScaleMax) {
    return fail(scale_error());
  }
  count_ += rows;
  numbers_ += rows;
  take_ends(
      first, [&] { return head.first; }, last, [&] { return head.last; });
  if (wants(kSums)) {
    sum_.add(head.sum, head.scale);
  }
  if (wants(kExtremes)) {
    add_extremes({head.min, {}}, {head.max, {}});
  }
  return {};
}

Result<void> FieldAccumulator::add_booleans(const columnar::ColumnHead& head, std::size_t rows,
                                            Moment first, Moment last) {
  if (head.sum < 0 || static_cast<std::size_t>(head.sum) > rows || head.scale != 0) {
    return fail(Errc::storage_corrupt, "the sum of a column of booleans can not be");
  }
  count_ += rows;
  booleans_ += rows;
  booleans_true_ += static_cast<std::size_t>(head.sum);
  take_ends(
      first, [&] { return head.first.mantissa != 0; }, last,
      [&] { return head.last.mantissa != 0; });
  return {};
}

Result<void> FieldAccumulator::add_decimals(std::span<const std::int64_t> mantissas,
                                            std::uint8_t scale) {
  if (scale > model::kScaleMax) {
    return fail(scale_error());
  }
  if (mantissas.empty()) {
    return {};
  }
  if (wants(kSums)) {
    Int128 sum = 0;
    for (const std::int64_t mantissa : mantissas) {
      sum += mantissa; // kBlockRowsMax of them stay far inside.
    }
    sum_.add(sum, scale);
  }
  if (wants(kExtremes)) {
    const auto [min, max] = std::minmax_element(mantissas.begin(), mantissas.end());
    add_extremes({{*min, scale}, {}}, {{*max, scale}, {}});
  }
  if (wants(kPercentiles)) {
    if (auto reserved = reserve_values(mantissas.size()); !reserved) {
      return reserved;
    }
    for (const std::int64_t mantissa : mantissas) {
      values_.add({mantissa, scale});
    }
  }
  return {};
}

/// Gathers by scale, so that no value is scaled by itself.
Result<void> FieldAccumulator::add_decimals(std::span<const std::int64_t> mantissas,
                                            std::span<const std::uint8_t> scales) {
  struct Scale {
    Int128 sum = 0;
    std::int64_t min = std::numeric_limits<std::int64_t>::max();
    std::int64_t max = std::numeric_limits<std::int64_t>::min();
  };
  std::array<Scale, model::kScaleMax + 1> by_scale;
  std::uint32_t met = 0;
  for (std::size_t i = 0; i < mantissas.size(); ++i) {
    if (scales[i] > model::kScaleMax) {
      return fail(scale_error());
    }
    Scale& at = by_scale[scales[i]];
    met |= std::uint32_t{1} << scales[i];
    at.sum += mantissas[i];
    at.min = std::min(at.min, mantissas[i]);
    at.max = std::max(at.max, mantissas[i]);
  }
  for (std::uint8_t scale = 0; scale <= model::kScaleMax; ++scale) {
    if ((met >> scale & 1) == 0) {
      continue;
    }
    if (wants(kSums)) {
      sum_.add(by_scale[scale].sum, scale);
    }
    if (wants(kExtremes)) {
      add_extremes({{by_scale[scale].min, scale}, {}}, {{by_scale[scale].max, scale}, {}});
    }
  }
  if (wants(kPercentiles)) {
    if (auto reserved = reserve_values(mantissas.size()); !reserved) {
      return reserved;
    }
    for (std::size_t i = 0; i < mantissas.size(); ++i) {
      values_.add({mantissas[i], scales[i]});
    }
  }
  return {};
}

Result<void> FieldAccumulator::add_text(std::string_view text) {
  if (wants(kSums)) {
    sum_.add_text(text);
  }
  if (wants(kExtremes)) {
    add_extremes({{}, text}, {{}, text});
  }
  if (wants(kPercentiles)) {
    constexpr std::size_t kTextAsValues = 8; // A string of its own takes so much more memory.
    if (auto reserved = reserve_values(kTextAsValues); !reserved) {
      return reserved;
    }
    values_.add_text(text);
  }
  return {};
}

void FieldAccumulator::add_extremes(const SentNumber& min, const SentNumber& max) {
  const auto keep_number = [](Kept& kept, const SentNumber& number) {
    kept.kind = AggregateValue::Kind::number;
    kept.decimal = number.decimal;
    kept.text = number.text;
  };
  constexpr auto kNone = AggregateValue::Kind::none;
  if (min_.kind == kNone || compare(min, number_of(min_)) < 0) {
    keep_number(min_, min);
  }
  if (max_.kind == kNone || compare(max, number_of(max_)) > 0) {
    keep_number(max_, max);
  }
}

Result<void> FieldAccumulator::reserve_values(std::size_t count) {
  if (count > *values_left_ || values_.size() + count > kFieldValuesMax) {
    return fail(Errc::usage,
                "percentiles of more than " +
                    std::to_string(count > *values_left_ ? kBucketValuesMax : kFieldValuesMax) +
                    " values in one bucket; take a smaller step" +
                    (count > *values_left_ ? " or fewer fields" : ""));
  }
  *values_left_ -= count;
  return {};
}

template <class First, class Last>
void FieldAccumulator::take_ends(Moment first, const First& first_value, Moment last,
                                 const Last& last_value) {
  constexpr auto kNone = AggregateValue::Kind::none;
  if (!wants(kEnds)) {
    return;
  }
  if (first_.kind == kNone || first < first_.moment) {
    keep(first_, first, first_value());
  }
  if (last_.kind == kNone || last >= last_.moment) {
    keep(last_, last, last_value());
  }
}

void FieldAccumulator::keep(Kept& kept, Moment moment, const model::Value& value) {
  using Kind = AggregateValue::Kind;
  kept.moment = moment;
  kept.kind = Kind::number;
  kept.text.clear();
  if (const auto* decimal = std::get_if<Decimal>(&value)) {
    kept.decimal = *decimal;
  } else if (const auto* text = std::get_if<model::NumberText>(&value)) {
    kept.text = text->text;
  } else if (const auto* boolean = std::get_if<bool>(&value)) {
    kept.kind = Kind::boolean;
    kept.boolean = *boolean;
  } else {
    kept.kind = Kind::string;
    kept.text = std::get<std::string_view>(value);
  }
}

AggregateValue FieldAccumulator::value_of(const Kept& kept) {
  AggregateValue out;
  out.kind = kept.kind;
  out.boolean = kept.kind == AggregateValue::Kind::boolean && kept.boolean;
  if (kept.kind == AggregateValue::Kind::number) {
    append_text(out.text, number_of(kept));
  } else {
    out.text = kept.text;
  }
  return out;
}

void FieldAccumulator::finish(std::array<AggregateValue, kFunctions>& out) {
  const auto set_number = [&](Function function, auto&& append) {
    AggregateValue& value = out[static_cast<std::size_t>(function)];
    if (wants(bit(function)) && append(value.text)) {
      value.kind = AggregateValue::Kind::number;
    }
  };
  const auto set_kept = [&](Function function, const Kept& kept) {
    if (wants(bit(function)) && kept.kind != AggregateValue::Kind::none) {
      out[static_cast<std::size_t>(function)] = value_of(kept);
    }
  };
  const auto set_percentile = [&](Function function, unsigned percent) {
    set_number(function, [&](std::string& text) {
      if (values_.size() != 0) {
        values_.append(text, percent);
      }
      return values_.size() != 0;
    });
  };
  set_number(Function::count, [&](std::string& text) {
    text = std::to_string(count_);
    return true;
  });
  set_number(Function::sum,
             [&](std::string& text) { return numbers_ != 0 && sum_.append_sum(text); });
  set_number(Function::avg, [&](std::string& text) {
    if (numbers_ != 0) {
      return sum_.append_mean(text, numbers_);
    }
    return booleans_ != 0 && append_double(text, static_cast<double>(booleans_true_) /
                                                     static_cast<double>(booleans_));
  });
  set_kept(Function::min, min_);
  set_kept(Function::max, max_);
  set_kept(Function::first, first_);
  set_kept(Function::last, last_);
  set_percentile(Function::p50, 50);
  set_percentile(Function::p99, 99);
}

void FieldAccumulator::clear() {
  count_ = numbers_ = booleans_ = booleans_true_ = 0;
  sum_ = {};
  for (Kept* kept : {&min_, &max_, &first_, &last_}) {
    kept->kind = AggregateValue::Kind::none;
  }
  values_.clear();
}

} // namespace spate::storage
