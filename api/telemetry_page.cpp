#include <algorithm>
#include <utility>

#include "api/cursor.hpp"
#include "api/json_parts.hpp"
#include "api/parameters.hpp"
#include "api/queries.hpp"
#include "api/record_writer.hpp"
#include "api/store_problem.hpp"
#include "engine/base/bytes.hpp"

namespace spate::api {

namespace {

constexpr std::size_t kPartBytes = 1u << 20;

/// Builds one page. The store is asked for a part at a time, so that a page of large records is
/// neither gathered whole in memory before its end is known, nor runs on after its deadline.
class PageBuilder {
public:
  PageBuilder(const Services& services, TelemetryQuery& query)
      : services_(services), query_(query), out_(response_.body),
        records_(query.fields, query.names, query.numbers_as_text),
        part_bytes_(std::min(kPartBytes, services.limits.page_bytes_max)) {
    response_ = json_response();
  }

  http::Response build() {
    left_ = query_.scan.limit;
    query_.scan.accepts = [this](const model::Shape& shape) { return records_.accepts(shape); };
    query_.scan.cancelled = [this] { return query_.page.limit->over(); };
    query_.scan.bytes_max = part_bytes_;
    out_.begin_object().member("device", query_.scan.device).key("records").begin_array();
    bool more = true;
    while (more && left_ != 0 && !full_) {
      query_.scan.limit = std::min(left_, part_.records());
      auto page = services_.store.scan(query_.scan);
      if (!page && written_ != 0 && query_.page.limit->over()) {
        break; // What is there makes a page; its cursor goes on.
      }
      if (!page) {
        return read_problem(page.error(), query_.page, query_.scan.device);
      }
      if (!add(*page, more)) {
        return store_problem({Errc::storage_corrupt, "a row does not fit its shape"},
                             query_.page.problem, query_.scan.device);
      }
      if (more && query_.page.limit->over()) {
        if (written_ == 0) {
          return problem_response(query_.page.limit->problem(), query_.page.problem);
        }
        break;
      }
    }
    out_.end_array();
    finish_page(out_, response_, query_.page,
                more ? std::optional(scan_position(query_.scan)) : std::nullopt);
    out_.end_object();
    return std::move(response_);
  }

private:
  /// False if a row is corrupt.
  bool add(const storage::ScanPage& page, bool& more) {
    const std::size_t before = out_.size();
    std::size_t used = 0;
    for (const storage::StoredRecord& record : page.records) {
      if (!records_.write(out_, record)) {
        return false;
      }
      if (++used == 1) { // Mostly the others are of its size.
        out_.reserve(std::min((out_.size() - before + 8) * page.records.size(), part_bytes_));
      }
      query_.scan.after = storage::ScanPosition{record.time_ns, record.tie};
      if (out_.size() > services_.limits.page_bytes_max) {
        full_ = true;
        break;
      }
    }
    left_ -= used;
    written_ += used;
    more = page.more || used < page.records.size();
    part_.learn(used, out_.size() - before);
    return true;
  }

  const Services& services_;
  TelemetryQuery& query_;
  http::Response response_;
  json::Writer out_;
  RecordWriter records_;
  std::size_t part_bytes_;
  PartSize part_ = PartSize::of_scan(part_bytes_);
  std::size_t left_ = 0;
  std::size_t written_ = 0;
  bool full_ = false;
};

} // namespace

http::Response read_telemetry(const Services& services, TelemetryQuery query) {
  return PageBuilder(services, query).build();
}

std::string scan_position(const storage::ScanRequest& scan) {
  std::string position;
  put_be(position, static_cast<std::uint64_t>(scan.after->time_ns));
  put_be(position, scan.after->tie);
  put_be(position, static_cast<std::uint64_t>(scan.from_ns));
  put_be(position, static_cast<std::uint64_t>(scan.to_ns));
  return position;
}

bool read_scan_position(const std::string& position, storage::ScanRequest& scan) {
  ByteReader reader(position);
  storage::ScanPosition after;
  after.time_ns = static_cast<std::int64_t>(reader.be<std::uint64_t>());
  after.tie = reader.be<std::uint64_t>();
  scan.from_ns = static_cast<std::int64_t>(reader.be<std::uint64_t>());
  scan.to_ns = static_cast<std::int64_t>(reader.be<std::uint64_t>());
  scan.after = after;
  return reader.ok() && reader.empty();
}

} // namespace spate::api
