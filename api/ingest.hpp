// Spate - telemetry over HTTP: POST /api/v1/devices/{id}/telemetry.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "actors/shard_writer.hpp"
#include "api/field_names.hpp"
#include "api/problems.hpp"
#include "api/services.hpp"
#include "engine/http/exchange.hpp"
#include "engine/net/loop.hpp"
#include "engine/telemetry/parser.hpp"

namespace spate::api {

/// Flow:       body -> Parser -> block -> ShardWriter -> store -> receipt -> on_message() -> answer
/// Thread:     the API loop's.
/// Durability: 200 is answered from the receipt, so every record that it counts as stored is as
/// durable as the
///             store was told.
/// Rejections: go into the same block as the good records and are on disk before the answer, also
/// of a body that
///             is refused as a whole.
class Ingest final : public actors::ReceiptListener {
public:
  /// Borrowed; both outlive it.
  Ingest(net::Loop& loop, const Services& services);

  /// `device` is a valid id. The request's body is read before this returns.
  void accept(const http::Request& request, std::string_view device, Names names, bool ndjson,
              http::Responder responder);

  /// True: the answer is `overloaded`, the body need not be read.
  [[nodiscard]] bool over_limit(std::string_view device) const noexcept;
  /// At the end of each iteration of the loop.
  void hand_over() { writer_.hand_over(); }
  /// Answers what came back; true if more is waiting.
  bool deliver() { return writer_.deliver_receipts(kReceiptsATurn); }
  [[nodiscard]] bool drained() const noexcept { return writer_.drained(); }
  [[nodiscard]] const model::LedgerCell& ledger() const noexcept { return writer_.ledger(); }

  void on_message(const model::TelemetryBlock& block, const model::Message& message) override;

private:
  /// A request between its hand-over and its receipt.
  struct Pending {
    std::uint32_t generation = 0;
    http::Responder responder;
    ProblemContext context;
    std::vector<telemetry::RecordFault> faults; ///< In the order of the body.
    std::vector<std::uint32_t> lines;           ///< Of NDJSON: the line of each record.
    bool whole = false;                         ///< The body as a whole was refused.
  };
  static constexpr std::size_t kReceiptsATurn = 1024;

  void add_rejections(model::TelemetryBlock& block, model::Message& message,
                      const http::Request& request, std::string_view device);
  std::uint32_t enter(Pending pending);
  [[nodiscard]] http::Response answer(const Pending& pending, const model::TelemetryBlock& block,
                                      const model::Message& message) const;

  const Services& services_;
  telemetry::Parser parser_;
  telemetry::Route raw_route_;
  telemetry::Route path_route_;
  actors::ShardWriter writer_;
  std::vector<telemetry::RecordFault> faults_;
  std::vector<std::uint32_t> lines_;
  std::vector<Pending> pending_;
  std::vector<std::uint32_t> free_;
};

} // namespace spate::api
