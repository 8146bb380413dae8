// Spate - one level of the topic tree. Internal to routing.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "engine/base/hash.hpp"
#include "engine/routing/persistent_set.hpp"
#include "engine/routing/subscriber.hpp"

namespace spate::routing {

/// The subscriptions of one filter.
struct Takers {
  PersistentSet<Subscription> plain;
  PersistentSet<ShareGroup> shared;

  [[nodiscard]] bool empty() const noexcept { return plain.empty() && shared.empty(); }
};

/// A prefix of filters. Changed only by the edit that made it, see PersistentSet.
struct TopicNode final : Counted<TopicNode> {
  TopicNode(std::string_view level_name, std::uint64_t level_hash, Edit made_by)
      : edit(made_by), hash_of_level(level_hash), level(level_name) {}
  TopicNode(const TopicNode& other, Edit made_by)
      : edit(made_by), hash_of_level(other.hash_of_level), level(other.level), here(other.here),
        below(other.below), any(other.any), children(other.children) {}

  [[nodiscard]] std::uint64_t hash() const noexcept { return hash_of_level; }
  [[nodiscard]] bool empty() const noexcept {
    return here.empty() && below.empty() && any == nullptr && children.empty();
  }
  [[nodiscard]] const TopicNode* child(std::uint64_t hash, std::string_view name) const noexcept {
    return children.find(hash, [name](const TopicNode& node) { return node.level == name; });
  }

  const Edit edit;
  const std::uint64_t hash_of_level;
  const std::string level;
  Takers here;                       ///< Of the filter that ends here.
  Takers below;                      ///< Of this one and `/#` behind it.
  Ref<TopicNode> any;                ///< The child `+`.
  PersistentSet<TopicNode> children; ///< All others, by their level.
};

} // namespace spate::routing
