// How small blocks become where the data allows it; that they come back exactly is tested beside.
#include <doctest/doctest.h>

#include <bit>
#include <functional>

#include "engine/base/hash.hpp"
#include "tests/columnar/any_rows.hpp"

namespace spate::columnar {
namespace {

using model::ValueClass;

/// Bytes of a block of `rows`, a minute apart, whose fields `a`, `b`... have these texts; checked
/// to come back.
std::size_t bytes_of(std::size_t rows, Heads heads,
                     const std::vector<std::function<std::string(std::size_t)>>& fields) {
  model::ShapeTable shapes;
  std::vector<std::string> names;
  for (std::size_t f = 0; f < fields.size(); ++f) {
    names.emplace_back(1, static_cast<char>('a' + f));
  }
  std::vector<model::FieldView> views;
  for (const std::string& name : names) {
    views.push_back({name, ValueClass::number});
  }
  const auto* shape = shapes.intern(views);
  AnyRows any;
  for (std::size_t i = 0; i < rows; ++i) {
    any.values.emplace_back();
    for (const auto& field : fields) {
      any.values.back().append(number_bytes(field(i)));
    }
    const auto minute = static_cast<std::int64_t>(26'666'666 + i);
    any.rows.push_back(
        {minute * 60'000'000'000, minute * 60'000 + 12, model::TsSource::device, {}});
  }
  any.finish();
  std::string block;
  BlockEncoder().encode(*shape, any.rows, heads, block);
  const auto reader = BlockReader::open(*shape, block);
  REQUIRE(reader);
  std::vector<Row> out;
  std::string arena;
  REQUIRE(reader->all(out, arena));
  for (std::size_t i = 0; i < rows; ++i) {
    REQUIRE(out[i].values == any.values[i]);
  }
  return block.size();
}

/// The same for the same `i`.
std::uint64_t noise(std::size_t i) {
  return hash_bytes({reinterpret_cast<const char*>(&i), sizeof i});
}

} // namespace

TEST_CASE("rows that never change take almost nothing, however many they are") {
  const auto constant = [](std::size_t) { return std::string("22.50"); };
  for (const Heads heads : {Heads::with, Heads::without}) {
    const std::size_t few = bytes_of(64, heads, {constant, constant, constant, constant});
    const std::size_t many = bytes_of(2048, heads, {constant, constant, constant, constant});
    CHECK(many <= few + 8);
    CHECK(many < (heads == Heads::with ? 150 : 70));
  }
}

TEST_CASE("a block of 64 rows and 4 fields spends few bytes beside its values") {
  const auto four_bits = [](std::size_t i) { return std::to_string(100 + noise(i) % 16); };
  const std::size_t values = 4 * 64 * 4 / 8;
  CHECK(bytes_of(64, Heads::without, {four_bits, four_bits, four_bits, four_bits}) < values + 70);
}

TEST_CASE("noise takes little more than its entropy") {
  // Half of the rows 0, a quarter 1, an eighth 2...: 2 bits each, and once in a while a far one.
  const auto value = [](std::size_t i) {
    const std::uint64_t bits = noise(i);
    return std::to_string(i % 500 == 7 ? bits % 1'000'000
                                       : static_cast<unsigned>(std::countr_zero(bits | 1u << 20)));
  };
  CHECK(bytes_of(2048, Heads::with, {value}) < 2048 * 2.15 / 8 + 110);
}

TEST_CASE("a few values that lie far apart cost a list of them and a choice in each row") {
  const auto value = [](std::size_t i) {
    return std::to_string(noise(1'000'000 + noise(i) % 100) % 1'000'000'000'000);
  };
  const double choices = 2048 * 6.65 / 8;
  const double list = 100 * 34.0 / 8; // Sorted: the logarithm of how far they are apart.
  CHECK(bytes_of(2048, Heads::with, {value}) < choices + list + 200);
}

TEST_CASE("what an encoder has written before does not change what it writes") {
  model::ShapeTable shapes;
  const auto* shape = shapes.intern({{"v", ValueClass::number}});
  BlockEncoder used;
  for (std::size_t block = 0; block < 40; ++block) {
    const std::size_t rows = 30 + noise(block) % 600;
    const std::uint64_t most = std::uint64_t{1} << (2 + noise(block + 100) % 30);
    AnyRows any;
    for (std::size_t i = 0; i < rows; ++i) {
      const std::uint64_t bits = noise(1000 * block + i);
      any.values.push_back(number_bytes(std::to_string(bits % most >> (bits >> 60))));
      const auto ms = static_cast<std::int64_t>(1'600'000'000'000 + i * 5'000 + bits % 3'000);
      any.rows.push_back({ms * 1'000'000, ms + 5, model::TsSource::device, {}});
    }
    any.finish();
    std::string by_used;
    std::string by_fresh;
    used.encode(*shape, any.rows, Heads::with, by_used);
    BlockEncoder().encode(*shape, any.rows, Heads::with, by_fresh);
    CHECK(by_used == by_fresh);
  }
}

TEST_CASE("a float that was widened to a double costs what the float costs") {
  const auto decimal = [](std::size_t i) {
    return fixed(70 + static_cast<double>(noise(i) % 64) / 10, 1);
  };
  const auto widened = [&](std::size_t i) {
    return shortest(static_cast<double>(std::strtof(decimal(i).c_str(), nullptr)));
  };
  CHECK(bytes_of(2048, Heads::with, {widened}) < bytes_of(2048, Heads::with, {decimal}) + 60);
}

TEST_CASE("what is computed from another column does not say again which row has which value") {
  const auto x = [](std::size_t i) {
    return shortest(std::sqrt(2.3 + static_cast<double>(noise(i) % 100)));
  };
  const auto y = [](std::size_t i) {
    return shortest(std::sqrt(300 + 3 * static_cast<double>(noise(i) % 100)));
  };
  const auto z = [](std::size_t i) {
    return shortest(std::sqrt(300 + 3 * static_cast<double>(noise(i + 1) % 100)));
  };
  const std::size_t one = bytes_of(2048, Heads::with, {x});
  CHECK(bytes_of(2048, Heads::with, {x, y}) < one + 1000);
  CHECK(bytes_of(2048, Heads::with, {x, z}) > one + 1500); // By no other column.
}

TEST_CASE("numbers that share a factor cost what is left of them") {
  const auto steps = [](std::size_t i) { return std::to_string(100 * (noise(i) % 32)); };
  CHECK(bytes_of(2048, Heads::with, {steps}) < 2048 * 5 / 8 + 120);
}

TEST_CASE("receive times that follow the device's cost less than a byte a row") {
  model::ShapeTable shapes;
  const auto* shape = shapes.intern({{"v", ValueClass::number}});
  AnyRows any;
  for (std::size_t i = 0; i < 2048; ++i) {
    const auto ms = static_cast<std::int64_t>(1'600'000'000'000 + i * 5'000);
    any.values.push_back(number_bytes("1"));
    any.rows.push_back({ms * 1'000'000,
                        ms + 5 + static_cast<std::int64_t>(noise(i) % 76),
                        model::TsSource::device,
                        {}});
  }
  any.finish();
  for (const Heads heads : {Heads::with, Heads::without}) {
    std::string block;
    BlockEncoder().encode(*shape, any.rows, heads, block);
    CHECK(block.size() < 2048);
  }
}

} // namespace spate::columnar
