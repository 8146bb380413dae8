// Spate bench - spate_bench_instructions: one stage of the way of a message, again and again, for
// bench/instructions.py.
//
//   spate_bench_instructions FRAMES STAGE COUNT
//
// FRAMES holds PUBLISH packets one behind the other. Each stage is what the node itself calls, in
// one thread and without I/O or clocks, so that its instructions can be counted exactly. What is
// computed is checked.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <iterator>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "bench/instructions/stages.hpp"
#include "engine/model/telemetry_block.hpp"
#include "engine/telemetry/parser.hpp"
#include "engine/telemetry/route.hpp"
#include "engine/wire/codec.hpp"
#include "storage/log_codec.hpp"

namespace spate::bench {

void give_up(const std::string& why) {
  std::fprintf(stderr, "spate_bench_instructions: %s\n", why.c_str());
  std::exit(1);
}

namespace {

constexpr std::size_t kPacketBytesMax = 256u << 10;
constexpr std::size_t kPaddingBytes = 64; ///< That the parser may look at behind a payload.

/// What stands before the stages: input, and the results of the stage before where one needs them.
class Bench {
public:
  explicit Bench(const std::string& file) {
    std::ifstream in(file, std::ios::binary);
    bytes_.assign(std::istreambuf_iterator<char>(in), {});
    const std::size_t size = bytes_.size();
    bytes_.append(kPaddingBytes, '\0');
    const std::string_view all = std::string_view(bytes_).substr(0, size);
    for (std::size_t at = 0; at < size;) {
      const wire::FrameResult result = wire::next_frame(all.substr(at), kPacketBytesMax);
      if (result.status != wire::FrameStatus::complete) {
        give_up(file + " holds no whole packets");
      }
      packets_.push_back(all.substr(at, result.bytes));
      publishes_.push_back(decode(packets_.back()));
      at += result.bytes;
    }
    if (packets_.empty()) {
      give_up(file + " is empty or can not be read");
    }
  }

  /// Frame and PUBLISH out of bytes.
  void decode_all(std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) {
      checksum_ += decode(packets_[i % packets_.size()]).payload.size();
    }
  }

  /// Topic to route and device.
  void route_all(std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) {
      checksum_ += route(publishes_[i % publishes_.size()]).device.size();
    }
  }

  /// Payload to rows of a block.
  void parse_all(std::size_t count) {
    const telemetry::RouteMatch match = route(publishes_.front());
    for (std::size_t i = 0; i < count; ++i) {
      parse(*match.route, publishes_[i % publishes_.size()]);
    }
  }

  /// Rows to bytes of the commit log.
  void log_all(std::size_t count) {
    const telemetry::RouteMatch match = route(publishes_.front());
    for (std::size_t i = 0; i < kMessagesPerBlock; ++i) {
      parse(*match.route, publishes_[i % publishes_.size()]);
    }
    for (std::size_t i = 0; i < count; ++i) {
      log_row(i % kMessagesPerBlock, block_.rows[i % kMessagesPerBlock]);
    }
  }

  /// Acknowledgements.
  void puback_all(std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) {
      puback(static_cast<std::uint16_t>(i % 65535 + 1));
    }
  }

  void session_all(std::size_t count) { checksum_ += run_session(packets_, publishes_, count); }
  void commit_all(std::size_t count) { checksum_ += run_commit(publishes_, count); }

  /// The calls above in turn, as a message goes.
  void message_all(std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) {
      const wire::Publish publish = decode(packets_[i % packets_.size()]);
      const telemetry::RouteMatch match = route(publish);
      parse(*match.route, publish);
      log_row(i % kMessagesPerBlock, block_.rows.back());
      puback(publish.packet_id);
    }
  }

  [[nodiscard]] std::uint64_t checksum() const noexcept { return checksum_; }

private:
  static wire::Publish decode(std::string_view packet) {
    const wire::FrameResult result = wire::next_frame(packet, kPacketBytesMax);
    auto publish = wire::decode_publish(result.frame, wire::Version::v311);
    if (!publish) {
      give_up("a packet is no PUBLISH: " + publish.error().detail);
    }
    return std::move(*publish);
  }

  [[nodiscard]] telemetry::RouteMatch route(const wire::Publish& publish) const {
    const telemetry::RouteMatch match = routes_.match(publish.topic, "client");
    if (match.route == nullptr) {
      give_up("a topic has no route");
    }
    return match;
  }

  void parse(const telemetry::Route& route, const wire::Publish& publish) {
    if (block_.rows.size() == kMessagesPerBlock) {
      block_.clear();
    }
    const telemetry::ParseSummary parsed =
        parser_.parse(route, publish.payload, kReceivedMs, block_, faults_);
    if (parsed.rows != 1) {
      give_up("a payload is not one record");
    }
    checksum_ += block_.rows.back().values_bytes;
  }

  void log_row(std::size_t position, const model::Row& row) {
    if (position == 0) {
      log_.begin(1, row.time_ns, kReceivedMs, {});
    }
    storage::RowView view;
    view.time_ns = row.time_ns;
    view.received_ms = kReceivedMs;
    view.source = row.source;
    view.values = block_.values_of(row);
    checksum_ += log_.add(1, 1 + row.shape->index(), false, *row.shape, view);
  }

  void puback(std::uint16_t packet_id) {
    if (replies_.size() >= 4096) {
      replies_.clear();
    }
    wire::append_puback(replies_, packet_id);
    checksum_ += replies_.size();
  }

  std::string bytes_;
  std::vector<std::string_view> packets_;
  std::vector<wire::Publish> publishes_;
  telemetry::RouteTable routes_;
  model::ShapeTable shapes_;
  telemetry::Parser parser_{shapes_};
  model::TelemetryBlock block_;
  std::vector<telemetry::RecordFault> faults_;
  storage::LogEncoder log_;
  std::string replies_;
  std::uint64_t checksum_ = 0;
};

const std::map<std::string_view, void (Bench::*)(std::size_t)> kStages = {
    {"decode", &Bench::decode_all},   {"route", &Bench::route_all},
    {"parse", &Bench::parse_all},     {"log", &Bench::log_all},
    {"puback", &Bench::puback_all},   {"message", &Bench::message_all},
    {"session", &Bench::session_all}, {"commit", &Bench::commit_all},
};

} // namespace
} // namespace spate::bench

int main(int argc, char** argv) {
  using namespace spate::bench;
  const auto stage = argc == 4 ? kStages.find(argv[2]) : kStages.end();
  if (stage == kStages.end()) {
    give_up("usage: spate_bench_instructions FRAMES STAGE COUNT; stages: decode route parse log "
            "puback message session commit");
  }
  Bench bench(argv[1]);
  std::invoke(stage->second, bench, std::strtoull(argv[3], nullptr, 10));
  // bench/instructions.py compares both lines: the same work must have been done.
  std::printf("compiler %d\nchecksum %llu\n", __GNUC__,
              static_cast<unsigned long long>(bench.checksum()));
  return 0;
}
