#include "loadgen/load/message_faults.hpp"

#include <algorithm>
#include <cassert>

#include "loadgen/base/random.hpp"

namespace spate::loadgen {

namespace {

/// Distances of times that are out of order: quarters of the most, each with a slot of its own.
constexpr std::int64_t kSlots = 4;

bool changes_time(const MessageFaultPlan& plan) noexcept {
  return plan.kind == MessageFaultPlan::Kind::clock_skew ||
         plan.kind == MessageFaultPlan::Kind::out_of_order;
}

} // namespace

MessageFaults::MessageFaults(std::vector<MessageFaultPlan> plans, std::uint64_t seed)
    : plans_(std::move(plans)), seed_(seed) {
  const auto changing = std::count_if(plans_.begin(), plans_.end(), changes_time);
  assert(static_cast<std::size_t>(changing) <= kTimeFaultsMax);
  ts_step_ms_ = 1 + changing * kSlots;
}

bool MessageFaults::strike(Message& message, std::uint64_t number,
                           std::int64_t since_ns) const noexcept {
  bool twice = false;
  bool moved = false;
  std::int64_t slot = 1;
  for (std::size_t i = 0; i < plans_.size(); ++i) {
    const MessageFaultPlan& plan = plans_[i];
    const std::int64_t first_slot = slot;
    slot += changes_time(plan) ? kSlots : 0;
    if (since_ns < plan.begin_ns || since_ns >= plan.end_ns) {
      continue;
    }
    Random random(seed_ + (i + 1) * 0xd1b54a32d192ed03u + number * 0x2545f4914f6cdd1du);
    if (random.unit() > plan.share) {
      continue;
    }
    // Times that are off by one distance stay apart as those without a fault are, since each
    // distance is made a multiple of the step and has a slot of its own.
    const auto move = [&](std::int64_t by_ms, std::int64_t into) {
      if (!moved) { // One at a time: two would have no slot.
        message.ts += by_ms / ts_step_ms_ * ts_step_ms_ + first_slot + into;
        moved = true;
      }
    };
    switch (plan.kind) {
    case MessageFaultPlan::Kind::clock_skew:
      move(plan.by_ms, 0);
      break;
    case MessageFaultPlan::Kind::out_of_order: {
      const auto quarter = static_cast<std::int64_t>(random.next() % kSlots);
      // One step earlier at least: the slot would make a small distance a later time.
      move(-std::max(plan.by_ms * (quarter + 1) / kSlots, ts_step_ms_), quarter);
      break;
    }
    case MessageFaultPlan::Kind::duplicates:
      twice = true;
      break;
    case MessageFaultPlan::Kind::malformed:
      message.fault = MessageFault::malformed;
      break;
    case MessageFaultPlan::Kind::oversized:
      message.fault = MessageFault::oversized;
      break;
    }
  }
  return twice;
}

FaultyPayloads::FaultyPayloads(Payloads& good, const std::vector<MessageFaultPlan>& plans)
    : good_(good) {
  for (const MessageFaultPlan& plan : plans) {
    if (plan.kind == MessageFaultPlan::Kind::oversized && bytes_ == 0) {
      bytes_ = plan.bytes;
    }
  }
}

std::string_view FaultyPayloads::text(const Message& message) {
  const std::string_view good = good_.text(message);
  switch (message.fault) {
  case MessageFault::none:
    break;
  case MessageFault::malformed:
    return good.substr(0, good.size() / 2); // An object that is not closed.
  case MessageFault::oversized: {
    constexpr std::string_view kBefore = ",\"pad\":\"", kAfter = "\"}";
    text_.assign(good.substr(0, good.size() - 1)).append(kBefore);
    text_.resize(std::max(bytes_, text_.size() + kAfter.size()) - kAfter.size(), 'x');
    return text_.append(kAfter);
  }
  }
  return good;
}

} // namespace spate::loadgen
