// Scans where they are hard: one time for all, the writer at work, someone waiting for the end.
#include <algorithm>
#include <set>
#include <thread>

#include "storage/time_group.hpp"
#include "tests/storage/live_fixture.hpp"

using namespace spate;
using namespace spate::storage;
using namespace spate::storage::test;

namespace {

/// Page after page; what is between two pages may change the store.
template <class Between>
std::vector<StoredRecord> pages(Store& store, Arena& kept, ScanRequest request, Between&& between) {
  std::vector<StoredRecord> out;
  for (bool more = true; more;) {
    const auto page = store.scan(request);
    if (!page) {
      FAIL(page.error().detail);
    }
    CHECK(page->records.size() <= request.limit);
    more = page->more;
    for (const StoredRecord& record : page->records) {
      out.push_back(record);
      out.back().values = kept.keep(record.values);
    }
    if (more) {
      request.after = {out.back().time_ns, out.back().tie};
      between();
    }
  }
  return out;
}

} // namespace

TEST_SUITE("reads") {
  TEST_CASE("many rows of one time are read page by page in bounded memory") {
    model::ShapeTable shapes;
    const model::Shape* shape = shapes.intern({{"t", model::ValueClass::number}});
    ScanRequest request;
    request.after = ScanPosition{5, 1000};
    for (const bool descending : {false, true}) {
      request.descending = descending;
      TimeGroup group(request);
      group.begin(11, 1u << 20);
      for (std::int64_t i = 0; i < 20'000; ++i) {
        std::string values; // Each value comes twice.
        model::append_decimal(values, {i / 2, 0});
        group.add(0, *shape, {5, 1, model::TsSource::device, values});
        REQUIRE(group.rows_kept() <= 11);
      }
      bool all = true;
      const auto rows = group.take(all);
      CHECK_FALSE(all);
      REQUIRE(rows.size() == 11);
      for (std::uint64_t i = 0; i < rows.size(); ++i) {
        CHECK(rows[i].tie == (descending ? 999 - i : 1001 + i));
      }
    }
  }

  TEST_CASE("rows of one time and shape come in order of arrival, without repeats, whatever block "
            "has them") {
    Fixture f;
    f.options.seal_rows = 5;
    f.internals.recent_keys_max = 1;
    f.open();
    Texts expected;
    std::set<std::string> known;
    for (int i = 0; i < 300; ++i) {
      const std::string number = std::to_string(i * 37 % 100);
      const std::string field = i % 3 == 0 ? "a" : "b";
      f.put("d", 7, number, field);
      if (known.insert(field + number).second) {
        expected.push_back(field + number);
      }
    }
    REQUIRE(expected.size() == 200);
    // Shape by shape.
    std::stable_sort(expected.begin(), expected.end(),
                     [](const std::string& x, const std::string& y) { return x[0] < y[0]; });
    const auto words = [](const std::vector<StoredRecord>& records) {
      Texts out;
      for (const StoredRecord& record : records) {
        out.push_back(record.shape->fields()[0].path + Fixture::text_of(record));
      }
      return out;
    };
    ScanRequest request;
    request.device = "d";
    request.limit = 7;
    Arena kept;
    CHECK(words(pages(*f.store, kept, request, [] {})) == expected);
    request.descending = true;
    std::reverse(expected.begin(), expected.end());
    CHECK(words(pages(*f.store, kept, request, [] {})) == expected);
  }

  TEST_CASE("cursor pages while the writer seals neither skip nor repeat") {
    for (const bool descending : {false, true}) {
      Fixture f;
      f.options.seal_rows = 3;
      f.open();
      for (int i = 0; i < 100; ++i) {
        f.put("d", 1000 + i, "1");
      }
      ScanRequest request;
      request.device = "d";
      request.limit = 3;
      request.descending = descending;
      request.from_ns = 1000;
      request.to_ns = 1100;
      int written = 0;
      Arena kept;
      const auto records = pages(*f.store, kept, request, [&] {
        f.put("d", 2000 + written, "1"); // Seals what is older.
        f.put("d", written, "1");        // Makes late blocks.
        ++written;
      });
      CHECK(written > 30);
      REQUIRE(records.size() == 100);
      for (int i = 0; i < 100; ++i) {
        CHECK(records[static_cast<std::size_t>(i)].time_ns == (descending ? 1099 - i : 1000 + i));
      }
    }
  }

  TEST_CASE("a long read is given up when it is cancelled, and when the store stops") {
    Fixture f;
    f.options.seal_rows = 2;
    f.open();
    for (int i = 0; i < 50; ++i) {
      f.put("d", i, "1");
    }
    ScanRequest request;
    request.device = "d";
    int asked = 0;
    request.cancelled = [&] { return ++asked == 3; };
    CHECK(f.store->scan(request).error().code == Errc::storage_unavailable);
    CHECK(asked == 3);
    std::thread stopping;
    request.cancelled = [&] {
      if (!stopping.joinable()) { // Goes on as soon as other readers are turned away.
        stopping = std::thread([&] { f.store->stop(); });
        std::thread([&] {
          while (f.store->devices("", 1)) {
          }
        }).join();
      }
      return false;
    };
    CHECK(f.store->scan(request).error().code == Errc::storage_unavailable);
    stopping.join();
  }

  TEST_CASE("of one time the row in order is read before the late one, whatever order tails have") {
    LiveFixture f;
    f.open();
    auto make = f.maker();
    make.message("d", f.now_ms).row(1, "1");
    f.commit(make);
    const auto view = f.live->view("d");
    REQUIRE(view->tails.size() == 1);
    Tail late(1, view->tails[0].series, BlockKind::late);
    std::string values;
    model::append_decimal(values, {2, 0});
    late.append({1, f.now_ms, model::TsSource::device, values});
    view->tails.insert(view->tails.begin(),
                       {late.series, BlockKind::late, std::string(late.bytes())});
    ScanRequest request;
    request.device = "d";
    request.limit = 10;
    const auto page = scan_device(f.live->database(), *view, request);
    REQUIRE(page);
    REQUIRE(page->records.size() == 2);
    CHECK(Fixture::text_of(page->records[0]) == "1");
    CHECK(Fixture::text_of(page->records[1]) == "2");
  }
}
