#include "api/bucket_reader.hpp"

#include <algorithm>
#include <array>
#include <limits>
#include <utility>

#include "api/record_writer.hpp"

namespace spate::api {

namespace {

using storage::AggregateBucket;
using storage::AggregatePage;
using storage::AggregateRequest;
using storage::AggregateValue;
using storage::Function;

constexpr std::int64_t kTimeMax = std::numeric_limits<std::int64_t>::max();
constexpr std::size_t kPartMin = 16;
constexpr std::size_t kPartMax = 10'000;
constexpr std::size_t kPartGrowth = 8;
constexpr std::size_t kPartValues = 20'000; ///< Numbers with their texts: some MB.

constexpr std::array<std::string_view, storage::kFunctions> kNames = {
    "avg", "min", "max", "sum", "count", "first", "last", "p50", "p99"};

/// Times in nanoseconds, moved by steps, do not always fit 64 bits.
__extension__ typedef __int128 Wide;

Wide floor_div(Wide a, Wide b) noexcept {
  return a / b - (a % b < 0 ? 1 : 0);
}

std::int64_t clamped(Wide value) noexcept {
  return value > kTimeMax ? kTimeMax : static_cast<std::int64_t>(value);
}

/// The start behind, or before, that of a bucket.
std::int64_t neighbour(const AggregateRequest& request, std::int64_t start, std::int64_t steps) {
  return clamped(static_cast<Wide>(start) + static_cast<Wide>(request.step_ns) * steps);
}

} // namespace

std::string_view name_of(Function function) noexcept {
  return kNames[static_cast<std::size_t>(function)];
}

std::optional<Function> function_of(std::string_view name) noexcept {
  const auto found = std::find(kNames.begin(), kNames.end(), name);
  return found == kNames.end() ? std::nullopt
                               : std::optional(static_cast<Function>(found - kNames.begin()));
}

std::int64_t bucket_start(const AggregateRequest& request, std::int64_t time_ns) noexcept {
  if (request.step_ns == 0) {
    return request.from_ns;
  }
  const Wide shifted = static_cast<Wide>(time_ns) - request.offset_ns;
  return clamped(floor_div(shifted, request.step_ns) * request.step_ns + request.offset_ns);
}

std::int64_t bucket_count(const AggregateRequest& request) noexcept {
  if (request.from_ns >= request.to_ns) {
    return 0;
  }
  if (request.step_ns == 0) {
    return 1;
  }
  const auto number = [&](std::int64_t time_ns) {
    return floor_div(static_cast<Wide>(time_ns) - request.offset_ns, request.step_ns);
  };
  return clamped(number(request.to_ns - 1) - number(request.from_ns) + 1);
}

BucketReader::BucketReader(storage::Store& store, Buckets buckets, ReadLimit& limit)
    : store_(store), buckets_(std::move(buckets)), request_(std::move(buckets_.request)) {
  for (const Function function : buckets_.functions) {
    request_.functions |= std::uint32_t{1} << static_cast<unsigned>(function);
  }
  request_.cancelled = [&limit] { return limit.over(); };
  request_.selects = [this](const model::Shape& shape) {
    std::vector<std::string_view> paths;
    for (const model::Field& field : shape.fields()) {
      paths.push_back(field.path);
    }
    std::vector<bool> selected = buckets_.fields.select(paths);
    if (std::find(selected.begin(), selected.end(), true) == selected.end()) {
      selected.clear();
    }
    return selected;
  };
}

Result<void> BucketReader::resolve() {
  storage::ScanRequest scan;
  scan.device = request_.device;
  scan.from_ns = request_.from_ns;
  scan.to_ns = request_.to_ns;
  scan.limit = 1;
  scan.accepts = [this](const model::Shape& shape) { return !request_.selects(shape).empty(); };
  scan.cancelled = request_.cancelled;
  for (const bool first : {true, false}) {
    if (first ? buckets_.from_given : buckets_.to_given) {
      continue;
    }
    scan.descending = !first;
    auto page = store_.scan(scan);
    if (!page) {
      return fail(std::move(page.error()));
    }
    if (page->records.empty()) {
      request_.to_ns = request_.from_ns;
      return {};
    }
    const std::int64_t time_ns = page->records.front().time_ns;
    // Whole milliseconds, as answers tell them.
    if (first) {
      request_.from_ns = floor_ms(time_ns) * 1'000'000;
    } else {
      request_.to_ns = clamped((static_cast<Wide>(floor_ms(time_ns)) + 1) * 1'000'000);
    }
  }
  return {};
}

Result<AggregatePage> BucketReader::next(std::size_t limit) {
  request_.limit = std::min(limit, part_);
  auto page = store_.aggregate(request_);
  if (page && !page->buckets.empty()) {
    request_.after_ns = page->buckets.back().start_ns;
    learn(*page);
  }
  return page;
}

Result<AggregatePage> BucketReader::next_filled(std::size_t limit) {
  AggregatePage filled;
  if (request_.from_ns >= request_.to_ns) {
    return filled;
  }
  const std::int64_t first = bucket_start(request_, request_.from_ns);
  const std::int64_t last = bucket_start(request_, request_.to_ns - 1);
  const bool down = request_.descending;
  std::int64_t at = down ? last : first;
  if (request_.after_ns) {
    at = neighbour(request_, *request_.after_ns, down ? -1 : 1);
  }
  if (request_.step_ns == 0) { // One bucket, and it was given.
    if (request_.after_ns) {
      return filled;
    }
  } else if (at < first || at > last) {
    return filled;
  }
  const auto count = static_cast<std::int64_t>(std::min(limit, part_));
  const std::int64_t left =
      request_.step_ns == 0
          ? 1
          : clamped((static_cast<Wide>(down ? at - first : last - at)) / request_.step_ns + 1);
  const std::int64_t taken = std::min(count, left);
  const std::int64_t low = down ? neighbour(request_, at, 1 - taken) : at;
  const std::int64_t high = down ? at : neighbour(request_, at, taken - 1);
  AggregateRequest window = request_;
  window.after_ns.reset();
  window.limit = static_cast<std::size_t>(taken);
  if (request_.step_ns != 0) {
    window.from_ns = std::max(request_.from_ns, low);
    window.to_ns = std::min(request_.to_ns, neighbour(request_, high, 1));
  }
  auto page = store_.aggregate(window);
  if (!page) {
    return page;
  }
  learn(*page);
  auto found = page->buckets.begin();
  for (std::int64_t i = 0; i < taken; ++i) {
    const std::int64_t start = neighbour(request_, at, down ? -i : i);
    if (found != page->buckets.end() && found->start_ns == start) {
      filled.buckets.push_back(std::move(*found++));
    } else {
      filled.buckets.push_back({start, {}});
    }
  }
  request_.after_ns = filled.buckets.back().start_ns;
  filled.more = taken < left;
  return filled;
}

/// Many fields make large buckets.
void BucketReader::learn(const AggregatePage& page) {
  std::size_t values = 1;
  for (const AggregateBucket& bucket : page.buckets) {
    values += bucket.fields.size() * buckets_.functions.size();
  }
  const std::size_t one = values / std::max<std::size_t>(page.buckets.size(), 1) + 1;
  part_ = std::clamp(kPartValues / one, kPartMin, std::min(part_ * kPartGrowth, kPartMax));
}

bool BucketFields::takes_any(const storage::FieldAggregate& field) const noexcept {
  return std::any_of(functions_.begin(), functions_.end(), [&](Function function) {
    return field.values[static_cast<std::size_t>(function)].kind != AggregateValue::Kind::none;
  });
}

bool BucketFields::any(const AggregateBucket& bucket) const noexcept {
  return std::any_of(bucket.fields.begin(), bucket.fields.end(),
                     [&](const storage::FieldAggregate& field) { return takes_any(field); });
}

const std::vector<std::string>& BucketFields::names_of(const AggregateBucket& bucket) {
  const bool same =
      std::equal(paths_.begin(), paths_.end(), bucket.fields.begin(), bucket.fields.end(),
                 [](std::string_view path, const storage::FieldAggregate& field) {
                   return path == field.path;
                 });
  if (!same) { // Neighbours mostly have the same fields.
    paths_.clear();
    for (const storage::FieldAggregate& field : bucket.fields) {
      paths_.push_back(field.path);
    }
    names_ = field_names(paths_, names_as_);
  }
  return names_;
}

void BucketFields::write(json::Writer& out, const AggregateBucket& bucket, bool numbers_as_text) {
  const std::vector<std::string>& names = names_of(bucket);
  out.begin_object().member("ts", floor_ms(bucket.start_ns)).key("values").begin_object();
  for (std::size_t i = 0; i < bucket.fields.size(); ++i) {
    if (!takes_any(bucket.fields[i])) {
      continue;
    }
    out.key(names[i]).begin_object();
    for (const Function function : functions_) {
      const AggregateValue& value = bucket.fields[i].values[static_cast<std::size_t>(function)];
      if (value.kind == AggregateValue::Kind::none) {
        continue;
      }
      out.key(name_of(function));
      if (value.kind == AggregateValue::Kind::boolean) {
        out.boolean(value.boolean);
      } else if (value.kind == AggregateValue::Kind::number && !numbers_as_text) {
        out.number_text(value.text);
      } else {
        out.string(value.text);
      }
    }
    out.end_object();
  }
  out.end_object().end_object();
}

} // namespace spate::api
