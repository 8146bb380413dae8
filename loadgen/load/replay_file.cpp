#include "loadgen/load/replay_file.hpp"

#include <charconv>

#include "engine/model/device_id.hpp"

namespace spate::loadgen {

Result<void> parse_replay_line(std::string_view line, std::vector<JsonSpan>& scratch,
                               ReplayLine& out) {
  if (auto read = json_members(line, scratch); !read) {
    return read;
  }
  out.device.clear();
  out.payload = {};
  bool timed = false;
  for (const JsonSpan& span : scratch) {
    if (span.key == "d" && span.type == JsonType::string) {
      out.device.clear();
      if (!json_unescape(span.text.substr(1, span.text.size() - 2), out.device)) {
        return fail(Errc::malformed_payload, "\"d\" has a wrong escape");
      }
    } else if (span.key == "t" && span.type == JsonType::number) {
      const char* end = span.text.data() + span.text.size();
      const auto read = std::from_chars(span.text.data(), end, out.ts);
      timed = read.ec == std::errc{} && read.ptr == end;
    } else if (span.key == "p" && span.type == JsonType::object) {
      out.payload = span.text;
    }
  }
  if (const char* fault = model::device_id_fault(out.device)) {
    return fail(Errc::malformed_payload, std::string("the device \"d\" ") + fault);
  }
  if (!timed) {
    return fail(Errc::malformed_payload, "no time \"t\" in whole milliseconds");
  }
  if (out.payload.empty()) {
    return fail(Errc::malformed_payload, "no payload \"p\"");
  }
  return {};
}

Result<std::string> replay_payload(ReplayForm form, std::int64_t ts, std::string_view payload,
                                   std::uint64_t& values) {
  std::vector<JsonSpan> spans;
  if (auto read = json_members(payload, spans); !read) {
    return fail(std::move(read.error()));
  }
  for (const JsonSpan& span : spans) {
    if (span.key == "ts") {
      form = ReplayForm::record;
    }
  }
  auto hash = values_hash(payload);
  if (!hash) {
    return fail(std::move(hash.error()));
  }
  values = *hash;
  std::string text = "{\"ts\":" + std::to_string(ts);
  if (form == ReplayForm::record) {
    return text.append(",\"values\":").append(payload).append("}");
  }
  if (spans.empty()) {
    return text.append("}");
  }
  return text.append(",").append(payload.substr(payload.find('{') + 1));
}

Result<ReplayIndex> index_replay(const std::string& path) {
  auto file = LineFile::open(path);
  if (!file) {
    return fail(std::move(file.error()));
  }
  ReplayIndex index;
  ReplayLine line;
  std::string text;
  std::vector<JsonSpan> scratch;
  const auto wrong = [&](const std::string& what) {
    return fail(Errc::malformed_payload, (*file)->where() + ": " + what);
  };
  for (;;) {
    auto more = (*file)->next(text);
    if (!more) {
      return fail(std::move(more.error()));
    }
    if (!*more) {
      break;
    }
    if (auto read = parse_replay_line(text, scratch, line); !read) {
      return wrong(read.error().detail);
    }
    if (index.messages++ == 0) {
      index.first_ts = index.last_ts = line.ts;
    }
    if (line.ts < index.last_ts) {
      return wrong("the time goes back; the lines must be sorted by \"t\"");
    }
    index.last_ts = line.ts;
    const auto number = static_cast<std::uint32_t>(index.devices.size());
    if (index.device_numbers.try_emplace(line.device, number).second) {
      if (number == kReplayDevicesMax) {
        return wrong("more than 1,000,000 devices");
      }
      index.devices.push_back(line.device);
    }
  }
  if (index.messages == 0) {
    return fail(Errc::malformed_payload, path + " is empty");
  }
  return index;
}

} // namespace spate::loadgen
