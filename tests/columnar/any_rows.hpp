// Random rows of all kinds that devices send, by seed.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/columnar/block.hpp"
#include "engine/model/row.hpp"
#include "engine/model/shape.hpp"

namespace spate::columnar {

/// Rows that own their values.
struct AnyRows {
  std::vector<std::string> values;
  std::vector<Row> rows;

  void finish() {
    for (std::size_t i = 0; i < rows.size(); ++i) {
      rows[i].values = values[i];
    }
  }
};

inline std::string number_bytes(std::string_view text) {
  std::string out;
  model::Decimal decimal;
  if (model::parse_decimal(text, decimal)) {
    model::append_decimal(out, decimal);
  } else {
    model::append_number_text(out, text);
  }
  return out;
}

/// The text of `value` with `decimals` of them.
inline std::string fixed(double value, int decimals) {
  char text[64];
  return {text,
          static_cast<std::size_t>(std::snprintf(text, sizeof text, "%.*f", decimals, value))};
}
/// The shortest text that gives `value` back, as most languages print it.
inline std::string shortest(double value) {
  char text[64];
  for (int digits = 1;; ++digits) {
    const int size = std::snprintf(text, sizeof text, "%.*g", digits, value);
    if (digits == 17 || std::strtod(text, nullptr) == value) {
      return {text, static_cast<std::size_t>(size)};
    }
  }
}

/// One way in which a device fills a number field, row by row.
class AnyNumbers {
public:
  explicit AnyNumbers(std::mt19937_64& random) : random_(random), kind_(random() % kKinds) {
    value_ = static_cast<double>(random() % 2000) / 10 - 50;
    decimals_ = static_cast<int>(random() % 7);
  }
  static constexpr unsigned kKinds = 16;

  std::string next() {
    const auto any = [&](std::uint64_t below) { return random_() % below; };
    const auto decimal = [](std::int64_t mantissa, std::uint64_t scale) {
      std::string out;
      model::append_decimal(out, {mantissa, static_cast<std::uint8_t>(scale)});
      return out;
    };
    using Limits = std::numeric_limits<std::int64_t>;
    switch (kind_) {
    case 0: // A sensor of few decimals that wanders.
      value_ += static_cast<double>(any(21)) / 10 - 1;
      return number_bytes(fixed(value_, decimals_));
    case 1: // The same as Python and JavaScript print it: no zeros at the end.
      value_ += static_cast<double>(any(21)) / 100 - 0.1;
      return number_bytes(shortest(std::round(value_ * 100) / 100));
    case 2: // A float widened to double.
      return number_bytes(shortest(static_cast<float>(value_ + static_cast<double>(any(50)) / 10)));
    case 3: // Full doubles.
      return number_bytes(shortest(value_ * std::exp(static_cast<double>(any(1000)) / 997)));
    case 4: // Full doubles of few kinds.
      return number_bytes(shortest(std::sqrt(static_cast<double>(any(9) + 2))));
    case 5: // A counter.
      value_ += static_cast<double>(any(3));
      return number_bytes(fixed(value_, 0));
    case 6:
      return decimal(42, 1);
    case 7: // Extremes.
      switch (any(5)) {
      case 0:
        return decimal(Limits::max(), any(31));
      case 1:
        return decimal(Limits::min() + 1, any(31));
      case 2:
        return decimal(Limits::min(), any(31));
      case 3:
        return decimal(0, any(31));
      default:
        return decimal(static_cast<std::int64_t>(random_()), any(31));
      }
    case 8: // Every scale.
      return decimal(static_cast<std::int64_t>(any(100'000)) - 50'000, any(31));
    case 9: // Texts among numbers.
      return any(5) == 0 ? number_bytes("1e-" + std::to_string(any(300)))
                         : number_bytes(fixed(value_, 1));
    case 10: // Texts only.
      return number_bytes(any(2) == 0 ? "-0" : "123456789012345678901234567890");
    case 11: // Long stays.
      value_ = any(40) == 0 ? static_cast<double>(any(1000)) : value_;
      return number_bytes(fixed(value_, 2));
    case 12: // Few values that jump, and now and then one far away.
      return number_bytes(any(100) == 0 ? std::to_string(random_() >> 2)
                                        : std::to_string(any(4) * 1'000'003));
    case 13: // Steps of a factor.
      return number_bytes(std::to_string(any(30) * 100));
    case 14: // Anything.
      return decimal(static_cast<std::int64_t>(random_()), 3);
    default: // Doubles that differ in their last digits, small and large.
      return number_bytes(shortest(1e-4 + static_cast<double>(any(1u << 20)) * 1.1e-17));
    }
  }

private:
  std::mt19937_64& random_;
  std::uint64_t kind_;
  double value_ = 0;
  int decimals_ = 0;
};

inline const model::Shape* any_shape(model::ShapeTable& shapes, std::mt19937_64& random) {
  std::vector<std::string> names;
  const std::size_t count = 1 + random() % 6;
  std::vector<model::FieldView> fields;
  for (std::size_t i = 0; i < count; ++i) {
    names.push_back(std::string(1, static_cast<char>('a' + i)));
  }
  for (const std::string& name : names) {
    const auto pick = random() % 8;
    fields.push_back({name, pick < 6    ? model::ValueClass::number
                            : pick == 6 ? model::ValueClass::boolean
                                        : model::ValueClass::string});
  }
  return shapes.intern(fields);
}

inline AnyRows any_rows(const model::Shape& shape, std::size_t count, std::mt19937_64& random) {
  AnyRows out;
  std::int64_t time = random() % 9 == 0 ? std::numeric_limits<std::int64_t>::min()
                                        : static_cast<std::int64_t>(random() % (1ull << 61));
  const auto clock = random() % 6;
  time -= clock > 1 ? time % 1'000'000 : 0;
  const auto source = random() % 4;
  const auto turn = 1 + random() % 30;
  const auto words = 1 + random() % 50;
  std::vector<AnyNumbers> numbers;
  for (std::size_t f = 0; f < shape.fields().size(); ++f) {
    numbers.emplace_back(random);
  }
  for (std::size_t i = 0; i < count; ++i) {
    Row row;
    row.time_ns = time;
    row.received_ms = random() % 50 == 0
                          ? static_cast<std::int64_t>(random())
                          : time / 1'000'000 + static_cast<std::int64_t>(random() % 80);
    row.source = source < 3 ? static_cast<model::TsSource>(source)
                            : static_cast<model::TsSource>(random() % 3);
    std::string values;
    for (std::size_t f = 0; f < shape.fields().size(); ++f) {
      switch (shape.fields()[f].value_class) {
      case model::ValueClass::number:
        values.append(numbers[f].next());
        break;
      case model::ValueClass::boolean:
        model::append_boolean(values, random() % turn == 0);
        break;
      case model::ValueClass::string:
        model::append_string(values, random() % 20 == 0
                                         ? std::string(random() % 70, '\xc3')
                                         : "word" + std::to_string(random() % words));
        break;
      }
    }
    out.values.push_back(std::move(values));
    out.rows.push_back(row);
    switch (clock) {
    case 0:
      time += static_cast<std::int64_t>(random() % 1'000'000'000);
      break;
    case 1:
      time += 0;
      break;
    case 2:
      time += 60'000'000'000;
      break;
    case 3:
      time += (4'000 + static_cast<std::int64_t>(random() % 3'000)) * 1'000'000;
      break;
    case 4:
      time += (random() % 3 == 0 ? 1'000'000'000 : 0);
      break;
    default:
      time += random() % 100 == 0 ? 7'200'000'000'000 : 1'000'000'000;
      break;
    }
  }
  out.finish();
  return out;
}

} // namespace spate::columnar
