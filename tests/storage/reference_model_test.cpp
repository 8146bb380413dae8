// Random work against the store and against a few lines that are obviously right.
#include <algorithm>
#include <set>

#include "tests/storage/store_fixture.hpp"

using namespace spate;
using namespace spate::storage;
using namespace spate::storage::test;

namespace {

struct ModelRow {
  std::int64_t time_ns;
  std::string field;
  std::string number;
  model::TsSource source;
};

/// 22.50 -> 22.5: what makes two numbers the same.
std::string plain(std::string number) {
  if (number.find('.') != std::string::npos) {
    number.erase(number.find_last_not_of('0') + 1);
    if (number.back() == '.') {
      number.pop_back();
    }
  }
  return number;
}

bool same_record(const ModelRow& a, const ModelRow& b) {
  return a.time_ns == b.time_ns && a.field == b.field && plain(a.number) == plain(b.number) &&
         a.source == model::TsSource::device && b.source == model::TsSource::device;
}

class Model {
public:
  bool holds(const std::string& device, const ModelRow& row) const {
    const auto found = rows_.find(device);
    return found != rows_.end() &&
           std::any_of(found->second.begin(), found->second.end(),
                       [&](const ModelRow& other) { return same_record(other, row); });
  }
  /// Keeps arrival order; a repeat is left out, as readers leave it out.
  void add(const std::string& device, const ModelRow& row) {
    if (!holds(device, row)) {
      rows_[device].push_back(row);
    }
  }
  std::vector<ModelRow> scan(const std::string& device, std::int64_t from, std::int64_t to,
                             const std::string& field) const {
    std::vector<ModelRow> out;
    for (const ModelRow& row : rows_.at(device)) {
      if (row.time_ns >= from && row.time_ns < to && (field.empty() || row.field == field)) {
        out.push_back(row);
      }
    }
    std::stable_sort(out.begin(), out.end(),
                     [](const ModelRow& a, const ModelRow& b) { return a.time_ns < b.time_ns; });
    return out;
  }
  const std::map<std::string, std::vector<ModelRow>>& rows() const { return rows_; }

private:
  std::map<std::string, std::vector<ModelRow>> rows_;
};

class Walk {
public:
  explicit Walk(std::uint32_t seed) : random_(seed) {
    fixture_.options.seal_rows = static_cast<std::uint32_t>(3 + random_() % 6);
    fixture_.options.log_bytes_max = 8u << 10;
    fixture_.options.tail_bytes_max = 4u << 10;
    fixture_.options.shards = static_cast<std::uint16_t>(1 + random_() % 4);
    if (random_() % 2 == 0 && fixture_.options.shards > 1) {
      fixture_.options.data_dirs.push_back(fixture_.dir.sub("b"));
    }
    fixture_.internals.window_bytes = 2u << 10;
    fixture_.internals.block_buffer_bytes = 64u << 10;
    fixture_.open();
  }

  void run(int steps) {
    for (int i = 0; i < steps; ++i) {
      const auto pick = random_() % 100;
      if (pick < 85) {
        commit();
      } else if (pick < 88) {
        fixture_.reopen();
        restarted_ = true;
      } else {
        check_random_scan();
      }
    }
    check_all();
    fixture_.reopen();
    check_all();
  }

private:
  std::string device() { return "dev" + std::to_string(random_() % 6); }

  ModelRow make_row(const std::string& device) {
    if (!sent_[device].empty() && random_() % 8 == 0) { // Sent again, perhaps in other words.
      ModelRow row = sent_[device][random_() % sent_[device].size()];
      if (random_() % 2 == 0 && row.number.find('.') != std::string::npos) {
        row.number += '0';
      }
      return row;
    }
    std::int64_t& clock = clock_[device];
    clock += static_cast<std::int64_t>(random_() % 4) * 500'000;
    ModelRow row;
    row.time_ns =
        random_() % 10 == 0
            ? static_cast<std::int64_t>(random_() % (static_cast<std::uint64_t>(clock) + 1))
            : clock;
    row.time_ns -= row.time_ns % 500'000;
    row.field = random_() % 4 == 0 ? "b" : "a";
    row.number = std::to_string(random_() % 3) + (random_() % 2 == 0 ? ".5" : "");
    row.source = random_() % 6 == 0 ? model::TsSource::server : model::TsSource::device;
    return row;
  }

  void commit() {
    auto make = fixture_.maker();
    const std::uint16_t shard = static_cast<std::uint16_t>(random_() % fixture_.options.shards);
    std::vector<std::pair<std::string, ModelRow>> rows;
    for (auto messages = 1 + random_() % 12; messages != 0; --messages) {
      const std::string to = device();
      if (fixture_.store->shard_of(to) != static_cast<model::ShardId>(shard)) {
        continue;
      }
      make.message(to, ++fixture_.received_ms);
      for (auto count = 1 + random_() % 3; count != 0; --count) {
        ModelRow row = make_row(to);
        make.row(row.time_ns, row.number, row.field, row.source);
        rows.emplace_back(to, row);
        sent_[to].push_back(row);
      }
    }
    const auto block = fixture_.commit(make, shard);
    REQUIRE(block->status == model::CommitStatus::committed);
    for (std::size_t i = 0; i < rows.size(); ++i) {
      const bool known = model_.holds(rows[i].first, rows[i].second);
      const auto outcome = block->rows[i].outcome;
      if (outcome == model::RowOutcome::duplicate) {
        CHECK_MESSAGE(known, "a record was dropped that is not stored");
      } else {
        CHECK(outcome == model::RowOutcome::stored);
        // After a restart the memory of sealed rows is what the log still holds.
        CHECK_MESSAGE((!known || restarted_), "a repeat was not recognised");
      }
      model_.add(rows[i].first, rows[i].second);
    }
  }

  void check_random_scan() {
    if (model_.rows().empty()) {
      return;
    }
    auto at = model_.rows().begin();
    std::advance(at, random_() % model_.rows().size());
    const auto clock = static_cast<std::uint64_t>(clock_[at->first]) + 2;
    const auto from = static_cast<std::int64_t>(random_() % clock);
    const auto to =
        random_() % 3 == 0 ? INT64_MAX : from + static_cast<std::int64_t>(random_() % clock);
    const std::string field = random_() % 3 == 0 ? "b" : "";
    check_scan(at->first, from, to, field, random_() % 2 == 0, 1 + random_() % 9);
  }

  void check_all() {
    for (const auto& [name, rows] : model_.rows()) {
      check_scan(name, 0, INT64_MAX, "", false, 1000);
      check_scan(name, 0, INT64_MAX, "", true, 7);
      check_last(name);
    }
    const auto devices = fixture_.store->devices("", 100);
    REQUIRE(devices);
    std::vector<std::string> ids;
    for (const DeviceInfo& info : devices->devices) {
      ids.push_back(info.id);
      CHECK(info.last_seen_ms >= info.first_seen_ms);
    }
    std::vector<std::string> expected;
    for (const auto& [name, rows] : model_.rows()) {
      expected.push_back(name);
    }
    CHECK(ids == expected);
  }

  void check_scan(const std::string& name, std::int64_t from, std::int64_t to,
                  const std::string& field, bool descending, std::size_t page_rows) {
    ScanRequest request;
    request.device = name;
    request.from_ns = from;
    request.to_ns = to;
    request.descending = descending;
    request.limit = page_rows;
    if (!field.empty()) {
      request.accepts = [&](const model::Shape& shape) { return shape.fields()[0].path == field; };
    }
    std::vector<Shown> got;
    for (bool more = true; more;) {
      const auto page = fixture_.store->scan(request);
      if (!page) {
        FAIL(page.error().detail);
      }
      CHECK(page->records.size() <= page_rows);
      for (const StoredRecord& record : page->records) {
        got.push_back({record.time_ns, record.shape->fields()[0].path,
                       Fixture::text_of(record) + std::string(model::name_of(record.source))});
      }
      more = page->more;
      if (more) {
        REQUIRE_FALSE(page->records.empty());
        request.after = {page->records.back().time_ns, page->records.back().tie};
      }
    }
    std::vector<Shown> expected;
    for (const ModelRow& row : model_.scan(name, from, to, field)) {
      expected.push_back(
          {row.time_ns, row.field, row.number + std::string(model::name_of(row.source))});
    }
    if (descending) {
      std::reverse(expected.begin(), expected.end());
    }
    const auto by_time = [descending](const Shown& a, const Shown& b) {
      return descending ? a.time_ns > b.time_ns : a.time_ns < b.time_ns;
    };
    CHECK(std::is_sorted(got.begin(), got.end(), by_time));
    // Records of one time and different shapes come in any order, but always in the same.
    for (auto* list : {&got, &expected}) {
      std::stable_sort(list->begin(), list->end(), [&](const Shown& a, const Shown& b) {
        return a.time_ns != b.time_ns ? by_time(a, b) : a.field < b.field;
      });
    }
    CHECK(got == expected);
  }

  struct Shown {
    std::int64_t time_ns;
    std::string field;
    std::string text;
    bool operator==(const Shown&) const = default;
  };

  void check_last(const std::string& name) {
    const auto records = fixture_.store->last(name);
    REQUIRE(records);
    std::map<std::string, std::string> got;
    for (const StoredRecord& record : records->records) {
      got[record.shape->fields()[0].path] =
          std::to_string(record.time_ns) + "=" + Fixture::text_of(record);
    }
    std::map<std::string, std::string> expected;
    for (const ModelRow& row : model_.scan(name, 0, INT64_MAX, "")) {
      expected[row.field] = std::to_string(row.time_ns) + "=" + row.number;
    }
    CHECK(got == expected);
  }

  std::mt19937 random_;
  Fixture fixture_;
  Model model_;
  std::map<std::string, std::vector<ModelRow>> sent_;
  std::map<std::string, std::int64_t> clock_;
  bool restarted_ = false;
};

} // namespace

TEST_SUITE("reference model") {
  TEST_CASE("random commits, restarts and scans agree with the model") {
    const char* asked = ::getenv("SPATE_TEST_SEED");
    const std::uint32_t first =
        asked != nullptr ? static_cast<std::uint32_t>(std::stoul(asked)) : 1;
    const std::uint32_t last = asked != nullptr ? first : 8;
    for (std::uint32_t seed = first; seed <= last; ++seed) {
      CAPTURE(seed);
      Walk(seed).run(300);
    }
  }
}
