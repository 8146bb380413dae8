// Spate bench - a loop of spate-bench-floor: parse, hand over, acknowledge after the sync.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "bench/minimal/frames.hpp"
#include "engine/model/telemetry_block.hpp"
#include "engine/telemetry/parser.hpp"
#include "engine/telemetry/route.hpp"
#include "storage/store.hpp"

namespace spate::bench {

/// Records by what became of them. Written by the loop, read by anyone.
struct Counts {
  std::atomic<std::uint64_t> stored{0};
  std::atomic<std::uint64_t> duplicate{0};
  std::atomic<std::uint64_t> rejected{0};
};

/// The straight way from a socket to the store and back: no actors, no sessions, no protocol
/// checks.
///
/// Flow:   epoll -> one read -> all frames -> Parser -> a block a shard -> Store, once an
/// iteration;
///         receipt -> inbox -> eventfd -> PUBACKs, one write a connection.
/// Thread: run() is a thread of its own; on_receipt() comes from the store's committer.
class Loop final : public model::ReceiptSink {
public:
  /// `store` and `shapes` are borrowed. Owns `listener`.
  Loop(int listener, storage::Store& store, model::ShapeTable& shapes);
  ~Loop() override;
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  /// Serves until stop(). Ends the process if the store refuses: nothing could be acknowledged.
  void run();
  /// From any thread. The store must be stopped before the loop is destroyed.
  void stop();
  [[nodiscard]] const Counts& counts() const noexcept { return counts_; }

  void on_receipt(std::unique_ptr<model::TelemetryBlock> block) override;

private:
  struct Connection {
    std::string input;  ///< The start of a packet that is not whole yet.
    std::string output; ///< Replies; what the socket does not take stays.
    std::string topic;  ///< Of its last message: what follows from it is known.
    const telemetry::Route* route = nullptr;
    std::string device;
    model::ShardId shard{};
    model::DeviceNumber number = model::DeviceNumber::unknown;
    std::uint32_t generation = 0; ///< Of this descriptor, so that late receipts find nobody.
    std::uint16_t topics = 0;     ///< Changes of `topic`.
    bool dirty = false;           ///< Listed in dirty_.
  };

  /// A socket whose edge came while too much was in flight.
  struct Held {
    int fd;
    std::uint32_t generation;
  };

  void watch(int fd, std::uint32_t events);
  void accept_all();
  void close_connection(int fd);
  void serve_or_hold(int fd);
  bool serve(int fd, Connection& connection);
  bool scan(int fd, Connection& connection, std::string_view read);
  bool take(int fd, Connection& connection, const Packet& packet);
  bool take_publish(int fd, Connection& connection, const Publish& publish);
  bool learn_topic(Connection& connection, std::string_view topic);
  void reply(int fd, Connection& connection, std::string_view bytes);
  model::TelemetryBlock& open_block(model::ShardId shard);
  void hand_over();
  void collect_receipts();
  bool acknowledge();
  void settle(const model::TelemetryBlock& block);
  bool flush(int fd, Connection& connection);
  void flush_dirty();

  int listener_;
  int epoll_;
  int wake_;
  storage::Store& store_;
  telemetry::RouteTable routes_;
  telemetry::Parser parser_;
  std::vector<char> buffer_;
  std::vector<telemetry::RecordFault> faults_;
  std::vector<Connection> connections_; ///< By descriptor.
  std::vector<int> dirty_;              ///< Connections with replies to write.
  std::vector<Held> held_;
  std::int64_t now_ms_ = 0;                                     ///< Of this iteration.
  std::vector<std::unique_ptr<model::TelemetryBlock>> open_;    ///< By shard.
  std::vector<std::unique_ptr<model::TelemetryBlock>> spare_;   ///< Reused: their capacity stays.
  std::vector<std::unique_ptr<model::TelemetryBlock>> arrived_; ///< Receipts being delivered.
  std::size_t arrived_block_ = 0;
  std::size_t arrived_message_ = 0;
  std::size_t in_flight_bytes_ = 0;
  Counts counts_;
  std::atomic<bool> stopping_{false};
  std::mutex inbox_mutex_;
  std::vector<std::unique_ptr<model::TelemetryBlock>> inbox_;
};

} // namespace spate::bench
