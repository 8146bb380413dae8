#include "storage/aggregate.hpp"

#include <algorithm>
#include <limits>
#include <memory>
#include <optional>
#include <utility>

namespace spate::storage {

namespace {

constexpr std::int64_t kTimeMin = std::numeric_limits<std::int64_t>::min();

/// What is left of the request's times behind the last page; nothing if nothing is.
std::optional<WalkRange> range_of(const AggregateRequest& request, const BucketGrid& grid) {
  if (request.to_ns <= request.from_ns) {
    return std::nullopt;
  }
  WalkRange range{request.from_ns, TimeSpan{request.from_ns, request.to_ns}.last_ns(),
                  request.descending};
  if (!request.after_ns) {
    return range;
  }
  if (request.step_ns == 0) {
    return std::nullopt; // The only bucket was on the page before.
  }
  if (range.descending) {
    const std::int64_t start = grid.bucket_of(*request.after_ns).start_ns;
    if (start == kTimeMin) {
      return std::nullopt;
    }
    range.last_ns = std::min(range.last_ns, start - 1);
  } else {
    const std::int64_t last = grid.bucket_of(*request.after_ns).last_ns;
    if (last >= range.last_ns) {
      return std::nullopt;
    }
    range.first_ns = std::max(range.first_ns, last + 1);
  }
  return range.first_ns <= range.last_ns ? std::optional(range) : std::nullopt;
}

std::size_t text_bytes(const std::vector<FieldAggregate>& fields) {
  std::size_t bytes = 0;
  for (const FieldAggregate& field : fields) {
    for (const AggregateValue& value : field.values) {
      bytes += value.text.size();
    }
  }
  return bytes;
}

/// The shapes that are wanted, as they are read.
using Readers = std::vector<std::unique_ptr<ShapeReader>>;

Readers readers_of(const AggregatedDevice& device, const AggregateRequest& request,
                   const ReaderContext& context, const WalkRange& whole) {
  Readers out;
  for (const AggregatedDevice::Series& series : device.series) {
    const std::vector<bool> wanted = request.selects
                                         ? request.selects(*series.shape)
                                         : std::vector<bool>(series.shape->fields().size(), true);
    WalkRange range = whole;
    range.first_ns = std::max(range.first_ns, series.kept_from_ns);
    if (range.first_ns > range.last_ns ||
        std::find(wanted.begin(), wanted.end(), true) == wanted.end()) {
      continue;
    }
    std::vector<const TailRows*> tails;
    for (const TailRows& tail : device.tails) {
      if (tail.series == series.number) {
        tails.push_back(&tail);
      }
    }
    auto reader = std::find_if(out.begin(), out.end(),
                               [&](const auto& at) { return &at->shape() == series.shape; });
    if (reader == out.end()) {
      out.push_back(std::make_unique<ShapeReader>(context, *series.shape, request.descending));
      reader = out.end() - 1;
    }
    (*reader)->add_series(series.number, range,
                          context.out.add_series(series.number, *series.shape, wanted), tails);
  }
  return out;
}

/// The time that is read next over all series; nothing at the end.
std::optional<std::int64_t> next_time(const Readers& readers, bool descending) {
  std::optional<std::int64_t> next;
  for (const auto& reader : readers) {
    const auto time = reader->next_time();
    if (time && (!next || (descending ? *time > *next : *time < *next))) {
      next = time;
    }
  }
  return next;
}

} // namespace

Result<AggregatePage> aggregate_device(const AggregatedDevice& device,
                                       const AggregateRequest& request, AggregateCounts* counts) {
  if (request.functions == 0 || request.functions >> kFunctions != 0) {
    return fail(Errc::usage, "an aggregate needs one of its functions");
  }
  if (request.step_ns < 0) {
    return fail(Errc::usage, "the step of an aggregate can not be negative");
  }
  AggregatePage page;
  const BucketGrid grid(request);
  const auto range = range_of(request, grid);
  if (!range) {
    return page;
  }
  AggregateCounts uncounted;
  AggregateCounts& counted = counts != nullptr ? *counts : uncounted;
  Aggregator aggregator(request.functions, counted);
  const ReaderContext context{device.blocks, device.erasures, request.cancelled, aggregator,
                              counted};
  const Readers readers = readers_of(device, request, context, *range);
  for (const auto& reader : readers) {
    if (auto settled = reader->settle(); !settled) {
      return fail(std::move(settled.error()));
    }
  }
  std::size_t fields = 0;
  std::size_t bytes = 0;
  while (const auto time = next_time(readers, request.descending)) {
    if (page.buckets.size() >= std::max<std::size_t>(request.limit, 1) ||
        fields >= kPageFieldsMax || bytes >= kPageTextBytesMax) {
      page.more = true;
      break;
    }
    const BucketSpan bucket = grid.bucket_of(*time);
    for (const auto& reader : readers) {
      if (auto read = reader->read(bucket); !read) {
        return fail(std::move(read.error()));
      }
    }
    page.buckets.push_back({bucket.start_ns, aggregator.finish()});
    fields += page.buckets.back().fields.size();
    bytes += text_bytes(page.buckets.back().fields);
  }
  return page;
}

} // namespace spate::storage
