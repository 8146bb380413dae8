// A fleet on real sockets, against a server of a few lines.
#include "loadgen/fleet/fleet.hpp"

#include <deque>
#include <memory>
#include <string>
#include <thread>

#include <doctest/doctest.h>

#include "engine/net/loop.hpp"
#include "engine/wire/codec.hpp"
#include "loadgen/scenario_of.hpp"

using namespace spate;
using namespace spate::loadgen;

namespace {

/// Takes every connection and grants every subscription, with a message of `payload_bytes` behind.
class Server {
public:
  explicit Server(std::size_t payload_bytes = 0) : payload_(payload_bytes, 'x') {
    auto opened = net::Listener::open(loop_, {"127.0.0.1", 0}, false, [this](net::Connection&) {
      return &clients_.emplace_back(payload_);
    });
    listener_ = std::move(opened.value());
    address = listener_->address();
    thread_ = std::thread([this] { loop_.run(); });
  }
  ~Server() {
    loop_.post([this] { listener_->close(); });
    loop_.stop();
    thread_.join();
  }
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  net::Address address;

private:
  struct Client final : net::ConnectionHandler {
    explicit Client(const std::string& text) : payload(text) {}
    std::size_t on_bytes(net::Connection& from, std::string_view bytes) override {
      std::size_t used = 0;
      for (;;) {
        const auto next = wire::next_frame(bytes.substr(used), 65'536);
        if (next.status != wire::FrameStatus::complete) {
          return used;
        }
        used += next.bytes;
        if (next.frame.type == wire::PacketType::connect) {
          wire::append_connack(from.output(), {});
        } else if (next.frame.type == wire::PacketType::subscribe) {
          const auto id = wire::decode_subscribe(next.frame, wire::Version::v311)->packet_id;
          wire::append_subscribe_ack(
              from.output(), {wire::PacketType::suback, id, {wire::Reason::granted_qos1}, {}},
              wire::Version::v311);
          wire::Publish message;
          message.topic = "t";
          message.payload = payload;
          wire::append_publish(from.output(), message, wire::Version::v311);
        }
        from.sent();
      }
    }
    void on_close(net::Connection&, net::CloseReason) override {}
    const std::string& payload;
  };

  const std::string payload_;
  std::deque<Client> clients_;
  net::Loop loop_;
  std::unique_ptr<net::Listener> listener_;
  std::thread thread_;
};

FleetPlan idle_fleet(const Server& server) {
  FleetPlan plan;
  plan.target = server.address;
  CohortPlan& cohort = plan.cohorts.emplace_back();
  cohort.name = "devices";
  cohort.names = cohort.clients = DeviceNames("d{n}", 0, 2);
  plan.duration_ns = 1'000'000'000;
  return plan;
}

} // namespace

TEST_CASE("who stops a run during its warm-up has stopped it") {
  Server server;
  FleetPlan plan = idle_fleet(server);
  plan.warm_up_ns = 2'000'000'000;
  std::atomic<bool> stop{false};
  bool sending = false;
  Fleet fleet(std::move(plan), stop);
  const FleetResult result = fleet.run([&](const FleetProgress& progress, const StatsBoards&) {
    stop = stop || progress.phase == Phase::warming_up;
    sending |= progress.phase == Phase::sending;
  });
  CHECK(result.interrupted);
  CHECK(result.connected == 2);
  CHECK_FALSE(sending);
}

TEST_CASE("who stops a run while its devices connect is not kept waiting for the others' begin") {
  Server server;
  FleetPlan plan = idle_fleet(server);
  int asked = 0;
  plan.start_at = [&asked]() -> std::optional<std::int64_t> {
    return ++asked < 20 ? std::nullopt : std::optional<std::int64_t>(0);
  };
  const std::atomic<bool> stop{true};
  Fleet fleet(std::move(plan), stop);
  const FleetResult result = fleet.run([](const FleetProgress&, const StatsBoards&) {});
  CHECK(result.interrupted);
  CHECK(asked == 0);
}

TEST_CASE("a subscriber takes a message that comes in many pieces") {
  Server server(900'000);
  FleetPlan plan = idle_fleet(server);
  plan.cohorts[0].group.session.subscribe = TopicTemplate("t");
  plan.duration_ns = 10'000'000'000;
  std::atomic<bool> stop{false};
  Fleet fleet(std::move(plan), stop);
  const FleetResult result = fleet.run([&](const FleetProgress&, const StatsBoards& boards) {
    const Stats stats = boards.totals();
    stop = stop || stats.received == 2 || stats.connections_lost != 0;
  });
  CHECK(result.stats.received == 2);
  CHECK(result.stats.received_bytes == 1'800'000);
  CHECK(result.stats.connections_lost == 0);
}

TEST_CASE("what can prove nothing of QoS 0 is refused, whichever cohort sends it") {
  Scenario scenario;
  scenario.cohorts.resize(3);
  for (Cohort& cohort : scenario.cohorts) {
    cohort.pace.kind = Pace::Kind::flood;
  }
  scenario.cohorts[1].name = "b";
  scenario.cohorts[1].qos = 0;
  ProofOutputs proof;
  CHECK(proof_fault(scenario, proof).empty());
  proof.receive = "file";
  CHECK(proof_fault(scenario, proof).find("--receive needs QoS 1 or 2") == 0);
  proof.ledger = "file";
  CHECK(proof_fault(scenario, proof).find("and 'b' sends such") != std::string::npos);
  scenario.cohorts[1].pace.kind = Pace::Kind::idle;
  CHECK(proof_fault(scenario, proof).empty());
}
