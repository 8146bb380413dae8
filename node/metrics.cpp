#include "node/metrics.hpp"

#include <string>

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

} // namespace spate::node
