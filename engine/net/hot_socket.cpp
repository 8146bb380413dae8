#include <algorithm>
#include <array>
#include <cstdint>
#include <vector>

#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "engine/net/connection.hpp"
#include "engine/net/impl.hpp"

namespace spate::net {

namespace {

constexpr int kHotEventsMax = 64;

} // namespace

/// Level-triggered and never waited for: a socket that is not read now is told of again.
void Loop::Impl::poll_hot() {
  if (showing || (reading_paused && hot_bytes_left == 0)) {
    return;
  }
  const std::int64_t now = steady_ns();
  if (now - hot_polled_ns < Connection::kHotPollNs) {
    return;
  }
  hot_polled_ns = now;
  std::array<epoll_event, kHotEventsMax> events{};
  const int ready = epoll_wait(hot_epoll, events.data(), kHotEventsMax, 0);
  for (int i = 0; i < ready; ++i) {
    // A connection that is closed on the way lives on until libuv runs its close callbacks.
    static_cast<Connection*>(events[static_cast<std::size_t>(i)].data.ptr)->impl().read_hot();
  }
}

Loop::Impl::~Impl() {
  if (hot_epoll >= 0) {
    ::close(hot_epoll);
  }
}

void Loop::read_hot() {
  impl_->read_hot();
}

void Connection::Impl::update_hot() {
  const bool wanted = hot && opened && !closing;
  if (wanted == in_hot) {
    return;
  }
  uv_os_fd_t fd = -1;
  if (uv_fileno(reinterpret_cast<uv_handle_t*>(&tcp), &fd) != 0) {
    return;
  }
  if (loop->hot_epoll < 0 && (loop->hot_epoll = epoll_create1(EPOLL_CLOEXEC)) < 0) {
    return; // It is read like any other.
  }
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.ptr = self;
  if (epoll_ctl(loop->hot_epoll, wanted ? EPOLL_CTL_ADD : EPOLL_CTL_DEL, fd, &event) == 0) {
    in_hot = wanted;
    loop->hot_sockets += wanted ? 1 : std::size_t(-1);
  }
}

/// One read outside libuv's turn. Its own read may find nothing afterwards, which it takes for
/// "try again"; the end of the stream and errors are left to it.
void Connection::Impl::read_hot() {
  uv_os_fd_t fd = -1;
  // One that met the paused loop is `starved`: it may be read nevertheless.
  const bool wanted_now = !closing && !closed && !ended && !paused_by_handler && !paused_by_output;
  const std::size_t most =
      loop->reading_paused ? std::min(loop->hot_bytes_left, kReadBytesMax) : kReadBytesMax;
  if (!in_hot || !wanted_now || most == 0 ||
      uv_fileno(reinterpret_cast<uv_handle_t*>(&tcp), &fd) != 0) {
    return;
  }
  // Between two reads nothing in the loop's buffer is of use any more.
  std::vector<char>& bytes = loop->read_buffer;
  const std::size_t wanted = left.size() + kReadBytesMax + kPaddingBytes;
  if (bytes.size() < wanted) {
    bytes.resize(wanted);
  }
  const ssize_t size = recv(fd, bytes.data() + left.size(), most, MSG_DONTWAIT);
  if (size > 0) {
    if (loop->reading_paused) {
      loop->hot_bytes_left -= static_cast<std::size_t>(size);
    }
    show(bytes.data(), static_cast<std::size_t>(size));
    shown();
  }
}

void Connection::set_hot(bool hot) {
  impl_->hot = hot;
  impl_->update_hot();
}

} // namespace spate::net
