#include <doctest/doctest.h>

#include "tests/http/fakes.hpp"

using namespace spate::http;

namespace {

const std::string kGet = "GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n";

std::string post(std::string_view body, std::string_view more = "") {
  return "POST /a HTTP/1.1\r\nHost: localhost\r\nContent-Length: " + std::to_string(body.size()) +
         "\r\n" + std::string(more) + "\r\n" + std::string(body);
}

bool starts_with(std::string_view text, std::string_view with) {
  return text.substr(0, with.size()) == with;
}

} // namespace

TEST_CASE("what is no HTTP is answered with 400 and the connection ends") {
  Conversation c;
  c.send("\x16\x03\x01 tls here\r\n\r\n");
  CHECK(starts_with(c.transport.out, "HTTP/1.1 400 "));
  CHECK(count(c.transport.out, "Connection: close\r\n") == 1);
  CHECK(c.transport.closed);
  CHECK(c.handler.seen.empty());
}

TEST_CASE("a request torn at any byte is read the same") {
  const std::string whole = post("{\"a\":1}") +
                            "POST /b HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
                            "3\r\nabc\r\n2;ext=1\r\nde\r\n0\r\nTrailer: x\r\n\r\n" +
                            kGet;
  for (std::size_t cut = 0; cut <= whole.size(); ++cut) {
    Conversation c;
    c.send(whole.substr(0, cut));
    c.send(whole.substr(cut));
    REQUIRE(c.handler.seen.size() == 3);
    CHECK(c.handler.seen[0].body == "{\"a\":1}");
    CHECK(c.handler.seen[1].body == "abcde");
    CHECK(c.handler.seen[1].path == "/b");
    CHECK(c.handler.seen[2].path == "/livez");
    CHECK(count(c.transport.out, "HTTP/1.1 200 OK") == 3);
    CHECK_FALSE(c.transport.closed);
  }
  Conversation c;
  for (const char byte : whole) {
    c.send(std::string_view(&byte, 1));
  }
  CHECK(c.handler.seen.size() == 3);
}

TEST_CASE("pipelined requests are answered in their order, however late the first answer is") {
  Conversation c;
  c.handler.answer_now = false;
  c.send(kGet + kGet + kGet);
  REQUIRE(c.handler.waiting.size() == 3);
  c.handler.waiting[2].respond(FakeHandler::text("third"));
  c.handler.waiting[1].respond(FakeHandler::text("second"));
  CHECK(c.transport.out.empty());
  CHECK(c.table.counts().bytes_buffered == 11);
  c.handler.waiting[0].respond(FakeHandler::text("first"));
  const std::string& out = c.transport.out;
  CHECK(out.find("first") < out.find("second"));
  CHECK(out.find("second") < out.find("third"));
  CHECK(count(out, "HTTP/1.1 200") == 3);
  CHECK(c.table.counts().bytes_buffered == 0);
}

TEST_CASE("only so many requests wait, then the connection is not read") {
  Limits limits;
  limits.pipelined_max = 2;
  Conversation c(limits);
  c.handler.answer_now = false;
  c.send(kGet + kGet + kGet + kGet);
  CHECK(c.handler.waiting.size() == 2);
  CHECK(c.transport.paused);
  CHECK(c.left.size() == 2 * kGet.size());
  c.handler.waiting[0].respond(FakeHandler::text("x"));
  CHECK_FALSE(c.transport.paused);
  c.show();
  CHECK(c.handler.waiting.size() == 3);
}

TEST_CASE("who takes no answers gets only so many written, and the rest when there is room") {
  Limits limits;
  limits.unsent_bytes_max = 1000;
  Conversation c(limits);
  c.transport.takes_nothing = true;
  std::string requests;
  for (int i = 0; i < 100; ++i) {
    requests += kGet;
  }
  c.send(requests);
  CHECK(c.transport.out.size() < 1300);
  CHECK(c.transport.paused);
  const std::size_t answered = c.handler.seen.size();
  CHECK(answered < 20);
  c.exchange.on_room(); // Not enough of it yet.
  CHECK(c.transport.paused);

  c.transport.takes_nothing = false;
  c.exchange.on_room();
  CHECK_FALSE(c.transport.paused);
  c.show();
  CHECK(c.handler.seen.size() == 100);
  CHECK(c.left.empty());
}

TEST_CASE("an answer for a connection that is gone goes nowhere") {
  FakeHandler handler;
  handler.answer_now = false;
  Exchanges table(handler, {});
  FakeTransport transport;
  {
    Exchange exchange(table, transport);
    const std::string padded = kGet + std::string(64, '\0');
    exchange.on_bytes(std::string_view(padded).substr(0, kGet.size()));
  }
  REQUIRE(handler.waiting.size() == 1);
  Exchange other(table, transport); // Takes the same slot.
  handler.waiting[0].respond(FakeHandler::text("late"));
  CHECK(transport.out.empty());
  CHECK(table.connections() == 1);
}

TEST_CASE("the second answer to a request is ignored") {
  Conversation c;
  c.handler.answer_now = false;
  c.send(kGet);
  c.handler.waiting[0].respond(FakeHandler::text("one"));
  c.handler.waiting[0].respond(FakeHandler::text("two"));
  CHECK(count(c.transport.out, "HTTP/1.1") == 1);
}

TEST_CASE("refusals have their status") {
  struct Case {
    std::string bytes;
    std::string status;
  };
  const std::string host = "Host: h\r\n";
  const std::vector<Case> cases = {
      {"GET /a HTTP/1.1\r\n\r\n", "400"},
      {"GET /a HTTP/1.1\r\n" + host + host + "\r\n", "400"},
      {"GET a HTTP/1.1\r\n" + host + "\r\n", "400"},
      {"GET /%zz HTTP/1.1\r\n" + host + "\r\n", "400"},
      {"GET /a#b HTTP/1.1\r\n" + host + "\r\n", "400"},
      {"GET /a\tb HTTP/1.1\r\n" + host + "\r\n", "400"},
      {"GET /a HTTP/1.1\r\nHost : h\r\n\r\n", "400"},
      {"GET /a HTTP/2.0\r\n" + host + "\r\n", "505"},
      {"BREW /a HTTP/1.1\r\n" + host + "\r\n", "501"},
      {"TRACE /a HTTP/1.1\r\n" + host + "\r\n", "501"},
      {"POST /a HTTP/1.1\r\n" + host + "Transfer-Encoding: gzip, chunked\r\n\r\n", "501"},
      {"POST /a HTTP/1.1\r\n" + host + "Transfer-Encoding: gzip\r\n\r\n", "501"},
      {"POST /a HTTP/1.0\r\n" + host + "Transfer-Encoding: chunked\r\n\r\n", "400"},
      {"POST /a HTTP/1.1\r\n" + host + "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
       "400"},
      {"POST /a HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n",
       "400"},
      {"POST /a HTTP/1.1\r\n" + host + "Content-Length: 3\r\nContent-Length: 4\r\n\r\n", "400"},
      {"POST /a HTTP/1.1\r\n" + host + "Content-Length: -3\r\n\r\n", "400"},
      {"POST /a HTTP/1.1\r\n" + host + "Content-Length: 16777217\r\n\r\n", "413"},
      {"POST /a HTTP/1.1\r\n" + host + "Expect: cake\r\nContent-Length: 1\r\n\r\n", "417"},
      {"GET /" + std::string(9000, 'a') + " HTTP/1.1\r\n" + host + "\r\n", "414"},
      {"GET /" + std::string(20000, 'a'), "414"},
      {"GET /a HTTP/1.1\r\n" + host + "X: " + std::string(17000, 'a') + "\r\n\r\n", "431"},
      {"GET /a HTTP/1.1\r\n" + host + "X: " + std::string(17000, 'a'), "431"},
  };
  for (const Case& refused : cases) {
    CAPTURE(refused.bytes.substr(0, 100));
    Conversation c;
    c.send(refused.bytes);
    CHECK(starts_with(c.transport.out, "HTTP/1.1 " + refused.status));
    CHECK(c.transport.closed);
    CHECK(c.handler.seen.empty());
    // Torn, the answer is the same.
    Conversation torn;
    for (std::size_t i = 0; i < refused.bytes.size() && !torn.transport.closed; i += 7) {
      torn.send(std::string_view(refused.bytes).substr(i, 7));
    }
    CHECK(torn.transport.closed);
    CHECK(starts_with(torn.transport.out, "HTTP/1.1 " + refused.status));
  }
}

TEST_CASE("too many header fields are refused") {
  Conversation c;
  std::string request = "GET /a HTTP/1.1\r\nHost: h\r\n";
  for (int i = 0; i < 100; ++i) {
    request.append("X: 1\r\n");
  }
  c.send(request + "\r\n");
  CHECK(starts_with(c.transport.out, "HTTP/1.1 431 "));
}

TEST_CASE("fields that come in many small pieces count against one limit") {
  Conversation c;
  c.send("GET /a HTTP/1.1\r\nHost: h\r\n");
  for (int i = 0; i < 90 && !c.transport.closed; ++i) {
    c.send("X: " + std::string(400, 'a') + "\r\n");
  }
  CHECK(starts_with(c.transport.out, "HTTP/1.1 431 "));
}

TEST_CASE("a chunked body obeys the limit, in its sum and in its chunk heads") {
  Limits limits;
  limits.request.body_bytes_max = 100;
  const std::string head = "POST /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n";
  SUBCASE("sum") {
    Conversation c(limits);
    c.send(head + "32\r\n" + std::string(50, 'a') + "\r\n33\r\n");
    CHECK(starts_with(c.transport.out, "HTTP/1.1 413 "));
  }
  SUBCASE("an endless chunk head") {
    Conversation c(limits);
    c.send(head + "3;" + std::string(20'000, 'x'));
    CHECK(starts_with(c.transport.out, "HTTP/1.1 400 "));
  }
  SUBCASE("a size that is no number") {
    Conversation c(limits);
    c.send(head + "xyz\r\n");
    CHECK(starts_with(c.transport.out, "HTTP/1.1 400 "));
  }
}

TEST_CASE("HEAD has the length and not the body") {
  Conversation c;
  c.send("HEAD /livez HTTP/1.1\r\nHost: h\r\n\r\n");
  CHECK(count(c.transport.out, "Content-Length: 8\r\n") == 1);
  CHECK(c.transport.out.ends_with("\r\n\r\n"));
}

TEST_CASE("Connection: close and HTTP/1.0 end after the answer") {
  for (const std::string request :
       {"GET /a HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n", "GET /a HTTP/1.0\r\n\r\n"}) {
    Conversation c;
    c.send(request + kGet);
    CHECK(c.transport.closed);
    CHECK(count(c.transport.out, "HTTP/1.1 200 OK") == 1);
    CHECK(count(c.transport.out, "Connection: close\r\n") == 1);
  }
  Conversation kept;
  kept.send("GET /a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
  CHECK_FALSE(kept.transport.closed);
  CHECK(count(kept.transport.out, "Connection: keep-alive\r\n") == 1);
}

TEST_CASE("a body that is announced is asked for") {
  Conversation c;
  c.send(post("", "Expect: 100-continue\r\n"));
  CHECK(count(c.transport.out, "100 Continue") == 0); // No body, nothing to ask for.

  Conversation d;
  const std::string whole = post("{}", "Expect: 100-continue\r\n");
  d.send(whole.substr(0, whole.size() - 2));
  CHECK(d.transport.out == "HTTP/1.1 100 Continue\r\n\r\n");
  d.send("{}");
  CHECK(count(d.transport.out, "HTTP/1.1 200 OK") == 1);

  Conversation behind;
  behind.handler.answer_now = false;
  behind.send(kGet + whole.substr(0, whole.size() - 2));
  CHECK(behind.transport.out.empty()); // 100 belongs behind the first answer.
  behind.handler.waiting[0].respond(FakeHandler::text("one"));
  CHECK(behind.transport.out.ends_with("oneHTTP/1.1 100 Continue\r\n\r\n"));
}

TEST_CASE("a request refused by its header keeps the connection if its body is small") {
  Conversation c;
  c.handler.head_answer = FakeHandler::text("no");
  c.handler.head_answer->status = 415;
  c.send(post("a=b"));
  CHECK(starts_with(c.transport.out, "HTTP/1.1 415 "));
  CHECK_FALSE(c.transport.closed);
  c.handler.head_answer.reset();
  c.send(kGet);
  CHECK(c.handler.seen.size() == 1);

  Conversation large;
  large.handler.head_answer = FakeHandler::text("no");
  large.send("POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 1000000\r\n\r\n");
  CHECK(large.transport.closed);
}

TEST_CASE("who sends too slowly is told so and leaves") {
  SUBCASE("header") {
    Conversation c;
    c.send("GET /a HT");
    c.at(9'000);
    CHECK(c.transport.out.empty());
    c.send("TP/1.1\r\n"); // A byte now and then does not help.
    c.at(10'001);
    CHECK(starts_with(c.transport.out, "HTTP/1.1 408 "));
    CHECK(c.transport.closed);
  }
  SUBCASE("body") {
    Conversation c;
    c.send("POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 50000\r\n\r\n");
    c.send(std::string(5'000, 'a'));
    c.at(14'000);
    CHECK_FALSE(c.transport.closed);
    c.at(15'001);
    CHECK(starts_with(c.transport.out, "HTTP/1.1 408 "));
  }
  SUBCASE("idle connections just close") {
    Conversation c;
    c.send(kGet);
    c.transport.out.clear();
    c.at(75'000);
    CHECK_FALSE(c.transport.closed);
    c.at(75'001);
    CHECK(c.transport.closed);
    CHECK(c.transport.out.empty());
  }
}

TEST_CASE("a handler that never answers is answered for") {
  Conversation c;
  c.handler.answer_now = false;
  c.send(kGet);
  c.at(75'000);
  CHECK(c.transport.out.empty());
  c.at(75'001);
  CHECK(starts_with(c.transport.out, "HTTP/1.1 503 "));
  CHECK(c.transport.closed);
}

TEST_CASE("when all buffers are full, bodies are refused and small questions are not") {
  Limits limits;
  limits.buffered_bytes_max = 1000;
  Conversation c(limits);
  c.transport.stuck_bytes = 1000;
  c.send(kGet);
  CHECK(starts_with(c.transport.out, "HTTP/1.1 200 "));
  c.transport.out.clear();
  c.send(post("{}"));
  CHECK(starts_with(c.transport.out, "HTTP/1.1 503 "));
  CHECK(c.transport.closed);

  Conversation growing(limits);
  growing.send("POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 50000\r\n\r\n");
  growing.send(std::string(2'000, 'a'));
  growing.send(std::string(2'000, 'a'));
  CHECK(starts_with(growing.transport.out, "HTTP/1.1 503 "));
}

TEST_CASE("an announced body takes its size, not the next power of two") {
  Limits limits;
  limits.buffered_bytes_max = 701'000;
  Conversation c(limits);
  const std::string body(700'000, 'x');
  c.send("POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 700000\r\n\r\n");
  c.send(body.substr(0, 10'000));
  CHECK(c.table.counts().bytes_buffered < 50'000); // Announced is not sent.
  for (std::size_t i = 10'000; i < body.size(); i += 10'000) {
    c.send(body.substr(i, 10'000));
  }
  REQUIRE(c.handler.seen.size() == 1);
  CHECK(c.handler.seen[0].body == body);
  CHECK(starts_with(c.transport.out, "HTTP/1.1 200 "));
}

TEST_CASE("what the kernel has taken meanwhile makes room again") {
  Limits limits;
  limits.buffered_bytes_max = 1000;
  Conversation c(limits);
  c.transport.stuck_bytes = 1000;
  c.send(kGet);
  c.transport.stuck_bytes = 0;
  CHECK_FALSE(c.table.over_limit());
}

TEST_CASE("who sends no more gets all answers, and then the conversation ends") {
  Conversation c;
  c.handler.answer_now = false;
  c.send(kGet + kGet + "GET /torn");
  c.exchange.on_end();
  CHECK_FALSE(c.transport.closed);
  c.handler.waiting.at(1).respond(FakeHandler::text("two"));
  c.handler.waiting.at(0).respond(FakeHandler::text("one"));
  CHECK(count(c.transport.out, "HTTP/1.1 200 OK") == 2);
  CHECK(count(c.transport.out, "Connection: close") == 1);
  CHECK(c.transport.closed);

  Conversation idle;
  idle.exchange.on_end();
  CHECK(idle.transport.closed);
}

TEST_CASE("a body is not slow for the time that its own answers kept it waiting") {
  Limits limits;
  limits.pipelined_max = 1;
  Conversation c(limits);
  c.handler.answer_now = false;
  c.send(kGet + "POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\n");
  CHECK(c.transport.paused);
  c.at(50'000);
  c.handler.waiting[0].respond(FakeHandler::text("x"));
  c.show();
  c.at(51'000);
  CHECK_FALSE(c.transport.closed);
  c.send("12345");
  CHECK(c.handler.seen.size() == 2);
}

TEST_CASE("draining answers what was asked and says that it was the last") {
  Conversation idle;
  idle.table.drain();
  CHECK(idle.transport.closed);

  Conversation busy;
  busy.handler.answer_now = false;
  busy.send(kGet + kGet);
  busy.table.drain();
  CHECK_FALSE(busy.transport.closed);
  busy.handler.waiting[0].respond(FakeHandler::text("one"));
  CHECK(count(busy.transport.out, "Connection: close") == 0);
  busy.handler.waiting[1].respond(FakeHandler::text("two"));
  CHECK(count(busy.transport.out, "Connection: close") == 1);
  CHECK(busy.transport.closed);
}

TEST_CASE("draining does not wait for the rest of a request, but answers those before it") {
  for (const std::string part : {"GET /a HTT", "POST /a HTTP/1.1\r\nHost: h\r\n"
                                               "Content-Length: 100000\r\n\r\n{\"a\":"}) {
    CAPTURE(part);
    Conversation c;
    c.handler.answer_now = false;
    c.send(kGet + part);
    c.table.drain();
    CHECK_FALSE(c.transport.closed);
    c.send("more of it");
    c.handler.waiting.at(0).respond(FakeHandler::text("one"));
    CHECK(starts_with(c.transport.out, "HTTP/1.1 200 OK"));
    CHECK(count(c.transport.out, "HTTP/1.1 503 ") == 1);
    CHECK(c.handler.refusals.at(0).why == Refused::draining);
    CHECK(c.transport.closed);
  }
}

TEST_CASE("no field of an answer can start a line of its own") {
  std::string out;
  Response response = FakeHandler::text("x");
  response.headers.emplace_back("Link", "a\r\nSet-Cookie: b");
  append_response(out, response, {}, "now");
  CHECK(count(out, "\r\nSet-Cookie") == 0);
}
