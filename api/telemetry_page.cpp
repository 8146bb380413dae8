#include <algorithm>
#include <unordered_map>
#include <utility>

#include "api/cursor.hpp"
#include "api/json_parts.hpp"
#include "api/parameters.hpp"
#include "api/queries.hpp"
#include "api/store_problem.hpp"
#include "engine/base/bytes.hpp"

namespace spate::api {

namespace {

/// How the fields of one shape appear in this answer.
struct ShapeView {
  std::vector<std::string> names;
  std::vector<bool> selected;
  bool any = false;
};

/// Builds one page. The store is asked for a part at a time, so that a page of large records is
/// neither gathered whole in memory before its end is known, nor runs on after its deadline.
class PageBuilder {
public:
  PageBuilder(const Services& services, TelemetryQuery& query)
      : services_(services), query_(query), out_(response_.body) {
    response_ = json_response();
  }

  http::Response build() {
    left_ = query_.scan.limit;
    query_.scan.accepts = [this](const model::Shape& shape) { return view_of(shape).any; };
    out_.begin_object().member("device", query_.scan.device).key("records").begin_array();
    bool more = true;
    while (more && left_ != 0 && !full_) {
      query_.scan.limit = std::min(left_, part_);
      auto page = services_.store.scan(query_.scan);
      if (!page) {
        return store_problem(page.error(), query_.page.problem, query_.scan.device);
      }
      if (!add(*page, more)) {
        return store_problem({Errc::storage_corrupt, "a row does not fit its shape"},
                             query_.page.problem, query_.scan.device);
      }
      if (more && std::chrono::steady_clock::now() > query_.page.deadline) {
        if (written_ == 0) {
          return problem_response(
              {"query-timeout", "No record was found in time; ask for a shorter range.", {}, {}},
              query_.page.problem);
        }
        break;
      }
    }
    out_.end_array().key("next_cursor");
    if (more) {
      const std::string cursor = make_cursor(query_.page.list, scan_position(query_.scan));
      out_.string(cursor);
      response_.headers.emplace_back("Link", next_link(query_.page.link_base, cursor));
    } else {
      out_.null();
    }
    out_.end_object();
    return std::move(response_);
  }

private:
  /// False if a row is corrupt.
  bool add(const storage::ScanPage& page, bool& more) {
    const std::size_t before = out_.size();
    std::size_t used = 0;
    for (const storage::StoredRecord& record : page.records) {
      if (!write(record)) {
        return false;
      }
      ++used;
      query_.scan.after = storage::ScanPosition{record.time_ns, record.tie};
      if (out_.size() > services_.limits.page_bytes_max) {
        full_ = true;
        break;
      }
    }
    left_ -= used;
    written_ += used;
    more = page.more || used < page.records.size();
    if (used != 0) {
      const std::size_t fitting = kPartBytes / ((out_.size() - before) / used + 1);
      part_ = std::clamp(fitting, kPartRecordsMin, part_ * kPartGrowth);
    }
    return true;
  }

  bool write(const storage::StoredRecord& record) {
    const ShapeView& view = view_of(*record.shape);
    out_.begin_object();
    out_.member("ts", static_cast<std::uint64_t>(record.time_ns / 1'000'000));
    out_.member("received_ts", record.received_ms);
    out_.member("ts_source", model::name_of(record.source));
    out_.key("values").begin_object();
    model::RowReader reader(*record.shape, record.values);
    model::Value value;
    while (reader.next(value)) {
      if (view.selected[reader.field()]) {
        out_.key(view.names[reader.field()]);
        write_value(out_, value, query_.numbers_as_text, scratch_);
      }
    }
    out_.end_object().end_object();
    return !reader.corrupt();
  }

  const ShapeView& view_of(const model::Shape& shape) {
    const auto [found, added] = views_.try_emplace(&shape);
    ShapeView& view = found->second;
    if (added) {
      std::vector<std::string_view> paths;
      for (const model::Field& field : shape.fields()) {
        paths.push_back(field.path);
      }
      view.names = field_names(paths, query_.names);
      view.selected = query_.fields.select(paths);
      view.any = std::find(view.selected.begin(), view.selected.end(), true) != view.selected.end();
    }
    return view;
  }

  static constexpr std::size_t kPartBytes = 1u << 20;
  static constexpr std::size_t kPartRecordsMin = 16;
  /// Small records say little about those that follow.
  static constexpr std::size_t kPartGrowth = 4;

  const Services& services_;
  TelemetryQuery& query_;
  http::Response response_;
  json::Writer out_;
  std::unordered_map<const model::Shape*, ShapeView> views_;
  std::string scratch_;
  std::size_t part_ = kPartRecordsMin;
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
