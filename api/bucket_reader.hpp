// Spate - buckets of a range, read from the store a part at a time.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "api/queries.hpp"
#include "engine/json/writer.hpp"
#include "storage/store.hpp"

namespace spate::api {

/// As requests and answers name it: `avg`.
[[nodiscard]] std::string_view name_of(storage::Function function) noexcept;
[[nodiscard]] std::optional<storage::Function> function_of(std::string_view name) noexcept;

/// Start of the bucket that holds `time_ns`.
[[nodiscard]] std::int64_t bucket_start(const storage::AggregateRequest& request,
                                        std::int64_t time_ns) noexcept;
/// How many buckets the range has, empty ones included; at most INT64_MAX.
[[nodiscard]] std::int64_t bucket_count(const storage::AggregateRequest& request) noexcept;

/// Background thread. `limit` outlives it.
class BucketReader {
public:
  BucketReader(storage::Store& store, Buckets buckets, ReadLimit& limit);
  BucketReader(const BucketReader&) = delete;
  BucketReader& operator=(const BucketReader&) = delete;

  /// Puts the ends of the data in place of those that were not given. An empty range afterwards:
  /// there is nothing. Errors as Store::scan().
  Result<void> resolve();
  /// The next buckets, at most `limit` of them, without empty ones. `more` in the answer. Errors as
  /// Store::aggregate().
  Result<storage::AggregatePage> next(std::size_t limit);
  /// The same with empty ones: all of the next `limit` in the range.
  Result<storage::AggregatePage> next_filled(std::size_t limit);

  [[nodiscard]] const storage::AggregateRequest& request() const noexcept { return request_; }
  /// So many buckets make about a part of an answer; told by what came before.
  [[nodiscard]] std::size_t part() const noexcept { return part_; }

private:
  void learn(const storage::AggregatePage& page);

  storage::Store& store_;
  Buckets buckets_;
  storage::AggregateRequest request_;
  std::size_t part_ = 128;
};

/// The values that a bucket shows: one a field and function, in the order of both.
class BucketFields {
public:
  BucketFields(Names names, std::vector<storage::Function> functions)
      : names_as_(names), functions_(std::move(functions)) {}

  /// The names of the bucket's fields.
  [[nodiscard]] const std::vector<std::string>& names_of(const storage::AggregateBucket& bucket);
  /// `{"ts":...,"values":{...}}`. A function that a field does not take is left out, and so is a
  /// field without any.
  void write(json::Writer& out, const storage::AggregateBucket& bucket, bool numbers_as_text);
  /// Whether anything would be shown.
  [[nodiscard]] bool any(const storage::AggregateBucket& bucket) const noexcept;

private:
  [[nodiscard]] bool takes_any(const storage::FieldAggregate& field) const noexcept;

  Names names_as_;
  std::vector<storage::Function> functions_;
  std::vector<std::string_view> paths_; ///< Of the last bucket, with
  std::vector<std::string> names_;      ///< their names.
};

} // namespace spate::api
