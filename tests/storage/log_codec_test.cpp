// Commits as the log keeps them: what goes in comes out, in as few bytes as its regularity allows.
#include <random>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "engine/model/row.hpp"
#include "storage/log_codec.hpp"

using namespace spate;
using namespace spate::storage;

namespace {

struct Sent {
  std::uint32_t device;
  std::uint32_t series;
  bool late;
  const model::Shape* shape;
  RowView row;
  std::string values;
};

std::string decimals(std::initializer_list<const char*> numbers) {
  std::string out;
  for (const char* number : numbers) {
    model::Decimal decimal;
    if (model::parse_decimal(number, decimal)) {
      model::append_decimal(out, decimal);
    } else {
      model::append_number_text(out, number);
    }
  }
  return out;
}

void check_round_trip(const std::vector<Sent>& sent, std::size_t& bytes) {
  LogEncoder encoder;
  const std::vector<SealRecord> seals = {{7, 3, BlockKind::main}, {8, 300, BlockKind::late}};
  encoder.begin(41, sent.front().row.time_ns, sent.front().row.received_ms, seals);
  for (const Sent& each : sent) {
    RowView row = each.row;
    row.values = each.values;
    const std::size_t at = encoder.add(each.device, each.series, each.late, *each.shape, row);
    CHECK(encoder.values().substr(at, each.values.size()) == each.values);
  }
  bytes = encoder.bytes().size();
  LogDecoder decoder;
  REQUIRE(decoder.begin(encoder.bytes()));
  SealRecord seal;
  for (const SealRecord& expected : seals) {
    REQUIRE(decoder.next_seal(seal));
    CHECK((seal.device == expected.device && seal.series == expected.series));
  }
  CHECK_FALSE(decoder.next_seal(seal));
  LogRow row;
  for (const Sent& each : sent) {
    REQUIRE(decoder.next_row(row));
    CHECK(row.device == each.device);
    CHECK(row.series == each.series);
    CHECK((row.kind == BlockKind::late) == each.late);
    CHECK(row.row.time_ns == each.row.time_ns);
    CHECK(row.row.received_ms == each.row.received_ms);
    CHECK(row.row.source == each.row.source);
    CHECK(row.row.values == each.values);
  }
  CHECK_FALSE(decoder.next_row(row));
  CHECK(decoder.complete());
  CHECK(decoder.next_row_number() == 41 + sent.size());
}

} // namespace

TEST_SUITE("log codec") {
  TEST_CASE("rows of any shapes, scales, texts and times come back as they were") {
    model::ShapeTable shapes;
    const model::Shape* two =
        shapes.intern({{"a", model::ValueClass::number}, {"b", model::ValueClass::number}});
    const model::Shape* mixed =
        shapes.intern({{"a", model::ValueClass::number}, {"s", model::ValueClass::string}});
    std::mt19937 random(1);
    const char* numbers[] = {"1",   "-3", "22.5", "22.50", "0.001", "1e400", "123456789012345678",
                             "7.25"};
    for (int round = 0; round < 300; ++round) {
      std::vector<Sent> sent;
      for (int i = 0; i < 40; ++i) {
        Sent each{};
        each.device = random() % 5 == 0 ? 1u + static_cast<std::uint32_t>(random() % 70'000) : 5;
        const bool is_mixed = random() % 6 == 0;
        each.shape = is_mixed ? mixed : two;
        each.series = is_mixed ? 200 : 3 + (random() % 8 == 0 ? 1u << 24 : 0);
        each.late = random() % 7 == 0;
        each.row.time_ns =
            1'700'000'000'000'000'000 +
            static_cast<std::int64_t>(random() % 3 == 0 ? random() : random() % 100 * 1'000'000);
        each.row.received_ms = 1'700'000'000'000 + static_cast<std::int64_t>(random() % 3);
        each.row.source = static_cast<model::TsSource>(random() % 3);
        if (is_mixed) {
          each.values = decimals({numbers[random() % 8]});
          model::append_string(each.values, random() % 2 == 0 ? "" : "text");
        } else {
          each.values = decimals({numbers[random() % 8], numbers[random() % 3]});
        }
        sent.push_back(each);
      }
      std::size_t bytes = 0;
      check_round_trip(sent, bytes);
    }
  }

  TEST_CASE("rows like the one before take little more than their digits") {
    model::ShapeTable shapes;
    const model::Shape* two =
        shapes.intern({{"a", model::ValueClass::number}, {"b", model::ValueClass::number}});
    std::vector<Sent> sent;
    for (int i = 0; i < 100; ++i) {
      sent.push_back({5,
                      3,
                      false,
                      two,
                      {1'700'000'000'000'000'000, 1'700'000'000'000, model::TsSource::device, {}},
                      decimals({"2.5", "-1.25"})});
    }
    std::size_t bytes = 0;
    check_round_trip(sent, bytes);
    // Head, device, time, and the two mantissas of one and two bytes.
    CHECK(bytes < 100 * 6 + 60);
  }

  TEST_CASE("a bare row with nothing to lean on is damage") {
    LogEncoder encoder;
    encoder.begin(1, 0, 0, {});
    for (const char head : {'\x80', '\x20', '\x40', '\xe0'}) {
      std::string bytes(encoder.bytes());
      bytes.push_back(head);
      bytes.append("\x05\x03\x00\x00\x00", 5);
      LogDecoder decoder;
      REQUIRE(decoder.begin(bytes));
      SealRecord seal;
      CHECK_FALSE(decoder.next_seal(seal));
      LogRow row;
      CHECK_FALSE(decoder.next_row(row));
      CHECK_FALSE(decoder.complete());
    }
  }
}
