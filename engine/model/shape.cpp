#include "engine/model/shape.hpp"

#include <algorithm>
#include <cassert>

#include "engine/base/bytes.hpp"

namespace spate::model {

namespace {

/// What a shape costs beside its two copies of the paths: map node, vector, strings.
constexpr std::size_t kShapeOverheadBytes = 160;
constexpr std::size_t kFieldOverheadBytes = sizeof(Field);

} // namespace

void ShapeTable::append_key(std::string& key, const std::vector<FieldView>& fields) {
  put_varint(key, fields.size());
  for (const FieldView& field : fields) {
    put_varint(key, field.path.size());
    key.append(field.path);
    key.push_back(static_cast<char>(field.value_class));
  }
}

const Shape* ShapeTable::intern(const std::vector<FieldView>& fields, std::uint64_t origin) {
  assert(!fields.empty());
  assert(std::adjacent_find(fields.begin(), fields.end(), [](const auto& a, const auto& b) {
           return a.path >= b.path;
         }) == fields.end());
  std::string key;
  append_key(key, fields);

  const std::scoped_lock lock(mutex_);
  if (const auto found = by_key_.find(key); found != by_key_.end()) {
    return found->second;
  }
  const std::size_t cost =
      kShapeOverheadBytes + 2 * key.size() + kFieldOverheadBytes * fields.size();
  if (shapes_.size() == limits_.shapes_max || bytes_ + cost > limits_.bytes_max) {
    return nullptr;
  }
  if (origin != 0) {
    std::uint32_t& added = added_by_[origin];
    if (added == limits_.shapes_per_origin_max) {
      return nullptr;
    }
    ++added;
  }
  std::vector<Field> owned;
  owned.reserve(fields.size());
  for (const FieldView& field : fields) {
    owned.push_back({std::string(field.path), field.value_class});
  }
  const Shape& shape =
      shapes_.emplace_back(static_cast<std::uint32_t>(shapes_.size()), std::move(owned));
  by_key_.emplace(std::move(key), &shape);
  bytes_ += cost;
  return &shape;
}

std::size_t ShapeTable::size() const {
  const std::scoped_lock lock(mutex_);
  return shapes_.size();
}

void ShapeTable::encode(const Shape& shape, std::string& out) {
  std::vector<FieldView> views;
  views.reserve(shape.fields().size());
  for (const Field& field : shape.fields()) {
    views.push_back({field.path, field.value_class});
  }
  append_key(out, views);
}

Result<const Shape*> ShapeTable::decode(std::string_view bytes) {
  ByteReader reader(bytes);
  const std::uint64_t count = reader.varint();
  std::vector<FieldView> fields;
  for (std::uint64_t i = 0; i < count && reader.ok(); ++i) {
    const std::string_view path = reader.bytes(reader.varint());
    const auto value_class = reader.be<std::uint8_t>();
    if (value_class > static_cast<std::uint8_t>(ValueClass::string) ||
        (!fields.empty() && fields.back().path >= path)) {
      return fail(Errc::storage_corrupt, "shape definition is not sorted or has an unknown class");
    }
    fields.push_back({path, static_cast<ValueClass>(value_class)});
  }
  if (!reader.ok() || !reader.empty() || fields.empty()) {
    return fail(Errc::storage_corrupt, "shape definition is cut or empty");
  }
  const Shape* shape = intern(fields);
  if (shape == nullptr) {
    return fail(Errc::storage_corrupt, "more shapes stored than the limit allows");
  }
  return shape;
}

} // namespace spate::model
