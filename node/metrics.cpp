#include "node/metrics.hpp"

#include <algorithm>
#include <string>
#include <utility>

#include "engine/base/clock.hpp"

namespace spate::node {

void add_session_metrics(std::vector<api::Metric>& out, const DeviceLoops& loops) {
  using Kind = api::Metric::Kind;
  const auto sum = [&loops](auto&& pick) {
    std::uint64_t total = 0;
    for (const auto& loop : loops) {
      total += pick(loop->counters()).get();
    }
    return static_cast<double>(total);
  };
  const auto plain = [&](Kind kind, const char* name, const char* help, auto member) {
    out.push_back(
        {kind, name, help, {}, sum([member](const actors::SessionCounters& c) -> const Counter& {
           return c.*member;
         })});
  };
  using C = actors::SessionCounters;
  plain(Kind::gauge, "spate_mqtt_connections", "MQTT connections that are open", &C::connections);
  plain(Kind::counter, "spate_mqtt_accepted_total", "TCP connections accepted", &C::accepted);
  plain(Kind::counter, "spate_mqtt_connects_total", "CONNECTs answered with success", &C::connects);
  plain(Kind::counter, "spate_mqtt_taken_over_total",
        "Sessions ended by a newer connection of their client id", &C::taken_over);
  plain(Kind::counter, "spate_mqtt_packets_total", "MQTT packets received", &C::packets);
  plain(Kind::counter, "spate_mqtt_received_bytes_total", "Bytes of MQTT packets received",
        &C::bytes);
  plain(Kind::counter, "spate_mqtt_acknowledged_total", "PUBACKs and PUBRECs sent",
        &C::acknowledged);
  for (std::size_t qos = 0; qos < 3; ++qos) {
    out.push_back({Kind::counter,
                   "spate_mqtt_publishes_total",
                   "PUBLISH packets received",
                   {{"qos", std::to_string(qos)}},
                   sum([qos](const C& c) -> const Counter& { return c.publishes[qos]; })});
  }
  for (std::size_t i = 0; i < 256; ++i) {
    const double count = sum([i](const C& c) -> const Counter& { return c.refused[i]; });
    if (count > 0) {
      out.push_back({Kind::counter,
                     "spate_mqtt_refused_total",
                     "Connections ended or refused by the server",
                     {{"reason", std::string(wire::name_of(static_cast<wire::Reason>(i)))}},
                     count});
    }
  }
  for (std::size_t i = 0; i < net::kCloseReasons; ++i) {
    out.push_back({Kind::counter,
                   "spate_mqtt_closed_total",
                   "MQTT connections that ended",
                   {{"cause", std::string(net::name_of(static_cast<net::CloseReason>(i)))}},
                   sum([i](const C& c) -> const Counter& { return c.closed[i]; })});
  }
}

namespace {

constexpr double kNsPerS = 1e9;

/// Microseconds.
const std::vector<std::uint64_t> kLatencyBounds = {
    500,     1'000,   2'500,   5'000,     10'000,    25'000,    50'000,
    100'000, 250'000, 500'000, 1'000'000, 5'000'000, 30'000'000};

api::Metric plain(api::Metric::Kind kind, const char* name, const char* help, std::uint64_t value) {
  api::Metric metric;
  metric.kind = kind;
  metric.name = name;
  metric.help = help;
  metric.value = static_cast<double>(value);
  return metric;
}

void add_histogram(std::vector<api::Metric>& out, const char* name, const char* help,
                   Histogram values, std::vector<std::pair<std::string, std::string>> labels = {}) {
  api::Metric& metric = out.emplace_back();
  metric.kind = api::Metric::Kind::histogram;
  metric.name = name;
  metric.help = help;
  metric.labels = std::move(labels);
  metric.values = std::move(values);
  metric.bounds = kLatencyBounds;
  metric.per_unit = 1e6;
}

/// Depth and age of the run queues of all loops, as of one mailbox.
void add_mailboxes(std::vector<api::Metric>& out,
                   const std::vector<const actors::LoopExecutor*>& executors) {
  const std::int64_t now_ns = steady_ns();
  for (const bool urgent : {true, false}) {
    std::size_t waiting = 0;
    std::int64_t oldest_ns = now_ns;
    for (const actors::LoopExecutor* executor : executors) {
      const actors::QueueDepth depth = urgent ? executor->urgent_depth() : executor->normal_depth();
      waiting += depth.actors;
      oldest_ns = depth.oldest_ns != 0 ? std::min(oldest_ns, depth.oldest_ns) : oldest_ns;
    }
    const std::pair<std::string, std::string> label = {"class", urgent ? "urgent" : "normal"};
    out.push_back({api::Metric::Kind::gauge,
                   "spate_mailbox_depth",
                   "Actors that wait for their loop, by the class of their messages",
                   {label},
                   static_cast<double>(waiting)});
    out.push_back({api::Metric::Kind::gauge,
                   "spate_mailbox_oldest_seconds",
                   "How long the oldest of them has waited",
                   {label},
                   static_cast<double>(now_ns - oldest_ns) / kNsPerS});
  }
}

} // namespace

void add_command_metrics(std::vector<api::Metric>& out, actors::CommandService& commands,
                         const DeviceLoops& loops) {
  using Kind = api::Metric::Kind;
  const actors::CommandCounts& counts = commands.counts();
  for (const auto priority : {model::CommandPriority::normal, model::CommandPriority::urgent}) {
    add_histogram(out, "spate_command_latency_seconds",
                  "From accepting a command to the device's answer, durable",
                  counts.latency_us(priority), {{"class", std::string(name_of(priority))}});
  }
  out.push_back(plain(Kind::counter, "spate_commands_created_total", "Commands accepted",
                      counts.created.get()));
  for (std::size_t i = 0; i < model::kCommandStates; ++i) {
    const auto state = static_cast<model::CommandState>(i);
    if (model::is_final(state)) {
      out.push_back({Kind::counter,
                     "spate_commands_ended_total",
                     "Commands by their final state",
                     {{"state", std::string(name_of(state))}},
                     static_cast<double>(counts.ended[i].get())});
    }
  }
  const std::pair<const char*, const Counter*> refusals[] = {
      {"device-offline", &counts.refused_offline},
      {"command-queue-full", &counts.refused_queue_full},
      {"overloaded", &counts.refused_overloaded},
      {"unavailable", &counts.refused_unavailable}};
  for (const auto& [reason, count] : refusals) {
    out.push_back({Kind::counter,
                   "spate_commands_refused_total",
                   "Commands that were not accepted",
                   {{"reason", reason}},
                   static_cast<double>(count->get())});
  }
  const std::pair<const char*, const Counter*> answers[] = {{"taken", &counts.answers_taken},
                                                            {"repeated", &counts.answers_repeated},
                                                            {"late", &counts.answers_late},
                                                            {"unknown", &counts.answers_unknown}};
  for (const auto& [verdict, count] : answers) {
    out.push_back({Kind::counter,
                   "spate_command_answers_total",
                   "Answers of devices",
                   {{"verdict", verdict}},
                   static_cast<double>(count->get())});
  }
  out.push_back(plain(Kind::counter, "spate_commands_sent_total",
                      "PUBLISHes of commands, repeated ones included", counts.sent.get()));
  out.push_back(plain(Kind::counter, "spate_command_keys_repeated_total",
                      "Requests that an idempotency key made harmless",
                      counts.repeated_keys.get()));
  out.push_back(plain(Kind::gauge, "spate_commands_live", "Commands in memory: sent, or waited for",
                      counts.live.get()));
  out.push_back(plain(Kind::gauge, "spate_command_devices_ready", "Devices that take commands",
                      counts.ready.get()));

  const storage::CommandLogStats log = commands.log().stats();
  out.push_back(plain(Kind::gauge, "spate_commands_open", "Commands that are not final", log.open));
  out.push_back(
      plain(Kind::gauge, "spate_commands_history", "Final commands that are kept", log.history));
  out.push_back(plain(Kind::gauge, "spate_command_log_waiting",
                      "Entries that wait for the command log", log.waiting));
  out.push_back(
      {Kind::gauge,
       "spate_command_log_oldest_seconds",
       "How long the oldest of them has waited",
       {},
       log.oldest_ns == 0 ? 0 : static_cast<double>(steady_ns() - log.oldest_ns) / kNsPerS});
  out.push_back(plain(Kind::counter, "spate_command_log_groups_total",
                      "Group commits of the command log", log.groups));
  out.push_back(plain(Kind::counter, "spate_command_log_reopens_total",
                      "Times that it was reopened after an error", log.reopens));
  add_histogram(out, "spate_command_log_sync_seconds", "Time of a synced write of the command log",
                log.sync_us);
  add_histogram(out, "spate_command_log_wait_seconds", "From handing an entry over to its receipt",
                log.wait_us);

  std::vector<const actors::LoopExecutor*> executors{&commands.executor()};
  for (const auto& loop : loops) {
    executors.push_back(&loop->executor());
  }
  add_mailboxes(out, executors);
}

void add_message_metrics(std::vector<api::Metric>& out, const DeviceLoops& loops,
                         const storage::SessionStore& sessions) {
  using Kind = api::Metric::Kind;
  using C = actors::SessionCounters;
  const auto sum = [&loops](auto&& pick) {
    std::uint64_t total = 0;
    for (const auto& loop : loops) {
      total += pick(*loop).get();
    }
    return total;
  };
  out.push_back(plain(
      Kind::counter, "spate_messages_passed_total", "Messages between clients that somebody took",
      sum([](const auto& loop) -> const Counter& { return loop.passed().passed; })));
  for (std::size_t qos = 0; qos < 3; ++qos) {
    api::Metric sent = plain(
        Kind::counter, "spate_messages_sent_total", "PUBLISH packets sent to subscribers",
        sum([qos](const auto& loop) -> const Counter& { return loop.counters().deliveries[qos]; }));
    sent.labels = {{"qos", std::to_string(qos)}};
    out.push_back(std::move(sent));
  }
  const storage::SessionStoreStats stats = sessions.stats();
  const auto dropped = [&](const char* reason, std::uint64_t count) {
    api::Metric metric = plain(Kind::counter, "spate_messages_dropped_total",
                               "Messages that a subscriber did not get", count);
    metric.labels = {{"reason", reason}};
    out.push_back(std::move(metric));
  };
  const auto of_loops = [&](Counter C::*member) {
    return sum([member](const auto& loop) -> const Counter& { return loop.counters().*member; });
  };
  dropped("slow", of_loops(&C::dropped_slow));
  dropped("queue_full", of_loops(&C::dropped_full) + stats.dropped_full);
  dropped("too_large", of_loops(&C::dropped_large));
  dropped("expired", of_loops(&C::dropped_expired) + stats.dropped_expired);
  dropped("refused", of_loops(&C::dropped_refused));
  out.push_back(plain(Kind::gauge, "spate_sessions", "Sessions that are kept", stats.sessions));
  out.push_back(plain(Kind::gauge, "spate_session_subscriptions", "Subscriptions of these",
                      stats.subscriptions));
  out.push_back(plain(Kind::gauge, "spate_session_queue_messages",
                      "Messages in the queues of these", stats.queued));
  out.push_back(
      plain(Kind::gauge, "spate_session_queue_bytes", "Bytes of these", stats.queued_bytes));
  out.push_back(plain(Kind::gauge, "spate_retained_messages", "Retained messages", stats.retained));
  out.push_back(plain(Kind::gauge, "spate_retained_bytes", "Bytes of these", stats.retained_bytes));
  out.push_back(plain(Kind::counter, "spate_session_store_groups_total",
                      "Writes of the store of sessions", stats.groups));
  add_histogram(out, "spate_session_sync_duration_seconds",
                "Duration of a synced write of the store of sessions", stats.sync_us);
  add_histogram(out, "spate_session_wait_seconds",
                "From a question to the store of sessions to its durable answer", stats.wait_us);
}

} // namespace spate::node
