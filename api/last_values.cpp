// Last values: of one device, and of all.
#include <algorithm>
#include <utility>

#include "api/json_parts.hpp"
#include "api/queries.hpp"
#include "api/record_writer.hpp"
#include "api/store_problem.hpp"

namespace spate::api {

namespace {

/// The newest value of each field among the newest records of each shape. Reused from device to
/// device.
class NewestFields {
public:
  NewestFields(const FieldFilter& fields, Names names) : filter_(fields), names_as_(names) {}

  /// False if a row is corrupt. `records` must outlive the use of what is found.
  [[nodiscard]] bool find(const std::vector<storage::StoredRecord>& records) {
    newest_.clear();
    for (const storage::StoredRecord& record : records) {
      model::RowReader reader(*record.shape, record.values);
      model::Value value;
      while (reader.next(value)) {
        newest_.push_back({record.shape->fields()[reader.field()].path, &record, value});
      }
      if (reader.corrupt()) {
        return false;
      }
    }
    if (records.size() > 1) { // Those of one shape are sorted and all different.
      merge();
    }
    paths_.clear();
    for (const Newest& field : newest_) {
      paths_.push_back(field.path);
    }
    names_ = field_names(paths_, names_as_);
    selected_ = filter_.select(paths_);
    return true;
  }
  [[nodiscard]] bool any() const {
    return std::find(selected_.begin(), selected_.end(), true) != selected_.end();
  }
  /// The object of what was found; stops early when `out` passes `bytes_max`.
  void write(json::Writer& out, std::size_t bytes_max) {
    out.begin_object();
    for (std::size_t i = 0; i < newest_.size() && out.size() <= bytes_max; ++i) {
      if (!selected_[i]) {
        continue;
      }
      out.key(names_[i]).begin_object();
      out.member("ts", floor_ms(newest_[i].record->time_ns));
      out.member("received_ts", newest_[i].record->received_ms);
      out.key("value").raw(
          [&](json::StringSink& sink) { append_value(sink, newest_[i].value, false); });
      out.end_object();
    }
    out.end_object();
  }

private:
  struct Newest {
    std::string_view path;
    const storage::StoredRecord* record;
    model::Value value;
  };
  void merge() {
    std::sort(newest_.begin(), newest_.end(), [](const Newest& a, const Newest& b) {
      if (a.path != b.path) {
        return a.path < b.path;
      }
      return std::pair(a.record->time_ns, a.record->tie) >
             std::pair(b.record->time_ns, b.record->tie);
    });
    newest_.erase(std::unique(newest_.begin(), newest_.end(),
                              [](const Newest& a, const Newest& b) { return a.path == b.path; }),
                  newest_.end());
  }

  const FieldFilter& filter_;
  Names names_as_;
  std::vector<Newest> newest_;
  std::vector<std::string_view> paths_;
  std::vector<std::string> names_;
  std::vector<bool> selected_;
};

http::Response corrupt_row(const PageContext& page, std::string_view device) {
  return store_problem({Errc::storage_corrupt, "a row does not fit its shape"}, page.problem,
                       device);
}

/// There is one value a field, so there are no pages: another question is the way out.
http::Response too_large(const LastQuery& query, std::size_t bytes_max) {
  return problem_response({"validation-failed",
                           "The answer would be larger than " + std::to_string(bytes_max) +
                               " bytes; ask for some of the fields, with fields=.",
                           {},
                           {}},
                          query.page.problem);
}

constexpr std::size_t kPartBytes = 1u << 20;

} // namespace

http::Response read_last(const Services& services, const LastQuery& query) {
  auto records = services.store.last(query.device);
  if (!records) {
    return read_problem(records.error(), query.page, query.device);
  }
  NewestFields newest(query.fields, query.names);
  if (!newest.find(records->records)) {
    return corrupt_row(query.page, query.device);
  }
  const std::size_t bytes_max = services.limits.page_bytes_max;
  http::Response response = json_response();
  json::Writer out(response.body);
  out.begin_object().member("device", query.device).key("values");
  newest.write(out, bytes_max);
  if (out.size() > bytes_max) {
    return too_large(query, bytes_max);
  }
  out.end_object();
  return response;
}

http::Response read_lasts(const Services& services, LastsQuery query) {
  RecordWriter shapes(query.fields, query.names, false);
  NewestFields newest(query.fields, query.names);
  query.last.accepts = [&](const model::Shape& shape) { return shapes.accepts(shape); };
  query.last.cancelled = [&] { return query.page.limit->over(); };
  const std::size_t bytes_max = services.limits.page_bytes_max;
  http::Response response = json_response();
  json::Writer out(response.body);
  out.begin_object().key("items").begin_array();
  PartSize part(kPartBytes);
  bool more = true;
  bool any = false;
  for (std::size_t left = query.last.limit; more && left != 0 && out.size() <= bytes_max;) {
    query.last.limit = std::min(left, part.records());
    auto page = services.store.lasts(query.last);
    if (!page && any && query.page.limit->over()) {
      break;
    }
    if (!page && page.error().code == Errc::cursor_invalid) {
      return problem_response(
          {"invalid-cursor", "This cursor is not from this list; start again without it.", {}, {}},
          query.page.problem);
    }
    if (!page) {
      return read_problem(page.error(), query.page, {});
    }
    const std::size_t before = out.size();
    for (const storage::LastPage::Device& device : page->devices) {
      if (!newest.find(device.records)) {
        return corrupt_row(query.page, device.id);
      }
      if (newest.any()) {
        out.begin_object().member("device", device.id).key("values");
        newest.write(out, SIZE_MAX);
        out.end_object();
      }
    }
    part.learn(page->devices.size(), out.size() - before);
    left -= std::min(left, page->devices.size());
    more = page->more;
    any = true;
    query.last.after = page->position;
    if (more && query.page.limit->over()) {
      break;
    }
  }
  out.end_array();
  finish_page(out, response, query.page, more ? std::optional(query.last.after) : std::nullopt);
  out.end_object();
  return response;
}

} // namespace spate::api
