#include "loadgen/agents/channel.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

namespace spate::loadgen {

namespace {

/// Waits until the socket can be read or written.
bool wait_for(int socket, short events, std::chrono::milliseconds timeout) {
  pollfd one{socket, events, 0};
  return ::poll(&one, 1, static_cast<int>(timeout.count())) > 0;
}

} // namespace

Channel::Channel(int socket) : socket_(socket) {
  const int on = 1;
  ::setsockopt(socket_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  const timeval patience{kSendTimeoutS, 0};
  ::setsockopt(socket_, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
  thread_ = std::thread([this] { run(); });
}

Channel::~Channel() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    broken_ = true;
  }
  ::shutdown(socket_, SHUT_RDWR);
  changed_.notify_all();
  if (thread_.joinable()) {
    thread_.join();
  }
  ::close(socket_);
}

Result<std::unique_ptr<Channel>> Channel::connect(const net::Address& address,
                                                  std::chrono::milliseconds timeout) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV;
  addrinfo* found = nullptr;
  if (::getaddrinfo(address.host.c_str(), std::to_string(address.port).c_str(), &hints, &found) !=
      0) {
    return fail(Errc::connect_failed, address.text() + ": not a numeric address");
  }
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> list(found, &::freeaddrinfo);
  const int socket =
      ::socket(found->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP);
  const auto failed = [&](int error) {
    if (socket >= 0) {
      ::close(socket);
    }
    return fail(Errc::connect_failed, "agent " + address.text() + ": " + std::strerror(error));
  };
  if (socket < 0) {
    return failed(errno);
  }
  if (::connect(socket, found->ai_addr, found->ai_addrlen) != 0 && errno != EINPROGRESS) {
    return failed(errno);
  }
  if (!wait_for(socket, POLLOUT, timeout)) {
    return failed(ETIMEDOUT);
  }
  int error = 0;
  socklen_t size = sizeof error;
  ::getsockopt(socket, SOL_SOCKET, SO_ERROR, &error, &size);
  if (error != 0) {
    return failed(error);
  }
  // Blocking from here on: reads wait in poll(), writes for SO_SNDTIMEO.
  const int flags = ::fcntl(socket, F_GETFL);
  ::fcntl(socket, F_SETFL, flags & ~O_NONBLOCK);
  return std::make_unique<Channel>(socket);
}

bool Channel::send(FrameKind kind, std::string_view body) {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return broken_ || stopping_ || queue_.size() < kQueuedBytesMax; });
  if (broken_ || stopping_ || body.size() > kFrameBytesMax) {
    return false;
  }
  append_frame(queue_, kind, body);
  changed_.notify_all();
  return true;
}

bool Channel::send(const nlohmann::json& message) {
  return send(FrameKind::json,
              message.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
}

void Channel::run() {
  std::string bytes;
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [this] { return stopping_ || !queue_.empty(); });
    if (queue_.empty() || broken_) {
      return;
    }
    bytes.clear();
    bytes.swap(queue_);
    lock.unlock();
    const bool written = write(bytes);
    lock.lock();
    if (!written) {
      broken_ = true;
      queue_.clear();
      ::shutdown(socket_, SHUT_RDWR); // The reader hears of it too.
    }
    changed_.notify_all();
  }
}

bool Channel::write(std::string_view bytes) {
  while (!bytes.empty() && !broken_) {
    const ssize_t sent = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent > 0) {
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    } else if (errno != EINTR) {
      return false;
    }
  }
  return bytes.empty();
}

Result<Channel::Got> Channel::receive(AgentFrame& frame, std::chrono::milliseconds timeout) {
  const auto until = std::chrono::steady_clock::now() + timeout;
  for (;;) {
    auto next = cutter_.next();
    if (!next) {
      return fail(std::move(next.error()));
    }
    if (*next) {
      frame = std::move(**next);
      return Got::frame;
    }
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
        until - std::chrono::steady_clock::now());
    if (!wait_for(socket_, POLLIN, std::max(left, std::chrono::milliseconds(0)))) {
      return Got::nothing;
    }
    char buffer[64 << 10];
    const ssize_t got = ::recv(socket_, buffer, sizeof buffer, 0);
    if (got > 0) {
      cutter_.add({buffer, static_cast<std::size_t>(got)});
    } else if (got == 0 || (errno != EINTR && errno != EAGAIN)) {
      return Got::closed;
    }
  }
}

Result<Channel::Got> Channel::receive(nlohmann::json& message, std::chrono::milliseconds timeout) {
  AgentFrame frame;
  auto got = receive(frame, timeout);
  if (got && *got == Got::frame) {
    auto read = read_message(frame);
    if (!read) {
      return fail(std::move(read.error()));
    }
    message = std::move(*read);
  }
  return got;
}

void Channel::finish() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  thread_.join();
  ::shutdown(socket_, SHUT_WR);
}

Result<nlohmann::json> read_message(const AgentFrame& frame) {
  if (frame.kind != FrameKind::json) {
    return fail(Errc::malformed_payload, "a message was expected");
  }
  // Depth is bounded: nlohmann's parser keeps it on the heap, and a frame has a limit.
  auto message = nlohmann::json::parse(frame.body, nullptr, false);
  if (!message.is_object() || !message.contains("type") || !message["type"].is_string()) {
    return fail(Errc::malformed_payload, "not a message");
  }
  return message;
}

std::string text_in(const nlohmann::json& message, const char* name) {
  const auto found = message.find(name);
  return found != message.end() && found->is_string() ? found->get<std::string>() : std::string();
}

std::int64_t number_in(const nlohmann::json& message, const char* name) {
  const auto found = message.find(name);
  return found != message.end() && found->is_number_integer() ? found->get<std::int64_t>() : 0;
}

} // namespace spate::loadgen
