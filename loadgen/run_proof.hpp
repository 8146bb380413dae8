// Spate - what a run keeps for verify: the ledger of what was acknowledged, and a subscriber's.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>

#include <nlohmann/json_fwd.hpp>

#include "engine/base/result.hpp"
#include "loadgen/fleet/fleet.hpp"
#include "loadgen/proof/ledger_writer.hpp"
#include "loadgen/receive/receiver.hpp"
#include "loadgen/scenario/scenario.hpp"

namespace spate::loadgen {

struct ProofOutputs {
  std::string ledger;  ///< File; empty: none is kept.
  std::string receive; ///< FILE or FILE:FILTER; empty: there is no subscriber.
  std::uint32_t receive_connections = 1;
};

/// Thread: the caller's; it outlives the fleet.
class RunProof {
public:
  /// Makes the ledger, sends the plan's acknowledgements there (unless they come from agents), and
  /// subscribes. Errors: those of LedgerWriter::create() and Receiver::open().
  static Result<std::unique_ptr<RunProof>> open(const ProofOutputs& outputs,
                                                const Scenario& scenario, FleetPlan& plan,
                                                bool agents, const std::atomic<bool>& stop);
  /// Null: none is kept.
  [[nodiscard]] LedgerWriter* ledger() noexcept { return ledger_.get(); }

  /// A disk is full: nothing more can be proven, so the load may end.
  [[nodiscard]] bool failed() const noexcept;

  /// After the fleet has ended; `acked` messages should come to the subscriber, which waits
  /// `patience_ns` for the next one. Gives what failed, empty if nothing did.
  std::string finish(std::uint64_t acked, std::int64_t patience_ns, const std::atomic<bool>& stop);
  /// A row of the report, and its part of the document.
  [[nodiscard]] std::string table() const;
  void report(nlohmann::json& document) const;

private:
  RunProof() = default;
  std::unique_ptr<LedgerWriter> ledger_;
  std::unique_ptr<Receiver> receiver_;
  ReceiverCounts received_;
};

} // namespace spate::loadgen
