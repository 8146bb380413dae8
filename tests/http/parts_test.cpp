#include <memory>

#include <doctest/doctest.h>

#include "tests/http/fakes.hpp"

using namespace spate::http;

namespace {

using Then = PartWriter::Then;

const std::string kGet = "GET /a HTTP/1.1\r\nHost: localhost\r\n\r\n";
const std::string kGet10 = "GET /a HTTP/1.0\r\nHost: localhost\r\nConnection: keep-alive\r\n\r\n";

/// What became of a source that the exchange owns.
struct Seen {
  int pulls = 0;
  bool alive = true;
  PartWriter writer;
};

struct FakeSource final : PartSource {
  std::shared_ptr<Seen> seen;
  std::vector<std::string> at_once; ///< Handed over within pull(), the last one as the end.

  explicit FakeSource(std::shared_ptr<Seen> s) : seen(std::move(s)) {}
  ~FakeSource() override { seen->alive = false; }
  void pull(PartWriter writer) override {
    const auto number = static_cast<std::size_t>(seen->pulls++);
    seen->writer = writer;
    if (number < at_once.size()) {
      writer.write(at_once[number], number + 1 == at_once.size() ? Then::end : Then::more);
    }
  }
};

struct Download : Conversation {
  std::shared_ptr<Seen> seen = std::make_shared<Seen>();

  explicit Download(const std::string& request = kGet, Limits limits = {},
                    std::vector<std::string> at_once = {})
      : Conversation(limits) {
    handler.answer_now = false;
    send(request);
    auto source = std::make_unique<FakeSource>(seen);
    source->at_once = std::move(at_once);
    Response response;
    response.content_type = "text/csv";
    response.parts = std::move(source);
    handler.waiting.at(0).respond(std::move(response));
  }
  [[nodiscard]] std::string body() const {
    return transport.out.substr(transport.out.find("\r\n\r\n") + 4);
  }
};

} // namespace

TEST_CASE("a body in parts goes out in chunks and the connection goes on") {
  Download d;
  CHECK(count(d.transport.out, "Transfer-Encoding: chunked\r\n") == 1);
  CHECK(count(d.transport.out, "Content-Length") == 0);
  CHECK(d.transport.paused);
  d.seen->writer.write("hello\n", Then::more);
  CHECK(d.seen->pulls == 2);
  d.seen->writer.write("", Then::more); // Nothing was found yet: no chunk, which would be the last.
  d.seen->writer.write("0123456789abcdef", Then::end);
  CHECK(d.body() == "6\r\nhello\n\r\n10\r\n0123456789abcdef\r\n0\r\n\r\n");
  CHECK_FALSE(d.seen->alive);
  CHECK_FALSE(d.transport.paused);
  CHECK_FALSE(d.transport.closed);
  d.handler.answer_now = true;
  d.send(kGet);
  CHECK(count(d.transport.out, "answer 2") == 1);
}

TEST_CASE("parts that come at once are all written, and their source ends behind them") {
  Download d(kGet, {}, {"a", "b", "c"});
  CHECK(d.body() == "1\r\na\r\n1\r\nb\r\n1\r\nc\r\n0\r\n\r\n");
  CHECK_FALSE(d.seen->alive);
}

TEST_CASE("a part is asked for only when the reader has taken most of those before") {
  Limits limits;
  limits.part_unsent_bytes_max = 1000;
  Download d(kGet, limits);
  d.transport.stuck_bytes = 1001;
  d.seen->writer.write(std::string(500, 'x'), Then::more);
  CHECK(d.seen->pulls == 1);
  d.exchange.on_room();
  CHECK(d.seen->pulls == 1);
  d.transport.stuck_bytes = 1000;
  d.exchange.on_room();
  CHECK(d.seen->pulls == 2);
  d.exchange.on_room(); // It is under way.
  CHECK(d.seen->pulls == 2);
}

TEST_CASE("requests behind a body in parts are answered after it") {
  Download d(kGet + kGet);
  d.handler.waiting.at(1).respond(FakeHandler::text("second"));
  d.send(kGet);
  CHECK(d.handler.seen.size() == 2); // The third is not begun.
  d.seen->writer.write("part", Then::more);
  CHECK(count(d.transport.out, "second") == 0);
  d.seen->writer.write("", Then::end);
  CHECK(d.transport.out.find("0\r\n\r\n") < d.transport.out.find("second"));
  d.show();
  CHECK(d.handler.seen.size() == 3);
}

TEST_CASE("a body that can not be finished never looks whole") {
  Download d;
  d.seen->writer.write("{\"error\":1}\n", Then::abort);
  CHECK(count(d.transport.out, "{\"error\":1}") == 1);
  CHECK(count(d.transport.out, "0\r\n\r\n") == 0);
  CHECK(d.transport.closed); // Its words arrive; the missing last chunk tells.
  Download old(kGet10);
  old.seen->writer.write("x", Then::abort);
  CHECK(old.transport.aborted);
  CHECK_FALSE(old.transport.closed);
}

TEST_CASE("to HTTP/1.0 the end of the connection is the end of the body") {
  Download d(kGet10);
  CHECK(count(d.transport.out, "Connection: close\r\n") == 1);
  CHECK(count(d.transport.out, "Transfer-Encoding") == 0);
  d.seen->writer.write("plain", Then::end);
  CHECK(d.body() == "plain");
  CHECK(d.transport.closed);
  CHECK_FALSE(d.transport.aborted);
}

TEST_CASE("HEAD of a body in parts asks for none") {
  Download d("HEAD /a HTTP/1.1\r\nHost: localhost\r\n\r\n");
  CHECK(d.seen->pulls == 0);
  CHECK_FALSE(d.seen->alive);
  CHECK(d.body().empty());
  CHECK_FALSE(d.transport.closed);
}

TEST_CASE("the end of a connection ends the source, and parts that come later go nowhere") {
  auto seen = std::make_shared<Seen>();
  FakeHandler handler;
  handler.answer_now = false;
  Exchanges table(handler, {});
  FakeTransport transport;
  std::shared_ptr<const Peer> peer;
  {
    Exchange exchange(table, transport);
    const std::string padded = kGet + std::string(64, '\0');
    exchange.on_bytes(std::string_view(padded).substr(0, kGet.size()));
    peer = handler.waiting[0].peer();
    Response response;
    response.parts = std::make_unique<FakeSource>(seen);
    handler.waiting[0].respond(std::move(response));
    CHECK(seen->pulls == 1);
    CHECK_FALSE(peer->gone);
    exchange.on_end();
    CHECK(peer->ended);
    CHECK(seen->alive); // It may still read.
  }
  CHECK(peer->gone);
  CHECK_FALSE(seen->alive);
  const std::size_t before = transport.out.size();
  seen->writer.write("late", Then::more);
  CHECK(transport.out.size() == before);
  CHECK(handler.waiting[0].peer()->gone);
}

TEST_CASE("a second part for one question is not taken") {
  Download d;
  const PartWriter first = d.seen->writer;
  first.write("a", Then::more);
  first.write("b", Then::more);
  CHECK(count(d.transport.out, "b\r\n") == 0);
}

TEST_CASE("a reader that is far too slow is cut, one that waits for the node is not") {
  Limits limits;
  limits.part_grace_ms = 10'000;
  Download d(kGet, limits);
  d.at(200'000); // The node has not made the part yet.
  CHECK_FALSE(d.transport.aborted);
  d.transport.stuck_bytes = 1u << 20;
  d.seen->writer.write(std::string(5000, 'x'), Then::more);
  d.at(214'000);
  CHECK_FALSE(d.transport.aborted); // 10 s, and 5 s for 5,000 bytes.
  d.at(216'000);
  CHECK(d.transport.aborted);
  CHECK_FALSE(d.seen->alive);
}

TEST_CASE("a stop lets a body in parts end, but not for long") {
  Download d;
  d.table.drain();
  d.seen->writer.write("rest", Then::end);
  CHECK(d.transport.closed);
  CHECK(count(d.transport.out, "0\r\n\r\n") == 1);

  Download slow;
  slow.transport.stuck_bytes = 1u << 20;
  slow.seen->writer.write("rest", Then::more);
  slow.table.drain();
  slow.at(2'000);
  CHECK_FALSE(slow.transport.aborted);
  slow.at(2'001);
  CHECK(slow.transport.aborted);
}

TEST_CASE("what a body in parts has unsent is counted") {
  Download d;
  d.transport.takes_nothing = true;
  d.seen->writer.write(std::string(100'000, 'x'), Then::more);
  CHECK(d.table.counts().bytes_buffered > 100'000);
}
