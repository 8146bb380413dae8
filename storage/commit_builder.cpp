#include "storage/commit_builder.hpp"

#include <algorithm>
#include <array>
#include <span>

#include "engine/model/device_id.hpp"
#include "engine/model/row.hpp"
#include "storage/wal_file.hpp"

namespace spate::storage {

namespace {

/// Rows of a block that is cut from a larger tail.
constexpr std::ptrdiff_t kSealedRowsMax = 512;
/// How many messages ahead their memory is asked for.
constexpr std::size_t kPrefetch = 6;
/// Memory that an unusually large commit may keep for the next one.
constexpr std::size_t kLogKeptBytes = 4u << 20;

} // namespace

CommitBuilder::CommitBuilder(DirectoryState& state, RejectionRing& ring, const CommitLimits& limits,
                             std::atomic<std::uint64_t>& devices_total)
    : state_(state), ring_(ring), limits_(limits), devices_total_(devices_total) {}

Result<void> CommitBuilder::build(const Blocks& blocks, std::int64_t now_ms,
                                  const CommitTargets& targets) {
  targets_ = targets;
  batch_.Clear();
  accepted_.clear();
  seen_.clear();
  resolved_.clear();
  seals_.clear();
  sealed_times_.clear();
  sealed_ends_.clear();
  duplicates_ = blocks_sealed_ = sealed_bytes_ = 0;
  lookups_left_ = {};
  forget_scans();
  log_.shrink(kLogKeptBytes);

  std::size_t rows = 0;
  const model::Row* first = nullptr;
  for (const auto& block : blocks) {
    rows += block->rows.size();
    first = first == nullptr && !block->rows.empty() ? block->rows.data() : first;
  }
  state_.choose_seals(rows, now_ms, sealing_);
  for (Tail* tail : sealing_) {
    seal(*tail);
  }
  for (const Erasure& erasure : erasures_) {
    put_erasure(erasure);
  }
  log_.begin(state_.next_row, first == nullptr ? 0 : first->time_ns, now_ms, seals_);
  for (const auto& block : blocks) {
    const auto& messages = block->messages;
    for (std::size_t i = 0; i < messages.size(); ++i) {
      prefetch(messages, i);
      if (auto added = add_message(*block, messages[i], block->rows); !added) {
        return added;
      }
    }
    for (const model::Rejection& rejection : block->rejections) {
      ring_.add(batch_, rejection);
    }
  }
  if (logged()) {
    mark_commit(batch_);
    batch_.Put(targets_.log, number_key(state_.sequence + 1),
               rocksdb::Slice(log_.bytes().data(), log_.bytes().size()));
  }
  return {};
}

/// Devices come in any order: without asking ahead each row would wait for memory three times.
void CommitBuilder::prefetch(const std::vector<model::Message>& messages, std::size_t at) const {
  if (at + 2 * kPrefetch < messages.size()) {
    state_.devices.prefetch(messages[at + 2 * kPrefetch].device);
  }
  if (at + kPrefetch < messages.size()) {
    const Device* device = state_.devices.at(messages[at + kPrefetch].device);
    if (device != nullptr && device->tails != nullptr) {
      device->tails->prefetch();
    }
  }
}

void CommitBuilder::seal(Tail& tail) {
  seals_.push_back({tail.device, tail.series, tail.kind});
  rows_of_tail_.clear();
  RowCursor cursor(tail.bytes());
  for (RowView row; cursor.next(row);) {
    rows_of_tail_.push_back(row);
    if (row.source == model::TsSource::device) {
      sealed_times_.push_back(row.time_ns);
    }
  }
  sealed_ends_.push_back(sealed_times_.size());
  if (!tail.ascending()) {
    std::stable_sort(rows_of_tail_.begin(), rows_of_tail_.end(),
                     [](const RowView& a, const RowView& b) { return a.time_ns < b.time_ns; });
  }
  const model::Shape& shape = *state_.shapes.at(shape_of(tail.series));
  if (rows_of_tail_.size() <= kSealedRowsMax) {
    put_block(tail, shape, rows_of_tail_, 0);
  } else {
    std::uint64_t part = 0;
    for (auto begin = rows_of_tail_.begin(); begin != rows_of_tail_.end(); ++part) {
      // Rows of one time stay in one block: the next one begins behind it.
      auto end = begin + std::min<std::ptrdiff_t>(kSealedRowsMax, rows_of_tail_.end() - begin);
      while (end != rows_of_tail_.end() && end->time_ns == (end - 1)->time_ns) {
        ++end;
      }
      rows_of_block_.assign(begin, end);
      put_block(tail, shape, rows_of_block_, part);
      begin = end;
    }
  }
  if (tail.kind == BlockKind::main) {
    // Rows of this very commit are already compared with what it seals.
    tail.sealed_max = std::max(tail.sealed_max, tail.max_time_ns());
  }
  put_series(state_.main_of(tail), state_.last_when_sealed(tail).bytes());
}

void CommitBuilder::put_series(const Tail& main, std::string_view last) {
  const Device* device = state_.devices.at(static_cast<model::DeviceNumber>(main.device));
  std::string sealed;
  put_be(sealed, ordered(main.sealed_max));
  put_be(sealed, static_cast<std::uint64_t>(device->last_seen_ms));
  sealed.append(last);
  batch_.Put(families_.meta, meta::device_series_key(main.device, main.series), sealed);
}

void CommitBuilder::put_block(const Tail& tail, const model::Shape& shape,
                              const std::vector<RowView>& rows, std::uint64_t part) {
  block_value_.clear();
  encoder_.encode(shape, rows, columnar::Heads::without, block_value_);
  batch_.Put(targets_.blocks,
             block_key({tail.device, tail.series, tail.kind, rows.back().time_ns,
                        order_of(state_.sequence + 1, part)}),
             block_value_);
  ++blocks_sealed_;
  sealed_bytes_ += kBlockKeyBytes + block_value_.size();
}

void CommitBuilder::erase(Erasure& erasure) {
  erasure.sequence = state_.sequence + 1;
  erasures_.push_back(erasure);
}

/// The device's tails are being sealed: what is erased must not stay in the register as the newest
/// row.
void CommitBuilder::put_erasure(const Erasure& erasure) {
  std::string value;
  encode(erasure, value);
  batch_.Put(families_.meta, meta::number_key(meta::kErasure, erasure.number), value);
  const Device* device = state_.devices.at(static_cast<model::DeviceNumber>(erasure.device));
  for (const Tail* tail = device->tails; tail != nullptr; tail = tail->next_of_device) {
    if (tail->kind != BlockKind::main) {
      continue;
    }
    const LastRow last = state_.last_when_sealed(*tail);
    RowView row;
    if (RowCursor(last.bytes()).next(row) && erasure.covers(row.time_ns)) {
      put_series(*tail, {});
    }
  }
}

Result<void> CommitBuilder::add_message(const model::TelemetryBlock& block,
                                        const model::Message& message,
                                        std::vector<model::Row>& rows) {
  auto reason = model::RejectReason::none;
  const bool named = message.rows != 0 || message.seen;
  const auto number = named ? resolve(block, message, reason) : message.device;
  resolved_.push_back(number);
  Device* device = state_.devices.at(number);
  if (message.seen && device != nullptr && !device->recorded) {
    record(number, *device);
    seen_.push_back(device);
  }
  bool rejected = false;
  for (std::uint32_t i = 0; i < message.rows; ++i) {
    model::Row& row = rows[message.rows_begin + i];
    if (device == nullptr) {
      row.outcome = model::RowOutcome::rejected;
      row.reject_reason = reason;
    } else if (auto added = add_row(number, *device, row, message, block.values_of(row)); !added) {
      return added;
    }
    rejected = rejected || row.outcome == model::RowOutcome::rejected;
  }
  if (rejected) {
    list_rejections(message, rows, device == nullptr ? block.name(message) : device->name);
  }
  return {};
}

model::DeviceNumber CommitBuilder::resolve(const model::TelemetryBlock& block,
                                           const model::Message& message,
                                           model::RejectReason& reason) {
  if (message.device != model::DeviceNumber::unknown &&
      state_.devices.at(message.device) != nullptr) {
    return message.device;
  }
  const std::string_view name = block.name(message);
  if (model::device_id_fault(name) != nullptr) {
    reason = model::RejectReason::invalid_device_id;
    return model::DeviceNumber::unknown;
  }
  if (const auto found = state_.devices.find(name); found != model::DeviceNumber::unknown) {
    return found;
  }
  if (devices_total_.load(std::memory_order_relaxed) >= limits_.devices_max) {
    reason = model::RejectReason::too_many_devices;
    return model::DeviceNumber::unknown;
  }
  devices_total_.fetch_add(1, std::memory_order_relaxed);
  const std::scoped_lock lock(state_.mutex, state_.names_mutex);
  return state_.devices.add(name, message.received_ms);
}

Result<void> CommitBuilder::add_row(model::DeviceNumber number, Device& device, model::Row& row,
                                    const model::Message& message, std::string_view values) {
  Tail* main = main_tail(number, device, *row.shape, message.retention_s);
  if (main == nullptr) {
    row.outcome = model::RowOutcome::rejected;
    row.reject_reason = model::RejectReason::too_many_shapes;
    return {};
  }
  if (row.time_ns > main->seen_max) { // Newer than all before it: nothing to compare with.
    accept(*main, device, row, message.received_ms, values);
    return {};
  }
  Tail& tail = row.time_ns > main->sealed_max ? *main : late_tail(number, device, main->series);
  const auto repeated = duplicate(*main, tail, row, values);
  if (!repeated) {
    return fail(repeated.error());
  }
  if (*repeated) {
    row.outcome = model::RowOutcome::duplicate;
    ++duplicates_;
    return {};
  }
  accept(tail, device, row, message.received_ms, values);
  return {};
}

void CommitBuilder::record(model::DeviceNumber number, Device& device) {
  std::string value;
  put_be(value, static_cast<std::uint32_t>(number));
  put_be(value, static_cast<std::uint64_t>(device.first_seen_ms));
  batch_.Put(families_.meta, meta::device_key(device.name), value);
  device.recorded = true;
}

Tail* CommitBuilder::main_tail(model::DeviceNumber number, Device& device,
                               const model::Shape& shape, std::uint32_t retention_s) {
  const std::uint8_t kept = retention_s == 0 ? 0 : retention_class(retention_s);
  const std::uint32_t known = state_.shapes.find(shape);
  if (known != 0) {
    if (Tail* found = DirectoryState::find_tail(device, series_of(kept, known), BlockKind::main);
        found != nullptr) {
      return found;
    }
  }
  if (device.shapes >= limits_.shapes_per_device_max ||
      state_.device_series >= limits_.device_series_max) {
    return nullptr;
  }
  const std::uint32_t series = series_of(kept, known != 0 ? known : shape_number(shape));
  batch_.Put(families_.meta, meta::device_series_key(static_cast<std::uint32_t>(number), series),
             {});
  const std::scoped_lock lock(state_.mutex);
  return &state_.add_tail(number, series, BlockKind::main);
}

Tail& CommitBuilder::late_tail(model::DeviceNumber number, Device& device, std::uint32_t series) {
  if (Tail* found = DirectoryState::find_tail(device, series, BlockKind::late); found != nullptr) {
    return *found;
  }
  const std::scoped_lock lock(state_.mutex);
  return state_.add_tail(number, series, BlockKind::late);
}

/// For ever, if there are as many classes as can be.
std::uint8_t CommitBuilder::retention_class(std::uint32_t retention_s) {
  if (const auto known = state_.classes.find(retention_s)) {
    return *known;
  }
  const std::scoped_lock lock(state_.mutex);
  const auto added = state_.classes.add(retention_s);
  if (!added) {
    return 0;
  }
  std::string value;
  put_be(value, retention_s);
  batch_.Put(families_.meta, meta::number_key(meta::kClass, *added), value);
  return *added;
}

std::uint32_t CommitBuilder::shape_number(const model::Shape& shape) {
  std::string definition;
  model::ShapeTable::encode(shape, definition);
  const std::scoped_lock lock(state_.mutex);
  const std::uint32_t number = state_.shapes.add(shape);
  batch_.Put(families_.meta, meta::number_key(meta::kShape, number), definition);
  return number;
}

void CommitBuilder::accept(Tail& tail, Device& device, model::Row& row, std::int64_t received_ms,
                           std::string_view values) {
  if (!device.recorded) {
    record(static_cast<model::DeviceNumber>(tail.device), device);
  }
  const RowView view{row.time_ns, received_ms, row.source, values};
  const std::size_t begin =
      log_.add(tail.device, tail.series, tail.kind == BlockKind::late, *row.shape, view);
  accepted_.push_back({&tail, &device, row.time_ns, received_ms, begin, row.values_bytes,
                       tail.last_pending, row.source});
  tail.last_pending = static_cast<std::uint32_t>(accepted_.size() - 1);
  if (indexed(tail) && row.source == model::TsSource::device) {
    index_.add(tail, *row.shape, row.time_ns, values);
  }
  tail.prefetch_end(); // apply() writes there.
  tail.seen_max = std::max(tail.seen_max, row.time_ns);
  row.outcome = model::RowOutcome::stored;
}

/// One entry for each reason, so that a large message does not empty the ring.
void CommitBuilder::list_rejections(const model::Message& message,
                                    const std::vector<model::Row>& rows, std::string_view device) {
  std::array<std::uint32_t, model::kRejectReasons> records{};
  for (std::uint32_t i = 0; i < message.rows; ++i) {
    const model::Row& row = rows[message.rows_begin + i];
    if (row.outcome == model::RowOutcome::rejected) {
      ++records[static_cast<std::size_t>(row.reject_reason)];
    }
  }
  for (std::size_t i = 0; i < records.size(); ++i) {
    if (records[i] == 0) {
      continue;
    }
    model::Rejection rejection;
    rejection.received_ms = message.received_ms;
    rejection.reason = static_cast<model::RejectReason>(i);
    rejection.protocol = message.protocol;
    rejection.device = device;
    rejection.detail = detail_of(rejection.reason);
    rejection.records = records[i];
    ring_.add(batch_, rejection);
  }
}

std::string CommitBuilder::detail_of(model::RejectReason reason) const {
  switch (reason) {
  case model::RejectReason::too_many_devices:
    return "the store holds as many devices as devices_max allows (" +
           std::to_string(limits_.devices_max) + ")";
  case model::RejectReason::too_many_shapes:
    return state_.device_series >= limits_.device_series_max
               ? "there is no memory for more pairs of a device and a set of fields (" +
                     std::to_string(limits_.device_series_max) + ")"
               : "this device has sent as many different sets of fields as allowed (" +
                     std::to_string(limits_.shapes_per_device_max) + ")";
  default:
    return "the device id can not name a device";
  }
}

void CommitBuilder::apply() {
  erasures_.clear();
  if (logged()) {
    ++state_.sequence;
  }
  std::size_t begin = 0;
  for (std::size_t i = 0; i < sealing_.size(); ++i) {
    state_.sealed(*sealing_[i], std::span(sealed_times_).subspan(begin, sealed_ends_[i] - begin));
    begin = sealed_ends_[i];
  }
  for (const Accepted& row : accepted_) {
    row.tail->last_pending = Tail::kNoRow;
    ++state_.next_row;
    state_.append(*row.tail, {row.time_ns, row.received_ms, row.source, values_of(row)});
    row.device->durable.store(true, std::memory_order_relaxed);
    row.device->last_seen_ms = std::max(row.device->last_seen_ms, row.received_ms);
  }
  for (Device* device : seen_) {
    device->durable.store(true, std::memory_order_relaxed);
  }
  state_.log_position += logged() ? log_.bytes().size() : 0;
  marked_ = false;
}

void CommitBuilder::name_devices(const Blocks& blocks) const noexcept {
  std::size_t next = 0;
  for (const auto& block : blocks) {
    for (model::Message& message : block->messages) {
      message.device = resolved_[next++];
    }
  }
}

} // namespace spate::storage
