// Spate - aggregates computed the plain way: all rows in a list, all values of a bucket sorted.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <map>
#include <string>
#include <tuple>
#include <vector>

#include <doctest/doctest.h>

#include "tests/storage/aggregate_fixture.hpp"

namespace spate::storage::test {

struct PlainValue {
  AggregateValue::Kind kind = AggregateValue::Kind::none;
  std::string text;
  bool boolean = false;
  [[nodiscard]] long double number() const { return std::strtold(text.c_str(), nullptr); }
};
/// By start and path: the values in the order of reading.
using PlainBuckets = std::map<std::int64_t, std::map<std::string, std::vector<PlainValue>>>;

/// Rows as reading gives them: by time, series, arrival, without repeats, of which the retention
/// class makes no difference. `rows` come in the order of arrival in each series.
inline std::vector<PlainRow> without_repeats(const BlocksFixture& blocks,
                                             std::vector<PlainRow> rows) {
  std::stable_sort(rows.begin(), rows.end(), [](const PlainRow& a, const PlainRow& b) {
    return std::tuple(a.time_ns, a.rank, a.series) < std::tuple(b.time_ns, b.rank, b.series);
  });
  std::vector<PlainRow> out;
  for (const PlainRow& row : rows) {
    const model::Shape& shape = blocks.shape_of_series(row.series);
    bool repeated = false;
    for (auto at = out.rbegin(); at != out.rend() && at->time_ns == row.time_ns; ++at) {
      repeated = repeated ||
                 (row.source == model::TsSource::device && at->source == model::TsSource::device &&
                  &shape == &blocks.shape_of_series(at->series) &&
                  model::same_values(shape, at->values, row.values));
    }
    if (!repeated) {
      out.push_back(row);
    }
  }
  std::stable_sort(out.begin(), out.end(), [](const PlainRow& a, const PlainRow& b) {
    return std::pair(a.time_ns, a.series) < std::pair(b.time_ns, b.series);
  });
  return out;
}

inline PlainBuckets plain_buckets(const BlocksFixture& blocks, const std::vector<PlainRow>& rows,
                                  const AggregateRequest& request) {
  PlainBuckets out;
  for (const PlainRow& row : rows) {
    if (row.time_ns < request.from_ns || row.time_ns >= request.to_ns) {
      continue;
    }
    const model::Shape& shape = blocks.shape_of_series(row.series);
    const std::vector<bool> wanted =
        request.selects ? request.selects(shape) : std::vector<bool>(shape.fields().size(), true);
    std::int64_t start = request.from_ns;
    if (request.step_ns != 0) {
      std::int64_t index = (row.time_ns - request.offset_ns) / request.step_ns;
      if (index * request.step_ns > row.time_ns - request.offset_ns) {
        --index;
      }
      start = index * request.step_ns + request.offset_ns;
    }
    model::RowReader reader(shape, row.values);
    for (model::Value value; reader.next(value);) {
      if (!wanted[reader.field()]) {
        continue;
      }
      PlainValue plain;
      plain.kind = AggregateValue::Kind::number;
      if (const auto* decimal = std::get_if<model::Decimal>(&value)) {
        model::append_text(plain.text, *decimal);
      } else if (const auto* text = std::get_if<model::NumberText>(&value)) {
        plain.text = text->text;
      } else if (const auto* boolean = std::get_if<bool>(&value)) {
        plain.kind = AggregateValue::Kind::boolean;
        plain.boolean = *boolean;
      } else {
        plain.kind = AggregateValue::Kind::string;
        plain.text = std::get<std::string_view>(value);
      }
      out[start][shape.fields()[reader.field()].path].push_back(std::move(plain));
    }
  }
  return out;
}

inline bool close(long double a, long double b) {
  return std::fabs(a - b) <= 1e-12L * std::max<long double>({1, std::fabs(a), std::fabs(b)});
}

/// Whether `got` is what the function makes of the values.
inline void check_value(Function function, const std::vector<PlainValue>& values,
                        const AggregateValue& got) {
  using Kind = AggregateValue::Kind;
  std::vector<PlainValue> numbers;
  std::size_t booleans = 0;
  std::size_t trues = 0;
  for (const PlainValue& value : values) {
    if (value.kind == Kind::number) {
      numbers.push_back(value);
    }
    booleans += value.kind == Kind::boolean ? 1 : 0;
    trues += value.kind == Kind::boolean && value.boolean ? 1 : 0;
  }
  const long double got_number = std::strtold(got.text.c_str(), nullptr);
  const auto sent = [&](long double number) {
    CHECK(got_number == number);
    CHECK(std::any_of(numbers.begin(), numbers.end(),
                      [&](const PlainValue& value) { return value.text == got.text; }));
  };
  std::vector<long double> sorted;
  long double sum = 0;
  for (const PlainValue& number : numbers) {
    sorted.push_back(number.number());
    sum += number.number();
  }
  std::sort(sorted.begin(), sorted.end());
  const auto rank = [&](std::size_t percent) {
    std::size_t at = 0;
    while ((at + 1) * 100 < sorted.size() * percent) {
      ++at;
    }
    return sorted[at];
  };
  switch (function) {
  case Function::count:
    CHECK(got.text == std::to_string(values.size()));
    return;
  case Function::first:
  case Function::last: {
    const PlainValue& end = function == Function::first ? values.front() : values.back();
    CHECK(got.kind == end.kind);
    CHECK(got.text == end.text);
    CHECK(got.boolean == end.boolean);
    return;
  }
  case Function::avg:
    if (numbers.empty() && booleans != 0) {
      CHECK(close(got_number, static_cast<long double>(trues) / booleans));
      return;
    }
    break;
  default:
    break;
  }
  if (numbers.empty()) {
    CHECK(got.kind == Kind::none);
    return;
  }
  CHECK(got.kind == Kind::number);
  switch (function) {
  case Function::avg:
    CHECK(close(got_number, sum / numbers.size()));
    break;
  case Function::sum:
    CHECK(close(got_number, sum));
    break;
  case Function::min:
    sent(sorted.front());
    break;
  case Function::max:
    sent(sorted.back());
    break;
  case Function::p50:
    sent(rank(50));
    break;
  case Function::p99:
    sent(rank(99));
    break;
  default:
    break;
  }
}

inline void check_buckets(const PlainBuckets& expected, std::uint32_t functions,
                          const std::vector<AggregateBucket>& got, bool descending) {
  REQUIRE(got.size() == expected.size());
  std::size_t index = descending ? got.size() : 0;
  for (const auto& [start, fields] : expected) {
    const AggregateBucket& bucket = got[descending ? --index : index++];
    CAPTURE(start);
    CHECK(bucket.start_ns == start);
    REQUIRE(bucket.fields.size() == fields.size());
    auto field = bucket.fields.begin();
    for (const auto& [path, values] : fields) {
      CAPTURE(path);
      CHECK(field->path == path);
      for (std::size_t i = 0; i < kFunctions; ++i) {
        CAPTURE(i);
        if ((functions >> i & 1) != 0) {
          check_value(static_cast<Function>(i), values, field->values[i]);
        } else {
          CHECK(field->values[i].kind == AggregateValue::Kind::none);
        }
      }
      ++field;
    }
  }
}

} // namespace spate::storage::test
