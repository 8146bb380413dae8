// Many connections that come at once.
#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <vector>

#include <doctest/doctest.h>

#include "tests/net/pair.hpp"

namespace spate::net {
namespace {

/// Counts what was accepted in each iteration.
struct Iterations final : LoopHooks {
  std::vector<std::size_t> accepted = {0};
  void after_poll() override { accepted.push_back(0); }
};

int connect_to(std::uint16_t port) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(port);
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  REQUIRE(::connect(fd, reinterpret_cast<const sockaddr*>(&to), sizeof to) == 0);
  return fd;
}

TEST_SUITE("net.crowd") {
  TEST_CASE("a crowd is accepted in steps, so that others have their turn between them") {
    constexpr std::size_t kCrowd = 300;
    Loop loop;
    Iterations iterations;
    loop.set_hooks(iterations);
    Peer server;
    std::size_t there = 0;
    auto listener = Listener::open(loop, {"127.0.0.1", 0}, false, [&](Connection&) {
      ++iterations.accepted.back();
      if (++there == kCrowd) {
        loop.stop();
      }
      return &server;
    });
    REQUIRE(listener);
    std::vector<int> crowd;
    for (std::size_t i = 0; i < kCrowd; ++i) {
      crowd.push_back(connect_to((*listener)->address().port));
    }
    loop.run();
    CHECK(there == kCrowd);
    CHECK(server.closes == static_cast<int>(kCrowd));
    CHECK(*std::max_element(iterations.accepted.begin(), iterations.accepted.end()) <= 64);
    for (const int fd : crowd) {
      ::close(fd);
    }
  }

  TEST_CASE("a listener that closes with a connection waiting lets go of it") {
    Loop loop;
    Peer server;
    std::unique_ptr<Listener> listener;
    std::size_t there = 0;
    auto open = Listener::open(loop, {"127.0.0.1", 0}, false, [&](Connection&) {
      if (++there == 1) {
        loop.post([&] { // After the poll in which the first ones were accepted.
          listener->close();
          loop.stop();
        });
      }
      return &server;
    });
    REQUIRE(open);
    listener = std::move(*open);
    std::vector<int> crowd;
    for (std::size_t i = 0; i < 100; ++i) {
      crowd.push_back(connect_to(listener->address().port));
    }
    loop.run();
    CHECK(there < 100);
    CHECK(server.closes == static_cast<int>(there));
    for (const int fd : crowd) {
      ::close(fd);
    }
  }
}

} // namespace
} // namespace spate::net
