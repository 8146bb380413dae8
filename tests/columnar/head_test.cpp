#include <doctest/doctest.h>

#include "engine/columnar/block.hpp"
#include "tests/columnar/any_rows.hpp"

namespace spate::columnar {
namespace {

using model::Decimal;
using model::ValueClass;
__extension__ using Wide = __int128;

Wide scaled(Decimal value, unsigned scale) {
  Wide out = value.mantissa;
  for (unsigned s = value.scale; s < scale; ++s) {
    out *= 10;
  }
  return out;
}

bool equal(Decimal a, Decimal b) {
  return a.mantissa == b.mantissa && a.scale == b.scale;
}

std::optional<ColumnHead> head_of_texts(const std::vector<std::string>& texts) {
  model::ShapeTable shapes;
  const auto* shape = shapes.intern({{"v", ValueClass::number}});
  AnyRows any;
  for (const std::string& text : texts) {
    any.values.push_back(number_bytes(text));
    any.rows.emplace_back();
  }
  any.finish();
  std::string block;
  BlockEncoder().encode(*shape, any.rows, Heads::with, block);
  const auto reader = BlockReader::open(*shape, block);
  REQUIRE(reader);
  const auto head = reader->head(0);
  REQUIRE(head);
  return *head;
}

} // namespace

TEST_CASE("heads say what a walk over the rows says") {
  BlockEncoder encoder;
  int seen = 0;
  for (std::uint64_t seed = 0; seed < 400; ++seed) {
    CAPTURE(seed);
    std::mt19937_64 random(seed);
    model::ShapeTable shapes;
    const auto* shape = any_shape(shapes, random);
    const AnyRows any = any_rows(*shape, 1 + random() % 400, random);
    std::string block;
    encoder.encode(*shape, any.rows, Heads::with, block);
    const auto reader = BlockReader::open(*shape, block);
    REQUIRE(reader);
    for (std::size_t f = 0; f < shape->fields().size(); ++f) {
      std::vector<Decimal> values;
      bool plain = true;
      for (const Row& row : any.rows) {
        model::RowReader fields(*shape, row.values);
        model::Value value;
        for (std::size_t i = 0; i <= f; ++i) {
          REQUIRE(fields.next(value));
        }
        if (const auto* decimal = std::get_if<Decimal>(&value)) {
          values.push_back(*decimal);
        } else if (const auto* boolean = std::get_if<bool>(&value)) {
          values.push_back({*boolean ? 1 : 0, 0});
        } else {
          plain = false;
        }
      }
      const auto head = reader->head(f);
      REQUIRE(head);
      if (!plain) {
        CHECK_FALSE(head->has_value());
        continue;
      }
      if (!head->has_value()) {
        continue; // Too wide; see below that this is not the rule.
      }
      ++seen;
      unsigned scale = 0;
      for (const Decimal value : values) {
        scale = std::max<unsigned>(scale, value.scale);
      }
      Wide sum = 0;
      Decimal min = values[0];
      Decimal max = values[0];
      for (const Decimal value : values) {
        sum += scaled(value, scale);
        min = scaled(value, scale) < scaled(min, scale) ? value : min;
        max = scaled(value, scale) > scaled(max, scale) ? value : max;
      }
      CHECK(((*head)->sum == sum));
      CHECK((*head)->scale == scale);
      CHECK(equal((*head)->min, min));
      CHECK(equal((*head)->max, max));
      CHECK(equal((*head)->first, values.front()));
      CHECK(equal((*head)->last, values.back()));
    }
  }
  CHECK(seen > 700);
}

TEST_CASE("a head holds sums beyond 64 bits, and none where a text is among the values") {
  const std::vector<std::string> most(1000, "9223372036854775807");
  const auto head = head_of_texts(most);
  REQUIRE(head);
  CHECK((head->sum == Wide{9223372036854775807} * 1000));
  CHECK(head_of_texts({"0.01", "9223372036854775807"}));
  CHECK_FALSE(head_of_texts({"1", "1e5"}));
  CHECK_FALSE(head_of_texts({"0.000000000000000000000000000001", "9223372036854775807"}));
}

TEST_CASE("a block without heads answers that it has none") {
  model::ShapeTable shapes;
  const auto* shape = shapes.intern({{"v", ValueClass::boolean}});
  AnyRows any;
  any.values = {"\1"};
  any.rows.resize(1);
  any.finish();
  std::string block;
  BlockEncoder().encode(*shape, any.rows, Heads::without, block);
  const auto reader = BlockReader::open(*shape, block);
  REQUIRE(reader);
  const auto head = reader->head(0);
  REQUIRE(head);
  CHECK_FALSE(head->has_value());
}

} // namespace spate::columnar
