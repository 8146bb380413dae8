#include "engine/model/row.hpp"

#include <cstdint>
#include <doctest/doctest.h>

#include <limits>
#include <random>
#include <string>

using namespace spate;
using namespace spate::model;

namespace {

using Fields = std::vector<FieldView>;
constexpr std::int64_t kMax = std::numeric_limits<std::int64_t>::max();

std::string text_of(std::string_view number) {
  Decimal decimal;
  if (!parse_decimal(number, decimal)) {
    return "text";
  }
  std::string out;
  append_text(out, decimal);
  return out;
}

std::string decimal_row(std::int64_t mantissa, std::uint8_t scale) {
  std::string row;
  append_decimal(row, {mantissa, scale});
  return row;
}

std::string number_text_row(std::string_view text) {
  std::string row;
  append_number_text(row, text);
  return row;
}

} // namespace

TEST_CASE("a row that is cut is found out wherever it is cut") {
  ShapeTable table;
  const Shape* shape = table.intern(Fields{{"a", ValueClass::boolean},
                                           {"b", ValueClass::number},
                                           {"c", ValueClass::number},
                                           {"d", ValueClass::string}});
  std::string row;
  append_boolean(row, true);
  append_decimal(row, {-123456789, 3});
  append_number_text(row, "1e-7");
  append_string(row, "text");
  for (std::size_t size = 0; size < row.size(); ++size) {
    const std::string_view cut = std::string_view(row).substr(0, size);
    CHECK(row_bytes(*shape, cut) == 0);
    RowReader reader(*shape, cut);
    Value value;
    int values = 0;
    while (reader.next(value)) {
      ++values;
    }
    CHECK(values < 4);
    CHECK(reader.corrupt());
  }
  CHECK(row_bytes(*shape, row) == row.size());
  CHECK(row_bytes(*shape, row + "more") == row.size());
}

TEST_CASE("a length beyond the row is corrupt, not read") {
  ShapeTable table;
  const Shape* shape = table.intern(Fields{{"a", ValueClass::string}});
  for (const std::string_view row :
       {std::string_view("\x05text", 5),
        std::string_view("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 10),
        std::string_view("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", 11)}) {
    RowReader reader(*shape, row);
    Value value;
    CHECK_FALSE(reader.next(value));
    CHECK(reader.corrupt());
    CHECK(row_bytes(*shape, row) == 0);
  }
}

TEST_CASE("numbers come back with the text that they came with, or are kept as text") {
  for (const std::string_view number :
       {"0", "1", "-1", "22.50", "0.00", "0.05", "-0.05", "1.0", "100", "9223372036854775807",
        "-9223372036854775807", "0.9223372036854775807", "0.000000000000000000000000000001",
        "0.000000000000000000000000000000"}) {
    CAPTURE(number);
    CHECK(text_of(number) == number);
  }
  for (const std::string_view number :
       {"-0", "-0.0", "1e5", "1E5", "9223372036854775808", "-9223372036854775808",
        "0.0000000000000000000000000000001", "123456789012345678901234567890"}) {
    CAPTURE(number);
    CHECK(text_of(number) == "text");
  }
}

TEST_CASE("values are read back in the order of the shape") {
  ShapeTable table;
  const Shape* shape = table.intern(Fields{{"a", ValueClass::boolean},
                                           {"b", ValueClass::number},
                                           {"c", ValueClass::number},
                                           {"d", ValueClass::string}});
  std::string row;
  append_boolean(row, true);
  append_decimal(row, {-kMax, 18});
  append_number_text(row, "1e-7");
  append_string(row, std::string(300, 'x'));
  RowReader reader(*shape, row);
  Value value;
  REQUIRE(reader.next(value));
  CHECK(std::get<bool>(value));
  CHECK(reader.field() == 0);
  REQUIRE(reader.next(value));
  CHECK(std::get<Decimal>(value).mantissa == -kMax);
  CHECK(std::get<Decimal>(value).scale == 18);
  REQUIRE(reader.next(value));
  CHECK(std::get<NumberText>(value).text == "1e-7");
  REQUIRE(reader.next(value));
  CHECK(std::get<std::string_view>(value) == std::string(300, 'x'));
  CHECK(reader.field() == 3);
  CHECK_FALSE(reader.next(value));
  CHECK_FALSE(reader.corrupt());
  CHECK(reader.position() == row.data() + row.size());
}

TEST_CASE("rows with the same values are the same, however their zeros are written") {
  ShapeTable table;
  const Shape* shape = table.intern(Fields{{"a", ValueClass::number}});
  const auto same = [&](const std::string& a, const std::string& b) {
    const bool equal = same_values(*shape, a, b);
    CHECK(same_values(*shape, b, a) == equal);
    if (equal) {
      CHECK(hash_values(*shape, a) == hash_values(*shape, b));
    }
    return equal;
  };
  CHECK(same(decimal_row(225, 1), decimal_row(2250, 2)));
  CHECK(same(decimal_row(0, 0), decimal_row(0, 5)));
  CHECK(same(decimal_row(100, 0), decimal_row(10000, 2)));
  CHECK_FALSE(same(decimal_row(225, 1), decimal_row(225, 2)));
  CHECK_FALSE(same(decimal_row(225, 1), decimal_row(-225, 1)));
  CHECK(same(number_text_row("1e5"), number_text_row("1e5")));
  CHECK_FALSE(same(number_text_row("1e5"), number_text_row("1E5")));
  CHECK_FALSE(same(number_text_row("1e2"), decimal_row(100, 0)));
  CHECK(hash_values(*shape, decimal_row(1, 0)) != hash_values(*shape, decimal_row(2, 0)));
}

TEST_CASE("the hash depends on the place of a value") {
  ShapeTable table;
  const Shape* shape = table.intern(Fields{{"a", ValueClass::boolean}, {"b", ValueClass::boolean}});
  CHECK(hash_values(*shape, std::string("\0\1", 2)) != hash_values(*shape, std::string("\1\0", 2)));
  const Shape* texts = table.intern(Fields{{"a", ValueClass::string}, {"b", ValueClass::string}});
  CHECK(hash_values(*texts, std::string("\1x\2yz", 5)) !=
        hash_values(*texts, std::string("\2xy\1z", 5)));
  CHECK_FALSE(same_values(*texts, std::string("\1x\2yz", 5), std::string("\2xy\1z", 5)));
}

TEST_CASE("the writers onto a buffer give the bytes of those that append") {
  std::mt19937_64 random(7);
  std::vector<std::int64_t> mantissas = {0, 1, -1, 63, 64, -64, -65, kMax, -kMax};
  for (int i = 0; i < 2000; ++i) {
    const auto value = static_cast<std::int64_t>(random() >> (random() % 64));
    mantissas.push_back(value);
    mantissas.push_back(-(value & kMax));
  }
  for (int bit = 0; bit < 63; ++bit) {
    mantissas.push_back(std::int64_t{1} << bit);
    mantissas.push_back((std::int64_t{1} << bit) - 1);
  }
  for (const std::int64_t mantissa : mantissas) {
    char buffer[kDecimalBytesMax];
    char* const end = write_decimal(buffer, {mantissa, 3});
    REQUIRE(std::string(buffer, end) == decimal_row(mantissa, 3));
  }
  char buffer[400];
  for (const std::size_t size : {0u, 1u, 127u, 128u, 300u}) {
    const std::string text(size, 'x');
    std::string row;
    append_string(row, text);
    append_boolean(row, true);
    append_number_text(row, "1e5");
    char* end = write_string(buffer, text);
    end = write_number_text(write_boolean(end, true), "1e5");
    CHECK(std::string(buffer, end) == row);
  }
}

TEST_CASE("the text of a decimal has all its digits at any scale, within its room") {
  for (const std::int64_t mantissa : {std::int64_t{0}, std::int64_t{7}, std::int64_t{-2345},
                                      std::int64_t{10'000'000'000}, kMax, -kMax - 1}) {
    for (unsigned scale = 0; scale < 256; ++scale) { // Damaged rows have any.
      std::string wanted = std::to_string(mantissa);
      const std::size_t first = mantissa < 0 ? 1 : 0;
      if (const std::size_t digits = wanted.size() - first; digits <= scale) {
        wanted.insert(first, scale + 1 - digits, '0');
      }
      if (scale != 0) {
        wanted.insert(wanted.size() - scale, 1, '.');
      }
      std::string room(kDecimalTextBytesMax + 8, '#');
      const char* const end = write_text(room.data(), {mantissa, static_cast<std::uint8_t>(scale)});
      REQUIRE(std::string_view(room.data(), static_cast<std::size_t>(end - room.data())) == wanted);
      REQUIRE(room.substr(kDecimalTextBytesMax) == "########");
    }
  }
}
