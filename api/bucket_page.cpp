// One page of buckets.
#include <algorithm>
#include <array>
#include <utility>

#include "api/bucket_reader.hpp"
#include "api/json_parts.hpp"
#include "api/store_problem.hpp"
#include "engine/base/bytes.hpp"

namespace spate::api {

namespace {

constexpr std::int64_t kNsPerMs = 1'000'000;

/// Steps that people use.
struct NamedStep {
  const char* name;
  std::int64_t ms;
};
constexpr std::array<NamedStep, 16> kSteps = {{{"10ms", 10},
                                               {"100ms", 100},
                                               {"1s", 1000},
                                               {"10s", 10'000},
                                               {"30s", 30'000},
                                               {"1m", 60'000},
                                               {"5m", 300'000},
                                               {"10m", 600'000},
                                               {"30m", 1'800'000},
                                               {"1h", 3'600'000},
                                               {"6h", 21'600'000},
                                               {"1d", 86'400'000},
                                               {"7d", 604'800'000},
                                               {"30d", 2'592'000'000},
                                               {"365d", 31'536'000'000},
                                               {"3650d", 315'360'000'000}}};

Problem too_many(storage::AggregateRequest request, std::int64_t count) {
  std::string detail = "Range and step give " + std::to_string(count) +
                       " buckets; the maximum is " + std::to_string(kBucketsMax) + ".";
  for (const NamedStep& step : kSteps) {
    request.step_ns = step.ms * kNsPerMs;
    if (bucket_count(request) <= kBucketsMax) {
      detail += std::string(" Use step=") + step.name + " or more.";
      break;
    }
  }
  return {"too-many-buckets", std::move(detail), {}, {}};
}

/// Of a range without a step: it is one bucket.
std::int64_t step_ms(const storage::AggregateRequest& request) {
  const std::int64_t step_ns =
      request.step_ns != 0 ? request.step_ns : request.to_ns - request.from_ns;
  return std::max<std::int64_t>(1, step_ns / kNsPerMs + (step_ns % kNsPerMs != 0 ? 1 : 0));
}

} // namespace

http::Response read_buckets(const Services& services, BucketsQuery query) {
  BucketFields fields(query.buckets.names, query.buckets.functions);
  const std::string device = query.buckets.request.device;
  const bool first_page = !query.buckets.request.after_ns;
  std::size_t left = query.buckets.request.limit;
  BucketReader reader(services.store, std::move(query.buckets), *query.page.limit);
  if (first_page) { // The cursor of a later one holds the range.
    if (auto resolved = reader.resolve(); !resolved) {
      return read_problem(resolved.error(), query.page, device);
    }
  }
  if (const std::int64_t count = bucket_count(reader.request()); count > kBucketsMax) {
    return problem_response(too_many(reader.request(), count), query.page.problem);
  }
  http::Response response = json_response();
  json::Writer out(response.body);
  out.begin_object().member("device", device).member("step_ms", step_ms(reader.request()));
  out.key("buckets").begin_array();
  bool more = true;
  bool any = false;
  while (more && left != 0 && out.size() <= services.limits.page_bytes_max) {
    auto page = query.fill ? reader.next_filled(left) : reader.next(left);
    if (!page && any && query.page.limit->over()) {
      break; // What is there makes a page; its cursor goes on.
    }
    if (!page) {
      return read_problem(page.error(), query.page, device);
    }
    for (const storage::AggregateBucket& bucket : page->buckets) {
      if (query.fill || fields.any(bucket)) {
        fields.write(out, bucket, query.numbers_as_text);
      }
    }
    left -= std::min(left, page->buckets.size());
    any = any || !page->buckets.empty();
    more = page->more && !page->buckets.empty();
    if (more && query.page.limit->over()) {
      break;
    }
  }
  out.end_array();
  finish_page(out, response, query.page,
              more ? std::optional(buckets_position(reader.request())) : std::nullopt);
  out.end_object();
  return response;
}

std::string buckets_position(const storage::AggregateRequest& request) {
  std::string position;
  put_be(position, static_cast<std::uint64_t>(*request.after_ns));
  put_be(position, static_cast<std::uint64_t>(request.from_ns));
  put_be(position, static_cast<std::uint64_t>(request.to_ns));
  return position;
}

bool read_buckets_position(const std::string& position, storage::AggregateRequest& request) {
  ByteReader reader(position);
  request.after_ns = static_cast<std::int64_t>(reader.be<std::uint64_t>());
  request.from_ns = static_cast<std::int64_t>(reader.be<std::uint64_t>());
  request.to_ns = static_cast<std::int64_t>(reader.be<std::uint64_t>());
  return reader.ok() && reader.empty();
}

} // namespace spate::api
