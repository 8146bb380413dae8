#include "engine/columnar/block.hpp"

#include <doctest/doctest.h>

#include "tests/columnar/any_rows.hpp"

namespace spate::columnar {
namespace {

using model::ValueClass;

bool same(const Row& a, const Row& b) {
  return a.time_ns == b.time_ns && a.received_ms == b.received_ms && a.source == b.source &&
         a.values == b.values;
}

std::string encoded(const model::Shape& shape, const std::vector<Row>& rows,
                    Heads heads = Heads::without) {
  BlockEncoder encoder;
  std::string block;
  encoder.encode(shape, rows, heads, block);
  return block;
}

/// The first row that did not come back, or the number of rows.
std::size_t first_difference(const model::Shape& shape, const std::vector<Row>& rows,
                             std::string_view block) {
  const auto reader = BlockReader::open(shape, block);
  REQUIRE(reader);
  REQUIRE(reader->rows() == rows.size());
  CHECK(reader->first_time_ns() == rows.front().time_ns);
  CHECK(reader->last_time_ns() == rows.back().time_ns);
  std::vector<Row> out;
  std::string arena;
  const auto done = reader->all(out, arena);
  REQUIRE_MESSAGE(done.has_value(), (done ? "" : done.error().detail));
  REQUIRE(out.size() == rows.size());
  std::size_t i = 0;
  while (i < rows.size() && same(out[i], rows[i])) {
    ++i;
  }
  return i;
}

/// Row bytes of one number of a column, made anew from what numbers() gave.
std::string bytes_of(const NumberColumn& column, std::size_t row) {
  std::string out;
  for (const NumberColumn::Text& text : column.texts) {
    if (text.row == row) {
      model::append_number_text(out, text.text);
      return out;
    }
  }
  model::append_decimal(
      out, {column.mantissas[row], column.scales[column.scales.size() == 1 ? 0 : row]});
  return out;
}

/// A column of one field whose values are these number texts.
std::vector<std::string> values_back(const std::vector<std::string>& texts) {
  model::ShapeTable shapes;
  const auto* shape = shapes.intern({{"v", ValueClass::number}});
  AnyRows any;
  for (std::size_t i = 0; i < texts.size(); ++i) {
    any.values.push_back(number_bytes(texts[i]));
    any.rows.push_back({static_cast<std::int64_t>(i), 0, model::TsSource::device, {}});
  }
  any.finish();
  const std::string block = encoded(*shape, any.rows);
  const auto reader = BlockReader::open(*shape, block);
  REQUIRE(reader);
  NumberColumn column;
  REQUIRE(reader->numbers(0, column));
  std::vector<std::string> out;
  for (std::size_t i = 0; i < texts.size(); ++i) {
    std::string text;
    const std::string bytes = bytes_of(column, i);
    model::RowReader row(*shape, bytes);
    model::Value value;
    REQUIRE(row.next(value));
    if (const auto* decimal = std::get_if<model::Decimal>(&value)) {
      model::append_text(text, *decimal);
    } else {
      text = std::get<model::NumberText>(value).text;
    }
    out.push_back(text);
  }
  return out;
}

} // namespace

TEST_CASE("rows of any kind come back byte for byte, in any number, with heads and without") {
  BlockEncoder encoder; // One for all: nothing of a block leaks into the next.
  for (std::uint64_t seed = 0; seed < 600; ++seed) {
    CAPTURE(seed);
    std::mt19937_64 random(seed);
    model::ShapeTable shapes;
    const auto* shape = any_shape(shapes, random);
    const std::size_t most = seed % 10 == 0 ? 5000 : seed % 10 < 6 ? 70 : 700;
    const AnyRows any = any_rows(*shape, 1 + random() % most, random);
    for (const Heads heads : {Heads::without, Heads::with}) {
      std::string block = "before";
      encoder.encode(*shape, any.rows, heads, block);
      REQUIRE(first_difference(*shape, any.rows, std::string_view(block).substr(6)) ==
              any.rows.size());
    }
  }
}

TEST_CASE("each column alone gives what its rows hold") {
  for (std::uint64_t seed = 1000; seed < 1200; ++seed) {
    CAPTURE(seed);
    std::mt19937_64 random(seed);
    model::ShapeTable shapes;
    const auto* shape = any_shape(shapes, random);
    const AnyRows any = any_rows(*shape, 1 + random() % 300, random);
    const std::string block =
        encoded(*shape, any.rows, seed % 2 == 0 ? Heads::with : Heads::without);
    const auto reader = BlockReader::open(*shape, block);
    REQUIRE(reader);

    std::vector<std::int64_t> times(3, 7);
    REQUIRE(reader->times(times));
    std::vector<std::string> values(any.rows.size());
    NumberColumn numbers;
    std::vector<std::uint8_t> booleans(3, 9);
    std::vector<std::string_view> strings(3, "old");
    std::string arena;
    for (std::size_t f = 0; f < shape->fields().size(); ++f) {
      const ValueClass kind = shape->fields()[f].value_class;
      REQUIRE((kind == ValueClass::number    ? reader->numbers(f, numbers)
               : kind == ValueClass::boolean ? reader->booleans(f, booleans)
                                             : reader->strings(f, strings, arena)));
      for (std::size_t i = 0; i < values.size(); ++i) {
        if (kind == ValueClass::number) {
          values[i] += bytes_of(numbers, i);
        } else if (kind == ValueClass::boolean) {
          model::append_boolean(values[i], booleans[i] != 0);
        } else {
          model::append_string(values[i], strings[i]);
        }
      }
    }
    for (std::size_t i = 0; i < values.size(); ++i) {
      REQUIRE(times[i] == any.rows[i].time_ns);
      REQUIRE(values[i] == any.rows[i].values);
    }
  }
}

TEST_CASE("each number keeps its own text") {
  const std::vector<std::vector<std::string>> columns = {
      {"22.5", "22.50", "22.500", "22"},
      {"0", "0.0", "-0", "-0.0", "0.000000000000000000000000000000"},
      {"73.80000305175781", "18.899999618530273", "-0.10000000149011612"},
      {"0.011737819751470924", "0.014275626163619557", "0.039739889499066566"},
      {"0.0117378197514709240", "0.1", "0.10000000000000001", "0.30000000000000004"},
      {"1e5", "1E5", "1e+5", "100000", "100000.0"},
      {"9223372036854775807", "-9223372036854775807", "9223372036854775808", "-9223372036854775808",
       "0.9223372036854775807"},
      {"0.000000000000000000000000000001", "9223372036854775807", "1"},
      {"1e-7", "1", "1e-7", "2"},
      {"1.7976931348623157e308", "5e-324", "0.1"},
  };
  for (const auto& column : columns) {
    for (std::size_t repeat : {1, 40}) {
      std::vector<std::string> texts;
      for (std::size_t i = 0; i < repeat; ++i) {
        texts.insert(texts.end(), column.begin(), column.end());
      }
      CHECK(values_back(texts) == texts);
    }
  }
}

TEST_CASE("rows of one time keep the order in which they came") {
  model::ShapeTable shapes;
  const auto* shape = shapes.intern({{"v", ValueClass::number}});
  AnyRows any;
  for (int i = 0; i < 100; ++i) {
    any.values.push_back(number_bytes(std::to_string((i * 37) % 100)));
    any.rows.push_back({1'000, 5, model::TsSource::device, {}});
  }
  any.finish();
  CHECK(first_difference(*shape, any.rows, encoded(*shape, any.rows)) == 100);
}

TEST_CASE("rows are appended to what the caller already has") {
  model::ShapeTable shapes;
  const auto* shape = shapes.intern({{"s", ValueClass::string}});
  AnyRows any;
  any.values.emplace_back("\1x");
  any.rows.push_back({1, 1, model::TsSource::device, {}});
  any.finish();
  const std::string block = encoded(*shape, any.rows);
  const auto reader = BlockReader::open(*shape, block);
  REQUIRE(reader);
  std::vector<Row> out(2);
  std::string arena = "used";
  REQUIRE(reader->all(out, arena));
  CHECK(out.size() == 3);
  CHECK(out[2].values == "\1x");
  CHECK(arena == "used\1x");
}

TEST_CASE("the span of a block is known without its shape") {
  model::ShapeTable shapes;
  const auto* shape = shapes.intern({{"v", ValueClass::boolean}});
  AnyRows any;
  any.values = {std::string(1, '\0'), std::string(1, '\1')};
  any.rows.resize(2);
  any.rows[0].time_ns = std::numeric_limits<std::int64_t>::min();
  any.rows[1].time_ns = std::numeric_limits<std::int64_t>::max();
  any.finish();
  const auto span = block_span(encoded(*shape, any.rows));
  REQUIRE(span);
  CHECK(span->rows == 2);
  CHECK(span->first_time_ns == std::numeric_limits<std::int64_t>::min());
  CHECK(span->last_time_ns == std::numeric_limits<std::int64_t>::max());
  CHECK(first_difference(*shape, any.rows, encoded(*shape, any.rows)) == 2);
  CHECK(block_span("").error().code == Errc::storage_corrupt);
  CHECK(block_span("\1aaaaaaaaaaaaa").error().code == Errc::storage_corrupt);
}

} // namespace spate::columnar
