#include "engine/routing/index.hpp"

#include <algorithm>
#include <array>

#include "engine/routing/topic_node.hpp"

namespace spate::routing {

namespace {

/// Cuts the first level off. False behind the last.
bool next_level(std::string_view& rest, bool& left, std::string_view& level) {
  if (!left) {
    return false;
  }
  const std::size_t slash = rest.find('/');
  level = rest.substr(0, slash);
  left = slash != std::string_view::npos;
  rest.remove_prefix(left ? slash + 1 : rest.size());
  return true;
}

void tell(const PersistentSet<Subscription>& plain, Visitor& visitor) {
  plain.for_each([&](const Subscription& each) { visitor.on_match(each); });
}
void tell(const PersistentSet<ShareGroup>& shared, Visitor& visitor) {
  shared.for_each([&](const ShareGroup& each) { visitor.on_match(each); });
}

/// A topic on its way down the tree: each level is looked up under several nodes, hashed once.
class Match {
public:
  Match(std::string_view topic, Visitor& visitor) : visitor_(visitor) {
    bool left = true;
    for (std::string_view level; next_level(topic, left, level);) {
      levels_[size_++] = {level, TextHash()(level)};
    }
  }
  void from(const TopicNode& node, std::size_t at, bool wildcards) {
    const TopicNode::Rare* const rare = node.rare.get();
    if (wildcards) {
      tell(node.below, visitor_);
      if (rare != nullptr) {
        tell(rare->below, visitor_);
      }
    }
    if (at == size_) {
      tell(node.here, visitor_);
      if (rare != nullptr) {
        tell(rare->here, visitor_);
      }
      return;
    }
    if (const TopicNode* child = node.child(levels_[at].hash, levels_[at].name)) {
      from(*child, at + 1, true);
    }
    if (wildcards && rare != nullptr && rare->any != nullptr) {
      from(*rare->any, at + 1, true);
    }
  }

private:
  struct Level {
    std::string_view name;
    std::uint64_t hash;
  };
  static constexpr std::size_t kLevelsMax = 128; ///< wire::kTopicLevelsMax.

  Visitor& visitor_;
  std::size_t size_ = 0;
  std::array<Level, kLevelsMax> levels_;
};

/// One change on its way down, with the nodes on its path made this edit's.
class Writer {
public:
  Writer(const Change& change, Edit edit) : change_(change), edit_(edit) {}

  /// True if the session had the filter.
  bool apply(Ref<TopicNode>& root) {
    own(root);
    go(*root, change_.filter, true);
    return existed_;
  }

private:
  void own(Ref<TopicNode>& node) {
    if (node->edit != edit_) {
      node = TopicNode::make(*node, edit_);
    }
  }

  void go(TopicNode& node, std::string_view rest, bool left) {
    std::string_view level;
    if (!next_level(rest, left, level)) {
      change(node, node.here, &TopicNode::Rare::here);
    } else if (level == "#") {
      change(node, node.below, &TopicNode::Rare::below);
    } else if (level == "+") {
      go_any(node, rest, left);
    } else {
      go_child(node, level, rest, left);
    }
  }

  void go_any(TopicNode& node, std::string_view rest, bool left) {
    if ((node.rare == nullptr || node.rare->any == nullptr) && change_.remove) {
      return;
    }
    Ref<TopicNode>& any = node.own_rare().any;
    if (any == nullptr) {
      any = TopicNode::make("+", 0, edit_);
    }
    own(any);
    go(*any, rest, left);
    if (any->empty()) {
      any = nullptr;
      forget_rare(node);
    }
  }

  static void forget_rare(TopicNode& node) {
    if (node.rare->empty()) {
      node.rare = nullptr;
    }
  }

  void go_child(TopicNode& node, std::string_view level, std::string_view rest, bool left) {
    const std::uint64_t hash = TextHash()(level);
    const auto same = [level](const TopicNode& other) { return other.level() == level; };
    const TopicNode* found = node.children.find(hash, same);
    if (found == nullptr && change_.remove) {
      return;
    }
    // One of this edit has only ancestors of this edit: it may be changed where it is.
    auto* child = const_cast<TopicNode*>(found);
    if (found == nullptr || found->edit != edit_) {
      child =
          found == nullptr ? TopicNode::make(level, hash, edit_) : TopicNode::make(*found, edit_);
      node.children.put(child, same, edit_);
    }
    go(*child, rest, left);
    if (child->empty()) {
      node.children.erase(hash, same, edit_);
    }
  }

  void change(TopicNode& node, PersistentSet<Subscription>& plain,
              PersistentSet<ShareGroup> TopicNode::Rare::*shared) {
    if (change_.share.empty()) {
      change_plain(plain);
    } else if (node.rare != nullptr || !change_.remove) {
      change_shared(node.own_rare().*shared);
      forget_rare(node);
    }
  }

  void change_plain(PersistentSet<Subscription>& plain) {
    const Subscriber* who = change_.subscriber.get();
    const auto same = [who](const Subscription& other) { return other.subscriber.get() == who; };
    Ref<Subscription> made = new Subscription(change_.subscriber, change_.options);
    if (change_.remove) {
      existed_ = plain.erase(made->hash(), same, edit_);
    } else {
      existed_ = plain.find(made->hash(), same) != nullptr;
      plain.put(std::move(made), same, edit_);
    }
  }

  void change_shared(PersistentSet<ShareGroup>& shared) {
    const std::string_view name = change_.share;
    const std::uint64_t hash = TextHash()(name);
    const auto same = [name](const ShareGroup& other) { return other.name == name; };
    const ShareGroup* found = shared.find(hash, same);
    if (found == nullptr && change_.remove) {
      return;
    }
    // Groups are small beside trees, and rarely change: a copy each time.
    Ref<ShareGroup> next = new ShareGroup();
    next->hash_of_name = hash;
    next->name = name;
    if (found != nullptr) {
      next->members = found->members;
    }
    const auto mine = std::find_if(
        next->members.begin(), next->members.end(),
        [&](const Ref<Subscription>& each) { return each->subscriber == change_.subscriber; });
    existed_ = mine != next->members.end();
    if (change_.remove) {
      if (existed_) {
        next->members.erase(mine);
      }
    } else if (existed_) {
      *mine = new Subscription(change_.subscriber, change_.options);
    } else {
      next->members.push_back(new Subscription(change_.subscriber, change_.options));
    }
    if (next->members.empty()) {
      shared.erase(hash, same, edit_);
    } else {
      shared.put(std::move(next), same, edit_);
    }
  }

  const Change& change_;
  const Edit edit_;
  bool existed_ = false;
};

} // namespace

Snapshot::Snapshot(Ref<const TopicNode> root) noexcept : root_(std::move(root)) {}
Snapshot::~Snapshot() = default;

bool Snapshot::empty() const noexcept {
  return root_->empty();
}

void Snapshot::match(std::string_view topic, Visitor& visitor) const {
  if (!root_->empty()) {
    Match(topic, visitor).from(*root_, 0, !topic.starts_with('$'));
  }
}

Index::Index() : root_(TopicNode::make({}, 0, Edit{0})) {
  snapshot_ = std::make_shared<const Snapshot>(root_);
}

Index::~Index() = default;

void Index::apply(const std::vector<Change>& changes, std::vector<bool>* existed) {
  std::shared_ptr<const Snapshot> previous; // Freed outside of the locks.
  const std::scoped_lock writing(writing_);
  for (const Change& change : changes) {
    const bool had = Writer(change, Edit{edit_}).apply(root_);
    if (had == change.remove) { // Added, or removed what was there.
      change.remove ? size_.fetch_sub(1, std::memory_order_relaxed)
                    : size_.fetch_add(1, std::memory_order_relaxed);
    }
    if (existed != nullptr) {
      existed->push_back(had);
    }
  }
  ++edit_;
  auto next = std::make_shared<const Snapshot>(root_);
  {
    const std::scoped_lock lock(published_);
    previous = std::exchange(snapshot_, std::move(next));
    version_.fetch_add(1, std::memory_order_release);
  }
}

std::shared_ptr<const Snapshot> Index::snapshot() const {
  const std::scoped_lock lock(published_);
  return snapshot_;
}

} // namespace spate::routing
