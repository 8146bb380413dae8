#include "loadgen/proof/ledger_block.hpp"

#include <limits>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "engine/base/bytes.hpp"
#include "loadgen/base/random.hpp"
#include "loadgen/proof/ledger_reader.hpp"
#include "loadgen/proof/ledger_text.hpp"

using namespace spate;
using namespace spate::loadgen;

namespace {

std::string_view body_of(std::string_view block) {
  return block.substr(kLedgerBlockHeadBytes,
                      block.size() - kLedgerBlockHeadBytes - kLedgerBlockTailBytes);
}

/// A decoder that knows a cohort of `count` devices.
LedgerDecoder decoder_of(const DeviceNames& names) {
  LedgerDecoder decoder;
  std::string block;
  append_cohort_block(block, 0, "sensors");
  REQUIRE(decoder.take('C', body_of(block)));
  block.clear();
  append_names_blocks(block, 0, names);
  REQUIRE(decoder.take(block[0], body_of(block)));
  return decoder;
}

std::string varints(std::initializer_list<std::uint64_t> values) {
  std::string out;
  for (const std::uint64_t value : values) {
    put_varint(out, value);
  }
  return out;
}

std::string text(std::string_view value) {
  std::string out;
  put_varint(out, value.size());
  return out.append(value);
}

} // namespace

TEST_CASE("records come back as they were added, whatever they are") {
  constexpr std::int64_t kLow = std::numeric_limits<std::int64_t>::min();
  constexpr std::int64_t kHigh = std::numeric_limits<std::int64_t>::max();
  std::vector<LedgerRecord> records = {
      {0, 0, 0, 0},     {0, 99'999'999, kHigh, ~0ULL}, {0, 0, kLow, 1},
      {0, 5, kHigh, 2}, {0, 5, 1594598424502, 3},      {0, 4, -5, 4},
      {0, 4, -5, 4},
  };
  Random random(7);
  for (int i = 0; i < 2000; ++i) {
    records.push_back({0, static_cast<std::uint32_t>(random.next() % 100'000'000),
                       static_cast<std::int64_t>(random.next() >> (random.next() % 64)),
                       random.next()});
  }
  LedgerDecoder decoder = decoder_of(DeviceNames("dev-", 0, 100'000'000));
  LedgerLines lines(0);
  std::size_t read = 0;
  const auto check = [&] {
    const LedgerBlock block = lines.take();
    REQUIRE(decoder.take(block.bytes[0], body_of(block.bytes)));
    LedgerRecord record;
    for (std::uint64_t i = 0; i < block.records; ++i) {
      REQUIRE(decoder.next(record).value());
      REQUIRE(record == records[read++]);
    }
    REQUIRE_FALSE(decoder.next(record).value());
    REQUIRE(lines.empty());
  };
  for (std::size_t i = 0; i < records.size(); ++i) {
    lines.add(records[i].device, records[i].ts, records[i].hash);
    if (i == 0 || i == 10 || i + 1 == records.size()) {
      check(); // Differences begin anew with each block.
    }
  }
  CHECK(read == records.size());
  CHECK(decoder.records() == records.size());
}

TEST_CASE(
    "a record of devices in turn takes less than eleven bytes, of any order less than twelve") {
  for (const bool in_turn : {true, false}) {
    Random random(1);
    LedgerLines lines(0);
    std::uint64_t bytes = 0;
    constexpr std::uint64_t kRecords = 200'000;
    for (std::uint64_t i = 0; i < kRecords; ++i) {
      const auto device =
          static_cast<std::uint32_t>(in_turn ? i * 12 % 17'000 : random.next() % 8'000);
      lines.add(device, 1'760'000'000'000 + static_cast<std::int64_t>(i / 20), random.next());
      if (lines.full()) {
        bytes += lines.take().bytes.size();
      }
    }
    bytes += lines.take().bytes.size();
    CHECK(bytes < kRecords * (in_turn ? 11 : 12));
  }
}

TEST_CASE("a block is full before it is larger than a reader takes") {
  LedgerLines lines(65'535);
  constexpr std::int64_t kLow = std::numeric_limits<std::int64_t>::min();
  for (std::uint32_t i = 0; !lines.full(); ++i) {
    lines.add(i % 2 == 0 ? 0 : 99'999'999, i % 2 == 0 ? kLow : 0, ~0ULL);
  }
  CHECK(lines.take().bytes.size() < kLedgerBodyBytesMax);
}

TEST_CASE("names come by their rule, and listed ones behind each other") {
  LedgerDecoder decoder = decoder_of(DeviceNames("a{n}b", 7, 3));
  std::string blocks;
  append_listed_blocks(blocks, 0, {"x", std::string(300, 'y')});
  REQUIRE(decoder.take('L', body_of(blocks)));
  REQUIRE(decoder.names().devices(0) == 5);
  CHECK(decoder.names().cohort(0) == "sensors");
  char buffer[DeviceNames::kNameBytesMax];
  std::string all;
  for (std::uint32_t i = 0; i < 4; ++i) {
    all += std::string(decoder.names().name(0, i, buffer)) + " ";
  }
  CHECK(all == "a7b a8b a9b x ");
  CHECK(decoder.names().name(0, 4, buffer).size() == 300);
}

TEST_CASE("many listed names become blocks that a reader takes") {
  std::vector<std::string> names;
  for (int i = 0; i < 30'000; ++i) {
    names.push_back(std::string(static_cast<std::size_t>(i % 200), 'n') + std::to_string(i));
  }
  std::string blocks;
  append_cohort_block(blocks, 0, "");
  append_names_blocks(blocks, 0, DeviceNames(names));
  LedgerDecoder decoder;
  for (std::string_view left(blocks); !left.empty();) {
    const std::size_t bytes = get_be<std::uint32_t>(left.data() + 1);
    REQUIRE(bytes <= kLedgerBodyBytesMax);
    REQUIRE(decoder.take(left[0], left.substr(kLedgerBlockHeadBytes, bytes)));
    left.remove_prefix(kLedgerBlockHeadBytes + bytes + kLedgerBlockTailBytes);
  }
  REQUIRE(decoder.names().devices() == names.size());
  char buffer[DeviceNames::kNameBytesMax];
  for (std::uint32_t i = 0; i < names.size(); i += 997) {
    CHECK(decoder.names().name(0, i, buffer) == names[i]);
  }
}

TEST_CASE("a block that lies is refused") {
  const auto refused = [](char type, const std::string& body) {
    LedgerDecoder decoder = decoder_of(DeviceNames("dev-", 0, 10));
    if (const auto taken = decoder.take(type, body); !taken) {
      return taken.error().detail;
    }
    LedgerRecord record;
    for (int i = 0; i < 10; ++i) {
      const auto more = decoder.next(record);
      if (!more) {
        return more.error().detail;
      }
    }
    return std::string();
  };
  const std::string record = varints({2, 2}) + "12345678"; // Device 1, time 1.
  CHECK(refused('R', varints({0, 1}) + record).empty());
  CHECK(refused('D', varints({0, 2}) + record + record).empty());
  CHECK(refused('?', "") == "a block of an unknown type");
  CHECK(refused('R', varints({1, 1}) + record) == "an unknown cohort");
  CHECK(refused('R', varints({0, 2}) + record) == "fewer bytes than its records need");
  CHECK(refused('R', varints({0, 0}) + record) == "fewer bytes than its records need");
  CHECK(refused('R', varints({0, 1}) + record + "x") == "not the records that it counts");
  CHECK(refused('R', varints({0, 1, 20, 2}) + "12345678") == "a device without a name");
  CHECK(refused('R', varints({0, 1, 1, 2}) + "12345678") == "a device without a name"); // -1
  CHECK(refused('C', varints({0}) + text("again")) == "a cohort out of turn, or one too many");
  CHECK(refused('C', varints({1}) + text("\xff")) == "not a cohort");
  CHECK(refused('C', varints({1}) + text("a") + "x") == "not a cohort");
  CHECK(refused('N', varints({0, 100'000'000, 0}) + text("a") + text("")) == "too many devices");
  CHECK(refused('N', varints({0, 0, 0}) + text("a") + text("")) == "not a rule for names");
  CHECK(refused('N', varints({0, 1, ~0ULL}) + text("a") + text("")) == "not a rule for names");
  CHECK(refused('N', varints({0, 1, 0}) + text(std::string(237, 'a')) + text("")) ==
        "not a rule for names");
  CHECK(refused('N', varints({0, 1, 0}) + text("{n}") + text("")) == "not a rule for names");
  CHECK(refused('L', varints({0, 5}) + text("a")) == "not a list of names");
  CHECK(refused('L', varints({0, 1}) + text(std::string(65'536, 'a'))) == "not a list of names");
  CHECK(refused('L', varints({3, 1}) + text("a")) == "an unknown cohort");
  CHECK(refused('E', varints({1, 0})) == "the end block counts 1 records, the file has 0");
  CHECK(refused('E', varints({0, 1})).starts_with("the end block counts"));
  CHECK(refused('E', varints({0})) == "not an end");
}

TEST_CASE("a line that is not one of a ledger's text is refused") {
  for (const std::string_view bad :
       {"", "a", "a\t1", "a\t1\t", "a\t1\t123", "\t1\t0123456789abcdef", "a\tx\t0123456789abcdef",
        "a\t1x\t0123456789abcdef", "a\t1\t0123456789abcdeg", "a\t1\t0123456789abcdef0",
        "a\t1\t0123456789abcde", "a\t\t0123456789abcdef", "a\t1\t0123456789abcdef\tDUP",
        "a\t99999999999999999999\t0123456789abcdef", "a\x01\t1\t0123456789abcdef",
        "\xff\t1\t0123456789abcdef"}) {
    CAPTURE(bad);
    CHECK_FALSE(parse_ledger_line(bad));
  }
}

TEST_CASE("a line comes back as it was written") {
  for (const bool repeated : {false, true}) {
    std::string line;
    append_ledger_line(line, {"K\xc3\xbc\x63he links, #2", -5, 0x0123456789abcdef, repeated});
    REQUIRE(line.ends_with('\n'));
    line.pop_back();
    const auto read = parse_ledger_line(line).value();
    CHECK(read.device == "K\xc3\xbc\x63he links, #2");
    CHECK(read.ts == -5);
    CHECK(read.hash == 0x0123456789abcdef);
    CHECK(read.repeated == repeated);
  }
}
