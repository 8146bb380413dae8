// Spate - what a parser remembers of past payloads: the paths of keys, and the shapes of key
// sequences.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string_view>
#include <vector>

#include "engine/model/reject_reason.hpp"
#include "engine/model/shape.hpp"

namespace spate::telemetry {

/// The tree of all keys seen: a node is a key (or an array index) under its parent and knows its
/// whole escaped path. A key is usually the one that followed its neighbour last time, so that
/// finding it costs a comparison and no hash.
class PathTree {
public:
  using Id = std::uint32_t;
  static constexpr Id kNone = 0xffffffff;
  static constexpr Id kRawRoot = 0;  ///< Keys are names: `.` and `\` in them get escaped.
  static constexpr Id kPathRoot = 1; ///< Keys are escaped paths already.
  static constexpr std::size_t kKeyPaddingBytes = 8;

  /// Paths beyond `path_bytes_max` are not usable().
  explicit PathTree(std::size_t path_bytes_max) : path_bytes_max_(path_bytes_max) { clear(); }

  /// The node of `key` under `parent` if it is the one that is expected, else kNone. `after` is the
  /// node before it in the same container, or kNone. 8 bytes behind the key must be readable.
  [[nodiscard]] Id expected_child(Id parent, Id after, std::string_view key) const noexcept {
    const Id guess = after == kNone ? nodes_[parent].first : nodes_[after].next;
    return guess != kNone && nodes_[guess].key_bytes == key.size() &&
                   same_bytes(nodes_[guess].key, key.data(), key.size())
               ? guess
               : kNone;
  }
  /// The node of `key` under `parent`, made if it is new.
  [[nodiscard]] Id child(Id parent, Id after, std::string_view key);
  [[nodiscard]] std::size_t size() const noexcept { return nodes_.size(); }

  [[nodiscard]] std::string_view path(Id id) const noexcept {
    return {nodes_[id].path, nodes_[id].path_bytes};
  }
  /// The node directly under the root that `id` lies under, or is.
  [[nodiscard]] Id top(Id id) const noexcept { return nodes_[id].top; }
  /// False for a key under kPathRoot that is no escaped path (a backslash before anything but `.`
  /// and `\\`).
  [[nodiscard]] bool well_formed(Id id) const noexcept { return nodes_[id].well_formed; }

  /// Whether its path is `path`; 8 bytes behind that must be readable.
  [[nodiscard]] bool has_path(Id id, std::string_view path) const noexcept {
    return nodes_[id].path_bytes == path.size() &&
           same_bytes(nodes_[id].path, path.data(), path.size());
  }

  /// Notes that `id` occurs in the record with this number; false if it did already.
  [[nodiscard]] bool mark_seen(Id id, std::uint32_t record) noexcept {
    const bool first = nodes_[id].seen != record;
    nodes_[id].seen = record;
    return first;
  }
  /// A second mark, for whoever builds a layout.
  void mark_replaced(Id id, std::uint32_t record) noexcept { nodes_[id].replaced = record; }
  [[nodiscard]] bool is_replaced(Id id, std::uint32_t record) const noexcept {
    for (; id != kNone; id = nodes_[id].parent) {
      if (nodes_[id].replaced == record) {
        return true;
      }
    }
    return false;
  }

  /// Whether a field may have this path: well_formed(), and not too long.
  [[nodiscard]] bool usable(Id id) const noexcept { return nodes_[id].usable; }

  [[nodiscard]] bool full() const noexcept {
    return nodes_.size() > kNodesMax || text_bytes_ > kTextBytesMax;
  }
  /// Forgets everything; ids become invalid.
  void clear();

private:
  static constexpr std::size_t kNodesMax = 16'384;
  static constexpr std::size_t kTextBytesMax = 2u << 20;
  static constexpr std::size_t kChunkBytes = 16u << 10;

  struct Node {
    const char* key;
    const char* path;
    std::uint32_t key_bytes;
    std::uint32_t path_bytes;
    Id parent;
    Id top;
    Id first;               ///< The child that came first last time.
    Id next;                ///< The sibling that followed last time.
    std::uint32_t seen;     ///< The record that it occurred in last.
    std::uint32_t replaced; ///< The record in which a later occurrence replaced it.
    std::uint64_t hash;
    bool well_formed;
    bool usable;
  };

  /// Both sides have 8 readable bytes behind them.
  static bool same_bytes(const char* a, const char* b, std::size_t size) noexcept {
    if (std::endian::native != std::endian::little || size > 8) {
      return std::memcmp(a, b, size) == 0;
    }
    std::uint64_t x = 0;
    std::uint64_t y = 0;
    std::memcpy(&x, a, 8);
    std::memcpy(&y, b, 8);
    return size == 0 || ((x ^ y) << (64 - 8 * size)) == 0;
  }

  Id add(Id parent, std::string_view key, std::uint64_t hash);
  char* allocate(std::size_t bytes);
  void grow_table();

  std::size_t path_bytes_max_;
  std::vector<Node> nodes_;
  std::vector<Id> table_; ///< Open addressing by hash of parent and key.
  std::vector<std::unique_ptr<char[]>> chunks_;
  char* free_ = nullptr;
  std::size_t free_bytes_ = 0;
  std::size_t text_bytes_ = 0;
};

/// What one sequence of (node, class) comes to.
struct Layout {
  const model::Shape* shape = nullptr; ///< Null: `reason` says why such records are refused.
  model::RejectReason reason = model::RejectReason::none;
  /// For each field of the shape the position in the sequence that gives its value.
  const std::uint32_t* order = nullptr;
  std::uint32_t fields = 0;
  std::uint32_t time_position = PathTree::kNone; ///< Of `ts` in the record form.
};

/// Sequences of fields, in the order in which they arrived, and their shapes. Compared exactly.
class LayoutCache {
public:
  LayoutCache() { clear(); }

  /// `sequence` holds (node << 2 | class) each. `record_form` is part of the key. Null if unknown.
  [[nodiscard]] const Layout* find(std::uint64_t hash, const std::uint32_t* sequence,
                                   std::uint32_t size, bool record_form) const noexcept {
    for (std::size_t i = hash & kMask;; i = (i + 1) & kMask) {
      const std::uint32_t at = table_[i];
      if (at == PathTree::kNone) {
        return nullptr;
      }
      const Entry& entry = entries_[at];
      if (entry.hash == hash && entry.size == size && entry.record_form == record_form &&
          std::memcmp(entry.sequence, sequence, size * sizeof *sequence) == 0) {
        return &entry.layout;
      }
    }
  }

  /// Remembers a sequence that find() did not know; `layout.order` is copied.
  const Layout* add(std::uint64_t hash, const std::uint32_t* sequence, std::uint32_t size,
                    bool record_form, const Layout& layout);

  [[nodiscard]] bool full() const noexcept {
    return entries_.size() >= kEntriesMax || numbers_ >= kNumbersMax;
  }
  void clear();

private:
  static constexpr std::size_t kEntriesMax = 1024;
  static constexpr std::size_t kNumbersMax = 256u << 10;
  static constexpr std::size_t kMask = 4 * kEntriesMax - 1;

  struct Entry {
    std::uint64_t hash;
    const std::uint32_t* sequence;
    std::uint32_t size;
    bool record_form;
    Layout layout;
    std::unique_ptr<std::uint32_t[]> storage; ///< Sequence and order.
  };

  std::vector<Entry> entries_;
  std::vector<std::uint32_t> table_;
  std::size_t numbers_ = 0;
};

} // namespace spate::telemetry
