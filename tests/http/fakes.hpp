// A connection without sockets and a handler that remembers.
#pragma once

#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/http/exchange.hpp"

namespace spate::http {

struct FakeTransport final : Transport {
  std::string out;
  bool paused = false;
  bool closed = false;
  bool aborted = false;
  std::size_t stuck_bytes = 0; ///< What a slow peer has not taken.
  bool takes_nothing = false;  ///< Then nothing of `out` is taken either.

  std::string& output() override { return out; }
  void sent() override {}
  void pause_reading(bool pause) override { paused = pause; }
  void close() override { closed = true; }
  void abort() override { aborted = true; }
  [[nodiscard]] std::size_t unsent_bytes() const override {
    return stuck_bytes + (takes_nothing ? out.size() : 0);
  }
};

struct SeenRequest {
  Method method;
  std::string path;
  std::string body;
};

struct FakeHandler final : Handler {
  std::vector<SeenRequest> seen;
  std::vector<Responder> waiting; ///< With answer_now == false.
  std::vector<Refusal> refusals;
  std::optional<Response> head_answer;
  bool answer_now = true;

  std::optional<Response> on_head(const Request&) override {
    return std::exchange(head_answer, std::nullopt);
  }
  void on_request(const Request& request, Responder responder) override {
    seen.push_back({request.method, std::string(request.path()), std::string(request.body())});
    if (answer_now) {
      responder.respond(text("answer " + std::to_string(seen.size())));
    } else {
      waiting.push_back(responder);
    }
  }
  Response on_refusal(const Refusal& refusal, const Request&) override {
    refusals.push_back(refusal);
    Response response = text(refusal.detail);
    response.status = status_of(refusal.why);
    return response;
  }
  static Response text(std::string body) {
    Response response;
    response.content_type = "text/plain";
    response.body = std::move(body);
    return response;
  }
};

/// Shows bytes to an exchange as a connection does: what is left comes again, in front of the next
/// ones.
struct Conversation {
  FakeHandler handler;
  Exchanges table;
  FakeTransport transport;
  Exchange exchange;
  std::string left;

  explicit Conversation(Limits limits = {})
      : table(handler, limits), exchange((table.set_now(1'000'000, 0), table), transport) {}

  void send(std::string_view bytes) {
    left.append(bytes);
    show();
  }
  void show() {
    std::string shown = left;
    shown.append(Request::kBodyPaddingBytes, '\0');
    const std::size_t used = exchange.on_bytes(std::string_view(shown).substr(0, left.size()));
    left.erase(0, used);
  }
  void at(std::uint64_t ms) {
    table.set_now(1'000'000 + ms, 0);
    table.tick();
  }
};

inline std::size_t count(std::string_view text, std::string_view word) {
  std::size_t found = 0;
  for (auto at = text.find(word); at != std::string_view::npos; at = text.find(word, at + 1)) {
    ++found;
  }
  return found;
}

} // namespace spate::http
