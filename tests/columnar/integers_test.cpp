#include "engine/columnar/integers.hpp"

#include <doctest/doctest.h>

#include <limits>
#include <random>
#include <vector>

namespace spate::columnar {
namespace {

void check_back(const std::vector<std::int64_t>& values) {
  static IntegerEncoder encoder;
  for (const Effort effort : {Effort::quick, Effort::thorough}) {
    std::string bytes;
    encoder.encode(values.data(), values.size(), effort, bytes);
    std::vector<std::int64_t> back(values.size(), 77);
    ByteReader reader(bytes);
    REQUIRE(decode_integers(reader, back.data(), back.size()));
    CHECK(reader.empty());
    REQUIRE(back == values);
    ByteReader cut(std::string_view(bytes).substr(0, bytes.size() - 1));
    CHECK_FALSE(decode_integers(cut, back.data(), back.size()));
  }
}

} // namespace

TEST_CASE("integers of every width come back, and a cut is noticed") {
  std::mt19937_64 random(1);
  for (unsigned width = 0; width <= 64; ++width) {
    for (const std::size_t count : {1, 2, 3, 4, 7, 8, 9, 63, 64, 65, 300, 2048}) {
      CAPTURE(width);
      CAPTURE(count);
      std::vector<std::int64_t> values(count);
      std::vector<std::int64_t> sums(count);
      std::vector<std::int64_t> curves(count);
      std::uint64_t sum = random();
      std::uint64_t slope = random();
      std::uint64_t curve = random();
      for (std::size_t i = 0; i < count; ++i) {
        const std::uint64_t v = width == 0 ? 5 : random() >> (64 - width);
        values[i] = static_cast<std::int64_t>(v);
        sums[i] = static_cast<std::int64_t>(sum += v);
        curves[i] = static_cast<std::int64_t>(curve += slope += v);
      }
      check_back(values);
      check_back(sums);
      check_back(curves);
    }
  }
}

TEST_CASE("integers with stays, steps, repeats and strays come back") {
  std::mt19937_64 random(2);
  for (int round = 0; round < 400; ++round) {
    CAPTURE(round);
    const std::size_t count = 1 + random() % 1500;
    std::vector<std::int64_t> values(count);
    const auto stay = 1 + random() % 60;
    const auto stray = 2 + random() % 300;
    const auto words = 1 + random() % 40;
    const auto factor = static_cast<std::int64_t>(1 + random() % 5000);
    std::vector<std::int64_t> dictionary(words);
    for (std::int64_t& word : dictionary) {
      word = static_cast<std::int64_t>(random() >> (random() % 64));
    }
    std::int64_t value = 0;
    for (std::int64_t& out : values) {
      if (random() % stay == 0) {
        value = round % 3 == 0   ? dictionary[random() % words]
                : round % 3 == 1 ? static_cast<std::int64_t>(random() % 100) * factor
                                 : value + static_cast<std::int64_t>(random() % 5);
      }
      out = random() % stray == 0 ? static_cast<std::int64_t>(random()) : value;
    }
    check_back(values);
  }
}

TEST_CASE("differences that leave 64 bits wrap and come back") {
  using Limits = std::numeric_limits<std::int64_t>;
  check_back({Limits::min(), Limits::max(), Limits::min(), Limits::max()});
  check_back({Limits::max(), Limits::min(), 0, -1, 1});
  check_back({Limits::min(), Limits::min(), Limits::min()});
  std::vector<std::int64_t> far(500, 3);
  far[77] = Limits::min();
  far[400] = Limits::max();
  check_back(far);
}

} // namespace spate::columnar
