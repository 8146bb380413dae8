#include "engine/net/connection.hpp"

#include <algorithm>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "tests/net/pair.hpp"

namespace spate::net {
namespace {

TEST_SUITE("net.connection") {
  TEST_CASE("bytes come back in order, however they are cut") {
    Pair pair;
    std::string sent;
    for (int i = 0; i < 200'000; ++i) {
      sent += static_cast<char>('a' + i % 23);
    }
    pair.server.bytes = [](Connection& c, std::string_view view) {
      c.send(view);
      return view.size();
    };
    pair.client.opened = [&](Connection& c) { c.send(sent); };
    pair.client.bytes = [&](Connection& c, std::string_view view) {
      pair.client.seen.append(view);
      if (pair.client.seen.size() == sent.size()) {
        c.close();
      }
      return view.size();
    };
    pair.server.closed = [&] { pair.loop.stop(); };
    pair.run();
    CHECK(pair.client.seen == sent);
    CHECK(pair.server.reason == CloseReason::by_peer);
    CHECK(pair.client.closes == 1);
  }

  TEST_CASE("bytes that a handler leaves are shown again with what follows") {
    Pair pair;
    std::vector<std::string> units;
    pair.server.bytes = [&](Connection&, std::string_view view) {
      std::size_t used = 0;
      while (view.size() - used >= 10) { // Takes units of ten bytes only.
        units.emplace_back(view.substr(used, 10));
        used += 10;
      }
      if (units.size() == 3) {
        pair.loop.stop();
      }
      return used;
    };
    pair.client.opened = [&](Connection& c) {
      c.send("0123456");
      c.flush();
      pair.loop.after(1, [&c] {
        c.send("789abcdefghijABCDE");
        c.flush();
      });
      pair.loop.after(30, [&c] { c.send("FGHIJ"); });
    };
    pair.run();
    CHECK(units == std::vector<std::string>{"0123456789", "abcdefghij", "ABCDEFGHIJ"});
    CHECK(pair.server.reason == CloseReason::loop_stopped);
  }

  TEST_CASE("a peer that never completes a unit is closed at its limit") {
    Pair pair;
    pair.server.bytes = [](Connection&, std::string_view) { return std::size_t{0}; };
    pair.client.opened = [](Connection& c) { c.send(std::string(5000, 'x')); };
    pair.client.closed = [&] { pair.loop.stop(); };
    pair.run();
    CHECK(pair.server.closes == 1);
    CHECK(pair.server.reason == CloseReason::by_us);
  }

  TEST_CASE("what a paused connection left is shown on resume, without new bytes") {
    Pair pair;
    int shows = 0;
    pair.server.bytes = [&](Connection& c, std::string_view view) -> std::size_t {
      if (++shows == 1) {
        c.pause_reading(true);
        pair.loop.after(5, [&c] { c.pause_reading(false); });
        return 2;
      }
      CHECK(view == "cd");
      pair.loop.stop();
      return view.size();
    };
    pair.client.opened = [](Connection& c) { c.send("abcd"); };
    pair.run();
    CHECK(shows == 2);
  }

  TEST_CASE("a paused loop reads nothing and goes on where it was") {
    Pair pair;
    bool paused = false;
    pair.client.opened = [&](Connection& c) {
      pair.loop.pause_reading(true);
      paused = true;
      c.send("hello");
      pair.loop.after(30, [&] {
        CHECK(pair.server.seen.empty());
        paused = false;
        pair.loop.pause_reading(false);
      });
    };
    pair.server.bytes = [&](Connection&, std::string_view view) {
      CHECK_FALSE(paused);
      pair.server.seen.append(view);
      pair.loop.stop();
      return view.size();
    };
    pair.run();
    CHECK(pair.server.seen == "hello");
  }

  TEST_CASE("a connection that is gone is not touched when its paused loop goes on") {
    Pair pair;
    pair.client.opened = [&](Connection& c) {
      pair.loop.pause_reading(true);
      c.send("hello");
      // Each flush looks again whether the connection is to be read, and meets the paused loop.
      for (std::uint64_t ms = 10; ms <= 30; ms += 10) {
        pair.loop.after(ms, [&] { pair.server.connection->send("x"); });
      }
      pair.loop.after(40, [&] { pair.server.connection->abort(); });
      pair.server.closed = [&] {
        pair.loop.after(10, [&] {
          pair.loop.pause_reading(false); // Under ASan this is where a dangling pointer shows.
          pair.loop.stop();
        });
      };
    };
    pair.run();
    CHECK(pair.server.closes == 1);
    CHECK(pair.server.seen.empty());
  }

  TEST_CASE("an incomplete unit is shown again only when what it needs is there") {
    Pair pair;
    std::vector<std::size_t> shown;
    pair.server.bytes = [&](Connection& c, std::string_view view) -> std::size_t {
      shown.push_back(view.size());
      if (view.size() < 6) {
        c.expect(6);
        return 0;
      }
      CHECK(view == "abcdef");
      pair.loop.stop();
      return view.size();
    };
    pair.client.opened = [&](Connection& c) {
      for (std::uint64_t i = 0; i < 6; ++i) {
        pair.loop.after(10 * i, [&c, i] { c.send(std::string(1, static_cast<char>('a' + i))); });
      }
    };
    pair.run();
    CHECK(shown == std::vector<std::size_t>{1, 6});
  }

  TEST_CASE("incomplete units of all connections are bounded together") {
    Pair pair;
    pair.loop.set_left_bytes_max(3000);
    pair.server.bytes = [](Connection& c, std::string_view) {
      c.set_unused_bytes_max(1u << 20);
      return std::size_t{0};
    };
    pair.client.opened = [&](Connection& c) {
      for (std::uint64_t i = 0; i < 8; ++i) {
        pair.loop.after(5 * i, [&] {
          if (pair.client.connection != nullptr) {
            c.send(std::string(1000, 'x'));
          }
        });
      }
    };
    pair.client.closed = [&] { pair.loop.stop(); };
    pair.run();
    CHECK(pair.server.reason == CloseReason::input_full);
  }

  TEST_CASE("the last words arrive although the peer was still sending") {
    Pair pair;
    pair.client.opened = [](Connection& c) { c.send(std::string(300'000, 'x')); };
    pair.server.bytes = [](Connection& c, std::string_view view) {
      c.send("go away");
      c.close();
      return view.size();
    };
    pair.client.closed = [&] { pair.loop.stop(); };
    pair.run();
    CHECK(pair.client.seen == "go away");
    CHECK(pair.client.reason == CloseReason::by_peer);
  }

  TEST_CASE("a slow peer gets all that was sent before the close, however long it takes") {
    Pair pair;
    constexpr std::size_t kBytes = 48u << 20; // With its breaks longer than kCloseLingerMs.
    std::size_t seen = 0;
    std::size_t breaks = 0;
    pair.client.opened = [](Connection& c) { c.send("all of it"); };
    pair.server.bytes = [](Connection& c, std::string_view view) {
      c.send(std::string(kBytes, 'x'));
      c.close();
      return view.size();
    };
    pair.client.bytes = [&](Connection& c, std::string_view view) {
      seen += view.size();
      if (seen / (1u << 20) > breaks) {
        breaks = seen / (1u << 20);
        c.pause_reading(true);
        pair.loop.after(80, [&] {
          if (pair.client.connection != nullptr) {
            pair.client.connection->pause_reading(false);
          }
        });
      }
      return view.size();
    };
    pair.client.closed = [&] { pair.loop.stop(); };
    pair.run();
    CHECK(seen == kBytes);
    CHECK(pair.server.reason == CloseReason::by_us);
  }

  TEST_CASE("abort drops the connection at once and only once") {
    Pair pair;
    pair.client.opened = [](Connection& c) { c.send("x"); };
    pair.server.bytes = [](Connection& c, std::string_view view) {
      c.send("never seen");
      c.abort();
      c.abort();
      c.close();
      return view.size();
    };
    pair.client.closed = [&] { pair.loop.stop(); };
    pair.run();
    CHECK(pair.client.seen.empty());
    CHECK(pair.server.closes == 1);
  }

  TEST_CASE("a reader that takes nothing stops being read once too much is unsent for it") {
    Pair pair;
    std::size_t read = 0;
    pair.server.bytes = [&](Connection& c, std::string_view view) {
      read += view.size();
      c.send(view);
      return view.size();
    };
    pair.client.opened = [&](Connection& c) {
      c.pause_reading(true);
      c.send(std::string(100'000'000, 'x'));
    };
    pair.loop.every(300, [&, before = std::size_t{0}]() mutable {
      if (read > 0 && read == before) { // Nothing moves any more.
        pair.loop.stop();
      }
      before = read;
    });
    pair.run();
    CHECK(read > 0);
    CHECK(read < 50'000'000);
  }

  TEST_CASE("a refused connection is told to the handler") {
    Loop loop;
    Peer client;
    client.closed = [&] { loop.stop(); };
    // Port 1 is not listened on here.
    REQUIRE(loop.connect("127.0.0.1", 1, "", client));
    loop.run();
    CHECK(client.reason == CloseReason::connect_failed);
  }
}

TEST_SUITE("net.listener") {
  TEST_CASE("addresses are read or refused with the reason") {
    CHECK(parse_address("127.0.0.1:1883")->port == 1883);
    CHECK(parse_address("localhost:0")->host == "127.0.0.1");
    CHECK(parse_address("[::1]:80")->loopback());
    CHECK(parse_address("[::1]:80")->text() == "[::1]:80");
    CHECK_FALSE(parse_address("*:1883")->loopback());
    for (const char* bad : {"", "1883", "127.0.0.1", "127.0.0.1:", "127.0.0.1:70000", "a.b:1",
                            "::1:80", "127.0.0.1:1x"}) {
      CAPTURE(bad);
      const auto address = parse_address(bad);
      REQUIRE_FALSE(address);
      CHECK(address.error().code == Errc::address_invalid);
    }
  }

  TEST_CASE("an address in use is refused with its name, and shared when asked for") {
    Loop loop;
    const auto accept = [](Connection&) -> ConnectionHandler* { return nullptr; };
    auto first = Listener::open(loop, {"127.0.0.1", 0}, true, accept);
    REQUIRE(first);
    const Address same = (*first)->address();
    CHECK(Listener::open(loop, same, true, accept));
    const auto refused = Listener::open(loop, same, false, accept);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == Errc::bind_failed);
    CHECK(refused.error().detail.find(same.text()) != std::string::npos);
  }
}

TEST_SUITE("net.loop") {
  TEST_CASE("functions posted by other threads run on the loop in their order") {
    Loop loop;
    std::vector<int> order;
    std::thread other([&] {
      for (int i = 0; i < 1000; ++i) {
        loop.post([&order, i] { order.push_back(i); });
      }
      loop.stop();
    });
    loop.run();
    other.join();
    REQUIRE(order.size() == 1000);
    CHECK(std::is_sorted(order.begin(), order.end()));
  }

  TEST_CASE("hooks run around each poll and keep it awake while they have work") {
    struct Counting final : LoopHooks {
      Loop* loop = nullptr;
      int before = 0;
      int after = 0;
      bool before_poll() override { return ++before < 5; }
      void after_poll() override {
        if (++after == 5) {
          loop->stop();
        }
      }
    };
    Loop loop;
    Counting hooks;
    hooks.loop = &loop;
    loop.set_hooks(hooks);
    loop.after(10, [&loop] { loop.wake(); });
    loop.run();
    CHECK(hooks.after >= 5);
  }
}

} // namespace
} // namespace spate::net
