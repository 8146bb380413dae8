#include "engine/http/server.hpp"

#include <memory>
#include <utility>

namespace spate::http {

namespace {
constexpr std::uint64_t kTickMs = 1000;
} // namespace

/// Lives from accept to on_close.
class Server::HttpConnection final : public net::ConnectionHandler, private Transport {
public:
  HttpConnection(Server& server, net::Connection& connection)
      : server_(server), connection_(connection), exchange_(server.exchanges_, *this) {}

  std::size_t on_bytes(net::Connection&, std::string_view bytes) override {
    server_.exchanges_.set_now(server_.loop_.now_ms(), server_.loop_.wall_now_ms());
    return exchange_.on_bytes(bytes);
  }
  bool on_end(net::Connection&) override {
    exchange_.on_end();
    return true;
  }
  void on_room(net::Connection&) override {
    server_.exchanges_.set_now(server_.loop_.now_ms(), server_.loop_.wall_now_ms());
    exchange_.on_room();
  }
  void on_close(net::Connection&, net::CloseReason) override { delete this; }

private:
  std::string& output() override { return connection_.output(); }
  void sent() override { connection_.sent(); }
  void pause_reading(bool paused) override { connection_.pause_reading(paused); }
  void close() override { connection_.close(); }
  void abort() override {
    connection_.flush(); // What the kernel takes may arrive; the rest is dropped.
    connection_.abort();
  }
  std::size_t unsent_bytes() const override { return connection_.unsent_bytes(); }

  Server& server_;
  net::Connection& connection_;
  Exchange exchange_;
};

Server::Server(net::Loop& loop, Handler& handler, Limits limits)
    : loop_(loop), exchanges_(handler, limits) {
  loop_.every(kTickMs, [this] {
    exchanges_.set_now(loop_.now_ms(), loop_.wall_now_ms());
    exchanges_.tick();
  });
}

Server::~Server() = default;

Result<void> Server::open(const net::Address& address) {
  auto opened = net::Listener::open(
      loop_, address, false, [this](net::Connection& connection) { return accept(connection); });
  if (!opened) {
    return fail(std::move(opened.error()));
  }
  listener_ = std::move(*opened);
  return {};
}

net::Address Server::address() const {
  return listener_ ? listener_->address() : net::Address{};
}

net::ConnectionHandler* Server::accept(net::Connection& connection) {
  exchanges_.set_now(loop_.now_ms(), loop_.wall_now_ms());
  if (exchanges_.connections() >= exchanges_.limits().connections_max) {
    ++exchanges_.counts().connections_refused;
    return nullptr;
  }
  connection.set_unused_bytes_max(exchanges_.limits().request.head_bytes_max + 1);
  return new HttpConnection(*this, connection); // Deletes itself in on_close.
}

void Server::stop_accepting() {
  if (listener_) {
    listener_->close();
  }
}

void Server::drain() {
  stop_accepting();
  exchanges_.set_now(loop_.now_ms(), loop_.wall_now_ms());
  exchanges_.drain();
}

} // namespace spate::http
