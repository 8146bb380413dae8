#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "tests/net/pair.hpp"

namespace spate::net {
namespace {

/// One listener, many clients of which each has its own server side, all on one loop.
struct Crowd {
  Loop loop;
  std::vector<std::unique_ptr<Peer>> servers; ///< In the order of accepting.
  std::vector<std::unique_ptr<Peer>> clients;
  std::unique_ptr<Listener> listener;

  void run(std::size_t size) {
    auto open = Listener::open(loop, {"127.0.0.1", 0}, false, [this](Connection& c) {
      servers.push_back(std::make_unique<Peer>());
      servers.back()->connection = &c;
      accepted(*servers.back());
      return servers.back().get();
    });
    REQUIRE(open);
    listener = std::move(*open);
    for (std::size_t i = 0; i < size; ++i) {
      clients.push_back(std::make_unique<Peer>());
      clients.back()->opened = [this, size](Connection&) {
        if (++opened == size) {
          loop.after(20, [this] { begin(); });
        }
      };
      REQUIRE(loop.connect("127.0.0.1", listener->address().port, "", *clients.back()));
    }
    loop.after(20'000, [this] {
      FAIL_CHECK("the conversation did not end");
      loop.stop();
    });
    loop.run();
  }

  std::function<void(Peer&)> accepted;
  std::function<void()> begin;
  std::size_t opened = 0;
};

struct CountingHooks final : LoopHooks {
  int writes = 0;
  std::function<void()> on_between_reads;
  void between_reads() override {
    if (on_between_reads) {
      on_between_reads();
    }
  }
  void between_writes() override { ++writes; }
};

/// Lets the time of kHotPollNs pass, whatever the machine does meanwhile.
void let_pass() {
  const std::int64_t end = steady_ns() + 2 * Connection::kHotPollNs;
  while (steady_ns() < end) {
  }
}

TEST_SUITE("net.hot_sockets") {
  TEST_CASE("a hot socket is read between the reads of the others") {
    for (const bool hot : {true, false}) {
      CAPTURE(hot);
      Crowd crowd;
      Peer* chosen = nullptr;
      int before_chosen = 0;
      int others = 0;
      crowd.accepted = [&](Peer& peer) {
        Peer* self = &peer;
        peer.bytes = [&, self](Connection&, std::string_view view) {
          if (self == chosen) {
            before_chosen = others;
            self->seen.append(view);
          } else if (++others == 1) {
            // All have sent before the sweep began; the chosen one's bytes come during it.
            crowd.clients.back()->connection->send_first("now");
            let_pass();
          }
          if (others == 49 && !chosen->seen.empty()) {
            crowd.loop.stop();
          }
          return view.size();
        };
      };
      crowd.begin = [&] {
        // Clients connect in order and so are accepted.
        chosen = crowd.servers.back().get();
        chosen->connection->set_hot(hot);
        for (std::size_t i = 0; i + 1 < crowd.clients.size(); ++i) {
          crowd.clients[i]->connection->send("x");
        }
      };
      crowd.run(50);
      CHECK(chosen->seen == "now");
      CHECK((before_chosen < 49) == hot);
    }
  }

  TEST_CASE("a hot socket is never shown from within another's on_bytes") {
    Crowd crowd;
    bool inside = false;
    int shown = 0;
    crowd.accepted = [&](Peer& peer) {
      peer.bytes = [&](Connection& c, std::string_view view) {
        CHECK_FALSE(inside);
        inside = true;
        let_pass();
        c.loop().read_hot(); // As a hook would that is called from somewhere within.
        inside = false;
        shown += static_cast<int>(view.size());
        if (shown == 10) {
          crowd.loop.stop();
        }
        return view.size();
      };
    };
    crowd.begin = [&] {
      for (std::size_t i = 0; i < 10; ++i) {
        crowd.servers[i]->connection->set_hot(true);
        crowd.clients[i]->connection->send("x");
      }
    };
    crowd.run(10);
    CHECK(shown == 10);
  }

  TEST_CASE("paused, ended and closed connections are not read though they are hot") {
    Crowd crowd;
    std::string seen;
    crowd.accepted = [&](Peer& peer) {
      peer.bytes = [&](Connection&, std::string_view view) {
        seen.append(view);
        return view.size();
      };
    };
    crowd.begin = [&] {
      for (auto& server : crowd.servers) {
        server->connection->set_hot(true);
      }
      crowd.servers[0]->connection->pause_reading(true);
      for (auto& client : crowd.clients) {
        client->connection->send_first("abc");
      }
      crowd.servers[1]->connection->close();
      crowd.servers[2]->connection->abort();
      let_pass();
      crowd.loop.read_hot();
      CHECK(seen == "abc"); // Of the fourth.
      crowd.loop.pause_reading(true);
      crowd.clients[3]->connection->send_first("def");
      let_pass();
      crowd.loop.read_hot();
      CHECK(seen == "abc");
      crowd.loop.pause_reading(false);
      crowd.servers[0]->connection->pause_reading(false);
      crowd.loop.after(50, [&] {
        std::sort(seen.begin(), seen.end());
        CHECK(seen == "aabbccdef");
        let_pass();
        crowd.loop.read_hot(); // Under ASan this is where a dangling pointer shows.
        crowd.loop.stop();
      });
    };
    crowd.run(4);
  }

  TEST_CASE("while reading is paused hot sockets bring so many bytes and no more") {
    Crowd crowd;
    std::string seen;
    crowd.accepted = [&](Peer& peer) {
      peer.bytes = [&](Connection&, std::string_view view) {
        seen.append(view);
        return view.size();
      };
    };
    crowd.begin = [&] {
      crowd.loop.pause_reading(true, 5);
      crowd.clients[0]->connection->send_first("abcdefg");
      crowd.clients[1]->connection->send_first("xyz");
      crowd.loop.after(20, [&] { // By now both have met the paused loop.
        CHECK(seen.empty());
        crowd.servers[0]->connection->set_hot(true);
        for (int i = 0; i < 2; ++i) {
          let_pass();
          crowd.loop.read_hot();
          CHECK(seen == "abcde");
          crowd.loop.pause_reading(true, 5); // Still the same pause.
        }
        crowd.loop.pause_reading(false);
        crowd.loop.after(20, [&] {
          std::sort(seen.begin(), seen.end());
          CHECK(seen == "abcdefgxyz");
          crowd.loop.stop();
        });
      });
    };
    crowd.run(2);
  }

  TEST_CASE("what a hot read leaves is shown again with what follows") {
    Crowd crowd;
    crowd.accepted = [&](Peer& peer) {
      peer.bytes = [&](Connection&, std::string_view view) -> std::size_t {
        if (view.size() < 6) {
          return 0;
        }
        peer.seen.append(view);
        crowd.loop.stop();
        return view.size();
      };
    };
    crowd.begin = [&] {
      crowd.servers[0]->connection->set_hot(true);
      crowd.clients[0]->connection->send_first("abc");
      let_pass();
      crowd.loop.read_hot();
      crowd.clients[0]->connection->send_first("def");
      let_pass();
      crowd.loop.read_hot();
    };
    crowd.run(1);
    CHECK(crowd.servers[0]->seen == "abcdef");
  }

  TEST_CASE("the end of the stream of a hot socket is noticed as that of any other") {
    Crowd crowd;
    crowd.accepted = [&](Peer& peer) { peer.closed = [&] { crowd.loop.stop(); }; };
    crowd.begin = [&] {
      crowd.servers[0]->connection->set_hot(true);
      crowd.clients[0]->connection->close();
    };
    crowd.run(1);
    CHECK(crowd.servers[0]->reason == CloseReason::by_peer);
  }

  TEST_CASE("a socket that is hot no more is read in its turn only") {
    Crowd crowd;
    crowd.accepted = [](Peer&) {};
    crowd.begin = [&] {
      crowd.servers[0]->connection->set_hot(true);
      crowd.servers[0]->connection->set_hot(false);
      crowd.clients[0]->connection->send_first("abc");
      let_pass();
      crowd.loop.read_hot();
      CHECK(crowd.servers[0]->seen.empty());
      crowd.loop.after(20, [&] { crowd.loop.stop(); });
    };
    crowd.run(1);
    CHECK(crowd.servers[0]->seen == "abc");
  }

  TEST_CASE("what is urgent has its turn between the writes of an iteration") {
    Crowd crowd;
    CountingHooks hooks;
    crowd.loop.set_hooks(hooks);
    crowd.accepted = [](Peer&) {};
    crowd.begin = [&] {
      hooks.writes = 0;
      for (auto& server : crowd.servers) {
        server->connection->send("x");
      }
      crowd.loop.after(20, [&] { crowd.loop.stop(); });
    };
    crowd.run(40);
    CHECK(hooks.writes == 5);
  }
}

TEST_SUITE("net.send_first") {
  TEST_CASE("it goes out at once, ahead of what was gathered, and the rest keeps its order") {
    Pair pair;
    pair.server.bytes = [](Connection& c, std::string_view view) {
      c.send("gathered-1 ");
      c.send_first("first ");
      c.send("gathered-2 ");
      c.send_first("second ");
      c.close();
      c.send_first("never");
      return view.size();
    };
    pair.client.opened = [](Connection& c) { c.send("go"); };
    pair.client.closed = [&] { pair.loop.stop(); };
    pair.run();
    CHECK(pair.client.seen == "first second gathered-1 gathered-2 ");
  }

  TEST_CASE("it never lands within bytes of which the kernel has taken a part") {
    Pair pair;
    const std::string unit(16u << 20, 'x');
    std::string expected = unit + "first second " + "gathered-1 gathered-2 ";
    pair.server.bytes = [&](Connection& c, std::string_view view) {
      c.send(unit);
      c.flush();
      REQUIRE(c.unsent_bytes() > 0); // The kernel took a part only.
      c.send("gathered-1 ");
      c.send_first("first ");
      c.send("gathered-2 ");
      c.send_first("second ");
      c.close();
      return view.size();
    };
    pair.client.opened = [](Connection& c) { c.send("go"); };
    pair.client.closed = [&] { pair.loop.stop(); };
    pair.run();
    CHECK((pair.client.seen == expected));
  }

  TEST_CASE("a unit that the kernel takes a part of only is finished before anything else") {
    Pair pair;
    const std::string unit(16u << 20, 'x');
    pair.server.bytes = [&](Connection& c, std::string_view view) {
      c.send("gathered ");
      c.send_first(unit);
      c.send_first("first ");
      c.close();
      return view.size();
    };
    pair.client.opened = [](Connection& c) { c.send("go"); };
    pair.client.closed = [&] { pair.loop.stop(); };
    pair.run();
    CHECK((pair.client.seen == unit + "first gathered "));
  }

  TEST_CASE("to a peer that is gone it ends the connection") {
    Pair pair;
    pair.client.opened = [](Connection& c) { c.send("go"); };
    pair.server.bytes = [&](Connection&, std::string_view view) {
      pair.client.connection->abort();
      return view.size();
    };
    pair.server.closed = [&] { pair.loop.stop(); };
    pair.loop.after(50, [&] {
      for (int i = 0; i < 3 && pair.server.connection != nullptr; ++i) {
        pair.server.connection->send_first("anyone?");
      }
    });
    pair.run();
    CHECK(pair.server.closes == 1);
  }
}

} // namespace
} // namespace spate::net
