#include "api/record_writer.hpp"

#include <algorithm>

#include "api/json_parts.hpp"

namespace spate::api {

const ShapeView& RecordWriter::view_of(const model::Shape& shape) {
  const auto [found, added] = views_.try_emplace(&shape);
  ShapeView& view = found->second;
  if (added) {
    std::vector<std::string_view> paths;
    for (const model::Field& field : shape.fields()) {
      paths.push_back(field.path);
    }
    view.names = field_names(paths, names_);
    view.selected = fields_.select(paths);
    view.any = std::find(view.selected.begin(), view.selected.end(), true) != view.selected.end();
  }
  return view;
}

bool RecordWriter::write(json::Writer& out, const storage::StoredRecord& record) {
  const ShapeView& view = view_of(*record.shape);
  out.begin_object();
  out.member("ts", floor_ms(record.time_ns));
  out.member("received_ts", record.received_ms);
  out.member("ts_source", model::name_of(record.source));
  out.key("values").begin_object();
  model::RowReader reader(*record.shape, record.values);
  model::Value value;
  while (reader.next(value)) {
    if (view.selected[reader.field()]) {
      out.key(view.names[reader.field()]);
      write_value(out, value, numbers_as_text_, scratch_);
    }
  }
  out.end_object().end_object();
  return !reader.corrupt();
}

void PartSize::learn(std::size_t records, std::size_t bytes) noexcept {
  if (records != 0) {
    const std::size_t fitting = bytes_ / (bytes / records + 1);
    records_ = std::clamp(fitting, kRecordsMin, records_ * kGrowth);
  }
}

} // namespace spate::api
