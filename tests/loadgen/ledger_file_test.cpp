#include <algorithm>
#include <atomic>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <thread>
#include <vector>

#include <sys/resource.h>
#include <unistd.h>

#include <doctest/doctest.h>

#include "loadgen/base/random.hpp"
#include "loadgen/proof/ledger_reader.hpp"
#include "loadgen/proof/ledger_records.hpp"
#include "loadgen/proof/ledger_writer.hpp"
#include "loadgen/proof/named_lines.hpp"

using namespace spate;
using namespace spate::loadgen;

namespace {

/// A path of its own, gone at the end.
struct TemporaryFile {
  const std::string path =
      (std::filesystem::temp_directory_path() / ("spate_ledger_test." + std::to_string(::getpid())))
          .string();
  TemporaryFile() = default;
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;
  ~TemporaryFile() { std::filesystem::remove(path); }

  [[nodiscard]] std::string bytes() const {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  void put(std::string_view bytes) const {
    std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
  }
};

LedgerBlock block_of(std::uint32_t cohort, std::uint32_t device, std::int64_t from_ts,
                     std::int64_t count) {
  LedgerLines lines(cohort);
  for (std::int64_t i = 0; i < count; ++i) {
    lines.add(device, from_ts + i, static_cast<std::uint64_t>(i));
  }
  return lines.take();
}

/// "12 records", or why not.
std::string read_all(const std::string& path, LedgerEnd end) {
  LedgerReader reader(path, end);
  if (auto opened = reader.open(); !opened) {
    return opened.error().detail;
  }
  LedgerRecord record;
  for (;;) {
    auto more = reader.next(record);
    if (!more) {
      return more.error().detail;
    }
    if (!*more) {
      return std::to_string(reader.records()) + " records";
    }
  }
}

bool contains(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

/// Two cohorts and three blocks of records.
void write_small(const std::string& path) {
  auto writer = LedgerWriter::create(path).value();
  const std::uint32_t ruled = writer->add_cohort("ruled", DeviceNames("dev-", 0, 5));
  const std::uint32_t listed = writer->add_cohort("listed", DeviceNames({"x", "y"}));
  writer->write(block_of(ruled, 4, 100, 3));
  writer->write(block_of(listed, 1, 100, 2));
  writer->write(block_of(ruled, 0, 100, 1));
  REQUIRE(writer->finish());
}

const std::atomic<bool> kGoOn{false};

} // namespace

TEST_CASE("a ledger that can not be made, or is none, is told") {
  CHECK(LedgerWriter::create("/nowhere/ledger").error().code == Errc::file_unreadable);
  CHECK(LedgerReader("/nowhere/ledger", LedgerEnd::required).open().error().code ==
        Errc::file_unreadable);
  const TemporaryFile file;
  for (const char* other : {"", "spate", "# spate acks 1\ndev\t1\t0\n", "spate ledger 2\n"}) {
    file.put(other);
    CHECK(contains(read_all(file.path, LedgerEnd::optional), "no ledger"));
  }
}

TEST_CASE("of a ledger that was cut off anywhere, its whole blocks are read if that is asked for") {
  const TemporaryFile file;
  write_small(file.path);
  const std::string whole = file.bytes();
  CHECK(read_all(file.path, LedgerEnd::required) == "6 records");
  CHECK(read_all(file.path, LedgerEnd::optional) == "6 records");
  std::size_t last = 0;
  for (std::size_t size = kLedgerHead.size(); size < whole.size(); ++size) {
    CAPTURE(size);
    file.put(whole.substr(0, size));
    REQUIRE(contains(read_all(file.path, LedgerEnd::required), "--partial"));
    const std::string partial = read_all(file.path, LedgerEnd::optional);
    REQUIRE(partial.ends_with(" records"));
    const std::size_t records = std::stoul(partial);
    REQUIRE(records >= last);
    last = records;
  }
  CHECK(last == 6);
}

TEST_CASE("a byte that changed anywhere is noticed") {
  const TemporaryFile file;
  write_small(file.path);
  const std::string whole = file.bytes();
  const std::size_t last_block = whole.size() - (kLedgerBlockHeadBytes + 2 + kLedgerBlockTailBytes);
  for (std::size_t at = 0; at < whole.size(); ++at) {
    CAPTURE(at);
    std::string damaged = whole;
    damaged[at] = static_cast<char>(damaged[at] ^ 0x20);
    file.put(damaged);
    REQUIRE_FALSE(read_all(file.path, LedgerEnd::required).ends_with(" records"));
    // A length that grew looks like a file that breaks off.
    const std::string partial = read_all(file.path, LedgerEnd::optional);
    REQUIRE((!partial.ends_with(" records") || partial != "6 records" || at >= last_block));
  }
  file.put(whole + "x");
  CHECK(contains(read_all(file.path, LedgerEnd::optional), "after the end block"));
  file.put(whole + whole.substr(kLedgerHead.size()));
  CHECK(contains(read_all(file.path, LedgerEnd::optional), "after the end block"));
}

TEST_CASE("only a finished ledger has its end") {
  const TemporaryFile file;
  {
    auto writer = LedgerWriter::create(file.path).value();
    writer->write(block_of(writer->add_cohort("a", DeviceNames("dev-", 0, 5)), 1, 0, 7));
  }
  CHECK(contains(read_all(file.path, LedgerEnd::required), "--partial"));
  CHECK(read_all(file.path, LedgerEnd::optional) == "7 records");
}

TEST_CASE("blocks of several threads are all there, each thread's in its order") {
  const TemporaryFile file;
  {
    auto writer = LedgerWriter::create(file.path).value();
    const std::uint32_t cohort = writer->add_cohort("a", DeviceNames("dev-", 0, 4));
    std::vector<std::thread> threads;
    for (std::uint32_t device = 0; device < 4; ++device) {
      threads.emplace_back([&writer, cohort, device] {
        for (std::int64_t i = 0; i < 50; ++i) {
          writer->write(block_of(cohort, device, 1000 * i, 100));
        }
      });
    }
    for (std::thread& thread : threads) {
      thread.join();
    }
    REQUIRE(writer->finish());
  }
  LedgerReader reader(file.path, LedgerEnd::required);
  REQUIRE(reader.open());
  std::vector<std::int64_t> last(4, -1);
  LedgerRecord record;
  while (reader.next(record).value()) {
    REQUIRE(record.ts > last[record.device]);
    last[record.device] = record.ts;
  }
  CHECK(reader.records() == 4 * 50 * 100);
  CHECK(reader.whole());
}

TEST_CASE("a full disk stops the ledger and not the run, and is told at its end") {
  const TemporaryFile file;
  rlimit before{};
  REQUIRE(::getrlimit(RLIMIT_FSIZE, &before) == 0);
  rlimit small = before;
  small.rlim_cur = 1000; // Of bytes; above it a write raises SIGXFSZ, too.
  REQUIRE(::setrlimit(RLIMIT_FSIZE, &small) == 0);
  Result<void> finished;
  {
    auto writer = LedgerWriter::create(file.path).value();
    const std::uint32_t cohort = writer->add_cohort("a", DeviceNames("dev-", 0, 4));
    // More than the queue holds: a writer that waited for room would wait for ever.
    const LedgerBlock block = block_of(cohort, 1, 0, 5000);
    for (std::size_t bytes = 0; bytes < 2 * LedgerWriter::kQueuedBytesMax;
         bytes += block.bytes.size()) {
      writer->write(block);
    }
    finished = writer->finish();
    CHECK(writer->failed());
  }
  REQUIRE(::setrlimit(RLIMIT_FSIZE, &before) == 0);
  REQUIRE_FALSE(finished);
  CHECK(finished.error().detail.starts_with("the ledger could not be written: "));
  CHECK(read_all(file.path, LedgerEnd::optional) == "0 records");
  CHECK(contains(read_all(file.path, LedgerEnd::required), "cut off"));
}

TEST_CASE("devices that are known by name only are numbered as they come") {
  const TemporaryFile file;
  {
    auto writer = LedgerWriter::create(file.path).value();
    NamedLines lines(*writer, "received");
    for (int i = 0; i < 20'000; ++i) {
      lines.add("dev-" + std::to_string(i / 10), i, 7, i % 10 == 9);
    }
    lines.flush();
    REQUIRE(writer->finish());
  }
  LedgerReader reader(file.path, LedgerEnd::required);
  REQUIRE(reader.open());
  LedgerRecord record;
  char buffer[DeviceNames::kNameBytesMax];
  std::uint64_t repeated = 0;
  while (reader.next(record).value()) {
    REQUIRE(reader.names().name(record.cohort, record.device, buffer) ==
            "dev-" + std::to_string(record.ts / 10));
    REQUIRE(record.repeated == (record.ts % 10 == 9));
    repeated += record.repeated ? 1 : 0;
  }
  CHECK(reader.records() == 20'000);
  CHECK(repeated == 2'000);
}

TEST_CASE("records come back by device name, the same name of two cohorts as one device") {
  const TemporaryFile file;
  {
    auto writer = LedgerWriter::create(file.path).value();
    const std::uint32_t a = writer->add_cohort("a", DeviceNames("dev-", 0, 5));
    const std::uint32_t b = writer->add_cohort("b", DeviceNames({"other", "dev-4"}));
    writer->write(block_of(a, 4, 100, 2));
    writer->write(block_of(b, 1, 50, 2));
    writer->write(block_of(b, 0, 1, 1));
    REQUIRE(writer->finish());
  }
  DeviceIndex devices;
  RecordSorter sorter;
  REQUIRE(read_ledger(file.path, LedgerEnd::required, devices, sorter, kGoOn));
  CHECK(devices.size() == 2);
  CHECK(sorter.last_ts(devices.number("dev-4")) == 101);
  SortedRecord record;
  std::string order;
  while (sorter.next(record).value()) {
    order += devices.name(record.device) + ":" + std::to_string(record.ts) + " ";
  }
  CHECK(order == "dev-4:50 dev-4:51 dev-4:100 dev-4:101 other:1 ");
}

TEST_CASE("more records than fit in memory come back in the same order") {
  Random random(3);
  std::vector<SortedRecord> all;
  RecordSorter small(1000);
  for (int i = 0; i < 25'123; ++i) {
    const SortedRecord record{static_cast<std::uint32_t>(random.next() % 7), random.next() % 2 == 0,
                              static_cast<std::int64_t>(random.next() % 5'000), random.next() % 3};
    REQUIRE(small.add(record));
    all.push_back(record);
  }
  REQUIRE(small.finish());
  CHECK(small.size() == all.size());
  std::sort(all.begin(), all.end());
  SortedRecord record;
  for (const SortedRecord& wanted : all) {
    REQUIRE(small.next(record).value());
    REQUIRE(record == wanted);
  }
  CHECK_FALSE(small.next(record).value());
}

TEST_CASE("a sample is drawn from the whole ledger and repeats with its seed") {
  const TemporaryFile file;
  {
    auto writer = LedgerWriter::create(file.path).value();
    LedgerLines lines(writer->add_cohort("a", DeviceNames("dev-", 0, 3)));
    for (std::int64_t ts = 0; ts < 1000; ++ts) {
      lines.add(static_cast<std::uint32_t>(ts % 3), ts, 7);
    }
    writer->write(lines.take());
    REQUIRE(writer->finish());
  }
  DeviceIndex devices;
  const auto draw = [&](std::size_t count) {
    return sample_ledger(file.path, LedgerEnd::required, count, 1, devices, kGoOn).value();
  };
  const Sample sample = draw(100);
  CHECK(sample.total == 1000);
  REQUIRE(sample.records.size() == 100);
  std::int64_t low = 0;
  for (const SortedRecord& record : sample.records) {
    CHECK(devices.name(record.device) == "dev-" + std::to_string(record.ts % 3));
    low += record.ts < 500 ? 1 : 0;
  }
  CHECK(low > 30);
  CHECK(low < 70);
  CHECK(draw(100).records == sample.records);
  CHECK(draw(5000).records.size() == 1000);
}
