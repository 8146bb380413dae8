// Spate - one level of the topic tree. Internal to routing.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <string_view>

#include "engine/base/hash.hpp"
#include "engine/routing/persistent_set.hpp"
#include "engine/routing/subscriber.hpp"

namespace spate::routing {

/// A prefix of filters. Changed only by the edit that made it, see PersistentSet. There may be a
/// million of them, most for one filter of one device: the name stands behind the node, and what
/// few have is apart.
struct TopicNode final : Counted<TopicNode> {
  /// The shared subscriptions of both kinds, and the child `+`.
  struct Rare {
    PersistentSet<ShareGroup> here;
    PersistentSet<ShareGroup> below;
    boost::intrusive_ptr<TopicNode> any;

    [[nodiscard]] bool empty() const noexcept {
      return here.empty() && below.empty() && any == nullptr;
    }
  };

  static TopicNode* make(std::string_view level, std::uint64_t hash, Edit edit) {
    return new (NameBytes{level.size()}) TopicNode(level, hash, edit);
  }
  static TopicNode* make(const TopicNode& other, Edit edit) {
    TopicNode* const copy = make(other.level(), other.hash_of_level, edit);
    copy->here = other.here;
    copy->below = other.below;
    copy->children = other.children;
    copy->rare = other.rare != nullptr ? std::make_unique<Rare>(*other.rare) : nullptr;
    return copy;
  }
  static void operator delete(void* node) noexcept { ::operator delete(node); }

  [[nodiscard]] std::string_view level() const noexcept {
    return {reinterpret_cast<const char*>(this + 1), level_bytes};
  }
  [[nodiscard]] std::uint64_t hash() const noexcept { return hash_of_level; }
  [[nodiscard]] bool empty() const noexcept {
    return here.empty() && below.empty() && children.empty() && (rare == nullptr || rare->empty());
  }
  [[nodiscard]] const TopicNode* child(std::uint64_t hash, std::string_view name) const noexcept {
    return children.find(hash, [name](const TopicNode& node) { return node.level() == name; });
  }
  [[nodiscard]] Rare& own_rare() {
    if (rare == nullptr) {
      rare = std::make_unique<Rare>();
    }
    return *rare;
  }

  const std::uint32_t level_bytes;
  const Edit edit;
  const std::uint64_t hash_of_level;
  PersistentSet<Subscription> here;  ///< Of the filter that ends here.
  PersistentSet<Subscription> below; ///< Of this one and `/#` behind it.
  PersistentSet<TopicNode> children; ///< By their level, but for `+`.
  std::unique_ptr<Rare> rare;

private:
  enum class NameBytes : std::size_t {};
  static void* operator new(std::size_t bytes, NameBytes name) {
    return ::operator new(bytes + static_cast<std::size_t>(name));
  }
  static void operator delete(void* node, NameBytes) noexcept { ::operator delete(node); }

  TopicNode(std::string_view name, std::uint64_t hash, Edit made_by)
      : level_bytes(static_cast<std::uint32_t>(name.size())), edit(made_by), hash_of_level(hash) {
    name.copy(reinterpret_cast<char*>(this + 1), name.size());
  }
};

} // namespace spate::routing
