// Spate - what the HTTP doors need from the node around them.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "actors/commands.hpp"
#include "actors/presence.hpp"
#include "actors/shard_writer.hpp"
#include "engine/base/histogram.hpp"
#include "engine/http/exchange.hpp"
#include "engine/model/ids.hpp"
#include "engine/model/ledger.hpp"
#include "engine/model/shape.hpp"
#include "engine/telemetry/parser.hpp"
#include "engine/telemetry/route.hpp"
#include "storage/store.hpp"

namespace spate::api {

class Backups;

struct VersionInfo {
  std::string version;
  std::string commit;                   ///< Empty: unknown.
  std::optional<std::int64_t> built_ms; ///< Wall clock.
  int store_format = 1;
};

enum class Phase : std::uint8_t { starting, running, draining };

/// A number for /metrics from another part of the node. No per-device labels.
struct Metric {
  enum class Kind : std::uint8_t { counter, gauge, histogram };
  Kind kind = Kind::gauge;
  std::string name; ///< `spate_...`; counters end in `_total`.
  std::string help; ///< Of the first metric of a name.
  std::vector<std::pair<std::string, std::string>> labels;
  double value = 0;
  // Of a histogram, instead of `value`:
  std::optional<Histogram> values = {};
  std::vector<std::uint64_t> bounds = {}; ///< Upper ends of the buckets, ascending.
  double per_unit = 1; ///< So many of the unit of `values` and `bounds` are one of that in `name`.
};

struct ServiceLimits {
  http::Limits http;
  actors::ShardWriterLimits writer;
  telemetry::ParserLimits parser; ///< Bodies may be as large as http.request.body_bytes_max.
  std::size_t store_queue_bytes_max = 64u << 20; ///< As StoreOptions::queue_bytes_max.
  std::size_t reads_waiting_max = 64;            ///< For the background thread; more are 503.
  std::size_t page_bytes_max = 8u << 20;         ///< A page ends early when its JSON passes this.
  std::chrono::milliseconds query_time_max{30'000}; ///< Then 504.
  std::size_t exports_max = 16;                     ///< Under way; more are 503.
  std::size_t operation_waits_max = 64;             ///< Prefer: wait; more are answered at once.
};

/// Borrowed for as long as api::Server lives. Functions marked *any thread* must be thread-safe.
struct Services {
  storage::Store& store;
  model::ShapeTable& shapes;
  telemetry::Route route{}; ///< How HTTP bodies are read; `names_are_paths` follows ?names=.
  std::string_view durability = "fsync"; ///< As answers name it: a literal.

  /// Null: the doors of backups answer 422.
  Backups* backups = nullptr;

  /// Null: the doors of commands answer `not-ready`. Its hooks are called from the server's.
  actors::Commands* commands = nullptr;

  /// Counts of the whole node, those of Server::ledger() included, as commits made them: repeats
  /// that a fold found are among the stored ones. Any thread.
  std::function<model::LedgerCounts()> ledger{};
  /// Any thread.
  std::function<Phase()> phase{};
  /// What has not moved for too long ("loop 1 stuck for 12 s"); nullopt: all moves. API loop.
  std::function<std::optional<std::string>()> stuck{};
  /// nullopt: not connected now. Any thread.
  std::function<std::optional<actors::Connectivity>(std::string_view device)> connectivity{};
  /// Appends more metrics. Any thread.
  std::function<void(std::vector<Metric>&)> metrics{};

  VersionInfo version{};
  std::int64_t started_ms = 0; ///< Wall clock; the ledger counts since then.
  bool loopback = true;        ///< The listener is: then only loopback host names are answered.
  ServiceLimits limits{};
};

} // namespace spate::api
