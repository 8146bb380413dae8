#include "engine/telemetry/field_cache.hpp"

#include <algorithm>
#include <cassert>

#include "engine/base/hash.hpp"

namespace spate::telemetry {

namespace {

constexpr std::size_t kRecordFormBytes = std::string_view("values.").size();

/// The text of a root, with its padding.
constexpr char kEmpty[PathTree::kKeyPaddingBytes] = {};

bool needs_escape(char c) noexcept {
  return c == '.' || c == '\\';
}

/// Whether every backslash stands before a dot or a backslash.
bool is_escaped_path(std::string_view text) noexcept {
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && (++i == text.size() || !needs_escape(text[i]))) {
      return false;
    }
  }
  return true;
}

} // namespace

void PathTree::clear() {
  nodes_.clear();
  nodes_.shrink_to_fit();
  chunks_.clear();
  free_bytes_ = 0;
  text_bytes_ = 0;
  table_.assign(1024, kNone);
  for (const Id root : {kRawRoot, kPathRoot}) {
    nodes_.push_back({kEmpty, kEmpty, 0, 0, kNone, root, kNone, kNone, 0, 0, 0, true, true});
  }
}

char* PathTree::allocate(std::size_t bytes) {
  if (bytes > free_bytes_) {
    const std::size_t chunk = std::max(bytes, kChunkBytes);
    chunks_.push_back(std::make_unique<char[]>(chunk));
    free_ = chunks_.back().get();
    free_bytes_ = chunk;
  }
  char* const at = free_;
  free_ += bytes;
  free_bytes_ -= bytes;
  text_bytes_ += bytes;
  return at;
}

PathTree::Id PathTree::add(Id parent, std::string_view key, std::uint64_t hash) {
  const Node above = nodes_[parent];
  const bool at_root = parent == kRawRoot || parent == kPathRoot;
  const bool verbatim =
      above.top == kPathRoot || (!at_root && nodes_[above.top].parent == kPathRoot);
  const auto escapes =
      verbatim ? 0 : static_cast<std::size_t>(std::count_if(key.begin(), key.end(), needs_escape));
  const std::size_t prefix_bytes = at_root ? 0 : above.path_bytes + 1;
  const std::size_t path_bytes = prefix_bytes + key.size() + escapes;

  // Key and path lie together; both keep their padding.
  char* const key_text = allocate(key.size() + path_bytes + 2 * kKeyPaddingBytes);
  std::copy(key.begin(), key.end(), key_text);
  char* const path_text = key_text + key.size() + kKeyPaddingBytes;
  char* out = path_text;
  if (!at_root) {
    out = std::copy(above.path, above.path + above.path_bytes, out);
    *out++ = '.';
  }
  for (const char c : key) {
    if (!verbatim && needs_escape(c)) {
      *out++ = '\\';
    }
    *out++ = c;
  }
  const auto id = static_cast<Id>(nodes_.size());
  const bool well_formed = above.well_formed && (!verbatim || is_escaped_path(key));
  // In the record form `values.` goes away, so that much more may be right; make_layout() looks
  // closely.
  const bool usable = well_formed && path_bytes <= path_bytes_max_ + kRecordFormBytes;
  nodes_.push_back({key_text, path_text, static_cast<std::uint32_t>(key.size()),
                    static_cast<std::uint32_t>(path_bytes), parent, at_root ? id : above.top, kNone,
                    kNone, 0, 0, hash, well_formed, usable});
  return id;
}

void PathTree::grow_table() {
  std::vector<Id> wider(table_.size() * 2, kNone);
  for (const Id id : table_) {
    if (id != kNone) {
      std::size_t i = nodes_[id].hash & (wider.size() - 1);
      while (wider[i] != kNone) {
        i = (i + 1) & (wider.size() - 1);
      }
      wider[i] = id;
    }
  }
  table_ = std::move(wider);
}

PathTree::Id PathTree::child(Id parent, Id after, std::string_view key) {
  if (nodes_.size() * 2 > table_.size()) {
    grow_table();
  }
  const std::uint64_t hash = hash_bytes(key, parent);
  std::size_t i = hash & (table_.size() - 1);
  Id id = table_[i];
  while (id != kNone && !(nodes_[id].hash == hash && nodes_[id].parent == parent &&
                          std::string_view(nodes_[id].key, nodes_[id].key_bytes) == key)) {
    i = (i + 1) & (table_.size() - 1);
    id = table_[i];
  }
  if (id == kNone) {
    id = add(parent, key, hash);
    table_[i] = id;
  }
  (after == kNone ? nodes_[parent].first : nodes_[after].next) = id;
  return id;
}

const Layout* LayoutCache::add(std::uint64_t hash, const std::uint32_t* sequence,
                               std::uint32_t size, bool record_form, const Layout& layout) {
  assert(!full());
  Entry entry{hash, nullptr, size, record_form, layout, nullptr};
  entry.storage = std::make_unique<std::uint32_t[]>(size + layout.fields);
  std::copy(sequence, sequence + size, entry.storage.get());
  std::copy(layout.order, layout.order + layout.fields, entry.storage.get() + size);
  entry.sequence = entry.storage.get();
  entry.layout.order = entry.storage.get() + size;
  numbers_ += size + layout.fields;

  std::size_t i = hash & kMask;
  while (table_[i] != PathTree::kNone) {
    i = (i + 1) & kMask;
  }
  table_[i] = static_cast<std::uint32_t>(entries_.size());
  entries_.push_back(std::move(entry));
  return &entries_.back().layout;
}

void LayoutCache::clear() {
  entries_.clear();
  entries_.reserve(kEntriesMax);
  table_.assign(kMask + 1, PathTree::kNone);
  numbers_ = 0;
}

} // namespace spate::telemetry
