#include "loadgen/run_proof.hpp"

#include <nlohmann/json.hpp>

#include "loadgen/fleet/sources.hpp"
#include "loadgen/receive/receiver_report.hpp"
#include "loadgen/report/report.hpp"

namespace spate::loadgen {

Result<std::unique_ptr<RunProof>> RunProof::open(const ProofOutputs& outputs,
                                                 const Scenario& scenario, FleetPlan& plan,
                                                 bool agents, const std::atomic<bool>& stop) {
  std::unique_ptr<RunProof> proof(new RunProof);
  if (!outputs.ledger.empty()) {
    auto ledger = LedgerWriter::create(outputs.ledger);
    if (!ledger) {
      return fail(std::move(ledger.error()));
    }
    proof->ledger_ = std::move(*ledger);
    for (CohortPlan& cohort : plan.cohorts) {
      if (agents) {
        break;
      }
      cohort.group.ledger_cohort = proof->ledger_->add_cohort(cohort.name, cohort.names);
      cohort.group.write_ledger = [&writer = *proof->ledger_](LedgerBlock block) {
        writer.write(std::move(block));
      };
    }
  }
  if (!outputs.receive.empty()) {
    if (split_targets(scenario.target).size() > 1) {
      return fail(Errc::usage, "--receive subscribes at one target, and there are several: what "
                               "the others take would not come");
    }
    std::vector<std::string> topics;
    for (const Cohort& cohort : scenario.cohorts) {
      if (cohort.pace.kind != Pace::Kind::idle) {
        topics.push_back(cohort.topic);
      }
    }
    auto receiver = Receiver::open(
        plan_receiver(outputs.receive, outputs.receive_connections, plan, std::move(topics)), stop);
    if (!receiver) {
      return fail(std::move(receiver.error()));
    }
    proof->receiver_ = std::move(*receiver);
  }
  return proof;
}

bool RunProof::failed() const noexcept {
  return (ledger_ && ledger_->failed()) || (receiver_ && receiver_->failed());
}

std::string RunProof::finish(std::uint64_t acked, std::int64_t patience_ns,
                             const std::atomic<bool>& stop) {
  std::string fault;
  if (receiver_) {
    auto finished = receiver_->finish(acked, patience_ns, stop);
    if (finished) {
      received_ = *finished;
    } else {
      fault = finished.error().detail;
    }
  }
  if (ledger_) {
    if (auto finished = ledger_->finish(); !finished) {
      fault += (fault.empty() ? "" : "; ") + finished.error().detail;
    }
  }
  return fault;
}

std::string RunProof::table() const {
  std::string row;
  if (receiver_) {
    table_row(row, "received", received_text(received_));
  }
  return row;
}

void RunProof::report(nlohmann::json& document) const {
  if (receiver_) {
    document["received"] = received_json(received_);
  }
}

} // namespace spate::loadgen
