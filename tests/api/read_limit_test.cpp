#include "api/read_limit.hpp"

#include <doctest/doctest.h>

#include <memory>

using namespace spate::api;
using namespace std::chrono_literals;

namespace {

const SteadyTime kStart{std::chrono::hours(100)};

struct Read {
  std::shared_ptr<spate::http::Peer> peer = std::make_shared<spate::http::Peer>();
  ReadStop stop;
  ReadLimit limit{kStart + 30s, peer, stop};
};

} // namespace

TEST_CASE("a read ends behind its deadline, and a new part has a new one") {
  Read read;
  CHECK_FALSE(read.limit.over(kStart + 30s));
  CHECK(read.limit.over(kStart + 31s));
  CHECK(read.limit.problem().code == "query-timeout");
  read.limit.restart(kStart + 60s);
  CHECK_FALSE(read.limit.over(kStart + 31s));
}

TEST_CASE("a read ends at once with its client, and a second after that stopped sending") {
  Read gone;
  gone.peer->gone = true;
  CHECK(gone.limit.unheard());
  CHECK(gone.limit.over(kStart));

  Read half_closed;
  CHECK_FALSE(half_closed.limit.over(kStart));
  half_closed.peer->ended = true;
  CHECK_FALSE(half_closed.limit.over(kStart + 5s)); // Seen now: it may still read.
  CHECK_FALSE(half_closed.limit.over(kStart + 6s));
  CHECK(half_closed.limit.over(kStart + 6001ms));
  CHECK_FALSE(half_closed.limit.unheard());
}

TEST_CASE("a stop gives reads that are under way a little time") {
  Read read;
  read.stop.set(kStart + 2s);
  CHECK_FALSE(read.limit.over(kStart + 1s));
  CHECK(read.limit.over(kStart + 2s));
  CHECK(read.limit.problem().code == "draining");
  CHECK(read.limit.problem().retry_after_s.has_value());
}
