// Spate - a command router whose log, devices and clock are the test's.
#pragma once

#include <algorithm>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include "actors/command_router.hpp"
#include "tests/actors/fake_command_log.hpp"

namespace spate::actors {

struct FakeSessions final : DevicePort {
  void deliver(const CommandTarget& target, const model::Command& command) override {
    delivered.emplace_back(target, command);
  }
  void settle(const CommandTarget&, const SettleAnswer& answer) override {
    settled.push_back(answer);
  }
  void forget(const CommandTarget&, const ForgetCommand& what) override {
    (what.ended ? forgotten : taken_back).push_back(what.id);
  }
  bool connected(std::string_view device) const override { return device == "telemetry-only"; }

  std::vector<std::pair<CommandTarget, model::Command>> delivered;
  std::vector<SettleAnswer> settled;
  std::vector<Uuid> forgotten;
  std::vector<Uuid> taken_back;
};

struct RouterFixture {
  explicit RouterFixture(CommandLimits limits = {}) : router(limits, sessions, 1) {
    router.set_log(log);
  }

  static CommandRequest request(std::string device = "lamp", std::string name = "on") {
    CommandRequest r;
    r.device = std::move(device);
    r.name = std::move(name);
    r.args = R"({"level":3})";
    r.ttl_ms = 60'000;
    return r;
  }
  /// Replies land in `replies`.
  void create(CommandRequest r) {
    router.create(std::move(r), now(), [this](CommandReply reply) { replies.push_back(reply); });
  }
  void find(const Uuid& id, std::int64_t wait_ms = 0, const std::string& of = "lamp") {
    router.find(of, id, wait_ms, now(), [this](CommandReply reply) { replies.push_back(reply); });
  }
  void cancel(const Uuid& id) {
    router.cancel("lamp", id, now(), [this](CommandReply reply) { replies.push_back(reply); });
  }
  void ready(const std::string& who = "lamp", std::uint32_t slot = 1,
             std::vector<std::string> filters = {}) {
    DeviceReady r;
    r.target = target(slot);
    r.device = who;
    r.filters =
        filters.empty() ? std::vector<std::string>{"devices/" + who + "/commands/#"} : filters;
    router.on(r, now());
  }
  void gone(const std::string& who = "lamp", std::uint32_t slot = 1) {
    router.on(DeviceGone{target(slot), {who}}, now());
  }
  void sent(const Uuid& id, std::uint32_t slot = 1, bool was_sent = true, std::string why = {}) {
    router.on(CommandSent{target(slot), device, id, wall_ms, was_sent, std::move(why)}, now());
  }
  void acked(const Uuid& id, std::uint32_t slot = 1, std::string refused = {}) {
    router.on(CommandDelivered{target(slot), device, id, wall_ms, std::move(refused)}, now());
  }
  void answer(const Uuid& id, CommandAnswer::Status status = CommandAnswer::Status::ok,
              std::string result = R"({"done":true})") {
    CommandAnswer a;
    a.target = target(1);
    a.device = device;
    a.id = id;
    a.at_ms = wall_ms;
    a.status = status;
    a.result = std::move(result);
    a.token = ++tokens;
    router.on(a, now());
  }
  /// The log takes everything that waits, and what comes of that.
  void log_all(FakeCommandLog::Status status = FakeCommandLog::Status::logged) {
    while (!log.waiting.empty()) {
      router.on_logged(log.step(status), now());
    }
  }
  void due() { router.on_due(log.due(wall_ms), now()); }
  void pass(std::int64_t ms) {
    wall_ms += ms;
    router.on_timer(now());
  }
  [[nodiscard]] CommandClock now() const { return {wall_ms, wall_ms * 1'000'000}; }
  static CommandTarget target(std::uint32_t slot) { return {0, slot, 7}; }

  /// A command that is logged and given to the device.
  Uuid sent_command(CommandRequest r = request()) {
    create(std::move(r));
    log_all();
    REQUIRE(!sessions.delivered.empty());
    const Uuid id = sessions.delivered.back().second.id;
    sent(id);
    return id;
  }
  [[nodiscard]] model::CommandState state(const Uuid& id) const {
    return log.records.at(id).progress.state;
  }

  FakeCommandLog log;
  FakeSessions sessions;
  CommandRouter router;
  std::vector<CommandReply> replies;
  std::string device = "lamp";
  std::int64_t wall_ms = 1'700'000'000'000;
  std::uint64_t tokens = 0;
};

} // namespace spate::actors
