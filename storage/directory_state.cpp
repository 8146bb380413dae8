#include "storage/directory_state.hpp"

#include <algorithm>
#include <cassert>

namespace spate::storage {

namespace {

/// Forced seals a commit, so that one commit does not pay for a whole backlog while there is slack.
constexpr std::size_t kForcedSealsMin = 4;
/// Without rows there is nobody who waits.
constexpr std::size_t kForcedSealsIdle = 1024;

constexpr std::size_t with_slack(std::size_t bound) noexcept {
  return bound + bound / 4;
}

} // namespace

Tail* DirectoryState::find_tail(const Device& device, std::uint32_t shape,
                                BlockKind kind) noexcept {
  for (Tail* tail = device.tails; tail != nullptr; tail = tail->next_of_device) {
    if (tail->shape == shape && tail->kind == kind) {
      return tail;
    }
  }
  return nullptr;
}

Tail& DirectoryState::add_tail(model::DeviceNumber number, std::uint32_t shape, BlockKind kind) {
  Device* device = devices.at(number);
  assert(device != nullptr && find_tail(*device, shape, kind) == nullptr);
  Tail& tail = tails_.emplace_back(static_cast<std::uint32_t>(number), shape, kind);
  tail.next_of_device = device->tails;
  device->tails = &tail;
  if (kind == BlockKind::main) {
    ++device->shapes;
    ++device_shapes;
  }
  return tail;
}

void DirectoryState::append(Tail& tail, const RowView& row) {
  if (tail.empty()) {
    tail.first_sequence = sequence;
    tail.first_log_position = log_position;
    tail.first_received_ms = row.received_ms;
    unsealed_.push_newest(tail);
  }
  const std::size_t before = tail.memory();
  tail.append(row);
  tail_bytes += tail.memory() - before;
  ++tail_rows;
  tail.seen_max = std::max(tail.seen_max, row.time_ns);
  if (!tail.sealing && is_full(tail)) {
    tail.sealing = true;
    full_.push_back(&tail);
  }
}

void DirectoryState::sealed(Tail& tail) {
  if (tail.empty()) {
    return;
  }
  RowCursor cursor(tail.bytes());
  for (RowView row; cursor.next(row);) {
    if (row.source == model::TsSource::device) {
      recent.add(tail.device, tail.shape, row.time_ns);
    }
  }
  tail_bytes -= tail.memory();
  tail_rows -= tail.rows();
  unsealed_.remove(tail);
  tail.clear();
}

void DirectoryState::find_full() {
  full_.clear();
  for (Tail* tail = unsealed_.oldest(); tail != nullptr; tail = tail->newer) {
    tail->sealing = is_full(*tail);
    if (tail->sealing) {
      full_.push_back(tail);
    }
  }
}

void DirectoryState::choose_seals(std::size_t rows, std::int64_t now_ms, std::vector<Tail*>& out) {
  out.clear();
  out.swap(full_);
  std::size_t bytes = tail_bytes;
  for (const Tail* tail : out) {
    bytes -= tail->memory();
  }
  const std::size_t bytes_max = row_bytes_max();
  std::size_t left = rows == 0 ? kForcedSealsIdle : std::max(kForcedSealsMin, rows / 4);
  for (Tail* tail = unsealed_.oldest(); tail != nullptr; tail = tail->newer) {
    if (tail->sealing) {
      continue;
    }
    const std::size_t lag = log_position - tail->first_log_position;
    const bool old = now_ms - tail->first_received_ms >= policy.age_ms;
    const bool due = old || lag > policy.log_bytes_max || bytes > bytes_max;
    const bool urgent = lag > with_slack(policy.log_bytes_max) || bytes > with_slack(bytes_max);
    if (!due || (left == 0 && !urgent)) {
      break;
    }
    tail->sealing = true;
    bytes -= tail->memory();
    out.push_back(tail);
    left -= left == 0 ? 0 : 1;
  }
}

std::size_t DirectoryState::row_bytes_max() const noexcept {
  const std::size_t fixed = std::min(tails_.size() * sizeof(Tail), policy.tail_bytes_max);
  return std::max(policy.tail_bytes_max - fixed, policy.tail_bytes_max / 2);
}

bool DirectoryState::aged(std::int64_t now_ms) const noexcept {
  const Tail* oldest = unsealed_.oldest();
  return oldest != nullptr && now_ms - oldest->first_received_ms >= policy.age_ms;
}

} // namespace spate::storage
