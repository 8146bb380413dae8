// The second half of Parser: from the values of one record to its row.
#include <algorithm>
#include <cassert>
#include <limits>

#include "engine/telemetry/fault_text.hpp"
#include "engine/telemetry/parser.hpp"
#include "engine/telemetry/timestamp.hpp"

namespace spate::telemetry {

using model::RejectReason;
using model::ValueClass;

namespace {

constexpr std::int64_t kNsPerMs = 1'000'000;

} // namespace

void Parser::finish_record(Job& job, std::uint32_t index) {
  if (refusal_ != RejectReason::none) {
    add_fault(job, index, refusal_, std::move(refusal_detail_));
    return;
  }
  const Layout* layout =
      layouts_.find(hash_, sequence_.data(), count_, values_node_ != PathTree::kNone);
  if (layout == nullptr) {
    layout = make_layout(job.out->origin);
  }
  if (layout == nullptr) {
    add_fault(job, index, RejectReason::too_many_shapes, describe(RejectReason::too_many_shapes));
    return;
  }
  model::Row row;
  if (!settle_time(job, *layout, row)) {
    add_fault(job, index, refusal_, std::move(refusal_detail_));
    return;
  }
  if (layout->shape == nullptr) {
    add_fault(job, index, layout->reason, describe(layout->reason));
    return;
  }
  row.shape = layout->shape;
  append_row(*job.out, *layout, row);
  ++job.summary.rows;
}

/// The record form, given that `values` is an object: nothing stands beside it but what GET
/// answers.
bool Parser::is_record_form() const {
  constexpr std::string_view kBeside[] = {"ts", "received_ts", "ts_source", "device"};
  for (std::uint32_t i = 0; i < count_; ++i) {
    const PathTree::Id node = sequence_[i] >> 2;
    if (live_[i] == 0 || (tree_.top(node) == values_node_ && node != values_node_)) {
      continue;
    }
    if (std::find(std::begin(kBeside), std::end(kBeside), tree_.path(node)) == std::end(kBeside)) {
      return false;
    }
  }
  return true;
}

/// Backwards, so that a mark is met before what it makes void.
void Parser::find_live() {
  live_.assign(count_, 0);
  for (std::uint32_t i = count_; i-- > 0;) {
    const PathTree::Id node = sequence_[i] >> 2;
    if ((sequence_[i] & 3) == kReplacedMark) {
      tree_.mark_replaced(node, record_);
    } else {
      live_[i] = tree_.is_replaced(node, record_) ? 0 : 1;
    }
  }
}

/// Null if there may be no shape for it: that is not remembered, since it may be up to its origin.
const Layout* Parser::make_layout(std::uint64_t origin) {
  const bool candidate = values_node_ != PathTree::kNone;
  find_live();
  const bool record_form = candidate && is_record_form();
  const std::size_t prefix_bytes = record_form ? tree_.path(values_node_).size() + 1 : 0;

  Layout layout;
  order_.clear();
  for (std::uint32_t i = 0; i < count_; ++i) {
    const PathTree::Id node = sequence_[i] >> 2;
    if (live_[i] == 0) {
      continue;
    }
    if (!record_form || tree_.top(node) == values_node_) {
      order_.push_back(i);
    } else if (tree_.path(node) == "ts") {
      layout.time_position = i;
    }
  }
  const auto path_of = [&](std::uint32_t i) {
    return tree_.path(sequence_[i] >> 2).substr(prefix_bytes);
  };
  std::stable_sort(order_.begin(), order_.end(),
                   [&](std::uint32_t a, std::uint32_t b) { return path_of(a) < path_of(b); });
  // Of one path under several nodes (names=path) the last one stays.
  std::size_t kept = 0;
  for (const std::uint32_t i : order_) {
    kept -= kept > 0 && path_of(order_[kept - 1]) == path_of(i) ? 1 : 0;
    order_[kept++] = i;
  }
  order_.resize(kept);

  fields_.clear();
  bool too_long = false;
  for (const std::uint32_t i : order_) {
    fields_.push_back({path_of(i), static_cast<ValueClass>(sequence_[i] & 3)});
    too_long = too_long || path_of(i).size() > limits_.path_bytes_max;
  }
  layout.order = order_.data();
  layout.fields = static_cast<std::uint32_t>(order_.size());
  if (fields_.empty()) {
    layout.reason = RejectReason::no_values;
  } else if (too_long) {
    layout.reason = RejectReason::payload_too_large;
  } else {
    layout.shape = shapes_.intern(fields_, origin);
    if (layout.shape == nullptr) {
      return nullptr;
    }
  }
  return layouts_.add(hash_, sequence_.data(), count_, candidate, layout);
}

bool Parser::settle_time(const Job& job, const Layout& layout, model::Row& row) {
  if (time_state_ == TimeState::absent && layout.time_position != PathTree::kNone) {
    // The record form under a route whose time field has another name.
    const Slot& slot = slots_[layout.time_position];
    const std::string_view text(slot.text, slot.bytes);
    const bool good = slot.text != nullptr && time_of_text(text, TimeUnit::automatic, time_ns_);
    time_state_ = good ? TimeState::good : TimeState::bad;
  }
  if (time_state_ == TimeState::bad) {
    return refuse(RejectReason::timestamp_invalid,
                  quoted_name(job.time_path.empty() ? std::string_view("ts") : job.time_path) +
                      " is no time from 1970 on: " + expected_time(job.route->time_unit));
  }
  if (time_state_ == TimeState::absent) {
    row.time_ns = std::max<std::int64_t>(0, job.received_ms) * kNsPerMs;
    row.source = model::TsSource::server;
    return true;
  }
  const std::int64_t ahead_ms = time_ns_ / kNsPerMs - job.received_ms;
  if (ahead_ms > job.route->future_max_ms || time_ns_ == kTimeEnd) {
    return refuse(RejectReason::timestamp_in_future,
                  plain_name(job.time_path.empty() ? std::string_view("ts") : job.time_path) +
                      " is " + duration_text(ahead_ms) + " ahead; the limit is " +
                      duration_text(job.route->future_max_ms));
  }
  row.time_ns = time_ns_;
  row.source = model::TsSource::device;
  return true;
}

void Parser::append_row(model::TelemetryBlock& out, const Layout& layout, model::Row row) {
  if (row_.size() < row_bytes_max_) {
    row_.resize(row_bytes_max_);
  }
  char* at = row_.data();
  for (std::uint32_t i = 0; i < layout.fields; ++i) {
    const std::uint32_t position = layout.order[i];
    const Slot& slot = slots_[position];
    switch (static_cast<ValueClass>(sequence_[position] & 3)) {
    case ValueClass::number:
      at = slot.plain ? model::write_decimal(at, {slot.mantissa, slot.scale})
                      : model::write_number_text(at, {slot.text, slot.bytes});
      break;
    case ValueClass::boolean:
      at = model::write_boolean(at, slot.mantissa != 0);
      break;
    case ValueClass::string:
      at = model::write_string(at, {slot.text, slot.bytes});
      break;
    }
  }
  const auto bytes = static_cast<std::size_t>(at - row_.data());
  assert(out.values.size() + bytes <= std::numeric_limits<std::uint32_t>::max());
  row.values_begin = static_cast<std::uint32_t>(out.values.size());
  row.values_bytes = static_cast<std::uint32_t>(bytes);
  out.values.append(row_.data(), bytes);
  out.rows.push_back(row);
}

} // namespace spate::telemetry
