#include "engine/base/bytes.hpp"

#include <doctest/doctest.h>

#include <limits>
#include <string>

#include "engine/base/hash.hpp"

using namespace spate;

TEST_CASE("a reader never leaves its bytes, and stays failed") {
  ByteReader reader(std::string_view("\x01\x02", 2));
  CHECK(reader.be<std::uint32_t>() == 0);
  CHECK_FALSE(reader.ok());
  CHECK(reader.empty());
  CHECK(reader.be<std::uint8_t>() == 0);
  CHECK(reader.varint() == 0);
  CHECK(reader.bytes(1).empty());
  CHECK_FALSE(reader.ok());
}

TEST_CASE("a varint that does not end, or is too long, is refused") {
  for (const std::size_t size : {1u, 5u, 9u, 10u, 11u, 100u}) {
    const std::string bytes(size, '\xff');
    ByteReader reader(bytes);
    CHECK(reader.varint() == 0);
    CHECK_FALSE(reader.ok());
  }
  ByteReader nothing(std::string_view{});
  nothing.varint();
  CHECK_FALSE(nothing.ok());
}

TEST_CASE("a length beyond the end takes nothing") {
  ByteReader reader("abc");
  CHECK(reader.bytes(std::numeric_limits<std::uint64_t>::max()).empty());
  CHECK_FALSE(reader.ok());
}

TEST_CASE("big-endian bytes are in the order of the numbers") {
  std::string small;
  std::string large;
  put_be(small, std::uint64_t{255});
  put_be(large, std::uint64_t{256});
  CHECK(small < large);
  CHECK(small == std::string("\0\0\0\0\0\0\0\xff", 8));
  CHECK(get_be<std::uint64_t>(large.data()) == 256);
  CHECK(get_be<std::uint16_t>("\xab\xcd") == 0xabcd);
  ByteReader reader(large);
  CHECK(reader.be<std::uint32_t>() == 0);
  CHECK(reader.left() == 4);
  CHECK(reader.be<std::uint32_t>() == 256);
  CHECK(reader.ok());
  CHECK(reader.empty());
}

TEST_CASE("varints of every size come back") {
  for (int bit = 0; bit < 64; ++bit) {
    for (const std::uint64_t value :
         {std::uint64_t{1} << bit, (std::uint64_t{1} << bit) - 1, ~std::uint64_t{0} >> bit}) {
      std::string bytes;
      put_varint(bytes, value);
      put_svarint(bytes, static_cast<std::int64_t>(value));
      ByteReader reader(bytes);
      CHECK(reader.varint() == value);
      CHECK(reader.svarint() == static_cast<std::int64_t>(value));
      CHECK(reader.ok());
      CHECK(reader.empty());
    }
  }
}

TEST_CASE("zigzag makes small numbers of either sign small") {
  CHECK(zigzag(0) == 0);
  CHECK(zigzag(-1) == 1);
  CHECK(zigzag(1) == 2);
  CHECK(zigzag(std::numeric_limits<std::int64_t>::min()) == ~std::uint64_t{0});
  CHECK(unzigzag(~std::uint64_t{0}) == std::numeric_limits<std::int64_t>::min());
}

TEST_CASE("the hash that chooses shards never changes") {
  CHECK(hash_bytes("") == 0x2d06800538d394c2);
  CHECK(hash_bytes("iot-device-01") == hash_bytes(std::string("iot-device-01")));
  CHECK(hash_bytes("a") != hash_bytes("a", 1));
}
