#include "api/ingest.hpp"

#include <algorithm>
#include <utility>

#include "api/json_parts.hpp"
#include "engine/base/hash.hpp"
#include "engine/model/device_id.hpp"
#include "engine/model/rejections.hpp"
#include "engine/telemetry/ndjson.hpp"

namespace spate::api {

namespace {

constexpr std::uint32_t kRetryAfterS = 5;
/// Rejections of one body that are kept one by one; further ones of one reason share an entry.
constexpr std::size_t kDetailedRejectionsMax = 100;

/// The start of a bad record for people; of NDJSON no more than its line.
std::string sample_of(std::string_view body, std::size_t offset, bool ndjson) {
  const std::string_view record = body.substr(std::min(offset, body.size()));
  return model::printable(ndjson ? record.substr(0, record.find('\n')) : record);
}

std::string count_of(std::uint64_t count, std::string_view noun) {
  return std::to_string(count) + " " + std::string(noun) + (count == 1 ? "" : "s");
}

/// A body that was refused as a whole: nothing of it is stored.
Problem whole_problem(const telemetry::RecordFault& fault, std::vector<ProblemItem> items) {
  const bool too_large = fault.reason == model::RejectReason::payload_too_large ||
                         fault.reason == model::RejectReason::too_many_records;
  return {too_large ? "payload-too-large" : "invalid-body", fault.detail, std::move(items), {}};
}

/// A batch is as large as a body may be; what one MQTT message may hold does not bound it.
telemetry::ParserLimits parser_limits(const ServiceLimits& limits) {
  telemetry::ParserLimits parser = limits.parser;
  parser.payload_bytes_max = std::max(parser.payload_bytes_max, limits.http.request.body_bytes_max);
  return parser;
}

} // namespace

Ingest::Ingest(net::Loop& loop, const Services& services)
    : services_(services), parser_(services.shapes, parser_limits(services.limits)),
      raw_route_(services.route), path_route_(services.route),
      writer_(loop, services.store, *this, services.limits.writer) {
  raw_route_.names_are_paths = false;
  path_route_.names_are_paths = true;
}

bool Ingest::over_limit(std::string_view device) const noexcept {
  // The queue of the data directory is shared with the device loops, which stop reading at its
  // limit.
  return writer_.over_limit() || services_.store.queued_bytes(services_.store.shard_of(device)) >=
                                     services_.limits.store_queue_bytes_max;
}

void Ingest::accept(const http::Request& request, std::string_view device, Names names, bool ndjson,
                    http::Responder responder) {
  const model::ShardId shard = services_.store.shard_of(device);
  model::TelemetryBlock& block = writer_.open_block(shard);
  model::Message message;
  message.received_ms = wall_ms();
  message.protocol = model::Protocol::http;
  message.rows_begin = static_cast<std::uint32_t>(block.rows.size());
  block.origin = hash_bytes(device);
  const telemetry::Route& route = names == Names::path ? path_route_ : raw_route_;
  message.retention_s = route.retention_s.value_or(0);
  faults_.clear();
  lines_.clear();
  const telemetry::ParseSummary summary =
      ndjson ? telemetry::parse_ndjson(parser_, route, request.body(), message.received_ms, block,
                                       faults_, lines_)
             : parser_.parse(route, request.body(), message.received_ms, block, faults_);
  Pending pending{0, responder, problem_context(request), {}, {}, summary.whole};
  message.rows = summary.rows;
  message.name_begin = static_cast<std::uint32_t>(block.names.size());
  message.name_bytes = static_cast<std::uint32_t>(device.size());
  block.names.append(device);
  add_rejections(block, message, request, device);
  pending.faults.assign(faults_.begin(), faults_.end());
  pending.lines = lines_;
  const std::uint32_t slot = enter(std::move(pending));
  message.ack = {slot, pending_[slot].generation, 0};
  writer_.add(shard, message);
}

void Ingest::add_rejections(model::TelemetryBlock& block, model::Message& message,
                            const http::Request& request, std::string_view device) {
  const std::size_t first = block.rejections.size();
  for (const telemetry::RecordFault& fault : faults_) {
    ++message.rejected;
    if (model::counted_with_another(block.rejections, first, kDetailedRejectionsMax,
                                    fault.reason)) {
      continue;
    }
    model::Rejection& rejection = block.rejections.emplace_back();
    rejection.received_ms = message.received_ms;
    rejection.reason = fault.reason;
    rejection.protocol = message.protocol;
    rejection.device = device;
    rejection.topic = request.path().substr(0, model::kRejectionTextBytesMax);
    rejection.detail = fault.detail.substr(0, model::kRejectionTextBytesMax);
    rejection.sample = sample_of(request.body(), fault.offset, !lines_.empty());
  }
}

std::uint32_t Ingest::enter(Pending pending) {
  if (free_.empty()) {
    free_.push_back(static_cast<std::uint32_t>(pending_.size()));
    pending_.emplace_back();
  }
  const std::uint32_t slot = free_.back();
  free_.pop_back();
  pending.generation = pending_[slot].generation;
  pending_[slot] = std::move(pending);
  return slot;
}

void Ingest::on_message(const model::TelemetryBlock& block, const model::Message& message) {
  if (message.ack.slot >= pending_.size() ||
      pending_[message.ack.slot].generation != message.ack.generation) {
    return;
  }
  Pending& pending = pending_[message.ack.slot];
  pending.responder.respond(answer(pending, block, message));
  pending = Pending{message.ack.generation + 1, {}, {}, {}, {}, false};
  free_.push_back(message.ack.slot);
}

http::Response Ingest::answer(const Pending& pending, const model::TelemetryBlock& block,
                              const model::Message& message) const {
  if (block.status == model::CommitStatus::full) {
    return problem_response({"storage-full", block.status_detail, {}, kRetryAfterS},
                            pending.context);
  }
  if (block.status == model::CommitStatus::unavailable) {
    return problem_response({"shard-unavailable", block.status_detail, {}, kRetryAfterS},
                            pending.context);
  }
  std::uint64_t stored = 0;
  std::uint64_t duplicates = 0;
  std::uint64_t rejected = message.rejected;
  std::vector<ProblemItem> items;
  const auto add_item = [&](std::uint32_t index, model::RejectReason reason, std::string detail) {
    if (items.size() < kProblemItemsMax) {
      items.push_back(
          {index,
           index < pending.lines.size() ? std::optional(pending.lines[index]) : std::nullopt,
           {},
           std::string(model::name_of(reason)),
           std::move(detail)});
    }
  };
  // Rows are the records of the body in their order, without those that have a fault.
  auto fault = pending.faults.begin();
  std::uint32_t index = 0;
  const auto pass_faults = [&] {
    for (; fault != pending.faults.end() && fault->index <= index; ++fault) {
      add_item(fault->index, fault->reason, fault->detail);
      index = fault->index + 1;
    }
  };
  for (std::uint32_t i = 0; i < message.rows; ++i, ++index) {
    pass_faults();
    const model::Row& row = block.rows[message.rows_begin + i];
    if (row.outcome == model::RowOutcome::stored) {
      ++stored;
    } else if (row.outcome == model::RowOutcome::duplicate) {
      ++duplicates;
    } else {
      ++rejected;
      add_item(index, row.reject_reason, "the store does not take this record");
    }
  }
  for (; fault != pending.faults.end(); ++fault) {
    add_item(fault->index, fault->reason, fault->detail);
  }
  const std::uint64_t received = message.rows + message.rejected;
  if (pending.whole) {
    return problem_response(whole_problem(pending.faults.front(), std::move(items)),
                            pending.context);
  }
  if (rejected == received) {
    return problem_response({"all-records-rejected",
                             std::to_string(rejected) + " of " + count_of(received, "record") +
                                 (rejected == 1 ? " was rejected." : " were rejected."),
                             std::move(items),
                             {}},
                            pending.context);
  }
  http::Response response = json_response();
  json::Writer out(response.body);
  out.begin_object().member("received", received).member("stored", stored);
  out.member("duplicates", duplicates).member("rejected", rejected);
  out.member("durability", services_.durability);
  if (!items.empty()) {
    write_errors(out, items);
  }
  out.end_object();
  return response;
}

} // namespace spate::api
