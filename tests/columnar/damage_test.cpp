#include "tests/columnar/damage.hpp"

#include <doctest/doctest.h>

#include "tests/columnar/any_rows.hpp"

namespace spate::columnar {
namespace {

std::string any_block(const model::Shape& shape, std::size_t rows, std::mt19937_64& random) {
  const AnyRows any = any_rows(shape, rows, random);
  std::string block;
  BlockEncoder().encode(shape, any.rows, random() % 2 == 0 ? Heads::with : Heads::without, block);
  return block;
}

} // namespace

TEST_CASE("every flipped bit of a block is noticed") {
  std::mt19937_64 random(3);
  model::ShapeTable shapes;
  const auto* shape = any_shape(shapes, random);
  std::string block = any_block(*shape, 20, random);
  for (std::size_t bit = 0; bit < block.size() * 8; ++bit) {
    const auto flip = [&] { block[bit / 8] = static_cast<char>(block[bit / 8] ^ (1 << bit % 8)); };
    flip();
    const auto reader = BlockReader::open(*shape, block);
    REQUIRE_FALSE(reader);
    CHECK(reader.error().code == Errc::storage_corrupt);
    flip();
  }
  CHECK(BlockReader::open(*shape, block));
}

TEST_CASE("a block cut anywhere is noticed") {
  std::mt19937_64 random(4);
  model::ShapeTable shapes;
  const auto* shape = any_shape(shapes, random);
  const std::string block = any_block(*shape, 20, random);
  for (std::size_t size = 0; size < block.size(); ++size) {
    CHECK_FALSE(BlockReader::open(*shape, std::string_view(block).substr(0, size)));
  }
}

TEST_CASE("damage that the checksum agrees with gives an error or other rows, never a crash") {
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    CAPTURE(seed);
    std::mt19937_64 random(seed);
    model::ShapeTable shapes;
    const auto* shape = any_shape(shapes, random);
    const std::string block = any_block(*shape, 1 + random() % 100, random);
    for (std::size_t bit = 0; bit < block.size() * 8; ++bit) {
      std::string damaged = block;
      damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ (1 << bit % 8));
      if (bit / 8 > 5 && random() % 4 == 0) {
        damaged.resize(random() % damaged.size());
      }
      repair_checksum(damaged);
      static_cast<void>(read_everything(*shape, damaged));
    }
  }
}

TEST_CASE("a block read as another shape gives an error or other rows, never a crash") {
  for (std::uint64_t seed = 0; seed < 300; ++seed) {
    CAPTURE(seed);
    std::mt19937_64 random(seed);
    model::ShapeTable shapes;
    const auto* shape = any_shape(shapes, random);
    const std::string block = any_block(*shape, 1 + random() % 100, random);
    static_cast<void>(read_everything(*any_shape(shapes, random), block));
  }
}

} // namespace spate::columnar
