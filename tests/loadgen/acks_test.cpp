#include "loadgen/proof/acks_file.hpp"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>

#include <doctest/doctest.h>

#include "loadgen/load/schedule.hpp"
#include "loadgen/proof/acks_sorter.hpp"
#include "loadgen/proof/verify.hpp"

using namespace spate;
using namespace spate::loadgen;

namespace {

std::string temporary(const char* name) {
  return (std::filesystem::temp_directory_path() / name).string();
}

} // namespace

TEST_CASE("a line that is not one of an acks file is refused") {
  for (const std::string_view bad :
       {"", "a", "a\t1", "a\t1\t", "a\t1\t123", "\t1\t0123456789abcdef", "a\tx\t0123456789abcdef",
        "a\t1x\t0123456789abcdef", "a\t1\t0123456789abcdeg", "a\t1\t0123456789abcdef0",
        "a\t1\t0123456789abcde", "a\t\t0123456789abcdef",
        "a\t99999999999999999999\t0123456789abcdef"}) {
    CAPTURE(bad);
    CHECK_FALSE(parse_ack_line(bad));
  }
}

TEST_CASE("a file that can not be made, read or understood is told") {
  CHECK(AcksWriter::create("/nowhere/acks").error().code == Errc::file_unreadable);
  AcksSorter sorter;
  CHECK(read_acks("/nowhere/acks", AcksEnd::required, sorter).error().code ==
        Errc::file_unreadable);
  const std::string path = temporary("spate_acks_bad_test.txt");
  {
    auto writer = AcksWriter::create(path).value();
    writer->write("dev-1\t5\t00000000000000ff\nrubbish\n");
    REQUIRE(writer->finish());
  }
  const auto read = read_acks(path, AcksEnd::required, sorter);
  REQUIRE_FALSE(read);
  CHECK(read.error().detail.find(":3: ") != std::string::npos);
  std::filesystem::remove(path);
}

TEST_CASE("a file that is no acks file, or not all of one, is refused") {
  const std::string path = temporary("spate_acks_cut_test.txt");
  const std::string head = "# spate acks 1\n";
  const std::string line = "dev-1\t5\t00000000000000ff\n";
  const auto read = [&path](const std::string& text, AcksEnd end) {
    std::ofstream(path, std::ios::trunc) << text;
    AcksSorter sorter;
    auto result = read_acks(path, end, sorter);
    return result ? "records: " + std::to_string(sorter.size()) : result.error().detail;
  };
  for (const AcksEnd end : {AcksEnd::required, AcksEnd::optional}) {
    for (const std::string& bad : {std::string(), line + "# end 1\n", "# spate acks 2\n" + line,
                                   head + "# odd\n" + line + "# end 1\n", head + line + "\n" + line,
                                   head + "# end 0\n" + line, head + line + "# end 1\n# end 1\n"}) {
      CAPTURE(bad);
      CHECK(read(bad, end).find("records") != 0);
    }
    CHECK(read(head + line + line + "# end 2\n", end) == "records: 2");
    CHECK(read(head + "# end 0\n", end) == "records: 0");
  }
  for (const std::string& cut : {head, head + line, head + line + "dev-1\t6\t00",
                                 head + line + "# end", head + line + "# end 2\n"}) {
    CAPTURE(cut);
    CHECK(read(cut, AcksEnd::required).find("records") != 0);
    CHECK(read(cut, AcksEnd::optional).find("records") == 0);
  }
  CHECK(read(head + line, AcksEnd::required).find("--partial") != std::string::npos);
  CHECK(read(head + line + "# end 2\n", AcksEnd::required).find("after 1 records") !=
        std::string::npos);
  std::filesystem::remove(path);
}

TEST_CASE("only a finished file has its end line") {
  const std::string path = temporary("spate_acks_end_test.txt");
  const auto text = [&path] {
    std::ifstream file(path);
    return std::string(std::istreambuf_iterator<char>(file), {});
  };
  {
    auto writer = AcksWriter::create(path).value();
    writer->write("dev-1\t5\t00000000000000ff\n");
  }
  CHECK(text() == "# spate acks 1\ndev-1\t5\t00000000000000ff\n");
  auto writer = AcksWriter::create(path).value();
  writer->write("dev-1\t5\t00000000000000ff\ndev-1\t6\t00000000000000ff\n");
  REQUIRE(writer->finish());
  CHECK(text().ends_with("\n# end 2\n"));
  std::filesystem::remove(path);
}

TEST_CASE("a full disk is told when the file is finished") {
  if (!std::filesystem::exists("/dev/full")) {
    return;
  }
  auto writer = AcksWriter::create("/dev/full").value();
  writer->write("dev-1\t5\t00000000000000ff\n");
  CHECK(writer->finish().error().code == Errc::file_unreadable);
}

TEST_CASE("what is written comes back, odd names and times included") {
  const std::string path = temporary("spate_acks_test.txt");
  const std::vector<AckRecord> records = {{"# end 3", 1594598424502, 0}, // Has tabs: a record.
                                          {"# end 3", 0, ~std::uint64_t{0}},
                                          {"K\xc3\xbc\x63he links, #2", -5, 0x0123456789abcdef}};
  {
    auto writer = AcksWriter::create(path).value();
    std::string lines;
    for (const AckRecord& record : records) {
      append_ack_line(lines, record);
    }
    writer->write(lines);
    REQUIRE(writer->finish());
  }
  AcksSorter sorter;
  REQUIRE(read_acks(path, AcksEnd::required, sorter));
  CHECK(sorter.size() == 3);
  CHECK(sorter.devices() == std::vector<std::string>{"# end 3", "K\xc3\xbc\x63he links, #2"});
  SortedAck ack;
  REQUIRE(sorter.next(ack).value());
  CHECK(ack == SortedAck{0, 0, ~std::uint64_t{0}});
  REQUIRE(sorter.next(ack).value());
  CHECK(ack == SortedAck{0, 1594598424502, 0});
  REQUIRE(sorter.next(ack).value());
  CHECK(ack == SortedAck{1, -5, 0x0123456789abcdef});
  CHECK_FALSE(sorter.next(ack).value());
  std::filesystem::remove(path);
}

TEST_CASE("more acks than fit in memory come back in the same order") {
  Random random(3);
  std::vector<SortedAck> all;
  AcksSorter small(1000);
  for (int i = 0; i < 25'123; ++i) {
    const auto device = static_cast<std::uint32_t>(random.next() % 7);
    const auto ts = static_cast<std::int64_t>(random.next() % 5'000);
    const std::uint64_t hash = random.next() % 3;
    // Names in the order of their numbers, so that both sides number them alike.
    REQUIRE(small.add("dev-" + std::to_string(i < 7 ? static_cast<std::uint32_t>(i) : device), ts,
                      hash));
    all.push_back({i < 7 ? static_cast<std::uint32_t>(i) : device, ts, hash});
  }
  REQUIRE(small.finish());
  std::sort(all.begin(), all.end());
  SortedAck ack;
  for (const SortedAck& wanted : all) {
    REQUIRE(small.next(ack).value());
    REQUIRE(ack == wanted);
  }
  CHECK_FALSE(small.next(ack).value());
}

TEST_CASE("a sample is drawn from the whole file and repeats with its seed") {
  const std::string path = temporary("spate_acks_sample_test.txt");
  {
    auto writer = AcksWriter::create(path).value();
    std::string lines;
    for (std::int64_t ts = 0; ts < 1000; ++ts) {
      append_ack_line(lines, {"dev-" + std::to_string(ts % 3), ts, 7});
    }
    writer->write(lines);
    REQUIRE(writer->finish());
  }
  const auto draw = [&path](std::size_t count) {
    return sample_acks(path, AcksEnd::required, count, 1).value();
  };
  const Sample sample = draw(100);
  CHECK(sample.lines == 1000);
  REQUIRE(sample.acks.size() == 100);
  std::int64_t low = 0;
  for (const SortedAck& ack : sample.acks) {
    CHECK(sample.devices[ack.device] == "dev-" + std::to_string(ack.ts % 3));
    low += ack.ts < 500 ? 1 : 0;
  }
  CHECK(low > 30);
  CHECK(low < 70);
  CHECK(draw(100).acks == sample.acks);
  CHECK(draw(5000).acks.size() == 1000);
  std::filesystem::remove(path);
}
