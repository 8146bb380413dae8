#include "storage/block_cursor.hpp"

#include <algorithm>
#include <tuple>

#include "storage/rocks_options.hpp"

namespace spate::storage {

namespace {

auto rank(const BlockKey& key) noexcept {
  return std::tuple(key.device, key.series, key.kind, key.last_time_ns, key.order);
}

std::string next_prefix(std::string prefix) {
  while (!prefix.empty() && static_cast<unsigned char>(prefix.back()) == 0xff) {
    prefix.pop_back();
  }
  if (!prefix.empty()) {
    prefix.back() = static_cast<char>(static_cast<unsigned char>(prefix.back()) + 1);
  }
  return prefix;
}

} // namespace

BlockCursor::BlockCursor(rocksdb::DB& db, const std::vector<BlockSet>& sets,
                         const rocksdb::Snapshot* snapshot, std::size_t readahead_bytes,
                         OnUnreadable on_unreadable)
    : db_(db), inputs_(sets.size()), on_unreadable_(std::move(on_unreadable)) {
  for (std::size_t i = 0; i < sets.size(); ++i) {
    Input& input = inputs_[i]; // Does not move any more: its iterator refers to its end.
    input.prefix = sets[i].prefix;
    input.end = next_prefix(input.prefix);
    input.family = sets[i].family;
    rocksdb::ReadOptions& options = input.options;
    options.snapshot = snapshot;
    options.total_order_seek = true; // All devices.
    options.fill_cache = false;
    options.readahead_size = readahead_bytes;
    if (!input.end.empty()) {
      input.end_slice = input.end;
      options.iterate_upper_bound = &input.end_slice;
    }
    input.at.reset(db.NewIterator(options, input.family));
  }
}

Result<void> BlockCursor::seek(const BlockKey& key) {
  for (Input& input : inputs_) {
    std::string target = input.prefix;
    append_block_key(target, key);
    input.device = key.device;
    input.at->Seek(target);
    if (auto settled = settle(input); !settled) {
      return settled;
    }
  }
  choose();
  return {};
}

Result<void> BlockCursor::next() {
  current_->at->Next();
  auto settled = settle(*current_);
  choose();
  return settled;
}

/// Reads the key that the iterator stands on.
Result<void> BlockCursor::settle(Input& input) {
  for (;; input.at->Next()) {
    input.valid = input.at->Valid();
    if (!input.valid) {
      return input.at->status().ok() ? Result<void>{} : pass_over(input);
    }
    std::string_view bytes = view_of(input.at->key());
    if (bytes.size() >= input.prefix.size()) {
      bytes.remove_prefix(input.prefix.size());
    }
    if (parse_block_key(bytes, input.key)) {
      input.device = input.key.device;
      return {};
    }
    input.valid = false;
    if (on_unreadable_) {
      if (auto told = on_unreadable_({static_cast<std::size_t>(&input - inputs_.data()),
                                      input.device, input.device, "a key is no block's key"});
          !told) {
        return told;
      }
    }
  }
}

bool BlockCursor::readable_from(Input& input, std::uint32_t device) {
  std::string target = input.prefix;
  append_block_key(target, {device, 0, BlockKind::main, INT64_MIN, 0});
  // An iterator that met a damaged part answers later seeks into it, and near it, at random.
  input.at.reset(db_.NewIterator(input.options, input.family));
  input.at->Seek(target);
  return input.at->status().ok();
}

/// The iterator met a damaged part of a file. Where that ends is not known: steps that double find
/// a device from which it can be read again, halving them the first such one.
Result<void> BlockCursor::pass_over(Input& input) {
  const rocksdb::Status status = input.at->status();
  if (!status.IsCorruption()) {
    return fail(error_of(status));
  }
  const std::uint32_t lost = input.device;
  std::uint64_t bad = lost;
  std::uint64_t good = std::uint64_t{lost} + 1;
  bool found = false;
  for (std::uint64_t step = 1; good <= UINT32_MAX; step *= 2) {
    if ((found = readable_from(input, static_cast<std::uint32_t>(good)))) {
      break;
    }
    if (!input.at->status().IsCorruption()) {
      return fail(error_of(input.at->status()));
    }
    bad = good;
    good += step;
  }
  while (found && good - bad > 1) {
    const std::uint64_t middle = bad + (good - bad) / 2;
    (readable_from(input, static_cast<std::uint32_t>(middle)) ? good : bad) = middle;
  }
  if (on_unreadable_) {
    if (auto told =
            on_unreadable_({static_cast<std::size_t>(&input - inputs_.data()), lost,
                            found ? static_cast<std::uint32_t>(good) : 0, status.ToString()});
        !told) {
      return told;
    }
  }
  if (!found) {
    input.valid = false;
    return {};
  }
  input.device = static_cast<std::uint32_t>(good);
  (void)readable_from(input, input.device);
  return settle(input);
}

void BlockCursor::choose() {
  current_ = nullptr;
  for (Input& input : inputs_) {
    if (input.valid && (current_ == nullptr || rank(input.key) < rank(current_->key))) {
      current_ = &input;
    }
  }
}

std::optional<std::int64_t> BlockCursor::last_main(std::uint32_t device, std::uint32_t series) {
  std::optional<std::int64_t> last;
  for (Input& input : inputs_) {
    std::string target = input.prefix;
    append_block_key(target, {device, series, BlockKind::late, INT64_MIN, 0});
    input.at->SeekForPrev(target);
    BlockKey key;
    if (input.at->Valid()) {
      std::string_view bytes = view_of(input.at->key());
      if (bytes.substr(0, input.prefix.size()) == input.prefix &&
          parse_block_key(bytes.substr(input.prefix.size()), key) && key.device == device &&
          key.series == series && key.kind == BlockKind::main) {
        last = std::max(last.value_or(key.last_time_ns), key.last_time_ns);
      }
    }
    if (!input.at->status().ok()) { // As in readable_from().
      input.at.reset(db_.NewIterator(input.options, input.family));
    }
    input.valid = false;
  }
  current_ = nullptr;
  return last;
}

} // namespace spate::storage
