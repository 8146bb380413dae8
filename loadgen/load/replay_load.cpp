#include "loadgen/load/replay_load.hpp"

#include <algorithm>
#include <cmath>
#include <iterator>

namespace spate::loadgen {

namespace {

constexpr std::size_t kBatch = 256;

} // namespace

bool ReplayQueue::push(std::vector<ReplayItem>& items) {
  std::unique_lock lock(mutex_);
  room_.wait(lock, [this] { return closed_ || items_.size() < kItemsMax; });
  if (closed_) {
    return false;
  }
  std::move(items.begin(), items.end(), std::back_inserter(items_));
  items.clear();
  return true;
}

bool ReplayQueue::pop_all(std::vector<ReplayItem>& items) {
  items.clear();
  {
    const std::lock_guard lock(mutex_);
    items.swap(items_);
  }
  room_.notify_one();
  return !items.empty();
}

void ReplayQueue::end() {
  const std::lock_guard lock(mutex_);
  ended_ = true;
}

void ReplayQueue::close() {
  {
    const std::lock_guard lock(mutex_);
    closed_ = true;
  }
  room_.notify_all();
}

bool ReplayQueue::ended() const {
  const std::lock_guard lock(mutex_);
  return closed_ || (ended_ && items_.empty());
}

void ReplayLoad::stop_at(std::int64_t end_ns) {
  end_ns_ = std::min(end_ns_, end_ns);
  // What was due before the end is still sent, or counted as unsent.
  queue_.close();
  std::vector<ReplayItem> rest;
  queue_.pop_all(rest);
  items_.erase(items_.begin(), items_.begin() + static_cast<std::ptrdiff_t>(next_));
  next_ = 0;
  std::move(rest.begin(), rest.end(), std::back_inserter(items_));
}

std::int64_t ReplayLoad::next_ns() {
  if (start_ns_ == 0) {
    return kNever;
  }
  if (next_ == items_.size()) {
    next_ = 0;
    if (end_ns_ != kNever || !queue_.pop_all(items_)) {
      items_.clear();
      return kNever;
    }
  }
  return end_ns_ != kNever && (!paced_ || due_ns(items_[next_]) >= end_ns_) ? kNever
                                                                            : due_ns(items_[next_]);
}

Due ReplayLoad::take(std::int64_t, std::int64_t) {
  ReplayItem& item = items_[next_++];
  std::uint32_t place = 0;
  if (free_.empty()) {
    place = static_cast<std::uint32_t>(texts_.size());
    texts_.emplace_back();
  } else {
    place = free_.back();
    free_.pop_back();
  }
  texts_[place] = {std::move(item.text), item.hash};
  return {item.device, {due_ns(item), 0, item.ts, place}};
}

bool ReplayLoad::ended() const {
  if (next_ < items_.size()) {
    return end_ns_ != kNever && (!paced_ || due_ns(items_[next_]) >= end_ns_);
  }
  return end_ns_ != kNever || queue_.ended();
}

std::uint64_t ReplayLoad::left() const {
  if (!paced_) {
    return 0;
  }
  std::uint64_t count = 0;
  for (std::size_t i = next_; i < items_.size() && due_ns(items_[i]) < end_ns_; ++i) {
    ++count;
  }
  return count;
}

std::string_view ReplayLoad::text(const Message& message) {
  return texts_[message.text].text;
}

std::uint64_t ReplayLoad::hash(const Message& message) {
  return texts_[message.text].hash;
}

void ReplayLoad::release(const Message& message) {
  texts_[message.text] = {};
  free_.push_back(message.text);
}

ReplayReader::ReplayReader(ReplayPlan plan, const ReplayIndex& index,
                           std::vector<ReplayQueue>& queues)
    : plan_(std::move(plan)), index_(index), queues_(queues), batches_(queues.size()),
      last_ts_(index.devices.size()), thread_([this] { run(); }) {}

ReplayReader::~ReplayReader() {
  stop();
}

void ReplayReader::stop() {
  stopping_ = true;
  for (ReplayQueue& queue : queues_) {
    queue.close();
  }
  if (thread_.joinable()) {
    thread_.join();
  }
}

std::string ReplayReader::fault() const {
  const std::lock_guard lock(mutex_);
  return fault_;
}

void ReplayReader::run() {
  std::uint64_t round = 0;
  do {
    if (auto read = read_once(round++); !read) {
      const std::lock_guard lock(mutex_);
      fault_ = read.error().detail;
      stopping_ = true;
    }
  } while (plan_.loop && !stopping_);
  for (ReplayQueue& queue : queues_) {
    queue.end();
  }
}

Result<void> ReplayReader::read_once(std::uint64_t round) {
  auto file = LineFile::open(plan_.path);
  if (!file) {
    return fail(std::move(file.error()));
  }
  ReplayLine line;
  std::string text;
  std::vector<JsonSpan> scratch;
  while (!stopping_) {
    auto more = (*file)->next(text);
    if (!more) {
      return fail(std::move(more.error()));
    }
    if (!*more) {
      break;
    }
    auto read = parse_replay_line(text, scratch, line);
    if (!read) {
      return fail(read.error().code, (*file)->where() + ": " + read.error().detail);
    }
    auto added = add(line, round);
    if (!added) {
      return fail(added.error().code, (*file)->where() + ": " + added.error().detail);
    }
    if (!*added) {
      return {};
    }
  }
  push_all();
  return {};
}

// All queues at once: what another group needs soon must not wait here while this one's queue is
// full.
bool ReplayReader::push_all() {
  bool taken = true;
  for (std::size_t i = 0; i < queues_.size(); ++i) {
    taken = (batches_[i].empty() || queues_[i].push(batches_[i])) && taken;
  }
  return taken;
}

Result<bool> ReplayReader::add(const ReplayLine& line, std::uint64_t round) {
  const auto found = index_.device_numbers.find(line.device);
  if (found == index_.device_numbers.end()) {
    return fail(Errc::malformed_payload, "a device that was not there before: the file changed");
  }
  const std::uint32_t device = found->second;
  // A round lasts a millisecond longer than the recording, so that no time comes twice.
  const std::int64_t span_ms = index_.last_ts - index_.first_ts + 1;
  const std::int64_t since_ms =
      line.ts - index_.first_ts + static_cast<std::int64_t>(round) * span_ms;
  ReplayItem item;
  item.device = static_cast<std::uint32_t>(device / queues_.size());
  item.ts = index_.first_ts + since_ms;
  const double speed = plan_.speed > 0 ? plan_.speed : 1;
  item.offset_ns = std::llround(static_cast<double>(since_ms) * 1e6 / speed);
  if (plan_.shift_to_now) {
    // With a speed: the time at which it is sent. Without: the recording ends now.
    const std::int64_t shifted = plan_.speed > 0 ? plan_.start_wall_ms + item.offset_ns / 1'000'000
                                                 : plan_.start_wall_ms - span_ms + since_ms;
    item.ts = std::max(shifted, last_ts_[device] + 1);
    last_ts_[device] = item.ts;
  }
  auto text = replay_payload(plan_.form, item.ts, line.payload, item.hash);
  if (!text) {
    return fail(std::move(text.error()));
  }
  item.text = std::move(*text);
  auto& batch = batches_[device % queues_.size()];
  batch.push_back(std::move(item));
  return batch.size() < kBatch || push_all();
}

} // namespace spate::loadgen
