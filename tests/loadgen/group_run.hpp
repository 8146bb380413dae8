// Spate - a group of devices under test, with its load, server and clock.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include "loadgen/fleet/device_group.hpp"
#include "loadgen/proof/ledger_reader.hpp"
#include "tests/loadgen/fake_server.hpp"

namespace spate::loadgen {

inline constexpr std::int64_t kMs = 1'000'000;
inline constexpr std::int64_t kSecond = 1'000 * kMs;

/// A group, its load, a pretended server and a pretended clock.
struct Run {
  Run(GeneratedPlan load_plan, GroupPlan group_plan, std::uint32_t devices = 1,
      wire::Version version = wire::Version::v311, std::uint32_t members = 1)
      : server(version), names("dev-", 0, devices),
        clients(members == 1 ? names : DeviceNames("gw-", 0, (devices + members - 1) / members)),
        share{&names, &clients, clients.size(), members}, load(load_plan, share, templates),
        group(with_acks(std::move(group_plan), version), share, &load, server),
        count(clients.size()) {
    std::string blocks;
    append_cohort_block(blocks, 0, "devices");
    append_names_blocks(blocks, 0, names);
    take_blocks(blocks);
  }
  GroupPlan with_acks(GroupPlan plan, wire::Version version) {
    plan.session.version = version;
    plan.write_ledger = [this](const LedgerBlock& block) { take_blocks(block.bytes); };
    return plan;
  }

  /// Reads what goes into the ledger back into `acked`.
  void take_blocks(std::string_view blocks) {
    while (!blocks.empty()) {
      const std::size_t body_bytes = get_be<std::uint32_t>(blocks.data() + 1);
      REQUIRE(ledger.take(blocks[0], blocks.substr(kLedgerBlockHeadBytes, body_bytes)));
      LedgerRecord record;
      while (ledger.next(record).value()) {
        acked.push_back(record);
      }
      blocks.remove_prefix(kLedgerBlockHeadBytes + body_bytes + kLedgerBlockTailBytes);
    }
  }

  void go_online() {
    group.start_connecting(now_ns);
    server.accept(group, now_ns);
    REQUIRE(group.settled() == count);
  }
  void begin(std::int64_t end_ns = Load::kNever) {
    group.begin(now_ns, 0, now_ns, now_ns / kMs, end_ns);
  }
  /// Lets time pass in steps of a millisecond; the server answers at each step if it `works`.
  void pass(std::int64_t time_ns, bool works = true) {
    for (const std::int64_t end_ns = now_ns + time_ns; now_ns < end_ns;) {
      now_ns += kMs;
      group.tick(now_ns, now_ns / kMs);
      if (works) {
        server.accept(group, now_ns);
        server.answer(group, now_ns);
      }
    }
  }
  Stats stats() {
    group.publish(board);
    return board.totals();
  }

  std::int64_t now_ns = 1'000 * kSecond;
  LedgerDecoder ledger;
  std::vector<LedgerRecord> acked;
  std::vector<Template> templates = load_templates("small", 1).value();
  FakeServer server;
  DeviceNames names, clients;
  DeviceShare share;
  GeneratedLoad load;
  StatsBoard board;
  DeviceGroup group;
  std::uint32_t count;
};

inline GeneratedPlan open_loop(double rate) {
  GeneratedPlan plan;
  plan.curve = std::make_shared<const RateCurve>(RateCurve::constant(rate));
  return plan;
}
inline GeneratedPlan flood() {
  GeneratedPlan plan;
  plan.closed_loop = true;
  return plan;
}
inline GroupPlan window(std::uint32_t messages, std::uint8_t qos = 1) {
  GroupPlan plan;
  plan.session.window = messages;
  plan.session.qos = qos;
  return plan;
}
inline GroupPlan reconnecting(std::uint32_t messages) {
  GroupPlan plan = window(messages);
  plan.reconnect = true;
  plan.session.clean = false;
  return plan;
}

inline double ms(std::uint64_t ns) {
  return static_cast<double>(ns) / 1e6;
}

} // namespace spate::loadgen
