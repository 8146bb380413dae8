// Spate - records as an answer shows them: names, chosen fields, JSON.
#pragma once

#include <algorithm>
#include <string>
#include <unordered_map>
#include <vector>

#include "api/field_names.hpp"
#include "engine/json/writer.hpp"
#include "storage/store.hpp"

namespace spate::api {

/// How the fields of one shape appear in this answer.
struct ShapeView {
  std::vector<std::string> names;
  std::vector<bool> selected;
  std::vector<std::string> keys; ///< Of the selected ones: `,"name":`.
  bool any = false;
};

/// One answer's view of shapes; each is worked out once. One thread.
class RecordWriter {
public:
  RecordWriter(FieldFilter fields, Names names, bool numbers_as_text)
      : fields_(std::move(fields)), names_(names), numbers_as_text_(numbers_as_text) {}

  [[nodiscard]] const ShapeView& view_of(const model::Shape& shape);
  [[nodiscard]] bool accepts(const model::Shape& shape) { return view_of(shape).any; }
  /// One object: `{"ts":...,"values":{...}}`. False if the row is corrupt.
  [[nodiscard]] bool write(json::Writer& out, const storage::StoredRecord& record);

private:
  FieldFilter fields_;
  Names names_;
  bool numbers_as_text_;
  std::unordered_map<const model::Shape*, ShapeView> views_;
  const model::Shape* last_shape_ = nullptr; ///< Records of one shape follow each other.
  const ShapeView* last_view_ = nullptr;
};

/// Milliseconds since 1970, towards the past.
[[nodiscard]] constexpr std::int64_t floor_ms(std::int64_t time_ns) noexcept {
  return time_ns / 1'000'000 - (time_ns % 1'000'000 < 0 ? 1 : 0);
}

/// How many records are to be read at a time, so that they are about so many bytes in an answer.
class PartSize {
public:
  /// For what the store itself does not bound by bytes: the first part is small.
  explicit PartSize(std::size_t bytes) : bytes_(bytes) {}
  /// For scans, which have their bytes_max: the first part is of usual records. Each part reads the
  /// block again that the one before it ended in, so few parts are good.
  [[nodiscard]] static PartSize of_scan(std::size_t bytes) {
    PartSize part(bytes);
    part.records_ = std::max(kRecordsMin, bytes / kRecordBytesUsual);
    return part;
  }
  [[nodiscard]] std::size_t records() const noexcept { return records_; }
  /// What the last part gave. Small records say little about those that follow.
  void learn(std::size_t records, std::size_t bytes) noexcept;

private:
  static constexpr std::size_t kRecordsMin = 16;
  static constexpr std::size_t kRecordBytesUsual = 512;
  static constexpr std::size_t kGrowth = 4;
  std::size_t bytes_;
  std::size_t records_ = kRecordsMin;
};

} // namespace spate::api
