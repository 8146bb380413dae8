// Spate - peers for tests of connections: real sockets over the loopback.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include <doctest/doctest.h>

#include "engine/net/listener.hpp"

namespace spate::net {

/// A peer whose behaviour is two functions; it counts what happens to it.
struct Peer final : ConnectionHandler {
  std::function<std::size_t(Connection&, std::string_view)> bytes;
  std::function<void(Connection&)> opened;
  std::function<void()> closed;
  Connection* connection = nullptr;
  std::string seen;
  int closes = 0;
  CloseReason reason{};

  void on_open(Connection& c) override {
    connection = &c;
    if (opened) {
      opened(c);
    }
  }
  std::size_t on_bytes(Connection& c, std::string_view view) override {
    if (bytes) {
      return bytes(c, view);
    }
    seen.append(view);
    return view.size();
  }
  void on_close(Connection&, CloseReason why) override {
    ++closes;
    reason = why;
    connection = nullptr;
    if (closed) {
      closed();
    }
  }
};

/// A loop with a server and a client peer connected over the loopback.
struct Pair {
  Loop loop;
  Peer server;
  Peer client;
  std::unique_ptr<Listener> listener;

  void run() {
    auto open = Listener::open(loop, {"127.0.0.1", 0}, false, [this](Connection& c) {
      server.connection = &c;
      return &server;
    });
    REQUIRE(open);
    listener = std::move(*open);
    REQUIRE(loop.connect("127.0.0.1", listener->address().port, "", client));
    loop.after(20'000, [this] {
      FAIL_CHECK("the conversation did not end");
      loop.stop();
    });
    loop.run();
  }
};

} // namespace spate::net
