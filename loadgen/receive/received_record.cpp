#include "loadgen/receive/received_record.hpp"

#include <charconv>

namespace spate::loadgen {

Result<ReceivedRecord> read_received(std::string_view payload, std::vector<JsonSpan>& scratch) {
  if (auto read = json_members(payload, scratch); !read) {
    return fail(std::move(read.error()));
  }
  ReceivedRecord record;
  const JsonSpan* ts = nullptr;
  const JsonSpan* values = nullptr;
  for (const JsonSpan& member : scratch) {
    ts = member.key == "ts" ? &member : ts;
    values = member.key == "values" && member.type == JsonType::object ? &member : values;
  }
  if (ts == nullptr) {
    return fail(Errc::malformed_payload, "no time");
  }
  const char* end = ts->text.data() + ts->text.size();
  const auto number = std::from_chars(ts->text.data(), end, record.ts);
  if (number.ec != std::errc{} || number.ptr != end) {
    return fail(Errc::malformed_payload, "a time that is no whole number");
  }
  const bool wrapped = values != nullptr && scratch.size() == 2;
  auto hash = wrapped ? values_hash(values->text) : values_hash(payload, "ts");
  if (!hash) {
    return fail(std::move(hash.error()));
  }
  record.hash = *hash;
  return record;
}

} // namespace spate::loadgen
