#include "engine/model/shape.hpp"

#include <doctest/doctest.h>

#include <string>

using namespace spate;
using namespace spate::model;

namespace {

using Fields = std::vector<FieldView>;

} // namespace

TEST_CASE("a definition that is cut, unsorted or of another world is corrupt") {
  ShapeTable table;
  const Shape* shape = table.intern(
      Fields{{"a", ValueClass::number}, {"bc", ValueClass::string}, {"d", ValueClass::boolean}});
  std::string bytes;
  ShapeTable::encode(*shape, bytes);
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    CHECK(table.decode(std::string_view(bytes).substr(0, size)).error().code ==
          Errc::storage_corrupt);
  }
  CHECK_FALSE(table.decode(bytes + "x"));
  CHECK_FALSE(table.decode(std::string("\0", 1)));
  CHECK_FALSE(table.decode(std::string("\1\1a\3", 4)));      // Class 3.
  CHECK_FALSE(table.decode(std::string("\2\1b\0\1a\0", 7))); // Not sorted.
  CHECK_FALSE(table.decode(std::string("\2\1a\0\1a\1", 7))); // Twice.
  CHECK_FALSE(table.decode("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"));
  CHECK(table.size() == 1);
}

TEST_CASE("limits in number and bytes hold, and known shapes are still found") {
  ShapeTable few({.shapes_max = 2});
  const Shape* a = few.intern(Fields{{"a", ValueClass::number}});
  const Shape* b = few.intern(Fields{{"b", ValueClass::number}});
  CHECK(a != nullptr);
  CHECK(b != nullptr);
  CHECK(few.intern(Fields{{"c", ValueClass::number}}) == nullptr);
  CHECK(few.intern(Fields{{"a", ValueClass::number}}) == a);
  CHECK(few.size() == 2);

  ShapeTable small({.shapes_max = 100, .bytes_max = 1000});
  const std::string path(900, 'x');
  CHECK(small.intern(Fields{{path, ValueClass::number}}) == nullptr);
  CHECK(small.intern(Fields{{"x", ValueClass::number}}) != nullptr);
}

TEST_CASE("equal fields are one shape, another class is another shape") {
  ShapeTable table;
  const Shape* number = table.intern(Fields{{"a", ValueClass::number}});
  const Shape* text = table.intern(Fields{{"a", ValueClass::string}});
  CHECK(number != text);
  CHECK(table.intern(Fields{{"a", ValueClass::number}}) == number);
  CHECK(number->index() == 0);
  CHECK(text->index() == 1);
  CHECK(table.size() == 2);
}

TEST_CASE("the bounds between paths are part of a shape") {
  ShapeTable table;
  CHECK(table.intern(Fields{{"a", ValueClass::number}, {"bc", ValueClass::number}}) !=
        table.intern(Fields{{"ab", ValueClass::number}, {"c", ValueClass::number}}));
}

TEST_CASE("a definition comes back from its bytes, in another table too") {
  ShapeTable table;
  const Fields fields{{"", ValueClass::boolean},
                      {"ENERGY.Power", ValueClass::number},
                      {"PM2\\.5", ValueClass::string}};
  const Shape* shape = table.intern(fields);
  std::string bytes;
  ShapeTable::encode(*shape, bytes);
  CHECK(*table.decode(bytes) == shape);
  ShapeTable other;
  const auto decoded = other.decode(bytes);
  REQUIRE(decoded);
  REQUIRE((*decoded)->fields().size() == 3);
  for (std::size_t i = 0; i < 3; ++i) {
    CHECK((*decoded)->fields()[i].path == fields[i].path);
    CHECK((*decoded)->fields()[i].value_class == fields[i].value_class);
  }
}

TEST_CASE("one origin can not use the table up, and keeps what is there already") {
  ShapeTable table({.shapes_per_origin_max = 3});
  const auto intern = [&](int number, std::uint64_t origin) {
    return table.intern(Fields{{"f" + std::to_string(number), ValueClass::number}}, origin);
  };
  for (int i = 0; i < 3; ++i) {
    CHECK(intern(i, 7) != nullptr);
  }
  CHECK(intern(3, 7) == nullptr);
  CHECK(intern(3, 8) != nullptr); // Another device may.
  CHECK(intern(3, 7) == intern(3, 8));
  CHECK(intern(0, 8) == intern(0, 7));
  CHECK(intern(4, 0) != nullptr); // The store itself is not counted.
  CHECK(table.size() == 5);
}

TEST_CASE("shapes stay where they are while more come") {
  ShapeTable table;
  const Shape* first = table.intern(Fields{{"first", ValueClass::number}});
  for (int i = 0; i < 2000; ++i) {
    CHECK(table.intern(Fields{{"f" + std::to_string(i), ValueClass::number}}) != nullptr);
  }
  CHECK(first->fields()[0].path == "first");
  CHECK(table.intern(Fields{{"first", ValueClass::number}}) == first);
}
