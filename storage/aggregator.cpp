#include "storage/aggregator.hpp"

#include <algorithm>
#include <limits>
#include <span>
#include <utility>

#include "engine/model/row.hpp"

namespace spate::storage {

namespace {

constexpr std::uint32_t kPercentiles = bit(Function::p50) | bit(Function::p99);
constexpr std::uint32_t kEnds = bit(Function::first) | bit(Function::last);

} // namespace

BucketSpan BucketGrid::bucket_of(std::int64_t time_ns) const noexcept {
  if (step_ns_ == 0) {
    return {from_ns_, from_ns_, last_ns_};
  }
  const Int128 distance = Int128{time_ns} - offset_ns_;
  const Int128 past = (distance % step_ns_ + step_ns_) % step_ns_;
  const Int128 start = time_ns - past;
  const auto clamped = [](Int128 time) {
    return static_cast<std::int64_t>(std::clamp<Int128>(
        time, std::numeric_limits<std::int64_t>::min(), std::numeric_limits<std::int64_t>::max()));
  };
  return {clamped(start), std::max(clamped(start), from_ns_),
          std::min(clamped(start + step_ns_ - 1), last_ns_)};
}

Result<void> WantedColumns::decode(const columnar::BlockReader& block, const model::Shape& shape,
                                   const std::vector<bool>& wanted, AggregateCounts& counts) {
  ++counts.columns;
  if (auto decoded = block.times(times_); !decoded) {
    return decoded;
  }
  columns_.resize(wanted.size());
  for (std::size_t field = 0; field < wanted.size(); ++field) {
    if (!wanted[field]) {
      continue;
    }
    ++counts.columns;
    if (auto decoded = decode(block, shape, field, columns_[field]); !decoded) {
      return decoded;
    }
  }
  return {};
}

Result<void> WantedColumns::decode(const columnar::BlockReader& block, const model::Shape& shape,
                                   std::size_t field, Column& out) {
  switch (shape.fields()[field].value_class) {
  case model::ValueClass::number:
    return block.numbers(field, out.numbers);
  case model::ValueClass::boolean:
    return block.booleans(field, out.booleans);
  case model::ValueClass::string:
    break;
  }
  return block.strings(field, out.strings, out.arena);
}

std::size_t Aggregator::add_series(std::uint32_t series, const model::Shape& shape,
                                   const std::vector<bool>& wanted) {
  Series added{series, &shape, {}, {}};
  for (std::size_t field = 0; field < shape.fields().size(); ++field) {
    const model::Field& at = shape.fields()[field];
    const bool is_wanted = field < wanted.size() && wanted[field];
    const std::uint32_t of_values =
        at.value_class == model::ValueClass::string ? kEnds : ~bit(Function::count);
    added.decoded.push_back(is_wanted && (functions_ & of_values) != 0);
    added.accumulators.push_back(
        is_wanted ? &by_path_.try_emplace(at.path, functions_, values_left_).first->second
                  : nullptr);
  }
  series_.push_back(std::move(added));
  return series_.size() - 1;
}

Result<void> Aggregator::add_row(std::size_t series, std::int64_t time_ns,
                                 std::string_view values) {
  const Series& at = series_[series];
  ++counts_.rows_merged;
  model::RowReader reader(*at.shape, values);
  model::Value value;
  for (FieldAccumulator* accumulator : at.accumulators) {
    if (!reader.next(value)) {
      return fail(Errc::storage_corrupt, "the values of a record do not fit its shape");
    }
    if (accumulator == nullptr) {
      continue;
    }
    if (auto added = accumulator->add(value, {time_ns, at.number}); !added) {
      return added;
    }
  }
  return {};
}

Result<void> Aggregator::add_block(std::size_t series, const columnar::BlockReader& block) {
  const Series& at = series_[series];
  const Moment first{block.first_time_ns(), at.number};
  const Moment last{block.last_time_ns(), at.number};
  for (std::size_t field = 0; field < at.accumulators.size(); ++field) {
    if (at.accumulators[field] == nullptr) {
      continue;
    }
    const auto by_head = add_head(at, field, block, first, last);
    if (!by_head) {
      return fail(by_head.error());
    }
    if (*by_head) {
      ++counts_.heads;
      continue;
    }
    ++counts_.columns;
    if (auto decoded = WantedColumns::decode(block, *at.shape, field, scratch_); !decoded) {
      return decoded;
    }
    if (auto added = add_column(at, field, scratch_, 0, block.rows(), first, last); !added) {
      return added;
    }
  }
  return {};
}

/// Whether what the head says is all that is asked for.
Result<bool> Aggregator::add_head(const Series& series, std::size_t field,
                                  const columnar::BlockReader& block, Moment first, Moment last) {
  FieldAccumulator& accumulator = *series.accumulators[field];
  const model::ValueClass value_class = series.shape->fields()[field].value_class;
  if (!series.decoded[field]) {
    accumulator.add_count(block.rows());
    return true;
  }
  if (value_class == model::ValueClass::string ||
      (value_class == model::ValueClass::number && (functions_ & kPercentiles) != 0)) {
    return false;
  }
  const auto head = block.head(field);
  if (!head) {
    return fail(head.error());
  }
  if (!*head) {
    return false;
  }
  auto added = value_class == model::ValueClass::number
                   ? accumulator.add_numbers(**head, block.rows(), first, last)
                   : accumulator.add_booleans(**head, block.rows(), first, last);
  if (!added) {
    return fail(std::move(added.error()));
  }
  return true;
}

Result<void> Aggregator::add_columns(std::size_t series, const WantedColumns& columns,
                                     std::size_t begin, std::size_t end) {
  const Series& at = series_[series];
  const Moment first{columns.times_[begin], at.number};
  const Moment last{columns.times_[end - 1], at.number};
  for (std::size_t field = 0; field < at.accumulators.size(); ++field) {
    if (at.accumulators[field] == nullptr) {
      continue;
    }
    if (!at.decoded[field]) {
      at.accumulators[field]->add_count(end - begin);
      continue;
    }
    if (auto added = add_column(at, field, columns.columns_[field], begin, end, first, last);
        !added) {
      return added;
    }
  }
  return {};
}

Result<void> Aggregator::add_column(const Series& series, std::size_t field,
                                    const WantedColumns::Column& column, std::size_t begin,
                                    std::size_t end, Moment first, Moment last) {
  FieldAccumulator& accumulator = *series.accumulators[field];
  switch (series.shape->fields()[field].value_class) {
  case model::ValueClass::number:
    return accumulator.add_numbers(column.numbers, begin, end, first, last);
  case model::ValueClass::boolean:
    return accumulator.add_booleans(std::span(column.booleans).subspan(begin, end - begin), first,
                                    last);
  case model::ValueClass::string:
    break;
  }
  return accumulator.add_strings(std::span(column.strings).subspan(begin, end - begin), first,
                                 last);
}

std::vector<FieldAggregate> Aggregator::finish() {
  std::vector<FieldAggregate> out;
  for (auto& [path, accumulator] : by_path_) {
    if (accumulator.empty()) {
      continue;
    }
    out.push_back({path, {}});
    accumulator.finish(out.back().values);
    accumulator.clear();
  }
  values_left_ = kBucketValuesMax;
  return out;
}

} // namespace spate::storage
