// The kept log as NDJSON.
#include <algorithm>

#include "api/offline.hpp"
#include "api/record_writer.hpp"

namespace spate::api {

namespace {

void write_gap(json::Writer& out, const storage::LogGap& gap) {
  out.begin_object().key("gap").begin_object();
  out.member("after", storage::text_of(gap.after)).member("first", storage::text_of(gap.first));
  out.member("reason", gap.damaged ? "damaged" : "removed").end_object().end_object();
}

/// False if a record can not be read.
bool write_record(json::Writer& out, RecordWriter& records, const storage::LogRecord& record) {
  out.begin_object().member("position", storage::text_of(record.position));
  out.member("device", record.device).key("data");
  storage::StoredRecord stored;
  stored.time_ns = record.time_ns;
  stored.received_ms = record.received_ms;
  stored.source = record.source;
  stored.shape = record.shape;
  stored.values = record.values;
  const bool sound = records.write(out, stored);
  out.end_object();
  return sound;
}

} // namespace

Result<storage::LogPosition> log_offline(const Services& services, const LogQuery& query,
                                         std::uint64_t& left,
                                         const std::function<bool(std::string_view)>& write) {
  storage::LogRequest request;
  request.after = query.after;
  if (!query.device.empty()) {
    request.device = query.device;
  }
  RecordWriter records({}, Names::raw, false);
  for (bool more = true; more && left != 0;) {
    request.limit = static_cast<std::size_t>(std::min<std::uint64_t>(left, kLogPageRecords));
    auto page = services.store.log(request);
    if (!page) {
      return fail(std::move(page.error()));
    }
    std::string text;
    const auto line = [&text](auto&& fill) {
      json::Writer out(text);
      const bool sound = fill(out);
      text.push_back('\n');
      return sound;
    };
    if (page->gap) {
      line([&](json::Writer& out) {
        write_gap(out, *page->gap);
        return true;
      });
    }
    for (const storage::LogRecord& record : page->records) {
      if (!line([&](json::Writer& out) { return write_record(out, records, record); })) {
        return fail(Errc::storage_corrupt,
                    "the record at " + storage::text_of(record.position) + " can not be read");
      }
    }
    if (!text.empty() && !write(text)) {
      break;
    }
    left -= page->records.size();
    request.after = page->next;
    request.hint = page->hint;
    more = page->more;
  }
  return request.after;
}

} // namespace spate::api
