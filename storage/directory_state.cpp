#include "storage/directory_state.hpp"

#include <algorithm>
#include <cassert>

namespace spate::storage {

namespace {

/// Forced seals a commit, so that one commit does not pay for a whole backlog while there is slack.
constexpr std::size_t kForcedSealsMin = 4;
/// Without rows there is nobody who waits.
constexpr std::size_t kForcedSealsIdle = 1024;

/// What malloc adds to a last row.
constexpr std::size_t kAllocationBytes = 16;

constexpr std::size_t with_slack(std::size_t bound) noexcept {
  return bound + bound / 4;
}

} // namespace

Tail* DirectoryState::find_tail(const Device& device, std::uint32_t series,
                                BlockKind kind) noexcept {
  for (Tail* tail = device.tails; tail != nullptr; tail = tail->next_of_device) {
    if (tail->series == series && tail->kind == kind) {
      return tail;
    }
  }
  return nullptr;
}

Tail& DirectoryState::add_tail(model::DeviceNumber number, std::uint32_t series, BlockKind kind) {
  Device* device = devices.at(number);
  assert(device != nullptr && find_tail(*device, series, kind) == nullptr);
  Tail& tail = tails_.emplace_back(static_cast<std::uint32_t>(number), series, kind);
  tail.next_of_device = device->tails;
  device->tails = &tail;
  if (kind == BlockKind::main) {
    ++device->shapes;
    ++device_series;
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
  std::vector<std::int64_t> times_ns;
  RowCursor cursor(tail.bytes());
  for (RowView row; cursor.next(row);) {
    if (row.source == model::TsSource::device) {
      times_ns.push_back(row.time_ns);
    }
  }
  sealed(tail, times_ns);
}

void DirectoryState::sealed(Tail& tail, std::span<const std::int64_t> device_times_ns) {
  if (tail.empty()) {
    return;
  }
  for (const std::int64_t time_ns : device_times_ns) {
    recent.add(tail.device, tail.series, time_ns);
  }
  Tail& main = main_of(tail);
  last_bytes_ -= main.last.bytes().size();
  main.last = last_when_sealed(tail);
  last_bytes_ += main.last.bytes().size();
  tail_bytes -= tail.memory();
  tail_rows -= tail.rows();
  unsealed_.remove(tail);
  tail.clear();
}

Tail& DirectoryState::main_of(const Tail& tail) noexcept {
  const Device* device = devices.at(static_cast<model::DeviceNumber>(tail.device));
  return *find_tail(*device, tail.series, BlockKind::main);
}

LastRow DirectoryState::last_when_sealed(const Tail& tail) {
  const Device* device = devices.at(static_cast<model::DeviceNumber>(tail.device));
  const Tail& main = *find_tail(*device, tail.series, BlockKind::main);
  const Tail* late = find_tail(*device, tail.series, BlockKind::late);
  RowView newest;
  bool known = RowCursor(main.last.bytes()).next(newest);
  // Newer than all that was sealed before; but in replay not always newer than what the register
  // says: the log may have only the later rows of a tail.
  if ((&main == &tail || main.sealing) && !main.empty() &&
      (!known || main.max_time_ns() > newest.time_ns)) {
    newest = main.newest();
    known = true;
  }
  if (late != nullptr && (late == &tail || late->sealing) && !late->empty() && known &&
      late->max_time_ns() >= newest.time_ns) {
    newest = late->newest();
  }
  LastRow last;
  if (known) {
    last.set(newest);
  }
  return last;
}

bool DirectoryState::restore_last(Tail& main, std::string_view bytes) {
  const bool sound = main.last.restore(bytes);
  last_bytes_ += main.last.bytes().size();
  return sound;
}

void DirectoryState::forget_last(const Erasure& erasure) {
  const Device* device = devices.at(static_cast<model::DeviceNumber>(erasure.device));
  for (Tail* tail = device == nullptr ? nullptr : device->tails; tail != nullptr;
       tail = tail->next_of_device) {
    RowView row;
    if (RowCursor(tail->last.bytes()).next(row) && erasure.covers(row.time_ns)) {
      last_bytes_ -= tail->last.bytes().size();
      tail->last.forget();
    }
  }
}

void DirectoryState::seal_next(Tail& tail) {
  if (!tail.empty() && !tail.sealing) {
    tail.sealing = true;
    full_.push_back(&tail);
  }
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
    const bool old =
        now_ms - tail->first_received_ms >= policy.age_ms || tail->first_sequence <= seal_through_;
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

std::size_t DirectoryState::fixed_bytes() const noexcept {
  return tails_.size() * (sizeof(Tail) + kAllocationBytes) + last_bytes_;
}

std::size_t DirectoryState::row_bytes_max() const noexcept {
  const std::size_t fixed = std::min(fixed_bytes(), policy.tail_bytes_max);
  return std::max(policy.tail_bytes_max - fixed, policy.tail_bytes_max / 2);
}

bool DirectoryState::aged(std::int64_t now_ms) const noexcept {
  const Tail* oldest = unsealed_.oldest();
  return oldest != nullptr && (now_ms - oldest->first_received_ms >= policy.age_ms ||
                               oldest->first_sequence <= seal_through_ || !full_.empty());
}

} // namespace spate::storage
