#include "api/record_writer.hpp"

#include <algorithm>

#include "api/json_parts.hpp"

namespace spate::api {

const ShapeView& RecordWriter::view_of(const model::Shape& shape) {
  if (&shape == last_shape_) {
    return *last_view_;
  }
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
    for (std::size_t i = 0; i < paths.size(); ++i) {
      std::string& key = view.keys.emplace_back();
      if (view.selected[i]) {
        key.push_back(',');
        json::Writer(key).string(view.names[i]);
        key.push_back(':');
      }
    }
  }
  last_shape_ = &shape;
  last_view_ = &view; // A node of the map: it stays where it is.
  return view;
}

bool RecordWriter::write(json::Writer& out, const storage::StoredRecord& record) {
  const ShapeView& view = view_of(*record.shape);
  model::RowReader reader(*record.shape, record.values);
  out.raw([&](json::StringSink& sink) {
    sink.append(R"({"ts":)");
    sink.append(floor_ms(record.time_ns));
    sink.append(R"(,"received_ts":)");
    sink.append(record.received_ms);
    sink.append(R"(,"ts_source":")");
    sink.append(model::name_of(record.source));
    sink.append(R"(","values":{)");
    std::size_t comma = 1; // Bytes of the next key that are left out.
    model::Value value;
    while (reader.next(value)) {
      const std::string_view key = view.keys[reader.field()];
      if (!key.empty()) {
        sink.append(key.substr(comma));
        append_value(sink, value, numbers_as_text_);
        comma = 0;
      }
    }
    sink.append("}}");
  });
  return !reader.corrupt();
}

void PartSize::learn(std::size_t records, std::size_t bytes) noexcept {
  if (records != 0) {
    const std::size_t fitting = bytes_ / (bytes / records + 1);
    records_ = std::clamp(fitting, kRecordsMin, records_ * kGrowth);
  }
}

} // namespace spate::api
