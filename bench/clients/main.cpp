// Spate bench - spate-bench-clients: many clients that are hardly there. Kept sessions that come,
// subscribe and go; connections that never finish their CONNECT. Any server.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include "bench/minimal/sockets.hpp"
#include "engine/wire/codec.hpp"

namespace spate::bench {
namespace {

using Clock = std::chrono::steady_clock;
using wire::PacketType;

/// Each has some 28,000 ephemeral ports towards one server.
constexpr std::uint32_t kSourceAddresses = 64;

struct Options {
  std::uint16_t port = 1883;
  std::size_t count = 500'000;
  std::size_t at_once = 500; ///< Connections, of sessions.
  bool again = false;        ///< What the server closes is opened again at once.
};

[[noreturn]] void give_up(const std::string& why) {
  std::fprintf(stderr, "spate-bench-clients: %s\n", why.c_str());
  std::exit(1);
}

/// One loop over connections that are named by an index.
class Sockets {
public:
  explicit Sockets(std::uint16_t port) : port_(port), epoll_(::epoll_create1(EPOLL_CLOEXEC)) {}

  /// Begins a connection; it is ready when it can be written.
  int open(std::uint64_t index) {
    const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
      give_up("no socket: " + std::string(std::strerror(errno)));
    }
    const int on = 1; // The port is chosen at connect(), for this destination.
    ::setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
    sockaddr_in from = address(INADDR_LOOPBACK + 1 + turn_++ % kSourceAddresses, 0);
    const sockaddr_in to = address(INADDR_LOOPBACK, port_);
    if (::bind(fd, reinterpret_cast<const sockaddr*>(&from), sizeof from) != 0 ||
        (::connect(fd, reinterpret_cast<const sockaddr*>(&to), sizeof to) != 0 &&
         errno != EINPROGRESS)) {
      give_up("can not connect: " + std::string(std::strerror(errno)));
    }
    epoll_event event{};
    event.events = EPOLLOUT;
    event.data.u64 = index;
    ::epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event);
    return fd;
  }
  /// From now on it is awaited that it can be read.
  void await_input(int fd, std::uint64_t index) {
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.u64 = index;
    ::epoll_ctl(epoll_, EPOLL_CTL_MOD, fd, &event);
  }
  /// Calls `ready(index, events)` for those that are.
  template <class Ready>
  bool turn(int patience_ms, Ready&& ready) {
    std::array<epoll_event, 512> events{};
    const int count =
        ::epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), patience_ms);
    for (int i = 0; i < count; ++i) {
      const epoll_event& event = events[static_cast<std::size_t>(i)];
      ready(event.data.u64, event.events);
    }
    return count != 0;
  }
  void watch_input_of_ours(std::uint64_t index) {
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.u64 = index;
    ::epoll_ctl(epoll_, EPOLL_CTL_ADD, STDIN_FILENO, &event);
  }

private:
  static sockaddr_in address(std::uint32_t host, std::uint16_t port) {
    sockaddr_in out{};
    out.sin_family = AF_INET;
    out.sin_addr.s_addr = htonl(host);
    out.sin_port = htons(port);
    return out;
  }
  const std::uint16_t port_;
  const int epoll_;
  std::uint32_t turn_ = 0;
};

void send_all(int fd, const std::string& bytes) {
  if (::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(bytes.size())) {
    give_up("can not write: " + std::string(std::strerror(errno)));
  }
}

/// Session `number` connects, subscribes to a filter of its own and leaves.
class Sessions {
public:
  explicit Sessions(const Options& options) : options_(options), sockets_(options.port) {}

  int run() {
    const auto begin = Clock::now();
    slots_.resize(std::min(options_.at_once, options_.count));
    for (std::size_t i = 0; i < slots_.size(); ++i) {
      start(i);
    }
    while (done_ < options_.count) {
      if (!sockets_.turn(20'000, [this](std::uint64_t i, std::uint32_t) { go_on(i); })) {
        give_up("the server did not answer for 20 s");
      }
    }
    std::printf("{\"sessions\":%zu,\"seconds\":%.3f}\n", done_,
                std::chrono::duration<double>(Clock::now() - begin).count());
    return 0;
  }

private:
  struct Slot {
    int fd = -1;
    std::size_t number = 0;
    bool greeted = false;
    std::string input;
  };

  void start(std::size_t index) {
    if (begun_ == options_.count) {
      return;
    }
    slots_[index] = {sockets_.open(index), begun_++, false, {}};
  }

  void go_on(std::uint64_t index) {
    Slot& slot = slots_[index];
    if (!slot.greeted) {
      slot.greeted = true;
      greet(slot);
      sockets_.await_input(slot.fd, index);
      return;
    }
    std::array<char, 256> bytes{};
    const ssize_t got = ::recv(slot.fd, bytes.data(), bytes.size(), 0);
    if (got <= 0) {
      give_up("the server closed the connection of session " + std::to_string(slot.number));
    }
    slot.input.append(bytes.data(), static_cast<std::size_t>(got));
    std::size_t used = 0;
    for (;;) {
      const auto next = wire::next_frame(std::string_view(slot.input).substr(used), 1024);
      if (next.status != wire::FrameStatus::complete) {
        break;
      }
      used += next.bytes;
      if (next.frame.type == PacketType::suback) {
        std::string goodbye;
        wire::append_disconnect(goodbye, {}, wire::Version::v311);
        send_all(slot.fd, goodbye);
        ::close(slot.fd);
        ++done_;
        start(index);
        return;
      }
    }
    slot.input.erase(0, used);
  }

  static void greet(const Slot& slot) {
    std::string out;
    wire::Connect connect;
    connect.clean_start = false;
    connect.keep_alive_s = 60;
    const std::string id = "kept-" + std::to_string(slot.number);
    connect.client_id = id;
    wire::append_connect(out, connect);
    wire::Subscribe subscribe;
    subscribe.packet_id = 1;
    const std::string filter = "devices/" + id + "/commands/#";
    subscribe.subscriptions = {{filter, 1}};
    wire::append_subscribe(out, subscribe, wire::Version::v311);
    send_all(slot.fd, out);
  }

  const Options options_;
  Sockets sockets_;
  std::vector<Slot> slots_;
  std::size_t begun_ = 0;
  std::size_t done_ = 0;
};

/// Connections without a CONNECT; every second one sends half of it.
class HalfOpen {
public:
  explicit HalfOpen(const Options& options) : options_(options), sockets_(options.port) {
    std::string connect;
    wire::append_connect(connect, wire::Connect{});
    half_ = connect.substr(0, connect.size() / 2);
  }

  int run() {
    fds_.resize(options_.count, -1);
    sockets_.watch_input_of_ours(options_.count);
    std::size_t begun = 0;
    while (!told_to_stop_) {
      // Not more at once than the server's queue of connections holds.
      for (; begun < options_.count && begun < open_ + 100; ++begun) {
        fds_[begun] = sockets_.open(begun);
      }
      sockets_.turn(1000, [this](std::uint64_t i, std::uint32_t events) { go_on(i, events); });
      if (open_ >= options_.count && !told_) {
        told_ = true;
        std::printf("ready\n");
        std::fflush(stdout);
      }
    }
    std::printf("{\"opened\":%zu,\"closed\":%zu,\"refused\":%zu}\n", open_, closed_, refused_);
    return 0;
  }

private:
  void go_on(std::uint64_t index, std::uint32_t events) {
    if (index == options_.count) {
      told_to_stop_ = true;
      return;
    }
    int& fd = fds_[index];
    if ((events & EPOLLOUT) != 0 && (events & (EPOLLERR | EPOLLHUP)) == 0) {
      ++open_;
      if (index % 2 == 0) {
        send_all(fd, half_);
      }
      sockets_.await_input(fd, index);
      return;
    }
    std::array<char, 64> bytes{};
    const ssize_t got = ::recv(fd, bytes.data(), bytes.size(), 0);
    if (got > 0) {
      return; // A CONNACK that says why; the end follows.
    }
    ++((events & EPOLLOUT) != 0 ? refused_ : closed_);
    ::close(fd);
    fd = options_.again ? sockets_.open(index) : -1;
  }

  const Options options_;
  Sockets sockets_;
  std::string half_;
  std::vector<int> fds_;
  std::size_t open_ = 0; ///< So far.
  std::size_t closed_ = 0;
  std::size_t refused_ = 0;
  bool told_ = false;
  bool told_to_stop_ = false;
};

} // namespace
} // namespace spate::bench

int main(int argc, char** argv) {
  spate::bench::Options options;
  CLI::App app{
      "Many MQTT clients that are hardly there, on 127.0.0.1. Exit status: 0, 1 the server "
      "did not play along, 2 usage."};
  app.require_subcommand(1);
  app.add_option("--port", options.port)->capture_default_str();
  app.add_option("--count", options.count)->capture_default_str();
  auto* sessions = app.add_subcommand(
      "sessions", "Kept sessions with a subscription each; prints a JSON line when all were made");
  sessions->add_option("--at-once", options.at_once, "Connections")->capture_default_str();
  auto* half_open = app.add_subcommand(
      "half-open", "Connections without CONNECT, half of them with half of one; prints \"ready\", "
                   "goes on until a line comes, prints JSON");
  half_open->add_flag("--again", options.again, "Open again at once what the server closes");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  spate::bench::raise_descriptor_limit();
  return sessions->parsed() ? spate::bench::Sessions(options).run()
                            : spate::bench::HalfOpen(options).run();
}
