// What the telemetry tests share: a parser with its block, and rows as text.
#pragma once

#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "engine/telemetry/ndjson.hpp"
#include "engine/telemetry/parser.hpp"

namespace spate::telemetry::test {

/// 2020-07-13T00:00:30Z, a little behind the times in the samples.
inline constexpr std::int64_t kNow = 1'594'598'430'000;

/// A payload as it lies in a connection's buffer: on the heap at its exact size plus the padding
/// that is promised, which holds what could be mistaken for more of the document.
class Padded {
public:
  explicit Padded(std::string_view text)
      : size_(text.size()), bytes_(new char[text.size() + json::Reader::kPaddingBytes]) {
    constexpr std::string_view kNoise = "9\"}],:e5\\1";
    for (std::size_t i = 0; i < json::Reader::kPaddingBytes; ++i) {
      bytes_[size_ + i] = kNoise[i % kNoise.size()];
    }
    std::memcpy(bytes_.get(), text.data(), text.size());
  }
  [[nodiscard]] std::string_view view() const { return {bytes_.get(), size_}; }

private:
  std::size_t size_;
  std::unique_ptr<char[]> bytes_;
};

/// A row as people write it: `path=value` in the order of the shape, strings quoted.
inline std::string row_text(const model::TelemetryBlock& block, std::size_t i) {
  const model::Row& row = block.rows.at(i);
  model::RowReader reader(*row.shape, block.values_of(row));
  model::Value value;
  std::string out;
  while (reader.next(value)) {
    out.append(out.empty() ? "" : " ").append(row.shape->fields()[reader.field()].path).append("=");
    if (const auto* decimal = std::get_if<model::Decimal>(&value)) {
      model::append_text(out, *decimal);
    } else if (const auto* text = std::get_if<model::NumberText>(&value)) {
      out.append(text->text);
    } else if (const auto* boolean = std::get_if<bool>(&value)) {
      out.append(*boolean ? "true" : "false");
    } else {
      out.append("'").append(std::get<std::string_view>(value)).append("'");
    }
  }
  return reader.corrupt() ? "corrupt" : out;
}

struct Bench {
  explicit Bench(ParserLimits limits = {}) : parser(shapes, limits) {}

  ParseSummary operator()(const Route& route, std::string_view payload,
                          std::int64_t received_ms = kNow) {
    block.clear();
    faults.clear();
    return parser.parse(route, Padded(payload).view(), received_ms, block, faults);
  }
  ParseSummary operator()(std::string_view payload) { return (*this)(Route{}, payload); }

  /// The only row of a payload in `auto`, or what was refused.
  std::string one(std::string_view payload, const Route& route = {}) {
    (*this)(route, payload);
    if (block.rows.size() == 1 && faults.empty()) {
      return row_text(block, 0);
    }
    std::string out = std::to_string(block.rows.size()) + " rows";
    for (const RecordFault& fault : faults) {
      out.append(fault.whole ? "; whole " : "; ").append(name_of(fault.reason));
    }
    return out;
  }

  model::ShapeTable shapes;
  Parser parser;
  model::TelemetryBlock block;
  std::vector<RecordFault> faults;
};

} // namespace spate::telemetry::test
