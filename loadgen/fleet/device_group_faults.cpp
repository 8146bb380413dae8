// What goes wrong on purpose with connections.
#include <algorithm>
#include <cmath>

#include "loadgen/base/random.hpp"
#include "loadgen/fleet/device_group.hpp"

namespace spate::loadgen {

namespace {

constexpr double kSlowBurstS = 0.1; // What a slow reader may catch up on at most.
/// A connection that was left silently is kept beside its successor for so long: the server has to
/// find out by itself, which mostly is when the device comes back.
constexpr std::int64_t kParkedNs = 30'000'000'000;

/// Never stays never.
std::int64_t later(std::int64_t from_ns, std::int64_t by_ns) noexcept {
  return by_ns >= Load::kNever - from_ns ? Load::kNever : from_ns + by_ns;
}

} // namespace

bool ConnectionFault::hits(std::uint32_t connection_number) const noexcept {
  return Random(seed ^ (std::uint64_t{connection_number} + 1) * 0x9e3779b97f4a7c15u).unit() <=
         share;
}

void DeviceGroup::run_faults(std::int64_t now_ns) {
  if (!begun_ || finished_) {
    return;
  }
  const std::int64_t since_ns = now_ns - load_start_ns_;
  for (std::size_t i = 0; i < plan_.faults.size(); ++i) {
    const ConnectionFault& fault = plan_.faults[i];
    FaultState& state = fault_states_[i];
    if (!state.begun && since_ns >= fault.at_ns) {
      state.begun = true;
      begin_fault(i, now_ns);
    }
    if (state.begun && !state.ended && since_ns >= fault.until_ns) {
      state.ended = true;
      end_fault(i);
    }
  }
  if (!slow_.empty()) {
    read_slowly(now_ns);
  }
}

void DeviceGroup::open_half(std::size_t number) {
  const std::uint32_t total = plan_.faults[number].count;
  // The groups of a cohort share them, and one with few connections has fewer groups than threads.
  const std::uint32_t groups = std::min(share_.stride, share_.clients->size());
  const std::uint32_t count = total / groups + (share_.first < total % groups ? 1u : 0u);
  for (std::uint32_t i = 0; i < count; ++i) {
    if (auto opened = port_.open_silent(number); !opened) {
      on_silent_failed(opened.error().detail);
    }
  }
}

void DeviceGroup::on_silent_failed(std::string_view reason) {
  recent_.error("half-open: " + std::string(reason));
}

void DeviceGroup::begin_fault(std::size_t number, std::int64_t now_ns) {
  const ConnectionFault& fault = plan_.faults[number];
  if (fault.kind == ConnectionFault::Kind::half_open) {
    open_half(number);
    return;
  }
  const std::int64_t until_ns = later(load_start_ns_, fault.until_ns);
  for (std::uint32_t i = 0; i < devices_.size(); ++i) {
    Device& device = devices_[i];
    if (device.gone || !fault.hits(share_.connection_number(i))) {
      continue;
    }
    device.expired |= fault.kind == ConnectionFault::Kind::wrong_credentials;
    if (!device.open || device.faulted || !is_ready(device)) {
      continue; // It is on its way back anyway.
    }
    const auto back_ns = [&](std::int64_t from_ns) {
      return later(from_ns,
                   std::llround(random_.unit() * static_cast<double>(fault.back_within_ns)));
    };
    switch (fault.kind) {
    case ConnectionFault::Kind::cut:
    case ConnectionFault::Kind::wrong_credentials:
      device.cut = device.faulted = true;
      device.back_ns = back_ns(now_ns);
      port_.abort(i);
      break;
    case ConnectionFault::Kind::silence:
      fall_silent(i, back_ns(until_ns));
      break;
    case ConnectionFault::Kind::slow_read:
      if (device.slow_at == kNotSlow) {
        device.slow_at = static_cast<std::uint32_t>(slow_.size());
        slow_.push_back({i, fault.bytes_per_s, until_ns, 0, false});
      }
      break;
    case ConnectionFault::Kind::half_open:
      break;
    }
  }
}

void DeviceGroup::end_fault(std::size_t number) {
  const ConnectionFault& fault = plan_.faults[number];
  if (fault.kind == ConnectionFault::Kind::half_open) {
    port_.close_silent(number);
  } else if (fault.kind == ConnectionFault::Kind::wrong_credentials) {
    for (std::uint32_t i = 0; i < devices_.size(); ++i) {
      devices_[i].expired = devices_[i].expired && !fault.hits(share_.connection_number(i));
    }
  }
}

void DeviceGroup::fall_silent(std::uint32_t index, std::int64_t back_ns) {
  Device& device = devices_[index];
  port_.park(index, later(back_ns, kParkedNs));
  device.cut = true;
  device.back_ns = back_ns;
  device.open = false;
  --open_;
  --online_;
  ++recent_.connections_cut;
  failed(index, 0);
}

void DeviceGroup::read_slowly(std::int64_t now_ns) {
  const double since_s = static_cast<double>(now_ns - slow_ns_) / 1e9;
  slow_ns_ = now_ns;
  for (std::size_t i = 0; i < slow_.size();) {
    SlowRead& slow = slow_[i];
    Device& device = devices_[slow.device];
    const bool over = now_ns >= slow.until_ns || device.gone;
    const auto rate = static_cast<double>(slow.bytes_per_s);
    slow.allowance = std::min(slow.allowance + rate * since_s, rate * kSlowBurstS);
    // Connecting is not reading: one that lost its connection comes back, and is slow again.
    const bool online = device.session.state() == ClientSession::State::online;
    const bool paused = online && !over && slow.allowance <= 0;
    if (online && paused != slow.paused) {
      port_.pause_reading(slow.device, paused);
    }
    slow.paused = paused;
    if (over) {
      device.slow_at = kNotSlow;
      device.ping_sent_ns = device.ping_sent_ns == 0 ? 0 : now_ns; // Its answer is read from now.
      slow = slow_.back();
      slow_.pop_back();
      if (i < slow_.size()) {
        devices_[slow_[i].device].slow_at = static_cast<std::uint32_t>(i);
      }
    } else {
      ++i;
    }
  }
}

} // namespace spate::loadgen
