// Spate - the shape of a record: which fields it has, sorted, with their classes.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "engine/base/hash.hpp"
#include "engine/base/result.hpp"

namespace spate::model {

/// Values of one class share a column. A field that changes its class makes another shape.
enum class ValueClass : std::uint8_t { number = 0, boolean = 1, string = 2 };

struct FieldView {
  std::string_view path; ///< Escaped path: `ENERGY.Power`, `PM2\.5`.
  ValueClass value_class;
  friend bool operator==(const FieldView&, const FieldView&) = default;
};

struct Field {
  std::string path;
  ValueClass value_class;
};

/// Immutable. Lives as long as the ShapeTable that made it, so plain pointers to it are safe, and
/// two shapes of one table are equal exactly if their pointers are.
class Shape {
public:
  Shape(std::uint32_t index, std::vector<Field> fields)
      : index_(index), fields_(std::move(fields)) {}

  /// Dense, from 0, in order of creation within this process; not stable across restarts.
  [[nodiscard]] std::uint32_t index() const noexcept { return index_; }
  /// Sorted by path; no path twice; never empty.
  [[nodiscard]] const std::vector<Field>& fields() const noexcept { return fields_; }

private:
  std::uint32_t index_;
  std::vector<Field> fields_;
};

struct ShapeLimits {
  std::size_t shapes_max = 100'000;  ///< In all.
  std::size_t bytes_max = 64u << 20; ///< Of all definitions.
  /// Added by one origin, whatever the store made of its records later. Above what a device may
  /// have, or its own limit could not be told from this one.
  std::uint32_t shapes_per_origin_max = 1024;
};

/// The one place that turns a list of fields into a Shape. Thread-safe; parsers keep their own
/// small cache in front of it, so that the lock is taken once per new shape and loop, not per
/// record.
class ShapeTable {
public:
  explicit ShapeTable(ShapeLimits limits = {}) : limits_(limits) {}

  ShapeTable(const ShapeTable&) = delete;
  ShapeTable& operator=(const ShapeTable&) = delete;

  /// `fields` are sorted by path without repeats. Null when the limits are reached: the caller
  /// rejects the record as `too-many-shapes`. `origin` stands for the device that asks: a shape
  /// that is new counts against what it may add, so that one device can not use the table up. 0:
  /// not counted.
  [[nodiscard]] const Shape* intern(const std::vector<FieldView>& fields, std::uint64_t origin = 0);

  [[nodiscard]] std::size_t size() const;

  /// Definition as bytes, for the store: varint count, then per field varint length, path, class.
  static void encode(const Shape& shape, std::string& out);
  /// Error: storage_corrupt, also when the limits are reached.
  Result<const Shape*> decode(std::string_view bytes);

private:
  static void append_key(std::string& key, const std::vector<FieldView>& fields);

  const ShapeLimits limits_;
  mutable std::mutex mutex_;
  std::deque<Shape> shapes_; ///< A deque: addresses stay.
  std::unordered_map<std::string, const Shape*, TextHash, std::equal_to<>> by_key_;
  std::unordered_map<std::uint64_t, std::uint32_t> added_by_; ///< By origin: at most one a shape.
  std::size_t bytes_ = 0;
};

} // namespace spate::model
