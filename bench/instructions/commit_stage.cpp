#include <algorithm>
#include <atomic>
#include <mutex>

#include "bench/instructions/stages.hpp"
#include "engine/telemetry/parser.hpp"
#include "engine/telemetry/route.hpp"
#include "storage/commit_builder.hpp"

namespace spate::bench {
namespace {

/// The committer's part of a data directory, without a database: the batch is filled and thrown
/// away, and no look-up is needed since no row is older than what is sealed.
class Committer {
public:
  explicit Committer(const std::vector<wire::Publish>& publishes) {
    for (const wire::Publish& publish : publishes) {
      add(publish);
    }
    for (const storage::Blocks& turn : turns_) {
      for (const model::Row& row : turn.front()->rows) {
        first_ns_ = std::min(first_ns_, row.time_ns);
        last_ns_ = std::max(last_ns_, row.time_ns);
      }
    }
  }

  std::uint64_t run(std::size_t count) {
    std::uint64_t checksum = 0;
    std::size_t done = 0;
    for (std::size_t next = 0; done < count; next = (next + 1) % turns_.size()) {
      storage::Blocks& turn = turns_[next];
      if (!builder_.build(turn, kReceivedMs, {})) {
        give_up("the commit failed");
      }
      checksum += builder_.batch().GetDataSize();
      builder_.name_devices(turn);
      {
        const std::scoped_lock lock(state_.mutex);
        builder_.apply();
      }
      done += builder_.rows_stored();
      sealed_ += builder_.blocks_sealed();
      // The next time round they are later records: the same ones were duplicates.
      for (model::Row& row : turn.front()->rows) {
        row.time_ns += last_ns_ - first_ns_ + 1'000'000;
      }
    }
    if (done != count || state_.tail_rows >= count || sealed_ == 0) {
      give_up("not every row was stored, or none was sealed");
    }
    return checksum;
  }

private:
  void add(const wire::Publish& publish) {
    if (turns_.empty() || turns_.back().front()->messages.size() == kMessagesPerBlock) {
      turns_.emplace_back().push_back(std::make_unique<model::TelemetryBlock>());
    }
    model::TelemetryBlock& block = *turns_.back().front();
    const telemetry::RouteMatch match = routes_.match(publish.topic, "client");
    model::Message message;
    message.name_begin = static_cast<std::uint32_t>(block.names.size());
    message.name_bytes = static_cast<std::uint32_t>(match.device.size());
    block.names.append(match.device);
    message.rows_begin = static_cast<std::uint32_t>(block.rows.size());
    message.rows = parser_.parse(*match.route, publish.payload, kReceivedMs, block, faults_).rows;
    message.received_ms = kReceivedMs;
    block.messages.push_back(message);
  }

  model::ShapeTable shapes_;
  telemetry::RouteTable routes_;
  telemetry::Parser parser_{shapes_};
  std::vector<telemetry::RecordFault> faults_;
  std::vector<storage::Blocks> turns_;
  std::int64_t first_ns_ = INT64_MAX;
  std::int64_t last_ns_ = 0;
  std::size_t sealed_ = 0;
  storage::DirectoryState state_{storage::SealPolicy{}, 1u << 16};
  storage::RejectionRing ring_;
  std::atomic<std::uint64_t> devices_total_{0};
  storage::CommitBuilder builder_{state_, ring_, storage::CommitLimits{}, devices_total_};
};

} // namespace

std::uint64_t run_commit(const std::vector<wire::Publish>& publishes, std::size_t count) {
  return Committer(publishes).run(count);
}

} // namespace spate::bench
