// Spate - tests of aggregates that meet limits, damage, and readers that give up.
#include <string>
#include <vector>

#include "tests/storage/aggregate_fixture.hpp"

namespace spate::storage {
namespace {

using test::BlocksFixture;
using test::number_row;
using test::PlainRow;

constexpr auto kWith = columnar::Heads::with;

AggregateRequest ask(std::uint32_t functions, std::int64_t step_ns = 0) {
  AggregateRequest request;
  request.from_ns = INT64_MIN;
  request.functions = functions;
  request.step_ns = step_ns;
  return request;
}

std::string text(const AggregatePage& page, Function function, std::size_t bucket = 0) {
  return page.buckets.at(bucket).fields.at(0).values[static_cast<std::size_t>(function)].text;
}

/// One series with one number, of device-stamped rows a nanosecond apart.
struct OneSeries : BlocksFixture {
  OneSeries() {
    shape(1, {{"t", model::ValueClass::number}});
    series(1);
  }
  std::vector<PlainRow> rows(std::int64_t from_ns, std::int64_t count,
                             const std::string& number = "1.5") {
    std::vector<PlainRow> out;
    for (std::int64_t i = 0; i < count; ++i) {
      out.push_back({1, from_ns + i, model::TsSource::device, number_row(number)});
    }
    return out;
  }
  BlockKey main(std::int64_t from_ns, std::int64_t count, const std::string& number = "1.5") {
    return block(rows(from_ns, count, number), BlockKind::main, order_of(5), run(0), kWith);
  }
  BlockKey late(std::int64_t from_ns, std::int64_t count, const std::string& number = "1.5") {
    return block(rows(from_ns, count, number), BlockKind::late, order_of(6), std::nullopt, kWith);
  }
};

TEST_CASE("a request that makes no sense is refused") {
  OneSeries device;
  device.main(0, 10);
  CHECK(device.aggregate(ask(0)).error().code == Errc::usage);
  CHECK(device.aggregate(ask(1u << kFunctions)).error().code == Errc::usage);
  CHECK(device.aggregate(ask(bit(Function::sum), -1)).error().code == Errc::usage);
  AggregateRequest empty = ask(bit(Function::sum));
  empty.from_ns = empty.to_ns = 5;
  CHECK(device.aggregate(empty)->buckets.empty());
  AggregateRequest behind = ask(bit(Function::sum));
  behind.after_ns = INT64_MIN; // Of a range that is one bucket.
  CHECK(device.aggregate(behind)->buckets.empty());
}

TEST_CASE("percentiles of too many values in a bucket are refused, with what to do") {
  OneSeries device;
  constexpr std::int64_t kRows = columnar::kBlockRowsMax / 2;
  for (std::int64_t i = 0; i < 8; ++i) {
    device.main(i * kRows, kRows);
  }
  const auto refused = device.aggregate(ask(bit(Function::p99)));
  CHECK(refused.error().code == Errc::usage);
  CHECK(refused.error().detail.find("take a smaller step") != std::string::npos);
  const auto summed = device.aggregate(ask(bit(Function::sum)));
  REQUIRE(summed);
  CHECK(text(*summed, Function::sum) == "1572864");
  const auto stepped = device.aggregate(ask(bit(Function::p99), 4 * kRows));
  REQUIRE(stepped);
  CHECK(stepped->buckets.size() == 2);
}

TEST_CASE("percentiles of too many fields are refused too") {
  AggregateCounts counts;
  Aggregator aggregator(bit(Function::p50), counts);
  model::ShapeTable shapes;
  const model::Shape* shape = shapes.intern({{"a", model::ValueClass::number},
                                             {"b", model::ValueClass::number},
                                             {"c", model::ValueClass::number},
                                             {"d", model::ValueClass::number},
                                             {"e", model::ValueClass::number}});
  const std::size_t series = aggregator.add_series(1, *shape, std::vector<bool>(5, true));
  std::string values;
  for (int i = 0; i < 5; ++i) {
    values += number_row("7");
  }
  std::size_t rows = 0;
  Result<void> added;
  for (; added && rows <= kFieldValuesMax; ++rows) {
    added = aggregator.add_row(series, 0, values);
  }
  CHECK(rows == kBucketValuesMax / 5 + 1);
  CHECK(added.error().detail.find("fewer fields") != std::string::npos);
  static_cast<void>(aggregator.finish());
  CHECK(aggregator.add_row(series, 0, values)); // Each bucket has its own room.
}

enum class Place { main, late, merged };
enum class Damage { flipped, cut, no_block, other_times };

std::string damaged(OneSeries& device, Damage damage) {
  const auto rows = device.rows(100, damage == Damage::other_times ? 9 : 10);
  std::vector<columnar::Row> borrowed;
  for (const PlainRow& row : rows) {
    borrowed.push_back({row.time_ns, 0, row.source, row.values});
  }
  std::string value;
  columnar::BlockEncoder().encode(device.shape_of_series(1), borrowed, kWith, value);
  switch (damage) {
  case Damage::flipped:
    value.back() = static_cast<char>(value.back() ^ 4);
    break;
  case Damage::cut:
    value.pop_back();
    break;
  case Damage::no_block:
    return "?";
  case Damage::other_times:
    break;
  }
  return value;
}

TEST_CASE("a damaged block is reported with device, series and times, and never counted") {
  for (const Place place : {Place::main, Place::late, Place::merged}) {
    for (const Damage damage :
         {Damage::flipped, Damage::cut, Damage::no_block, Damage::other_times}) {
      CAPTURE(static_cast<int>(place));
      CAPTURE(static_cast<int>(damage));
      OneSeries device;
      device.main(0, 10);
      const BlockKey key = place == Place::late ? device.late(100, 10) : device.main(100, 10);
      if (place == Place::merged) {
        device.late(105, 1);
      }
      AggregateRequest request = ask(bit(Function::count), 50);
      CHECK(device.aggregate(request));
      device.put(key, damaged(device, damage),
                 place == Place::late ? std::nullopt : std::optional<std::size_t>(1));
      const bool spanned = damage == Damage::flipped || damage == Damage::cut;
      const std::string times = spanned ? "from 100 ns to 109 ns" : "up to 109 ns";
      for (const Function function : {Function::count, Function::sum, Function::p50}) {
        for (const bool descending : {false, true}) {
          request.functions = bit(function);
          request.descending = descending;
          const auto page = device.aggregate(request);
          REQUIRE_FALSE(page);
          CHECK(page.error().code == Errc::storage_corrupt);
          CHECK(page.error().detail.find(times) != std::string::npos);
          CHECK(page.error().detail.find("device number 7, series 1,") != std::string::npos);
        }
      }
      AggregateRequest beside = ask(bit(Function::count));
      beside.to_ns = 50;
      const auto unharmed = device.aggregate(beside);
      if (spanned || place != Place::late) { // Else nothing says that it begins behind the range.
        REQUIRE(unharmed);
        CHECK(text(*unharmed, Function::count) == "10");
      }
    }
  }
}

TEST_CASE("a reader that gives up is heard before each block") {
  OneSeries device;
  for (std::int64_t i = 0; i < 6; ++i) {
    device.main(i * 100, 10);
    device.late(i * 100 + 50, 10);
  }
  for (const bool descending : {false, true}) {
    for (int blocks_max = 0; blocks_max < 6 + 6; ++blocks_max) {
      AggregateRequest request = ask(bit(Function::sum));
      request.descending = descending;
      int asked = -8; // The late blocks are listed first, to the end of each generation.
      AggregateCounts counts;
      request.cancelled = [&] { return asked++ >= blocks_max; };
      const auto page = device.aggregate(request, &counts);
      REQUIRE_FALSE(page);
      CHECK(page.error().code == Errc::storage_unavailable);
      CHECK(counts.blocks == static_cast<std::uint64_t>(blocks_max));
    }
  }
}

TEST_CASE("a reader that gives up is heard within many rows that are merged") {
  OneSeries device;
  device.tail(device.rows(0, 100'000));
  AggregateRequest request = ask(bit(Function::sum));
  int asked = 0;
  request.cancelled = [&] { return ++asked == 10; };
  CHECK(device.aggregate(request).error().code == Errc::storage_unavailable);
}

TEST_CASE("rows past their retention are not counted, wherever they are") {
  OneSeries device;
  device.shape(2, {{"t", model::ValueClass::number}});
  device.series(series_of(1, 1), 105);
  const auto put = [&](std::int64_t from_ns) {
    auto rows = device.rows(from_ns, 10);
    for (PlainRow& row : rows) {
      row.series = series_of(1, 1);
    }
    return rows;
  };
  device.block(put(80), BlockKind::main, order_of(1), device.run(1), kWith);
  device.block(put(100), BlockKind::main, order_of(1), device.run(1), kWith);
  device.block(put(90), BlockKind::late, order_of(2), std::nullopt, kWith);
  device.tail(put(101));
  device.main(80, 10); // Another class: kept.
  for (const bool descending : {false, true}) {
    AggregateRequest request = ask(bit(Function::count) | bit(Function::first), 20);
    request.descending = descending;
    const auto page = device.aggregate(request);
    REQUIRE(page);
    REQUIRE(page->buckets.size() == 2);
    CHECK(text(*page, Function::count, descending ? 1 : 0) == "10");
    CHECK(text(*page, Function::count, descending ? 0 : 1) == "6"); // 105 to 110.
  }
}

TEST_CASE("a block that is erased whole is not read") {
  OneSeries device;
  device.main(0, 10);
  device.main(100, 10);
  device.late(103, 2, "9");
  Erasure erasure;
  erasure.number = 1;
  erasure.device = BlocksFixture::kDevice;
  erasure.from_ns = 100;
  erasure.to_ns = INT64_MAX;
  erasure.sequence = 6;
  device.erase(erasure);
  AggregateCounts counts;
  const auto page = device.aggregate(ask(bit(Function::max) | bit(Function::count)), &counts);
  REQUIRE(page);
  CHECK(text(*page, Function::count) == "10");
  CHECK(counts.blocks == 1);
  CHECK(counts.heads == 1);
}

TEST_CASE("an aggregate shows the moment of its snapshot") {
  OneSeries device;
  device.main(0, 10);
  const AggregatedDevice before = device.device();
  device.late(100, 10);
  CHECK(text(*aggregate_device(before, ask(bit(Function::count))), Function::count) == "10");
}

TEST_CASE("the values of one path in several classes are told apart") {
  BlocksFixture device;
  device.shape(1, {{"v", model::ValueClass::number}});
  device.shape(2, {{"v", model::ValueClass::boolean}});
  device.shape(3, {{"v", model::ValueClass::string}});
  for (const std::uint32_t series : {1, 2, 3}) {
    device.series(series);
  }
  std::string yes;
  model::append_boolean(yes, true);
  std::string word;
  model::append_string(word, "9");
  device.tail({{3, 10, model::TsSource::device, word}});
  device.tail({{2, 20, model::TsSource::device, yes}, {2, 70, model::TsSource::device, yes}});
  device.tail({{1, 20, model::TsSource::device, number_row("2.50")}});
  constexpr std::uint32_t kAll = (1u << kFunctions) - 1;
  const auto page = device.aggregate(ask(kAll, 50));
  REQUIRE(page);
  REQUIRE(page->buckets.size() == 2);
  CHECK(text(*page, Function::count) == "3");
  CHECK(text(*page, Function::avg) == "2.5"); // Of the number only.
  CHECK(text(*page, Function::max) == "2.50");
  CHECK(text(*page, Function::first) == "9");
  const auto& values = page->buckets[0].fields[0].values;
  CHECK(values[static_cast<std::size_t>(Function::first)].kind == AggregateValue::Kind::string);
  const auto& last = values[static_cast<std::size_t>(Function::last)];
  CHECK(last.kind == AggregateValue::Kind::boolean); // Of one time the later series.
  CHECK(last.boolean);
  CHECK(text(*page, Function::avg, 1) == "1"); // Only booleans: the share of true.
  CHECK(page->buckets[1].fields[0].values[static_cast<std::size_t>(Function::sum)].kind ==
        AggregateValue::Kind::none);
}

} // namespace
} // namespace spate::storage
