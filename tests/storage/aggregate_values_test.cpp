// Spate - tests of exact order, exact sums and percentiles of numbers as they were sent.
#include "storage/aggregate_values.hpp"

#include <limits>

#include <doctest/doctest.h>

#include "storage/aggregator.hpp"

namespace spate::storage {
namespace {

constexpr std::int64_t kMax = std::numeric_limits<std::int64_t>::max();
constexpr std::int64_t kMin = std::numeric_limits<std::int64_t>::min();

SentNumber number(std::string_view text) {
  SentNumber out;
  if (!model::parse_decimal(text, out.decimal)) {
    out.text = text;
  }
  return out;
}

int order(std::string_view a, std::string_view b) {
  const int forth = compare(number(a), number(b));
  CHECK(compare(number(b), number(a)) * forth <= 0);
  return (forth > 0) - (forth < 0);
}

std::string sum_text(const DecimalSum& sum) {
  std::string out;
  return sum.append_sum(out) ? out : "none";
}
std::string mean_text(const DecimalSum& sum, std::uint64_t count) {
  std::string out;
  return sum.append_mean(out, count) ? out : "none";
}

TEST_CASE("numbers are ordered exactly, whatever their texts look like") {
  const char* ascending[] = {"-1e400",
                             "-9223372036854775808",
                             "-9223372036854775807",
                             "-22.51",
                             "-22.5",
                             "-1e-30",
                             "0",
                             "1e-400",
                             "0.000000000000000000000000000001",
                             "0.00000000000000000000000000001",
                             "4.999",
                             "5",
                             "22.49999",
                             "22.5",
                             "2.251e1",
                             "9223372036854775807",
                             "9223372036854775808",
                             "12345678901234567890123.4",
                             "12345678901234567890123.5",
                             "1e400"};
  for (std::size_t i = 0; i < std::size(ascending); ++i) {
    for (std::size_t j = 0; j < std::size(ascending); ++j) {
      CAPTURE(ascending[i]);
      CAPTURE(ascending[j]);
      CHECK(order(ascending[i], ascending[j]) == (i > j) - (i < j));
    }
  }
}

TEST_CASE("numbers of other texts and one value are equal") {
  CHECK(order("22.5", "22.50") == 0);
  CHECK(order("22.5", "225e-1") == 0);
  CHECK(order("2.25E+1", "0.000225e5") == 0);
  CHECK(order("-0", "0.000") == 0);
  CHECK(order("-0.0e7", "0") == 0);
  CHECK(compare({{kMax, 0}, {}}, {{kMin, 0}, {}}) > 0);
  CHECK(compare({{kMin, 30}, {}}, {{kMin, 0}, {}}) > 0);
  CHECK(compare({{0, 30}, {}}, {{0, 0}, {}}) == 0);
  CHECK(compare({{0, 0}, {}}, {{-1, 30}, {}}) > 0);
}

TEST_CASE("a sum of decimals is exact and as short as it can be") {
  DecimalSum sum;
  CHECK(sum_text(sum) == "0");
  sum.add(1, 1);
  sum.add(2, 1);
  CHECK(sum_text(sum) == "0.3"); // As doubles: 0.30000000000000004.
  sum.add(2250, 2);
  CHECK(sum_text(sum) == "22.8");
  sum.add(20, 2);
  CHECK(sum_text(sum) == "23");
  sum.add(-23001, 3);
  CHECK(sum_text(sum) == "-0.001");
  sum.add(1, 30);
  CHECK(sum_text(sum) == "-0.000999999999999999999999999999");
  CHECK(mean_text(sum, 2) == "-0.0005");
}

TEST_CASE("a sum stays exact to 38 digits and then goes on as a double") {
  DecimalSum sum;
  const Int128 large = Int128{kMax} * 10'000'000'000'000'000'000u;
  sum.add(large, 0);
  CHECK(sum_text(sum) == "92233720368547758070000000000000000000");
  sum.add(50, 1); // A whole number needs no room for decimals.
  CHECK(sum_text(sum) == "92233720368547758070000000000000000005");
  SUBCASE("too large") {
    sum.add(large, 0);
    CHECK(sum_text(sum) == "1.844674407370955e+38");
    sum.add(-large, 0);
    CHECK(sum_text(sum) == "9.223372036854776e+37");
  }
  SUBCASE("too many decimals") {
    sum.add(1, 30);
    CHECK(sum_text(sum) == "9.223372036854776e+37");
    CHECK(mean_text(sum, 2) == "4.611686018427388e+37");
  }
  SUBCASE("the smallest there is") {
    DecimalSum small;
    small.add(-large, 0);
    small.add(Int128{kMin} * 8'000'000'000'000'000'000u, 0);
    CHECK(sum_text(small) == "-166020696663385964534000000000000000000");
  }
}

TEST_CASE("numbers that are texts are added exactly while they fit 38 digits") {
  DecimalSum sum;
  sum.add_text("12345678901234567890.123456789");
  sum.add_text("0.000000001");
  sum.add(10, 1);
  CHECK(sum_text(sum) == "12345678901234567891.12345679");
  sum.add_text("-12345678901234567891.12345679");
  CHECK(sum_text(sum) == "0");
  DecimalSum whole;
  whole.add_text("99999999999999999999999999999999999999");
  CHECK(sum_text(whole) == "99999999999999999999999999999999999999");
  whole.add_text("-99999999999999999999999999999999999998.0");
  CHECK(sum_text(whole) == "1");
  DecimalSum exponents;
  exponents.add_text("1.50e3");
  exponents.add_text("-25E-30");
  CHECK(sum_text(exponents) == "1499.999999999999999999999999999975");
  exponents.add_text("1e37");
  exponents.add_text("-1e37");
  CHECK(mean_text(exponents, 2) == "750");
  DecimalSum small;
  small.add_text("1e-31"); // More decimals than a sum keeps.
  CHECK(sum_text(small) == "1e-31");
  DecimalSum large;
  large.add_text("1e38");
  CHECK(sum_text(large) == "1e+38");
}

TEST_CASE("numbers that do not fit are added as doubles, and no sum is infinite") {
  DecimalSum sum;
  sum.add(15, 1);
  sum.add_text("1e3");
  CHECK(sum_text(sum) == "1001.5");
  CHECK(mean_text(sum, 2) == "500.75");
  sum.add_text("1e308");
  sum.add_text("1e308");
  CHECK(sum_text(sum) == "none");
  CHECK(mean_text(sum, 4) == "none");
  DecimalSum zero;
  zero.add_text("-0");
  CHECK(sum_text(zero) == "0");
}

TEST_CASE("doubles are written shortest, with an exponent only where people would") {
  const auto written = [](double value) {
    std::string out;
    return append_double(out, value) ? out : "none";
  };
  CHECK(written(0.1) == "0.1");
  CHECK(written(-0.0005) == "-0.0005");
  CHECK(written(0.000001) == "0.000001");
  CHECK(written(1.5e-7) == "1.5e-07");
  CHECK(written(1e20) == "100000000000000000000");
  CHECK(written(1e21) == "1e+21");
  CHECK(written(-0.0) == "0");
  CHECK(written(std::numeric_limits<double>::infinity()) == "none");
}

TEST_CASE("a percentile is the value at the nearest rank, as it was sent") {
  Percentiles values;
  const auto at = [&](unsigned percent) {
    std::string out;
    values.append(out, percent);
    return out;
  };
  SUBCASE("one value is all of them") {
    values.add({2250, 2});
    CHECK(at(50) == "22.50");
    CHECK(at(99) == "22.50");
  }
  SUBCASE("ranks") {
    for (const std::int64_t value : {40, 10, 30, 20}) {
      values.add({value, 0});
    }
    CHECK(at(50) == "20"); // Two of four do not exceed it.
    CHECK(at(99) == "40");
    values.add({50, 0});
    CHECK(at(50) == "30");
    CHECK(at(1) == "10");
    CHECK(at(100) == "50");
  }
  SUBCASE("a hundred") {
    for (std::int64_t i = 100; i > 0; --i) {
      values.add({i * 10, 1});
    }
    CHECK(at(99) == "99.0");
    CHECK(at(50) == "50.0");
  }
  SUBCASE("scales that no common one holds") {
    values.add({kMax, 0});
    values.add({kMin, 0});
    values.add({1, 30});
    CHECK(at(50) == "0.000000000000000000000000000001");
    CHECK(at(99) == "9223372036854775807");
  }
  SUBCASE("texts") {
    values.add({2, 0});
    values.add_text("1e400");
    values.add_text("2.5E0");
    CHECK(at(50) == "2.5E0");
    CHECK(at(99) == "1e400");
    CHECK(at(1) == "2");
  }
}

TEST_CASE("buckets begin at multiples of the step beside the offset, also before 1970") {
  AggregateRequest request;
  request.from_ns = -100;
  request.to_ns = 100;
  request.step_ns = 30;
  request.offset_ns = 1000;
  const BucketGrid grid(request);
  CHECK(grid.bucket_of(0).start_ns == -20); // 1000 - 34 * 30
  CHECK(grid.bucket_of(9).start_ns == -20);
  CHECK(grid.bucket_of(10).start_ns == 10);
  CHECK(grid.bucket_of(-20).start_ns == -20);
  CHECK(grid.bucket_of(-21).start_ns == -50);
  CHECK(grid.bucket_of(-21).first_ns == -50);
  CHECK(grid.bucket_of(-21).last_ns == -21);
  CHECK(grid.bucket_of(-100).start_ns == -110); // The range cuts the outer ones.
  CHECK(grid.bucket_of(-100).first_ns == -100);
  CHECK(grid.bucket_of(99).last_ns == 99);
  request.step_ns = 0;
  CHECK(BucketGrid(request).bucket_of(5).start_ns == -100);
  CHECK(BucketGrid(request).bucket_of(5).last_ns == 99);
}

} // namespace
} // namespace spate::storage
