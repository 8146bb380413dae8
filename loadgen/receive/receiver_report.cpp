#include "loadgen/receive/receiver_report.hpp"

#include <algorithm>
#include <iterator>
#include <random>

#include <nlohmann/json.hpp>

namespace spate::loadgen {

ReceiverPlan plan_receiver(const std::string& receive, std::uint32_t connections,
                           const FleetPlan& fleet, std::vector<std::string> topics) {
  const CohortPlan& cohort = fleet.cohorts.front();
  const SessionOptions& device = cohort.group.session;
  const std::string name = cohort.names.size() == 0 ? std::string() : cohort.names.text(0);
  const std::size_t colon = receive.find(':');

  ReceiverPlan plan;
  plan.target = fleet.target;
  plan.tls = cohort.tls;
  plan.file = receive.substr(0, colon);
  plan.connections = connections;
  plan.connect_timeout_ns = cohort.group.connect_timeout_ns;
  plan.session.client_id = "loadgen-" + std::to_string(std::random_device()());
  plan.session.user = device.user.text(name);
  plan.session.password = device.password.text(name);
  plan.session.keep_session = cohort.group.reconnect;
  // MQTT 3.1.1 knows neither shared subscriptions nor sessions that end by themselves.
  plan.session.version =
      connections > 1 || plan.session.keep_session ? wire::Version::v5 : device.version;
  std::vector<std::string>& filters = plan.session.filters;
  if (colon != std::string::npos) {
    filters.push_back(receive.substr(colon + 1));
  } else {
    std::transform(topics.begin(), topics.end(), std::back_inserter(filters), DeviceTopics::filter);
    std::sort(filters.begin(), filters.end());
    filters.erase(std::unique(filters.begin(), filters.end()), filters.end());
  }
  plan.topics = std::move(topics);
  return plan;
}

std::string received_text(const ReceiverCounts& counts) {
  const auto part = [](std::uint64_t count, const char* what) {
    return count == 0 ? std::string() : ", " + std::to_string(count) + " " + what;
  };
  return std::to_string(counts.received) + " messages" + part(counts.repeated, "again (DUP)") +
         part(counts.out_of_order, "out of order") +
         part(counts.foreign, "of others or retained, not noted") +
         part(counts.unreadable, "unreadable, not noted") +
         part(counts.connections_lost, "connections lost");
}

nlohmann::json received_json(const ReceiverCounts& counts) {
  return {{"received", counts.received},         {"repeated", counts.repeated},
          {"out_of_order", counts.out_of_order}, {"foreign", counts.foreign},
          {"unreadable", counts.unreadable},     {"connections_lost", counts.connections_lost}};
}

} // namespace spate::loadgen
