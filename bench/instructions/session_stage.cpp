#include <map>
#include <memory>

#include "actors/mqtt_session.hpp"
#include "bench/instructions/stages.hpp"
#include "engine/net/connection.hpp"

namespace spate::bench {
namespace {

constexpr std::size_t kPacketsPerRead = 16; ///< What a flood with 20 in flight brings at a time.

/// Takes all and stores nothing.
class EchoStore final : public storage::Store {
public:
  [[nodiscard]] model::ShardId shard_of(std::string_view) const noexcept override { return {}; }
  [[nodiscard]] std::uint16_t shards() const noexcept override { return 1; }
  void submit(std::unique_ptr<model::TelemetryBlock> block) override {
    block->status = model::CommitStatus::committed;
    for (model::Row& row : block->rows) {
      row.outcome = model::RowOutcome::stored;
    }
    for (model::Message& message : block->messages) {
      message.device = static_cast<model::DeviceNumber>(1);
    }
    block->sink->on_receipt(std::move(block));
  }
  [[nodiscard]] std::size_t queued_bytes(model::ShardId) const noexcept override { return 0; }
  [[nodiscard]] std::vector<storage::ShardHealth> health() const override { return {}; }
  [[nodiscard]] storage::StoreStats stats() const override { return {}; }
  Result<bool> knows(const std::string&) const override { return true; }
  Result<storage::ScanPage> scan(const storage::ScanRequest&) override { return {}; }
  Result<storage::ScanPage> last(const std::string&) override { return {}; }
  Result<storage::LastPage> lasts(const storage::LastRequest&) override { return {}; }
  Result<storage::AggregatePage> aggregate(const storage::AggregateRequest&) override { return {}; }
  Result<storage::LogPage> log(const storage::LogRequest&) override { return {}; }
  Result<storage::Operation> erase(const storage::EraseRequest&) override { return {}; }
  Result<storage::Operation> compact(const Uuid&) override { return {}; }
  Result<storage::Operation> check(const Uuid&) override { return {}; }
  Result<std::optional<storage::Operation>> operation(const Uuid&) override { return {}; }
  Result<storage::OperationPage> operations(const storage::OperationQuery&) override { return {}; }
  Result<void> with_databases(const storage::DatabaseUser&) override { return {}; }
  Result<storage::DevicePage> devices(const std::string&, std::size_t) override { return {}; }
  Result<storage::RejectionPage> rejections(const storage::RejectionQuery&) override { return {}; }
  void stop() override {}
};

class Port final : public actors::SessionPort {
public:
  [[nodiscard]] std::string& output() override { return out; }
  void sent() override {}
  void pause_reading(bool) override {}
  [[nodiscard]] std::size_t unsent_bytes() const override { return 0; }
  void set_packet_bytes_max(std::size_t) override {}
  void expect(std::size_t) override {}
  void close() override { give_up("the session was closed"); }
  void claim(std::string_view) override { session->on_claimed(); }
  [[nodiscard]] std::string remote_address() const override { return "127.0.0.1:1"; }

  std::string out;
  actors::MqttSession* session = nullptr;
};

/// One connection, and what comes over it.
struct Device {
  std::string bytes;
  std::vector<std::size_t> ends; ///< Of each packet.
  std::size_t sent = 0;          ///< Packets.
  Port port;
  std::unique_ptr<actors::MqttSession> session;
};

class Loop final : actors::ReceiptListener, actors::CopyTaker, actors::StoreAnswerTaker {
public:
  Loop(const std::vector<std::string_view>& packets, const std::vector<wire::Publish>& publishes) {
    std::map<std::string_view, Device*> by_topic;
    for (std::size_t i = 0; i < packets.size(); ++i) {
      Device*& device = by_topic[publishes[i].topic];
      if (device == nullptr) {
        devices_.push_back(std::make_unique<Device>());
        device = devices_.back().get();
      }
      device->bytes += packets[i];
      device->ends.push_back(device->bytes.size());
    }
    for (std::uint32_t slot = 0; slot < devices_.size(); ++slot) {
      connect(slot);
    }
  }

  /// Reads of all devices in turn until `count` messages are acknowledged.
  std::uint64_t run(std::size_t count) {
    while (count > 0) {
      for (const auto& device : devices_) {
        count -= read(*device, count);
      }
      writer_.hand_over();
      while (writer_.deliver_receipts(1024)) {
      }
      for (const auto& device : devices_) {
        reply_bytes_ += device->port.out.size();
        device->port.out.clear();
      }
    }
    return reply_bytes_;
  }

private:
  void connect(std::uint32_t slot) {
    Device& device = *devices_[slot];
    device.bytes.append(net::Connection::kPaddingBytes, '\0');
    device.session = std::make_unique<actors::MqttSession>(context_, device.port, slot, 1);
    device.port.session = device.session.get();
    wire::Connect packet;
    packet.clean_start = true;
    const std::string client_id = "client-" + std::to_string(slot);
    packet.client_id = client_id;
    std::string bytes;
    wire::append_connect(bytes, packet);
    const std::size_t size = bytes.size();
    bytes.append(net::Connection::kPaddingBytes, '\0');
    device.session->on_bytes(std::string_view(bytes).substr(0, size));
    if (device.session->client_id() != client_id) {
      give_up("a session did not connect");
    }
    device.port.out.clear();
  }

  std::size_t read(Device& device, std::size_t packets_max) {
    if (device.sent == device.ends.size()) {
      device.sent = 0;
    }
    const std::size_t packets =
        std::min({kPacketsPerRead, device.ends.size() - device.sent, packets_max});
    if (packets == 0) {
      return 0;
    }
    const std::size_t begin = device.sent == 0 ? 0 : device.ends[device.sent - 1];
    device.sent += packets;
    const std::size_t size = device.ends[device.sent - 1] - begin;
    if (device.session->on_bytes(std::string_view(device.bytes).substr(begin, size)) != size) {
      give_up("a session did not take all packets");
    }
    return packets;
  }

  void on_message(const model::TelemetryBlock& block, const model::Message& message) override {
    devices_[message.ack.slot]->session->on_receipt(block, message);
  }

  void on_copy(actors::Passing&, const actors::Copy&) override { give_up("nobody subscribed"); }
  void on_store_answer(std::uint32_t, std::uint32_t, actors::StoreTask, std::uint64_t,
                       storage::SessionReceipt&) override {
    give_up("nothing was asked");
  }
  void on_queued(std::uint32_t, std::uint32_t, storage::QueuedMessage&) override {
    give_up("nobody subscribed");
  }
  void on_will(const model::ApplicationMessage&, const actors::Matches&) override {
    give_up("nobody has a will");
  }

  net::Loop loop_;
  EchoStore store_;
  model::ShapeTable shapes_;
  telemetry::RouteTable routes_;
  telemetry::Parser parser_{shapes_};
  actors::Presence presence_;
  actors::ShardWriter writer_{loop_, store_, *this};
  actors::MessageHub hub_;
  actors::MessageRouter messages_{hub_, loop_, 0, *this};
  actors::SessionHub sessions_{hub_};
  actors::SysTopics sys_;
  actors::SessionDoor door_{sessions_, loop_, 0, *this};
  actors::SessionContext context_{store_,
                                  writer_,
                                  parser_,
                                  routes_,
                                  presence_,
                                  messages_,
                                  door_,
                                  sys_,
                                  loop_,
                                  {},
                                  "fsync",
                                  {},
                                  log::RateLimit(0, 0),
                                  {},
                                  {},
                                  {},
                                  std::mt19937_64(1)};
  std::vector<std::unique_ptr<Device>> devices_;
  std::uint64_t reply_bytes_ = 0;
};

} // namespace

std::uint64_t run_session(const std::vector<std::string_view>& packets,
                          const std::vector<wire::Publish>& publishes, std::size_t count) {
  const std::uint64_t reply_bytes = Loop(packets, publishes).run(count);
  if (reply_bytes != 4 * count) {
    give_up("the PUBACKs are not those of the messages");
  }
  return reply_bytes;
}

} // namespace spate::bench
