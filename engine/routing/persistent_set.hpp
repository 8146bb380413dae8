// Spate - a set of which old versions stay as they were: readers keep one, a writer makes the next.
//
// A hash array mapped trie (Bagwell 2001, "Ideal Hash Trees") of 64 ways. Versions share what did
// not change; what a writer made itself since it last published (same Edit) it changes in place.
#pragma once

#include <atomic>
#include <bit>
#include <cassert>
#include <cstdint>
#include <cstring>
#include <memory>
#include <new>
#include <utility>

#include <boost/smart_ptr/intrusive_ptr.hpp>

namespace spate::routing {

/// Names one turn of the writer: what bears it is not published yet, so nobody else reads it.
enum class Edit : std::uint64_t {};

/// Holds T by intrusive pointer. T has: std::uint64_t hash() const noexcept. Copies are cheap and
/// independent of each other. Thread: one version may be read by any number of threads; a set under
/// change belongs to its writer.
template <class T>
class PersistentSet {
public:
  using Ptr = boost::intrusive_ptr<T>;

  PersistentSet() = default;
  PersistentSet(const PersistentSet& other) noexcept : root_(other.root_) { retain(root_); }
  PersistentSet(PersistentSet&& other) noexcept : root_(std::exchange(other.root_, Slot{})) {}
  PersistentSet& operator=(PersistentSet other) noexcept {
    std::swap(root_, other.root_);
    return *this;
  }
  ~PersistentSet() { release(root_); }

  [[nodiscard]] bool empty() const noexcept { return root_.is_empty(); }

  /// The item of this hash for which `same(item)` holds, or null.
  template <class Same>
  [[nodiscard]] const T* find(std::uint64_t hash, Same&& same) const noexcept {
    Slot slot = root_;
    unsigned shift = 0;
    while (slot.is_node()) {
      const Node& node = *slot.node();
      if (shift >= kHashBits) {
        for (unsigned i = 0; i < node.size; ++i) {
          if (same(*node.slots()[i].item())) {
            return node.slots()[i].item();
          }
        }
        return nullptr;
      }
      const std::uint64_t bit = bit_of(hash, shift);
      if ((node.map & bit) == 0) {
        return nullptr;
      }
      slot = node.slots()[node.index(bit)];
      shift += kBits;
    }
    const T* item = slot.is_empty() ? nullptr : slot.item();
    return item != nullptr && item->hash() == hash && same(*item) ? item : nullptr;
  }

  /// Adds the item, or puts it in the place of the one for which `same(item)` holds.
  template <class Same>
  void put(Ptr item, Same&& same, Edit edit) {
    root_ = put(root_, 0, Slot::of(item.detach()), same, edit);
  }

  /// True if there was one.
  template <class Same>
  bool erase(std::uint64_t hash, Same&& same, Edit edit) {
    if (find(hash, same) == nullptr) {
      return false;
    }
    root_ = erase(root_, 0, hash, same, edit);
    return true;
  }

  template <class Visit>
  void for_each(Visit&& visit) const {
    for_each(root_, visit);
  }

private:
  static constexpr unsigned kBits = 6;
  static constexpr unsigned kHashBits = 64;

  struct Node;

  /// Nothing, an item, or a node. Where it holds one reference is the caller's business.
  struct Slot {
    std::uintptr_t bits = 0;

    static Slot of(T* item) noexcept { return {reinterpret_cast<std::uintptr_t>(item)}; }
    static Slot of(Node* node) noexcept { return {reinterpret_cast<std::uintptr_t>(node) | 1}; }
    [[nodiscard]] bool is_empty() const noexcept { return bits == 0; }
    [[nodiscard]] bool is_node() const noexcept { return (bits & 1) != 0; }
    [[nodiscard]] T* item() const noexcept { return reinterpret_cast<T*>(bits); }
    [[nodiscard]] Node* node() const noexcept { return reinterpret_cast<Node*>(bits & ~1ull); }
  };

  /// Followed by its slots, in the order of the bits of `map`. Below the last bits of the hash
  /// there is no map, and items of equal hash stand in any order.
  struct Node {
    std::atomic<std::uint32_t> references{1};
    std::uint32_t size;
    Edit edit;
    std::uint64_t map;

    Node(std::uint32_t slots_size, Edit made_by, std::uint64_t bits) noexcept
        : size(slots_size), edit(made_by), map(bits) {}
    [[nodiscard]] Slot* slots() noexcept { return reinterpret_cast<Slot*>(this + 1); }
    [[nodiscard]] const Slot* slots() const noexcept {
      return reinterpret_cast<const Slot*>(this + 1);
    }
    [[nodiscard]] unsigned index(std::uint64_t bit) const noexcept {
      return static_cast<unsigned>(std::popcount(map & (bit - 1)));
    }
    static Node* make(std::uint32_t size, Edit edit, std::uint64_t map) {
      void* room = ::operator new(sizeof(Node) + size * sizeof(Slot));
      return new (room) Node(size, edit, map);
    }
    static void free(Node* node) noexcept {
      node->~Node();
      ::operator delete(node);
    }
  };

  static std::uint64_t bit_of(std::uint64_t hash, unsigned shift) noexcept {
    return 1ull << (hash >> shift & 63);
  }

  static void retain(Slot slot) noexcept {
    if (slot.is_node()) {
      slot.node()->references.fetch_add(1, std::memory_order_relaxed);
    } else if (!slot.is_empty()) {
      intrusive_ptr_add_ref(slot.item());
    }
  }

  static void release(Slot slot) noexcept {
    if (slot.is_empty()) {
      return;
    }
    if (!slot.is_node()) {
      intrusive_ptr_release(slot.item());
      return;
    }
    Node* node = slot.node();
    if (node->references.fetch_sub(1, std::memory_order_acq_rel) == 1) {
      for (unsigned i = 0; i < node->size; ++i) {
        release(node->slots()[i]);
      }
      Node::free(node);
    }
  }

  /// A node with room for `size` slots that takes over those of `node`: the first `kept`, and, from
  /// `from` on, the rest, moved to `to`. Consumes the reference to `node`.
  static Node* resized(Node* node, std::uint32_t size, unsigned kept, unsigned from, unsigned to,
                       std::uint64_t map, Edit edit) {
    Node* next = Node::make(size, edit, map);
    std::memcpy(static_cast<void*>(next->slots()), node->slots(), kept * sizeof(Slot));
    std::memcpy(static_cast<void*>(next->slots() + to), node->slots() + from,
                (node->size - from) * sizeof(Slot));
    if (node->edit == edit) {
      if (from > kept) {
        release(node->slots()[kept]); // The one that is left out.
      }
      Node::free(node);
    } else {
      for (unsigned i = 0; i < node->size; ++i) {
        if (i < kept || i >= from) {
          retain(node->slots()[i]);
        }
      }
      release(Slot::of(node));
    }
    return next;
  }

  /// The same node, if it is this edit's, else a copy. Consumes the reference.
  static Node* owned(Node* node, Edit edit) {
    return node->edit == edit
               ? node
               : resized(node, node->size, node->size, node->size, node->size, node->map, edit);
  }

  /// Consumes `slot` and `item`; gives what takes its place.
  template <class Same>
  static Slot put(Slot slot, unsigned shift, Slot item, Same& same, Edit edit) {
    if (slot.is_empty()) {
      return item;
    }
    const std::uint64_t hash = item.item()->hash();
    if (!slot.is_node()) {
      if (slot.item()->hash() == hash && same(*slot.item())) {
        release(slot);
        return item;
      }
      return split(slot, item, shift, edit);
    }
    Node* node = slot.node();
    if (shift >= kHashBits) {
      for (unsigned i = 0; i < node->size; ++i) {
        if (same(*node->slots()[i].item())) {
          node = owned(node, edit);
          release(std::exchange(node->slots()[i], item));
          return Slot::of(node);
        }
      }
      node = resized(node, node->size + 1, node->size, node->size, node->size, 0, edit);
      node->slots()[node->size - 1] = item;
      return Slot::of(node);
    }
    const std::uint64_t bit = bit_of(hash, shift);
    const unsigned at = node->index(bit);
    if ((node->map & bit) == 0) {
      node = resized(node, node->size + 1, at, at, at + 1, node->map | bit, edit);
      node->slots()[at] = item;
      return Slot::of(node);
    }
    node = owned(node, edit);
    node->slots()[at] = put(node->slots()[at], shift + kBits, item, same, edit);
    return Slot::of(node);
  }

  /// A node that holds both of two items.
  static Slot split(Slot a, Slot b, unsigned shift, Edit edit) {
    if (shift >= kHashBits) {
      Node* node = Node::make(2, edit, 0);
      node->slots()[0] = a;
      node->slots()[1] = b;
      return Slot::of(node);
    }
    const std::uint64_t bit_a = bit_of(a.item()->hash(), shift);
    const std::uint64_t bit_b = bit_of(b.item()->hash(), shift);
    if (bit_a == bit_b) {
      Node* node = Node::make(1, edit, bit_a);
      node->slots()[0] = split(a, b, shift + kBits, edit);
      return Slot::of(node);
    }
    Node* node = Node::make(2, edit, bit_a | bit_b);
    node->slots()[bit_a < bit_b ? 0 : 1] = a;
    node->slots()[bit_a < bit_b ? 1 : 0] = b;
    return Slot::of(node);
  }

  /// As put(); the item is there. A node with one item becomes that item again.
  template <class Same>
  static Slot erase(Slot slot, unsigned shift, std::uint64_t hash, Same& same, Edit edit) {
    if (!slot.is_node()) {
      release(slot);
      return {};
    }
    Node* node = slot.node();
    unsigned at = 0;
    std::uint64_t bit = 0;
    Slot left{};
    if (shift >= kHashBits) {
      while (!same(*node->slots()[at].item())) {
        ++at;
      }
    } else {
      bit = bit_of(hash, shift);
      at = node->index(bit);
      const Slot below = node->slots()[at];
      if (below.is_node()) {
        node = owned(node, edit);
        left = node->slots()[at] = erase(node->slots()[at], shift + kBits, hash, same, edit);
      }
    }
    if (left.is_empty()) {
      node = resized(node, node->size - 1, at, at + 1, at, node->map & ~bit, edit);
    }
    if (node->size == 1 && !node->slots()[0].is_node()) {
      const Slot last = node->slots()[0];
      Node::free(node); // It is ours, and so is its reference to the item.
      return last;
    }
    assert(node->size != 0);
    return Slot::of(node);
  }

  template <class Visit>
  static void for_each(Slot slot, Visit& visit) {
    if (slot.is_node()) {
      for (unsigned i = 0; i < slot.node()->size; ++i) {
        for_each(slot.node()->slots()[i], visit);
      }
    } else if (!slot.is_empty()) {
      visit(*slot.item());
    }
  }

  Slot root_{};
};

} // namespace spate::routing
