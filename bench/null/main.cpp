// Spate bench - spate-bench-null: what the kernel costs. MQTT 3.1.1 frames in, acknowledgements
// out, nothing else.
//
// One epoll loop a thread: one read -> all its frames -> one write of all their replies. QoS 0
// and 1.
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <string>
#include <thread>
#include <vector>

#include <CLI/CLI.hpp>

#include "bench/minimal/frames.hpp"
#include "bench/minimal/sockets.hpp"

namespace spate::bench {
namespace {

constexpr std::size_t kReadBytes = 64u << 10;
constexpr int kEventsMax = 512;

/// What a connection keeps between two reads; both are empty most of the time.
struct Connection {
  std::string input;  ///< The start of a packet that is not whole yet.
  std::string output; ///< What the socket did not take. Reading stops until it is gone.
};

/// Runs until the process ends. Confined to its thread. A descriptor is the index of its
/// connection.
class Loop {
public:
  explicit Loop(int listener)
      : listener_(listener), epoll_(::epoll_create1(EPOLL_CLOEXEC)), buffer_(kReadBytes) {
    watch(listener_, EPOLLIN, EPOLL_CTL_ADD);
  }

  [[noreturn]] void run() {
    std::array<epoll_event, kEventsMax> events{};
    while (true) {
      const int ready = ::epoll_wait(epoll_, events.data(), kEventsMax, -1);
      for (int i = 0; i < ready; ++i) {
        const int fd = events[static_cast<std::size_t>(i)].data.fd;
        if (fd == listener_) {
          accept_all();
        } else if (!serve(fd, connections_[static_cast<std::size_t>(fd)])) {
          close_connection(fd);
        }
      }
    }
  }

private:
  void watch(int fd, std::uint32_t events, int operation) {
    epoll_event event{};
    event.events = events;
    event.data.fd = fd;
    ::epoll_ctl(epoll_, operation, fd, &event);
  }

  void accept_all() {
    for (int fd = accept_from(listener_); fd >= 0; fd = accept_from(listener_)) {
      if (connections_.size() <= static_cast<std::size_t>(fd)) {
        connections_.resize(static_cast<std::size_t>(fd) + 1);
      }
      // Edge-triggered: the kernel does not look at the socket again before the next packet.
      watch(fd, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, EPOLL_CTL_ADD);
    }
  }

  void close_connection(int fd) {
    ::close(fd);
    connections_[static_cast<std::size_t>(fd)] = {};
  }

  /// False when the connection is over.
  bool serve(int fd, Connection& connection) {
    if (!connection.output.empty() && !flush(fd, connection)) {
      return false;
    }
    while (connection.output.empty()) {
      const ssize_t got = ::recv(fd, buffer_.data(), buffer_.size(), 0);
      if (got <= 0) {
        return got < 0 && (errno == EAGAIN || errno == EINTR);
      }
      const std::string_view read(buffer_.data(), static_cast<std::size_t>(got));
      replies_.clear();
      if (!scan(connection, read) || !reply(fd, connection)) {
        return false;
      }
      if (read.size() < buffer_.size()) {
        return true; // A short read emptied the socket; what comes later is a new edge.
      }
    }
    return true;
  }

  /// Answers all whole packets into replies_ and keeps the rest.
  bool scan(Connection& connection, std::string_view read) {
    std::string_view input = read;
    if (!connection.input.empty()) {
      connection.input.append(read);
      input = connection.input;
    }
    std::size_t at = 0;
    Packet packet;
    while (true) {
      const std::ptrdiff_t bytes = cut_packet(input, at, packet);
      if (bytes < 0) {
        return false;
      }
      if (bytes == 0) {
        break;
      }
      if (!answer(packet)) {
        return false;
      }
      at += static_cast<std::size_t>(bytes);
    }
    if (input.data() == connection.input.data()) {
      connection.input.erase(0, at);
    } else {
      connection.input.assign(input.substr(at));
    }
    return true;
  }

  bool answer(const Packet& packet) {
    switch (packet.head & 0xf0) {
    case kPublish: {
      Publish publish;
      if (!read_publish(packet, publish)) {
        return false;
      }
      if (!publish.packet_id.empty()) {
        replies_.append("\x40\x02", 2);
        replies_.append(publish.packet_id);
      }
      return true;
    }
    case kConnect:
      replies_.append(kConnackAccepted);
      return true;
    case kPingreq:
      replies_.append(kPingresp);
      return true;
    default:
      return false; // DISCONNECT, or what this server does not know.
    }
  }

  bool reply(int fd, Connection& connection) {
    if (replies_.empty()) {
      return true;
    }
    const ssize_t sent = ::send(fd, replies_.data(), replies_.size(), MSG_NOSIGNAL);
    if (sent < 0 && errno != EAGAIN) {
      return false;
    }
    const std::size_t done = sent < 0 ? 0 : static_cast<std::size_t>(sent);
    if (done < replies_.size()) {
      connection.output.assign(replies_, done);
    }
    return true;
  }

  static bool flush(int fd, Connection& connection) {
    const ssize_t sent =
        ::send(fd, connection.output.data(), connection.output.size(), MSG_NOSIGNAL);
    if (sent < 0) {
      return errno == EAGAIN;
    }
    connection.output.erase(0, static_cast<std::size_t>(sent));
    return true;
  }

  int listener_;
  int epoll_;
  std::vector<char> buffer_;
  std::string replies_; ///< Of one read.
  std::vector<Connection> connections_;
};

} // namespace
} // namespace spate::bench

int main(int argc, char** argv) {
  using namespace spate::bench;
  std::string address = "127.0.0.1:1883";
  unsigned threads = 1;
  CLI::App app{
      "Reads MQTT 3.1.1 frames and acknowledges them: the floor of what the kernel costs."};
  app.add_option("--mqtt", address, "HOST:PORT to listen on")->capture_default_str();
  app.add_option("--threads", threads, "Loops, each with its own listener")
      ->check(CLI::Range(1u, 64u))
      ->capture_default_str();
  CLI11_PARSE(app, argc, argv);

  raise_descriptor_limit();
  hold_signals();
  for (unsigned i = 0; i < threads; ++i) {
    const auto listener = listen_on(address);
    if (!listener) {
      std::fprintf(stderr, "spate-bench-null: %s\n", listener.error().detail.c_str());
      return 1;
    }
    std::thread([fd = *listener] { Loop(fd).run(); }).detach();
  }
  std::printf("spate-bench-null: listening on %s\n", address.c_str());
  std::fflush(stdout);
  wait_for_signal();
  std::_Exit(0); // The loops hold nothing that must be closed.
}
