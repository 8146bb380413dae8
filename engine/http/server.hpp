// Spate - HTTP/1.1 on one loop: listens, and gives each connection its Exchange.
#pragma once

#include <memory>

#include "engine/base/result.hpp"
#include "engine/http/exchange.hpp"
#include "engine/net/listener.hpp"
#include "engine/net/loop.hpp"

namespace spate::http {

/// Thread: the loop's, or any before the loop runs. It must outlive Loop::run(), so that
/// connections that the
///         loop closes at its end, and answers that were posted to it, still find it.
class Server {
public:
  /// Both borrowed.
  Server(net::Loop& loop, Handler& handler, Limits limits);
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  /// Error: bind_failed.
  Result<void> open(const net::Address& address);
  [[nodiscard]] net::Address address() const;
  /// Accepts no more connections.
  void stop_accepting();
  /// Answers what was asked, with Connection: close, and closes the rest. drained() tells when it
  /// is done.
  void drain();
  [[nodiscard]] bool drained() const noexcept { return exchanges_.connections() == 0; }

  [[nodiscard]] Exchanges& exchanges() noexcept { return exchanges_; }

private:
  class HttpConnection;
  net::ConnectionHandler* accept(net::Connection& connection);

  net::Loop& loop_;
  Exchanges exchanges_;
  std::unique_ptr<net::Listener> listener_;
};

} // namespace spate::http
