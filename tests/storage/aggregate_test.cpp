// Spate - tests of aggregates over blocks, late rows, tails and erasures.
#include "storage/aggregate.hpp"

#include <deque>
#include <map>

#include "tests/storage/aggregate_fixture.hpp"
#include "tests/storage/aggregate_model.hpp"

namespace spate::storage {
namespace {

using test::BlocksFixture;
using test::number_row;
using test::PlainRow;

constexpr std::uint32_t kAll = (1u << kFunctions) - 1;
constexpr std::int64_t kHour = 3'600'000'000'000;
constexpr std::int64_t kDay = 24 * kHour;
constexpr auto kWith = columnar::Heads::with;
constexpr auto kWithout = columnar::Heads::without;

const std::vector<model::FieldView> kTemperature = {{"t", model::ValueClass::number}};

AggregateRequest ask(std::uint32_t functions, std::int64_t step_ns = 0) {
  AggregateRequest request;
  request.from_ns = INT64_MIN;
  request.functions = functions;
  request.step_ns = step_ns;
  return request;
}

std::string value(const AggregatePage& page, Function function, std::size_t bucket = 0,
                  std::size_t field = 0) {
  return page.buckets.at(bucket).fields.at(field).values[static_cast<std::size_t>(function)].text;
}

std::vector<PlainRow> minutes(std::uint32_t series, std::int64_t from_ns, std::size_t count) {
  std::vector<PlainRow> rows;
  for (std::size_t i = 0; i < count; ++i) {
    const auto at = static_cast<std::int64_t>(i);
    rows.push_back({series, from_ns + at * (kHour / 60), model::TsSource::device,
                    number_row(std::to_string(20 + at % 7) + "." + std::to_string(at % 10))});
  }
  return rows;
}

/// Random rows of several series in all places there are; `rows` in the order of arrival.
struct RandomDevice {
  explicit RandomDevice(std::uint64_t seed) : random(seed) {
    blocks.shape(1, {{"n", model::ValueClass::number}, {"ok", model::ValueClass::boolean}});
    blocks.shape(2, {{"m", model::ValueClass::number},
                     {"n", model::ValueClass::number},
                     {"s", model::ValueClass::string}});
    blocks.shape(3, {{"n", model::ValueClass::string}});
    blocks.shape(4, {{"n", model::ValueClass::boolean}, {"ok", model::ValueClass::boolean}});
    for (int i = 0; i < 3; ++i) {
      runs[0].push_back(blocks.run(0, below(3)));
      runs[1].push_back(blocks.run(1, below(3)));
    }
    for (std::uint64_t number = 1; number <= below(4); ++number) {
      Erasure erasure;
      erasure.number = static_cast<decltype(erasure.number)>(number);
      erasure.device = BlocksFixture::kDevice - (chance(4) ? 1 : 0);
      erasure.from_ns = time();
      erasure.sequence = below(30);
      erasure.to_ns = erasure.from_ns + static_cast<std::int64_t>(below(kSpan / 3));
      erasures.push_back(erasure);
      blocks.erase(erasure);
    }
    for (const std::uint32_t series :
         {series_of(0, 1), series_of(0, 2), series_of(1, 1), series_of(0, 3), series_of(1, 4)}) {
      blocks.series(series);
      add_series(series);
    }
    rows = test::without_repeats(blocks, rows);
  }

  static constexpr std::int64_t kSpan = 3000;

  std::uint64_t below(std::uint64_t bound) { return random() % bound; }
  bool chance(std::uint64_t one_in) { return below(one_in) == 0; }
  std::int64_t time() { return static_cast<std::int64_t>(below(kSpan)) - kSpan / 2; }

  std::string number() {
    switch (below(12)) {
    case 0:
      return "-" + std::to_string(below(50) + 1) + "e" + std::to_string(below(3));
    case 1:
      return std::to_string(below(100));
    case 2:
      return std::to_string(below(40)) + ".50";
    default:
      return (chance(2) ? "-" : "") + std::to_string(below(90) + 1) + "." +
             std::to_string(below(10));
    }
  }
  std::string values(std::uint32_t series) {
    std::string out;
    for (const model::Field& field : blocks.shape_of_series(series).fields()) {
      if (field.value_class == model::ValueClass::number) {
        out += number_row(plain_numbers ? std::to_string(below(90)) + ".5" : number());
      } else if (field.value_class == model::ValueClass::boolean) {
        model::append_boolean(out, chance(2));
      } else {
        model::append_string(out, std::string(below(3), 'x') + std::to_string(below(4)));
      }
    }
    return out;
  }
  PlainRow row(std::uint32_t series, std::int64_t time_ns) {
    return {series, time_ns, chance(5) ? model::TsSource::server : model::TsSource::device,
            values(series)};
  }
  std::optional<std::size_t> place(std::uint32_t series) {
    if (chance(3)) {
      return std::nullopt;
    }
    return runs[class_of(series)][below(3)];
  }
  void put(const std::vector<PlainRow>& block, BlockKind kind, std::uint64_t order) {
    const auto run = place(block[0].series);
    blocks.block(block, kind, order, run, chance(2) ? kWith : kWithout, below(2));
    const std::uint64_t through =
        run ? blocks.device().blocks.view.runs->at(*run).erased_through : 0;
    for (const PlainRow& row : block) {
      const bool erased =
          std::any_of(erasures.begin(), erasures.end(), [&](const Erasure& erasure) {
            return erasure.device == BlocksFixture::kDevice && erasure.number > through &&
                   sequence_of(order) <= erasure.sequence && row.time_ns >= erasure.from_ns &&
                   row.time_ns < erasure.to_ns;
          });
      if (!erased) {
        rows.push_back(row);
        rows.back().rank = kind == BlockKind::main ? 0 : order;
      }
    }
    if (chance(6)) {
      blocks.flush();
    }
  }
  void add_series(std::uint32_t series) {
    std::vector<PlainRow>& sent = sent_in[shape_of(series)]; // What may be sent again.
    const std::vector<PlainRow> in_other_classes = sent;
    std::int64_t at = -kSpan / 2;
    plain_numbers = chance(2);
    while (chance(8) ? false : at < kSpan / 3) {
      std::vector<PlainRow> block;
      for (std::uint64_t i = 0; i < below(40) + 1; ++i) {
        at += static_cast<std::int64_t>(below(12)) + (block.empty() ? 1 : 0);
        PlainRow next = row(series, at);
        const auto same_time =
            std::find_if(in_other_classes.begin(), in_other_classes.end(),
                         [&](const PlainRow& other) { return other.time_ns == at; });
        if (same_time != in_other_classes.end() && chance(2)) {
          next.values = same_time->values;
        }
        if (!block.empty() && block.back().time_ns == at) {
          next.source = model::TsSource::server; // No repeat that the commit would have found.
        }
        block.push_back(std::move(next));
      }
      put(block, BlockKind::main, order_of(below(30), 1));
      sent.insert(sent.end(), block.begin(), block.end());
      at += chance(3) ? 200 : 0;
    }
    const auto stray = [&] {
      if (!sent.empty() && chance(2)) {
        PlainRow again = sent[below(sent.size())];
        again.series = series;
        again.source = chance(4) ? model::TsSource::server : again.source;
        return again;
      }
      return row(series, time());
    };
    std::uint64_t order = order_of(1);
    for (std::uint64_t i = 0; i < below(5); ++i) {
      std::vector<PlainRow> block;
      for (std::uint64_t j = 0; j < below(6) + 1; ++j) {
        block.push_back(stray());
      }
      std::stable_sort(block.begin(), block.end(),
                       [](const PlainRow& a, const PlainRow& b) { return a.time_ns < b.time_ns; });
      order += order_of(below(8)) + 1;
      put(block, BlockKind::late, order);
      sent.insert(sent.end(), block.begin(), block.end());
    }
    const std::uint64_t tails = below(3);
    for (std::uint64_t n = 0; n < tails; ++n) {
      std::vector<PlainRow> tail;
      for (std::uint64_t i = 0; i < below(20) + 1; ++i) {
        tail.push_back(chance(2) ? stray() : row(series, kSpan / 3 + time() / 8));
      }
      for (PlainRow& row : tail) {
        row.rank = n == 0 ? test::kMainTailRank : test::kLateTailRank;
      }
      blocks.tail(tail, n == 0 ? BlockKind::main : BlockKind::late);
      rows.insert(rows.end(), tail.begin(), tail.end());
    }
  }

  std::mt19937_64 random;
  BlocksFixture blocks;
  std::vector<std::size_t> runs[2];
  std::vector<Erasure> erasures;
  std::map<std::uint32_t, std::vector<PlainRow>> sent_in; ///< By shape.
  std::vector<PlainRow> rows;
  bool plain_numbers = false;
};

AggregateRequest random_request(RandomDevice& device) {
  AggregateRequest request;
  request.from_ns = device.chance(2) ? -10'000 : device.time();
  request.to_ns = device.chance(2) ? 10'000 : device.time();
  const std::int64_t steps[] = {0, 1, 7, 60, 333, 5000};
  request.step_ns = steps[device.below(6)];
  request.offset_ns = static_cast<std::int64_t>(device.below(2000)) - 1000;
  request.functions = device.chance(3)   ? kAll
                      : device.chance(2) ? 1u << device.below(kFunctions)
                                         : static_cast<std::uint32_t>(device.below(kAll) + 1);
  request.descending = device.chance(2);
  request.limit = device.chance(2) ? 1000 : device.below(5) + 1;
  if (device.chance(3)) {
    const std::uint64_t mask = device.below(8);
    request.selects = [mask](const model::Shape& shape) {
      std::vector<bool> wanted;
      for (std::size_t i = 0; i < shape.fields().size(); ++i) {
        wanted.push_back((mask >> i & 1) != 0);
      }
      return wanted;
    };
  }
  return request;
}

TEST_CASE("buckets are those of a plain model over all places, directions and pages") {
  AggregateCounts counts;
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    CAPTURE(seed);
    RandomDevice device(seed);
    for (int i = 0; i < 12; ++i) {
      CAPTURE(i);
      AggregateRequest request = random_request(device);
      const auto expected = test::plain_buckets(device.blocks, device.rows, request);
      std::vector<AggregateBucket> got;
      for (bool more = true; more;) {
        auto page = device.blocks.aggregate(request, &counts);
        REQUIRE(page);
        REQUIRE(page->buckets.size() <= request.limit);
        REQUIRE((page->more ? page->buckets.size() == request.limit : true));
        got.insert(got.end(), page->buckets.begin(), page->buckets.end());
        more = page->more;
        request.after_ns = got.empty() ? request.after_ns : got.back().start_ns;
      }
      test::check_buckets(expected, request.functions, got, request.descending);
    }
  }
  CHECK(counts.heads > 100); // All ways were gone.
  CHECK(counts.columns > 1000);
  CHECK(counts.rows_merged > 1000);
}

TEST_CASE("blocks that lie in one bucket are answered by their heads") {
  BlocksFixture blocks;
  blocks.shape(1, kTemperature);
  blocks.series(1);
  std::vector<PlainRow> all;
  for (std::int64_t day = 0; day < 5; ++day) {
    const auto rows = minutes(1, day * kDay, 1440);
    blocks.block(rows, BlockKind::main, order_of(1), blocks.run(0), kWith);
    all.insert(all.end(), rows.begin(), rows.end());
  }
  const std::uint32_t by_heads = kAll & ~(bit(Function::p50) | bit(Function::p99));
  AggregateCounts counts;
  AggregateRequest request = ask(by_heads, kDay);
  auto page = blocks.aggregate(request, &counts);
  REQUIRE(page);
  test::check_buckets(test::plain_buckets(blocks, all, request), by_heads, page->buckets, false);
  CHECK(counts.blocks == 5);
  CHECK(counts.heads == 5);
  CHECK(counts.columns == 0);

  SUBCASE("percentiles need the values, but no times") {
    counts = {};
    REQUIRE(blocks.aggregate(ask(kAll, kDay), &counts));
    CHECK(counts.heads == 0);
    CHECK(counts.columns == 5);
  }
  SUBCASE("only the days that the range cuts are decoded") {
    counts = {};
    request.from_ns = kDay / 2;
    request.to_ns = 4 * kDay + 1;
    page = blocks.aggregate(request, &counts);
    REQUIRE(page);
    test::check_buckets(test::plain_buckets(blocks, all, request), by_heads, page->buckets, false);
    CHECK(counts.heads == 3);
    CHECK(counts.columns == 4);
  }
  SUBCASE("a late row costs the heads of the day that it lies in") {
    counts = {};
    std::vector<PlainRow> late = {{1, 2 * kDay + 1, model::TsSource::device, number_row("-99.5")}};
    blocks.block(late, BlockKind::late, order_of(2), std::nullopt, kWithout);
    all.push_back(late[0]);
    page = blocks.aggregate(request, &counts);
    REQUIRE(page);
    test::check_buckets(test::plain_buckets(blocks, test::without_repeats(blocks, all), request),
                        by_heads, page->buckets, false);
    CHECK(counts.heads == 4);
    CHECK(counts.rows_merged == 1441);
  }
  SUBCASE("counting decodes nothing") {
    counts = {};
    REQUIRE(blocks.aggregate(ask(bit(Function::count), kDay), &counts));
    CHECK(counts.columns == 0);
  }
}

TEST_CASE("what is sent again in another retention class counts once, wherever it lies") {
  for (int place = 0; place < 4; ++place) {
    CAPTURE(place);
    BlocksFixture blocks;
    blocks.shape(1, kTemperature);
    const std::uint32_t before = series_of(0, 1);
    const std::uint32_t after = series_of(1, 1);
    blocks.series(before);
    blocks.series(after);
    blocks.block(minutes(before, 0, 100), BlockKind::main, order_of(1), blocks.run(0), kWith);
    const auto again = minutes(after, 0, 10);
    if (place == 0) {
      blocks.block(again, BlockKind::main, order_of(2), blocks.run(1), kWith);
    } else if (place == 1) {
      blocks.block(again, BlockKind::late, order_of(2), std::nullopt, kWith);
    } else {
      blocks.tail(again, place == 2 ? BlockKind::main : BlockKind::late);
    }
    blocks.block(minutes(after, kDay, 100), BlockKind::main, order_of(3), blocks.run(1), kWith);
    for (const bool descending : {false, true}) {
      AggregateRequest request = ask(bit(Function::count) | bit(Function::sum), kDay);
      request.descending = descending;
      AggregateCounts counts;
      const auto page = blocks.aggregate(request, &counts);
      REQUIRE(page);
      REQUIRE(page->buckets.size() == 2);
      CHECK(value(*page, Function::count, 0) == "100");
      CHECK(value(*page, Function::count, 1) == "100");
      CHECK(value(*page, Function::sum, 0) == value(*page, Function::sum, 1));
      CHECK(counts.heads == 1); // The day on which nothing was sent again.
    }
  }
}

TEST_CASE("a page reads no further than it must") {
  BlocksFixture blocks;
  blocks.shape(1, kTemperature);
  blocks.series(1);
  for (std::int64_t day = 0; day < 30; ++day) {
    blocks.block(minutes(1, day * kDay, 1440), BlockKind::main, order_of(1), blocks.run(0), kWith);
  }
  for (const bool descending : {false, true}) {
    AggregateRequest request = ask(kAll, kHour);
    request.descending = descending;
    request.limit = 3;
    AggregateCounts counts;
    const auto page = blocks.aggregate(request, &counts);
    REQUIRE(page);
    CHECK(page->more);
    CHECK(page->buckets.size() == 3);
    CHECK(counts.blocks == 1);
  }
}

TEST_CASE("a page that gets too large ends early and says so") {
  BlocksFixture blocks;
  blocks.shape(1, {{"s", model::ValueClass::string}});
  blocks.series(1);
  std::vector<PlainRow> rows;
  for (std::int64_t i = 0; i < 100; ++i) {
    PlainRow row{1, i, model::TsSource::device, {}};
    model::append_string(row.values, std::string(200'000, 'a'));
    rows.push_back(std::move(row));
  }
  blocks.tail(rows);
  const auto page = blocks.aggregate(ask(bit(Function::last), 1));
  REQUIRE(page);
  CHECK(page->more);
  CHECK(page->buckets.size() == 42);
}

TEST_CASE("buckets reach to both ends of time") {
  BlocksFixture blocks;
  blocks.shape(1, kTemperature);
  blocks.series(1);
  std::vector<PlainRow> rows;
  for (const std::int64_t time : {INT64_MIN, std::int64_t{-1}, std::int64_t{0}, INT64_MAX}) {
    rows.push_back({1, time, model::TsSource::device, number_row("1")});
  }
  SUBCASE("in a block") {
    blocks.block(rows, BlockKind::main, order_of(1), std::nullopt, kWithout);
  }
  SUBCASE("in a tail") {
    blocks.tail(rows);
  }
  for (const bool descending : {false, true}) {
    for (const std::int64_t offset : {std::int64_t{0}, INT64_MIN, INT64_MAX}) {
      AggregateRequest request = ask(kAll, 1000);
      request.offset_ns = offset;
      request.descending = descending;
      request.limit = 1;
      std::size_t found = 0;
      std::uint64_t values = 0;
      for (bool more = true; more; ++found) {
        const auto page = blocks.aggregate(request);
        REQUIRE(page);
        REQUIRE(page->buckets.size() == 1);
        values += std::stoull(value(*page, Function::count));
        request.after_ns = page->buckets[0].start_ns;
        more = page->more;
      }
      CHECK(values == 4);
      CHECK(found >= 3);
    }
  }
}

} // namespace
} // namespace spate::storage
