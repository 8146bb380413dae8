#include "loadgen/receive/receiver.hpp"

#include <algorithm>
#include <thread>

#include "engine/base/clock.hpp"
#include "loadgen/receive/receiver_lane.hpp"

namespace spate::loadgen {

namespace {

constexpr std::int64_t kQuietNs = 250'000'000;
constexpr std::chrono::milliseconds kLook{5};

} // namespace

Receiver::Receiver(ReceiverPlan plan, std::unique_ptr<LedgerWriter> ledger)
    : plan_(std::move(plan)), topics_(plan_.topics), ledger_(std::move(ledger)) {}

Receiver::~Receiver() = default;

Result<std::unique_ptr<Receiver>> Receiver::open(ReceiverPlan plan, const std::atomic<bool>& stop) {
  for (const std::string& topic : plan.topics) {
    if (topic.find("{device}") == std::string::npos) {
      return fail(Errc::usage, "a subscriber tells devices by {device} in the topic, and \"" +
                                   topic + "\" has none");
    }
  }
  if (plan.session.filters.size() > wire::kSubscriptionsPerPacketMax) {
    return fail(Errc::usage, "a subscriber takes at most 100 filters");
  }
  auto ledger = LedgerWriter::create(plan.file);
  if (!ledger) {
    return fail(std::move(ledger.error()));
  }
  std::unique_ptr<Receiver> receiver(new Receiver(std::move(plan), std::move(*ledger)));
  for (std::uint32_t i = 0; i < receiver->plan_.connections; ++i) {
    SubscriberOptions session = receiver->plan_.session;
    if (receiver->plan_.connections > 1) {
      for (std::string& filter : session.filters) {
        filter = std::string(wire::kSharePrefix) + session.client_id + "/" + filter;
      }
    }
    session.client_id += "-" + std::to_string(i);
    receiver->lanes_.push_back(std::make_unique<Lane>(receiver->plan_, receiver->topics_,
                                                      *receiver->ledger_, std::move(session)));
  }
  const std::int64_t until_ns = steady_ns() + receiver->plan_.connect_timeout_ns;
  for (const auto& lane : receiver->lanes_) {
    while (!lane->subscribed() && !stop) {
      if (const std::string fault = lane->fault(); !fault.empty()) {
        return fail(Errc::connect_failed, fault);
      }
      if (steady_ns() > until_ns) {
        return fail(Errc::connect_failed, "the subscriber got no answer in time");
      }
      std::this_thread::sleep_for(kLook);
    }
  }
  return receiver;
}

ReceiverCounts Receiver::counts() const {
  ReceiverCounts counts;
  for (const auto& lane : lanes_) {
    lane->add_counts(counts);
  }
  return counts;
}

Result<ReceiverCounts> Receiver::finish(std::uint64_t expected, std::int64_t patience_ns,
                                        const std::atomic<bool>& stop) {
  std::uint64_t last = ~std::uint64_t{0};
  std::int64_t moved_ns = 0;
  for (;;) {
    const ReceiverCounts now = counts();
    const std::uint64_t received = now.received + now.foreign + now.unreadable;
    const std::int64_t now_ns = steady_ns();
    if (received != last) {
      last = received;
      moved_ns = now_ns;
    }
    if (now_ns - moved_ns > (now.received >= expected ? kQuietNs : patience_ns) || stop ||
        ledger_->failed()) {
      break;
    }
    std::this_thread::sleep_for(kLook);
  }
  for (const auto& lane : lanes_) {
    lane->finish();
  }
  if (auto finished = ledger_->finish(); !finished) {
    return fail(std::move(finished.error()));
  }
  return counts();
}

} // namespace spate::loadgen
