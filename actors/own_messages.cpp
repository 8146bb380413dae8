#include "actors/own_messages.hpp"

#include <algorithm>
#include <utility>
#include <vector>

namespace spate::actors {

void publish_own(MessageRouter& messages, SessionDoor& door, const model::ApplicationMessage& own) {
  Passing passing(own.topic, own.payload, own.properties, own.qos, own.retain, own.expires_ms);
  Matches matches;
  messages.match(own.topic, nullptr, matches);
  std::vector<storage::SessionTarget> kept;
  messages.pass(passing, matches, kept);
  if (!door.is_open() || (kept.empty() && !own.retain)) {
    return;
  }
  storage::SessionPublishing publishing;
  publishing.message = passing.shared();
  publishing.targets = std::move(kept);
  // A store that is busy, or that fails, tells of itself.
  door.submit(0, 0, StoreTask::none, 0, std::move(publishing));
}

model::ApplicationMessage message_of(const storage::SessionWill& will, std::int64_t now_ms) {
  model::ApplicationMessage out = *will.message;
  if (will.message_expiry_s != 0) {
    out.expires_ms = now_ms + std::int64_t{will.message_expiry_s} * 1000;
  }
  return out;
}

storage::SessionPublishing split_will(const routing::Index& index, const model::SharedMessage& will,
                                      std::size_t turn, Matches& connected) {
  connected.find(*index.snapshot(), will->topic, nullptr);
  connected.choose(turn);
  storage::SessionPublishing out;
  connected.take_out([&](Taker& taker) {
    const std::uint8_t qos = std::min(taker.qos, will->qos);
    if (qos == 0 || !MessageHub::is_kept(taker.subscriber->session())) {
      return false;
    }
    out.targets.push_back({taker.subscriber->session(), qos,
                           taker.retain_as_published && will->retain,
                           std::move(taker.subscription_ids)});
    return true;
  });
  if (will->retain || !out.targets.empty()) {
    out.message = will;
  }
  return out;
}

void pass_will(MessageRouter& messages, const model::ApplicationMessage& will,
               const Matches& connected) {
  Passing passing(will.topic, will.payload, will.properties, will.qos, will.retain,
                  will.expires_ms);
  std::vector<storage::SessionTarget> none;
  messages.pass(passing, connected, none);
}

} // namespace spate::actors
