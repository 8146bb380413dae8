// Spate - who takes the messages of one topic, each session once.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "engine/routing/index.hpp"

namespace spate::actors {

/// One session that takes them, with what all its subscriptions that match ask for together: one
/// copy, at the highest QoS, with all identifiers (MQTT-3.3.5-1, MQTT5-3.3.4-2 to 5).
struct Taker {
  routing::Ref<routing::Subscriber> subscriber;
  std::vector<std::uint32_t> subscription_ids;
  std::uint8_t qos = 0;
  bool retain_as_published = false;
};

/// The member whose turn it is, or rather the next one that is connected (MQTT5-4.8.2-5 leaves that
/// to us).
[[nodiscard]] const routing::Subscription& member_of(const routing::ShareGroup& group,
                                                     std::size_t turn);

/// Kept by who publishes to the topic again and again; good as long as the index is the same.
class Matches {
public:
  /// Of a publisher: its own subscriptions with No Local do not count (MQTT5-3.8.3-3).
  void find(const routing::Snapshot& snapshot, std::string_view topic,
            const routing::Subscriber* publisher);

  [[nodiscard]] const std::vector<Taker>& takers() const noexcept { return takers_; }
  /// Of each one member gets the message.
  [[nodiscard]] const std::vector<routing::Ref<const routing::ShareGroup>>&
  groups() const noexcept {
    return groups_;
  }
  [[nodiscard]] bool empty() const noexcept { return takers_.empty() && groups_.empty(); }

  /// Makes a taker of one member of each group; `turn` as for member_of().
  void choose(std::size_t turn);
  /// Leaves out the takers for which `taken_out` is true.
  template <class TakenOut>
  void take_out(TakenOut&& taken_out) {
    std::erase_if(takers_, taken_out);
  }

private:
  std::vector<Taker> takers_; ///< By session number.
  std::vector<routing::Ref<const routing::ShareGroup>> groups_;
};

} // namespace spate::actors
