// Any bytes in any format: what the parser puts into a block can be read back, and what it counts
// is there. The first byte chooses the route.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#include "engine/json/utf8.hpp"
#include "tests/telemetry/fixture.hpp"

namespace {

using namespace spate;

void check(bool holds, const char* what) {
  if (!holds) {
    std::fprintf(stderr, "%s\n", what);
    std::abort();
  }
}

void check_row(const model::TelemetryBlock& block, const model::Row& row, std::size_t& end) {
  check(row.shape != nullptr && row.values_begin == end, "rows do not lie one behind the other");
  end += row.values_bytes;
  check(end <= block.values.size(), "a row leaves the block");
  const std::string_view values = block.values_of(row);
  check(model::row_bytes(*row.shape, values) == row.values_bytes, "row_bytes differs");
  check(row.time_ns >= 0, "a time before 1970");

  const auto& fields = row.shape->fields();
  check(!fields.empty(), "a row without values");
  for (std::size_t i = 1; i < fields.size(); ++i) {
    check(fields[i - 1].path < fields[i].path, "a shape that is not sorted");
  }
  model::RowReader reader(*row.shape, values);
  model::Value value;
  std::size_t count = 0;
  for (; reader.next(value); ++count) {
    if (const auto* decimal = std::get_if<model::Decimal>(&value)) {
      std::string text;
      model::append_text(text, *decimal);
      model::Decimal again;
      check(model::parse_decimal(text, again) && again.mantissa == decimal->mantissa &&
                again.scale == decimal->scale,
            "a decimal that its text does not give back");
    } else if (const auto* number = std::get_if<model::NumberText>(&value)) {
      model::Decimal unused;
      json::Number parsed;
      check(json::read_number(number->text, parsed), "a text that is no number");
      check(!model::parse_decimal(number->text, unused), "a text where a decimal would do");
    }
  }
  check(count == fields.size() && !reader.corrupt(), "a row that can not be read back");
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) {
    return 0;
  }
  // Kept from one input to the next, as in the node; anew now and then, so that failures can be
  // found again.
  static std::unique_ptr<telemetry::test::Bench> bench;
  static unsigned uses = 0;
  if (uses++ % 1000 == 0) {
    telemetry::ParserLimits limits;
    limits.fields_max = 40;
    limits.records_max = 20;
    limits.path_bytes_max = 64;
    limits.string_bytes_max = 200;
    bench = std::make_unique<telemetry::test::Bench>(limits);
  }
  telemetry::Route route;
  route.format = static_cast<telemetry::Format>(data[0] % 3);
  route.names_are_paths = (data[0] & 0x10) != 0;
  if ((data[0] & 0x20) != 0) {
    route.time_field = "a.b";
  }
  const telemetry::test::Padded payload({reinterpret_cast<const char*>(data) + 1, size - 1});
  bench->block.clear();
  bench->faults.clear();
  std::vector<std::uint32_t> lines;
  const telemetry::ParseSummary summary =
      (data[0] & 0x40) != 0
          ? telemetry::parse_ndjson(bench->parser, route, payload.view(), telemetry::test::kNow,
                                    bench->block, bench->faults, lines)
          : bench->parser.parse(route, payload.view(), telemetry::test::kNow, bench->block,
                                bench->faults);
  check(summary.rows == bench->block.rows.size(), "rows are miscounted");
  check(summary.rejected == bench->faults.size(), "faults are miscounted");
  check(!summary.whole || (summary.rows == 0 && summary.rejected == 1), "half of a bad payload");
  for (const telemetry::RecordFault& fault : bench->faults) {
    check(fault.reason != model::RejectReason::none && !fault.detail.empty() &&
              fault.detail.size() <= 256 && json::is_utf8(fault.detail),
          "a fault without a reason");
    check(fault.offset <= payload.view().size(), "a fault outside of the payload");
  }
  std::size_t end = 0;
  for (const model::Row& row : bench->block.rows) {
    check_row(bench->block, row, end);
  }
  check(end == bench->block.values.size(), "bytes without a row");
  return 0;
}
