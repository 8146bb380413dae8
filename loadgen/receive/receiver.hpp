// Spate - a subscriber beside a fleet that notes all that it receives, for verify.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "engine/base/result.hpp"
#include "engine/net/listener.hpp"
#include "loadgen/fleet/tls_client.hpp"
#include "loadgen/proof/ledger_writer.hpp"
#include "loadgen/receive/device_topics.hpp"
#include "loadgen/receive/subscriber_session.hpp"

namespace spate::loadgen {

struct ReceiverPlan {
  net::Address target;
  std::shared_ptr<const TlsContext> tls; ///< Null: none.
  std::string file;                      ///< Of the ledger.
  std::vector<std::string> topics;       ///< Of the cohorts, with {device}.
  SubscriberOptions session;             ///< `client_id` gets a number behind it.
  /// Above 1: they share one subscription of MQTT 5, so that each message comes to one of them.
  std::uint32_t connections = 1;
  std::int64_t connect_timeout_ns = 30'000'000'000;
};

struct ReceiverCounts {
  std::uint64_t received = 0;     ///< Noted in the ledger, those with DUP included.
  std::uint64_t repeated = 0;     ///< Of them marked with DUP.
  std::uint64_t out_of_order = 0; ///< Of them with a device time before that of the one before.
  std::uint64_t foreign = 0;      ///< Of no device of the run, or retained: not noted.
  std::uint64_t unreadable = 0;   ///< No record in the payload: not noted.
  std::uint64_t connections_lost = 0;
  bool operator==(const ReceiverCounts&) const = default;
};

/// Subscribes at QoS 1 before the load begins and notes device, time and values of every message.
/// A connection that is lost is made again every 100 ms.
///
/// Thread: one of its own for each connection; the calls may come from any one other thread.
/// Memory: a number and 100 bytes for each device and connection.
class Receiver {
public:
  static constexpr std::uint32_t kConnectionsMax = 64;

  /// Returns when all are subscribed, or `stop` is set. Errors: file_unreadable; connect_failed
  /// with what the server said; usage (topics without {device}).
  static Result<std::unique_ptr<Receiver>> open(ReceiverPlan plan, const std::atomic<bool>& stop);
  ~Receiver();
  Receiver(const Receiver&) = delete;
  Receiver& operator=(const Receiver&) = delete;

  [[nodiscard]] ReceiverCounts counts() const;
  /// The ledger can not be written any more.
  [[nodiscard]] bool failed() const noexcept { return ledger_->failed(); }
  /// Waits until `expected` messages have come and no further one comes for 250 ms, or none has
  /// come for `patience_ns`; disconnects, and ends the ledger. Once. Error: file_unreadable.
  Result<ReceiverCounts> finish(std::uint64_t expected, std::int64_t patience_ns,
                                const std::atomic<bool>& stop);

private:
  class Lane;
  Receiver(ReceiverPlan plan, std::unique_ptr<LedgerWriter> ledger);

  const ReceiverPlan plan_;
  const DeviceTopics topics_;
  const std::unique_ptr<LedgerWriter> ledger_;
  std::vector<std::unique_ptr<Lane>> lanes_;
};

} // namespace spate::loadgen
