// Spate - one connection of a Receiver, with its thread; part of receiver.cpp.
#pragma once

#include <atomic>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "engine/net/connection.hpp"
#include "engine/net/loop.hpp"
#include "loadgen/fleet/secured_connection.hpp"
#include "loadgen/proof/named_lines.hpp"
#include "loadgen/receive/received_record.hpp"
#include "loadgen/receive/receiver.hpp"

namespace spate::loadgen {

/// Thread: its own, but for what is said to be of any.
class Receiver::Lane final : private net::ConnectionHandler, private SubscriberEvents {
public:
  /// Borrows everything. The thread starts at once.
  Lane(const ReceiverPlan& plan, const DeviceTopics& topics, LedgerWriter& ledger,
       SubscriberOptions session);
  ~Lane() override;

  // Of any thread.
  [[nodiscard]] bool subscribed() const noexcept { return subscribed_; }
  /// Why the first subscription failed; empty while it may still come.
  [[nodiscard]] std::string fault() const;
  void add_counts(ReceiverCounts& to) const;
  /// Disconnects; the thread ends, and all that came is with the ledger's writer.
  void finish();

private:
  static constexpr std::uint64_t kTickMs = 100;

  void tick();
  void connect();
  void give_up(const std::string& why);
  std::string& output() { return secured_ ? secured_->output() : connection_->output(); }
  void sent();
  void greet();
  void read_secured(net::Connection& from, std::string_view bytes);
  std::size_t read(std::string_view bytes);

  void on_open(net::Connection&) override;
  std::size_t on_bytes(net::Connection&, std::string_view bytes) override;
  void on_close(net::Connection&, net::CloseReason reason) override;
  void on_subscribed() override;
  void on_message(const wire::Publish& message) override;

  const ReceiverPlan& plan_;
  const DeviceTopics& topics_;
  SubscriberSession session_;
  NamedLines lines_;
  net::Loop loop_;
  net::Connection* connection_ = nullptr;
  std::unique_ptr<SecuredConnection> secured_;
  std::vector<JsonSpan> scratch_;
  std::vector<std::int64_t> last_ts_; ///< By the device's number.
  std::uint64_t quiet_ticks_ = 0;     ///< Since something was sent.
  bool closing_ = false;

  std::atomic<bool> subscribed_{false};
  std::atomic<std::uint64_t> received_{0}, repeated_{0}, out_of_order_{0}, foreign_{0},
      unreadable_{0}, connections_lost_{0};
  mutable std::mutex mutex_;
  std::string fault_;
  std::thread thread_;
};

} // namespace spate::loadgen
