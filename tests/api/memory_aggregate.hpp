// What Store::aggregate() promises, in the plainest way: all records of a bucket, then its
// functions.
#pragma once

#include <algorithm>
#include <charconv>
#include <cmath>
#include <map>
#include <string>
#include <vector>

#include "engine/model/row.hpp"
#include "storage/store.hpp"

namespace spate::api {

struct MemoryNumber {
  double value = 0;
  std::string text;
};

inline storage::AggregateValue number_of(std::string text) {
  return {storage::AggregateValue::Kind::number, std::move(text), false};
}
inline storage::AggregateValue number_of(double value) {
  char text[32];
  const auto end = std::to_chars(text, text + sizeof text, value).ptr;
  return number_of(std::string(text, end));
}

/// Values of one field in one bucket.
struct MemoryField {
  std::vector<MemoryNumber> numbers;
  std::vector<storage::AggregateValue> all; ///< In the order of their arrival.
  std::size_t booleans = 0;
  std::size_t set = 0;
  __extension__ typedef __int128 Wide;
  Wide sum = 0; ///< At scale 6, which is enough for tests.

  void add(const model::Value& value) {
    using Kind = storage::AggregateValue::Kind;
    if (const auto* flag = std::get_if<bool>(&value)) {
      ++booleans;
      set += *flag ? 1 : 0;
      all.push_back({Kind::boolean, {}, *flag});
    } else if (const auto* text = std::get_if<std::string_view>(&value)) {
      all.push_back({Kind::string, std::string(*text), false});
    } else {
      std::string number;
      if (const auto* decimal = std::get_if<model::Decimal>(&value)) {
        model::append_text(number, *decimal);
        Wide part = decimal->mantissa;
        for (int i = decimal->scale; i < 6; ++i) {
          part *= 10;
        }
        sum += part;
      } else {
        number = std::get<model::NumberText>(value).text;
      }
      numbers.push_back({std::stod(number), number});
      all.push_back(number_of(number));
    }
  }
  [[nodiscard]] std::string sum_text() const {
    std::string digits = std::to_string(static_cast<std::int64_t>(sum / 1'000'000));
    auto rest = static_cast<std::int64_t>(sum % 1'000'000);
    if (rest != 0) {
      std::string tail = std::to_string(1'000'000 + std::abs(rest)).substr(1);
      digits += "." + tail.substr(0, tail.find_last_not_of('0') + 1);
    }
    return digits;
  }
  [[nodiscard]] storage::AggregateValue of(storage::Function function) const {
    using storage::Function;
    if (function == Function::count) {
      return number_of(std::to_string(all.size()));
    }
    if (function == Function::first || function == Function::last) {
      return function == Function::first ? all.front() : all.back();
    }
    if (function == Function::avg && booleans != 0) {
      return number_of(static_cast<double>(set) / static_cast<double>(booleans));
    }
    if (numbers.empty()) {
      return {};
    }
    auto sorted = numbers;
    std::stable_sort(sorted.begin(), sorted.end(),
                     [](const auto& a, const auto& b) { return a.value < b.value; });
    const auto rank = [&](double q) {
      const auto at = static_cast<std::size_t>(std::ceil(q * static_cast<double>(sorted.size())));
      return number_of(sorted[std::max<std::size_t>(at, 1) - 1].text);
    };
    switch (function) {
    case Function::min:
      return number_of(sorted.front().text);
    case Function::max:
      return number_of(sorted.back().text);
    case Function::sum:
      return number_of(sum_text());
    case Function::p50:
      return rank(0.5);
    case Function::p99:
      return rank(0.99);
    default:
      return number_of(static_cast<double>(sum) * 1e-6 / static_cast<double>(numbers.size()));
    }
  }
};

/// `records` are sorted by time and arrival.
inline storage::AggregatePage aggregate_records(const storage::AggregateRequest& request,
                                                const std::vector<storage::StoredRecord>& records) {
  std::map<std::int64_t, std::map<std::string_view, MemoryField>> buckets;
  for (const storage::StoredRecord& record : records) {
    if (record.time_ns < request.from_ns || record.time_ns >= request.to_ns) {
      continue;
    }
    std::int64_t start = request.from_ns;
    if (request.step_ns != 0) {
      const std::int64_t shifted = record.time_ns - request.offset_ns;
      const std::int64_t into = (shifted % request.step_ns + request.step_ns) % request.step_ns;
      start = record.time_ns - into;
    }
    const std::vector<bool> selected = request.selects(*record.shape);
    model::RowReader reader(*record.shape, record.values);
    model::Value value;
    while (reader.next(value)) {
      if (!selected.empty() && selected[reader.field()]) {
        buckets[start][record.shape->fields()[reader.field()].path].add(value);
      }
    }
  }
  storage::AggregatePage page;
  const auto add = [&](std::int64_t start, const std::map<std::string_view, MemoryField>& fields) {
    if (request.after_ns &&
        (request.descending ? start >= *request.after_ns : start <= *request.after_ns)) {
      return;
    }
    if (page.buckets.size() == request.limit) {
      page.more = true;
      return;
    }
    storage::AggregateBucket& bucket = page.buckets.emplace_back();
    bucket.start_ns = start;
    for (const auto& [path, field] : fields) {
      storage::FieldAggregate& out = bucket.fields.emplace_back();
      out.path = path;
      for (std::size_t i = 0; i < storage::kFunctions; ++i) {
        if ((request.functions >> i & 1) != 0) {
          out.values[i] = field.of(static_cast<storage::Function>(i));
        }
      }
    }
  };
  if (request.descending) {
    for (auto at = buckets.rbegin(); at != buckets.rend(); ++at) {
      add(at->first, at->second);
    }
  } else {
    for (const auto& [start, fields] : buckets) {
      add(start, fields);
    }
  }
  return page;
}

} // namespace spate::api
