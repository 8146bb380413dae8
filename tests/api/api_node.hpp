// The doors on a loop of their own with a store in memory, and a blocking client.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <utility>

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include "api/server.hpp"
#include "tests/api/memory_store.hpp"

namespace spate::api {

struct Answer {
  int status = 0;
  std::map<std::string, std::string> headers; ///< Names in lower case.
  std::string body;
  bool whole = true; ///< Of chunks: the last one came.

  [[nodiscard]] nlohmann::json json() const { return nlohmann::json::parse(body); }
  [[nodiscard]] std::string code() const { return json().value("code", ""); }
  [[nodiscard]] std::string header(const std::string& name) const {
    const auto found = headers.find(name);
    return found == headers.end() ? "" : found->second;
  }
};

class Client {
public:
  explicit Client(std::uint16_t port) : fd_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    REQUIRE(connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
  }
  ~Client() {
    if (fd_ >= 0) {
      close(fd_);
    }
  }
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  void send(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t sent = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      REQUIRE(sent > 0);
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
  }
  /// Says that nothing more will be sent; answers are still read.
  void end() { shutdown(fd_, SHUT_WR); }
  /// The next answer; status 0 at the end of the connection.
  Answer receive(bool head = false) {
    Answer answer;
    std::size_t end = std::string::npos;
    while ((end = left_.find("\r\n\r\n")) == std::string::npos) {
      if (!more()) {
        return answer;
      }
    }
    const std::string lines = left_.substr(0, end + 2);
    left_.erase(0, end + 4);
    answer.status = std::stoi(lines.substr(9, 3));
    for (std::size_t at = lines.find("\r\n") + 2; at < lines.size();) {
      const std::size_t colon = lines.find(": ", at);
      const std::size_t stop = lines.find("\r\n", at);
      std::string name = lines.substr(at, colon - at);
      std::transform(name.begin(), name.end(), name.begin(),
                     [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
      answer.headers[name] = lines.substr(colon + 2, stop - colon - 2);
      at = stop + 2;
    }
    if (answer.header("transfer-encoding") == "chunked" && !head) {
      answer.whole = read_chunks(answer.body);
      return answer;
    }
    const std::string length = answer.header("content-length");
    const std::size_t size = head || length.empty() ? 0 : std::stoul(length);
    while (left_.size() < size && more()) {
    }
    answer.body = left_.substr(0, size);
    left_.erase(0, size);
    return answer;
  }

  /// All bytes until the connection ends.
  std::string rest() {
    while (more()) {
    }
    return std::exchange(left_, {});
  }
  /// What comes next, at most 64 KiB; 0 at the end.
  std::size_t receive_some() {
    more();
    return std::exchange(left_, {}).size();
  }
  /// As a client that is killed.
  void reset() {
    const linger hard{1, 0};
    setsockopt(fd_, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
    close(fd_);
    fd_ = -1;
  }

private:
  bool read_chunks(std::string& body) {
    while (true) {
      std::size_t end = 0;
      while ((end = left_.find("\r\n")) == std::string::npos) {
        if (!more()) {
          return false;
        }
      }
      const std::size_t size = std::stoul(left_.substr(0, end), nullptr, 16);
      left_.erase(0, end + 2);
      while (left_.size() < size + 2) {
        if (!more()) {
          body.append(left_, 0, size);
          return false;
        }
      }
      body.append(left_, 0, size);
      left_.erase(0, size + 2);
      if (size == 0) {
        return true;
      }
    }
  }
  bool more() {
    char buffer[65536];
    const ssize_t got = recv(fd_, buffer, sizeof buffer, 0);
    if (got <= 0) {
      return false;
    }
    left_.append(buffer, static_cast<std::size_t>(got));
    return true;
  }
  int fd_;
  std::string left_;
};

struct ApiNode {
  MemoryStore store;
  model::ShapeTable shapes;
  std::atomic<Phase> phase{Phase::running};
  std::atomic<bool> is_stuck{false};
  net::Loop loop;
  std::unique_ptr<Server> server;
  std::thread thread;
  std::unique_ptr<Client> client;

  template <class Change>
  explicit ApiNode(Change&& change) {
    Services services{store, shapes};
    services.ledger = [this] { return server->ledger().snapshot(); };
    services.phase = [this] { return phase.load(); };
    services.stuck = [this]() -> std::optional<std::string> {
      return is_stuck ? std::optional<std::string>("loop 1 stuck for 12 s") : std::nullopt;
    };
    services.connectivity = [](std::string_view device) -> std::optional<actors::Connectivity> {
      return device == "connected"
                 ? std::optional(actors::Connectivity{model::Protocol::mqtt5, 1'594'598'400'087})
                 : std::nullopt;
    };
    services.metrics = [](std::vector<Metric>& out) {
      out.push_back({Metric::Kind::gauge, "spate_mqtt_connections", "Now.", {}, 7});
    };
    services.version = {"0.1.0", "abcdef0", 1'594'500'000'000, 1};
    services.started_ms = 1'594'512'068'000;
    change(services);
    server = std::make_unique<Server>(loop, services);
    REQUIRE(server->open({"127.0.0.1", 0}).has_value());
    thread = std::thread([this] { loop.run(); });
    client = std::make_unique<Client>(server->address().port);
  }
  ApiNode() : ApiNode([](Services&) {}) {}
  ~ApiNode() {
    store.hold = false;
    store.release();
    loop.post([this] { server->drain(); });
    client.reset();
    loop.post([this] { wait_drained(); });
    thread.join();
  }
  void wait_drained() {
    if (server->drained()) {
      loop.stop();
    } else {
      loop.after(1, [this] { wait_drained(); });
    }
  }

  static std::string request(std::string_view method, std::string_view target,
                             std::string_view headers = "", std::string_view body = "") {
    std::string text(method);
    text.append(" ").append(target).append(" HTTP/1.1\r\n");
    if (headers.find("Host:") == std::string_view::npos) {
      text.append("Host: 127.0.0.1\r\n");
    }
    text.append(headers);
    if (!body.empty()) {
      text.append("Content-Length: ").append(std::to_string(body.size())).append("\r\n");
    }
    return text.append("\r\n").append(body);
  }
  Answer ask(std::string_view method, std::string_view target, std::string_view headers = "",
             std::string_view body = "") {
    client->send(request(method, target, headers, body));
    return client->receive(method == "HEAD");
  }
  Answer get(std::string_view target) { return ask("GET", target); }
  Answer post(std::string_view device, std::string_view body, std::string_view query = "",
              std::string_view type = "application/json") {
    const std::string target =
        "/api/v1/devices/" + std::string(device) + "/telemetry" + std::string(query);
    return ask("POST", target, "Content-Type: " + std::string(type) + "\r\n", body);
  }
};

/// Empty on the last page.
inline std::string next_of(const Answer& answer) {
  const auto next = answer.json()["next_cursor"];
  return next.is_null() ? "" : next.get<std::string>();
}

} // namespace spate::api
