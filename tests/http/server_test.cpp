#include <doctest/doctest.h>

#include <thread>

#include "engine/http/server.hpp"
#include "tests/http/fakes.hpp"

using namespace spate;
using namespace spate::http;

namespace {

/// A client on the same loop: sends, and stops the loop when the server closes.
struct Client final : net::ConnectionHandler {
  net::Loop& loop;
  std::string request;
  std::string answer;

  Client(net::Loop& on, std::string bytes) : loop(on), request(std::move(bytes)) {}
  void on_open(net::Connection& connection) override { connection.send(request); }
  std::size_t on_bytes(net::Connection&, std::string_view bytes) override {
    answer.append(bytes);
    return bytes.size();
  }
  void on_close(net::Connection&, net::CloseReason) override { loop.stop(); }
};

std::string talk(FakeHandler& handler, const std::string& request, Limits limits = {}) {
  net::Loop loop;
  Server server(loop, handler, limits);
  REQUIRE(server.open({"127.0.0.1", 0}).has_value());
  Client client(loop, request);
  REQUIRE(loop.connect("127.0.0.1", server.address().port, "", client).has_value());
  loop.run();
  return client.answer;
}

} // namespace

TEST_CASE("over a socket: two requests on one connection, then the answer to the last closes it") {
  FakeHandler handler;
  const std::string answer =
      talk(handler, "GET /a HTTP/1.1\r\nHost: h\r\n\r\n"
                    "GET /b HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
  CHECK(count(answer, "HTTP/1.1 200 OK") == 2);
  CHECK(handler.seen.size() == 2);
}

TEST_CASE("over a socket: a body of a megabyte arrives whole") {
  FakeHandler handler;
  const std::string body(1 << 20, 'x');
  talk(handler, "POST /a HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: " +
                    std::to_string(body.size()) + "\r\n\r\n" + body);
  REQUIRE(handler.seen.size() == 1);
  CHECK(handler.seen[0].body == body);
}

TEST_CASE("over a socket: the answer to a refused large body reaches the client") {
  FakeHandler handler;
  const std::string answer =
      talk(handler, "POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 99999999\r\n\r\n" +
                        std::string(300'000, 'x'));
  CHECK(answer.starts_with("HTTP/1.1 413 "));
}

TEST_CASE(
    "over a socket: pipelined questions with large answers are all answered, a few at a time") {
  struct Large final : Handler {
    net::Loop loop;
    Server server{loop, *this, {}};
    std::uint64_t buffered_bytes_max = 0;
    std::optional<Response> on_head(const Request&) override { return std::nullopt; }
    void on_request(const Request&, Responder responder) override {
      server.exchanges().tick(); // Counts what is unsent.
      buffered_bytes_max = std::max(buffered_bytes_max, server.exchanges().counts().bytes_buffered);
      responder.respond(FakeHandler::text(std::string(100'000, 'x')));
    }
    Response on_refusal(const Refusal&, const Request&) override { return {}; }
  } handler;
  std::string requests;
  for (int i = 0; i < 500; ++i) {
    requests += "GET /a HTTP/1.1\r\nHost: h\r\n\r\n";
  }
  requests += "GET /a HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";
  REQUIRE(handler.server.open({"127.0.0.1", 0}).has_value());
  Client client(handler.loop, requests);
  REQUIRE(handler.loop.connect("127.0.0.1", handler.server.address().port, "", client).has_value());
  handler.loop.run();
  CHECK(count(client.answer, "HTTP/1.1 200 OK") == 501);
  CHECK(handler.buffered_bytes_max < 500'000);
}

TEST_CASE("connections above the limit are refused and counted") {
  FakeHandler handler;
  Limits limits;
  limits.connections_max = 0;
  CHECK(talk(handler, "GET /a HTTP/1.1\r\nHost: h\r\n\r\n", limits).empty());
}
