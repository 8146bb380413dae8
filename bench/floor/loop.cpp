#include "bench/floor/loop.hpp"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <utility>

#include "bench/minimal/sockets.hpp"
#include "engine/base/clock.hpp"

namespace spate::bench {

namespace {
constexpr std::size_t kReadBytes = 64u << 10;
constexpr std::size_t kPaddingBytes = 64; ///< That the parser may look at behind a payload.
constexpr int kEventsMax = 512;
constexpr std::size_t kBlockRecordsMax = 1024;      ///< Handed over at once when so full.
constexpr std::size_t kAcknowledgementsMax = 4096;  ///< An iteration.
constexpr std::size_t kInFlightBytesMax = 16 << 20; ///< Beyond it sockets are not read.
} // namespace

Loop::Loop(int listener, storage::Store& store, model::ShapeTable& shapes)
    : listener_(listener), epoll_(::epoll_create1(EPOLL_CLOEXEC)),
      wake_(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)), store_(store), parser_(shapes),
      buffer_(kReadBytes + kPaddingBytes), open_(store.shards()) {
  watch(listener_, EPOLLIN);
  watch(wake_, EPOLLIN | EPOLLET);
}

Loop::~Loop() {
  for (const int fd : {listener_, epoll_, wake_}) {
    ::close(fd);
  }
}

void Loop::stop() {
  stopping_ = true;
  const std::uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = ::write(wake_, &one, sizeof one);
}

void Loop::run() {
  std::array<epoll_event, kEventsMax> events{};
  bool more = false;
  while (!stopping_) {
    const int ready = ::epoll_wait(epoll_, events.data(), kEventsMax, more ? 0 : -1);
    now_ms_ = wall_ms();
    if (in_flight_bytes_ <= kInFlightBytesMax) {
      for (const Held& held : std::exchange(held_, {})) {
        if (connections_[static_cast<std::size_t>(held.fd)].generation == held.generation) {
          serve_or_hold(held.fd);
        }
      }
    }
    for (int i = 0; i < ready; ++i) {
      const int fd = events[static_cast<std::size_t>(i)].data.fd;
      if (fd == listener_) {
        accept_all();
      } else if (fd != wake_) {
        serve_or_hold(fd);
      }
    }
    hand_over();
    collect_receipts();
    more = acknowledge();
    flush_dirty();
  }
}

void Loop::serve_or_hold(int fd) {
  Connection& connection = connections_[static_cast<std::size_t>(fd)];
  if (in_flight_bytes_ > kInFlightBytesMax) {
    held_.push_back({fd, connection.generation});
  } else if (!serve(fd, connection)) {
    close_connection(fd);
  }
}

void Loop::watch(int fd, std::uint32_t events) {
  epoll_event event{};
  event.events = events;
  event.data.fd = fd;
  ::epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event);
}

void Loop::accept_all() {
  for (int fd = accept_from(listener_); fd >= 0; fd = accept_from(listener_)) {
    if (connections_.size() <= static_cast<std::size_t>(fd)) {
      connections_.resize(static_cast<std::size_t>(fd) + 1);
    }
    watch(fd, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET);
  }
}

void Loop::close_connection(int fd) {
  ::close(fd);
  Connection& connection = connections_[static_cast<std::size_t>(fd)];
  const std::uint32_t generation = connection.generation + 1;
  connection = {};
  connection.generation = generation;
}

bool Loop::serve(int fd, Connection& connection) {
  if (!connection.output.empty() && !connection.dirty && !flush(fd, connection)) {
    return false;
  }
  while (connection.output.size() < kReadBytes) {
    const ssize_t got = ::recv(fd, buffer_.data(), kReadBytes, 0);
    if (got <= 0) {
      return got < 0 && errno == EAGAIN;
    }
    const std::string_view read(buffer_.data(), static_cast<std::size_t>(got));
    if (!scan(fd, connection, read)) {
      return false;
    }
    if (read.size() < kReadBytes) {
      break; // A short read emptied the socket; what comes later is a new edge.
    }
  }
  return true;
}

bool Loop::scan(int fd, Connection& connection, std::string_view read) {
  std::string_view input = read;
  const bool joined = !connection.input.empty();
  if (joined) {
    const std::size_t size = connection.input.size() + read.size();
    connection.input.append(read).append(kPaddingBytes, '\0');
    input = std::string_view(connection.input).substr(0, size);
  }
  std::size_t at = 0;
  Packet packet;
  std::ptrdiff_t bytes = cut_packet(input, at, packet);
  for (; bytes > 0; bytes = cut_packet(input, at, packet)) {
    if (!take(fd, connection, packet)) {
      return false;
    }
    at += static_cast<std::size_t>(bytes);
  }
  if (joined) {
    connection.input.resize(input.size());
    connection.input.erase(0, at);
  } else {
    connection.input.assign(input.substr(at));
  }
  return bytes == 0;
}

bool Loop::take(int fd, Connection& connection, const Packet& packet) {
  switch (packet.head & 0xf0) {
  case kPublish: {
    Publish publish;
    return read_publish(packet, publish) && take_publish(fd, connection, publish);
  }
  case kConnect:
    reply(fd, connection, kConnackAccepted);
    return true;
  case kPingreq:
    reply(fd, connection, kPingresp);
    return true;
  default:
    return false; // DISCONNECT, or what this server does not know.
  }
}

bool Loop::take_publish(int fd, Connection& connection, const Publish& publish) {
  if (publish.topic != connection.topic && !learn_topic(connection, publish.topic)) {
    return false;
  }
  model::TelemetryBlock& block = open_block(connection.shard);
  model::Message message;
  message.device = connection.number;
  if (message.device == model::DeviceNumber::unknown) {
    message.name_begin = static_cast<std::uint32_t>(block.names.size());
    message.name_bytes = static_cast<std::uint32_t>(connection.device.size());
    block.names.append(connection.device);
  }
  message.rows_begin = static_cast<std::uint32_t>(block.rows.size());
  faults_.clear();
  const telemetry::ParseSummary parsed =
      parser_.parse(*connection.route, publish.payload, now_ms_, block, faults_);
  message.rows = parsed.rows;
  message.rejected = parsed.rejected;
  message.received_ms = now_ms_;
  // A packet id is two bytes: the rest of the sequence says which topic the answer's device belongs
  // to.
  std::uint32_t packet_id = 0;
  for (const char byte : publish.packet_id) {
    packet_id = packet_id << 8 | static_cast<std::uint8_t>(byte);
  }
  message.ack = {static_cast<std::uint32_t>(fd), connection.generation,
                 static_cast<std::uint32_t>(connection.topics) << 16 | packet_id};
  block.messages.push_back(message);
  if (block.rows.size() >= kBlockRecordsMax) {
    hand_over();
  }
  return true;
}

bool Loop::learn_topic(Connection& connection, std::string_view topic) {
  const telemetry::RouteMatch match = routes_.match(topic, {});
  if (match.route == nullptr) {
    return false;
  }
  connection.topic = topic;
  connection.route = match.route;
  connection.device = match.device;
  connection.shard = store_.shard_of(match.device);
  connection.number = model::DeviceNumber::unknown;
  ++connection.topics;
  return true;
}

void Loop::reply(int fd, Connection& connection, std::string_view bytes) {
  connection.output.append(bytes);
  if (!connection.dirty) {
    connection.dirty = true;
    dirty_.push_back(fd);
  }
}

model::TelemetryBlock& Loop::open_block(model::ShardId shard) {
  auto& block = open_[static_cast<std::size_t>(shard)];
  if (!block) {
    if (spare_.empty()) {
      block = std::make_unique<model::TelemetryBlock>();
    } else {
      block = std::move(spare_.back());
      spare_.pop_back();
    }
    block->shard = shard;
    block->sink = this;
  }
  return *block;
}

void Loop::hand_over() {
  for (auto& block : open_) {
    if (block) {
      in_flight_bytes_ += block->bytes();
      store_.submit(std::move(block));
    }
  }
}

void Loop::on_receipt(std::unique_ptr<model::TelemetryBlock> block) {
  bool first = false;
  {
    const std::lock_guard lock(inbox_mutex_);
    first = inbox_.empty();
    inbox_.push_back(std::move(block));
  }
  if (first) {
    const std::uint64_t one = 1;
    [[maybe_unused]] const ssize_t written = ::write(wake_, &one, sizeof one);
  }
}

void Loop::collect_receipts() {
  if (arrived_block_ < arrived_.size()) {
    return; // Those before are delivered first.
  }
  for (auto& block : arrived_) {
    block->clear();
    spare_.push_back(std::move(block));
  }
  arrived_.clear();
  arrived_block_ = arrived_message_ = 0;
  {
    const std::lock_guard lock(inbox_mutex_);
    arrived_.swap(inbox_);
  }
  for (const auto& block : arrived_) {
    settle(*block);
  }
}

void Loop::settle(const model::TelemetryBlock& block) {
  if (block.status != model::CommitStatus::committed) {
    std::fprintf(stderr, "spate-bench-floor: the store refused: %s\n", block.status_detail.c_str());
    std::_Exit(1);
  }
  std::uint64_t stored = 0;
  std::uint64_t duplicate = 0;
  std::uint64_t rejected = 0;
  for (const model::Row& row : block.rows) {
    stored += row.outcome == model::RowOutcome::stored ? 1 : 0;
    duplicate += row.outcome == model::RowOutcome::duplicate ? 1 : 0;
    rejected += row.outcome == model::RowOutcome::rejected ? 1 : 0;
  }
  for (const model::Message& message : block.messages) {
    rejected += message.rejected;
  }
  in_flight_bytes_ -= std::min(in_flight_bytes_, block.bytes());
  counts_.stored.fetch_add(stored, std::memory_order_relaxed);
  counts_.duplicate.fetch_add(duplicate, std::memory_order_relaxed);
  counts_.rejected.fetch_add(rejected, std::memory_order_relaxed);
}

/// Appends PUBACKs within the budget of one iteration. True if more wait.
bool Loop::acknowledge() {
  for (std::size_t budget = kAcknowledgementsMax; arrived_block_ < arrived_.size();) {
    const model::TelemetryBlock& block = *arrived_[arrived_block_];
    for (; arrived_message_ < block.messages.size(); ++arrived_message_, --budget) {
      if (budget == 0) {
        return true;
      }
      const model::Message& message = block.messages[arrived_message_];
      Connection& connection = connections_[message.ack.slot];
      if (connection.generation != message.ack.generation) {
        continue; // It is gone.
      }
      if (connection.topics == message.ack.sequence >> 16) {
        connection.number = message.device;
      }
      const auto packet_id = static_cast<std::uint16_t>(message.ack.sequence);
      if (packet_id != 0) {
        const char puback[] = {'\x40', '\x02', static_cast<char>(packet_id >> 8),
                               static_cast<char>(packet_id & 0xff)};
        reply(static_cast<int>(message.ack.slot), connection, {puback, sizeof puback});
      }
    }
    ++arrived_block_;
    arrived_message_ = 0;
  }
  const std::lock_guard lock(inbox_mutex_);
  return !inbox_.empty();
}

/// One write. False when the connection is over.
bool Loop::flush(int fd, Connection& connection) {
  const ssize_t sent = ::send(fd, connection.output.data(), connection.output.size(), MSG_NOSIGNAL);
  if (sent < 0) {
    return errno == EAGAIN;
  }
  if (static_cast<std::size_t>(sent) == connection.output.size()) {
    connection.output.clear();
  } else {
    connection.output.erase(0, static_cast<std::size_t>(sent));
  }
  return true;
}

void Loop::flush_dirty() {
  for (const int fd : dirty_) {
    Connection& connection = connections_[static_cast<std::size_t>(fd)];
    if (!connection.dirty) {
      continue; // Closed meanwhile.
    }
    connection.dirty = false;
    if (!flush(fd, connection)) {
      close_connection(fd);
    }
  }
  dirty_.clear();
}

} // namespace spate::bench
