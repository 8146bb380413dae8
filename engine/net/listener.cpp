#include "engine/net/listener.hpp"

#include <cerrno>
#include <charconv>
#include <cstring>
#include <utility>
#include <vector>

#include <unistd.h>

#include "engine/net/impl.hpp"

namespace spate::net {

namespace {

constexpr int kBacklog = 4096;
constexpr unsigned kProbeAfterS = 60;

/// The socket address of `address`, or its size 0 if the host is not numeric.
socklen_t to_sockaddr(const Address& address, sockaddr_storage& out) {
  if (uv_ip4_addr(address.host.c_str(), address.port, reinterpret_cast<sockaddr_in*>(&out)) == 0) {
    return sizeof(sockaddr_in);
  }
  if (uv_ip6_addr(address.host.c_str(), address.port, reinterpret_cast<sockaddr_in6*>(&out)) == 0) {
    return sizeof(sockaddr_in6);
  }
  return 0;
}

} // namespace

bool Address::loopback() const noexcept {
  return host.starts_with("127.") || host == "::1";
}

std::string Address::text() const {
  const bool v6 = host.find(':') != std::string::npos;
  return (v6 ? "[" + host + "]" : host) + ":" + std::to_string(port);
}

Result<Address> parse_address(std::string_view text) {
  const auto bad = [text](const char* why) {
    return fail(Errc::address_invalid, "'" + std::string(text) + "' " + why +
                                           "; write HOST:PORT, for example 127.0.0.1:1883");
  };
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) {
    return bad("has no port");
  }
  Address address;
  const std::string_view digits = text.substr(colon + 1);
  const auto parsed = std::from_chars(digits.data(), digits.data() + digits.size(), address.port);
  if (parsed.ec != std::errc() || parsed.ptr != digits.data() + digits.size()) {
    return bad("has no port from 0 to 65535");
  }
  std::string_view host = text.substr(0, colon);
  if (host.starts_with('[') && host.ends_with(']')) {
    host = host.substr(1, host.size() - 2);
  } else if (host.find(':') != std::string_view::npos) {
    return bad("needs brackets around an IPv6 address");
  }
  address.host = host == "localhost" ? "127.0.0.1" : host == "*" ? "0.0.0.0" : std::string(host);
  sockaddr_storage ignored{};
  if (to_sockaddr(address, ignored) == 0) {
    return bad("has no numeric host");
  }
  return address;
}

struct Listener::Impl final : HandleOwner {
  uv_tcp_t tcp{};
  Loop::Impl* loop = nullptr;
  Address address;
  Accept accept;
  bool open = false;

  void leave() { std::erase(loop->waiting_listeners, reinterpret_cast<uv_stream_t*>(&tcp)); }
  void close_with_loop(uv_handle_t* handle) override {
    open = false; // The Listener still owns us: it outlives the loop's run.
    leave();
    uv_close(handle, nullptr);
  }
};

Listener::Listener(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Listener::~Listener() {
  close();
}

void Listener::close() {
  if (!impl_ || !impl_->open) {
    return;
  }
  impl_->leave();
  // libuv needs the handle until its close callback, whoever drops the Listener.
  auto* handle = reinterpret_cast<uv_handle_t*>(&impl_.release()->tcp);
  uv_close(handle, [](uv_handle_t* closed) { delete owner_of(closed); });
}

Address Listener::address() const {
  return impl_ ? impl_->address : Address{};
}

namespace {

Result<int> bound_socket(const Address& address, bool reuse_port) {
  const auto refused = [&address](const char* what) {
    return fail(Errc::bind_failed,
                "can not listen on " + address.text() + ": " + what + ": " + std::strerror(errno));
  };
  sockaddr_storage where{};
  const socklen_t size = to_sockaddr(address, where);
  if (size == 0) {
    return fail(Errc::address_invalid, address.host + " is no numeric address");
  }
  const int fd = socket(where.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) {
    return refused("socket");
  }
  const int on = 1;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (reuse_port) {
    setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
  }
  if (bind(fd, reinterpret_cast<sockaddr*>(&where), size) != 0) {
    auto failure = refused("bind");
    close(fd);
    return failure;
  }
  return fd;
}

std::uint16_t port_of(int fd) {
  sockaddr_storage where{};
  socklen_t size = sizeof where;
  getsockname(fd, reinterpret_cast<sockaddr*>(&where), &size);
  return ntohs(where.ss_family == AF_INET6 ? reinterpret_cast<sockaddr_in6*>(&where)->sin6_port
                                           : reinterpret_cast<sockaddr_in*>(&where)->sin_port);
}

void accept_one(uv_stream_t* server) {
  Listener::Impl& self = *static_cast<Listener::Impl*>(owner_of(server));
  --self.loop->accepts_left;
  auto made = std::make_unique<Connection::Impl>();
  made->loop = self.loop;
  uv_tcp_init(&self.loop->uv, &made->tcp);
  auto* connection = new Connection(std::move(made)); // Freed after on_close.
  Connection::Impl& c = connection->impl();
  if (uv_accept(server, reinterpret_cast<uv_stream_t*>(&c.tcp)) != 0) {
    c.finish(CloseReason::connect_failed);
    return;
  }
  uv_tcp_nodelay(&c.tcp, 1);
  uv_tcp_keepalive(&c.tcp, 1, kProbeAfterS); // Peers that died without a word.
  c.handler = self.accept(*connection);
  if (c.handler == nullptr) {
    c.finish(CloseReason::by_us);
  } else if (!c.closed) {
    c.begin();
  }
}

void on_connection(uv_stream_t* server, int failed) {
  if (failed != 0) {
    return; // Out of descriptors: libuv has shed the peer; counted by whoever watches the limit.
  }
  Loop::Impl& loop = *static_cast<Listener::Impl*>(owner_of(server))->loop;
  if (loop.accepts_left == 0) {
    loop.waiting_listeners.push_back(server); // libuv looks for no other until this one is taken.
  } else {
    accept_one(server);
  }
}

} // namespace

void Loop::Impl::accept_waiting() {
  accepts_left = kAcceptsPerIteration;
  for (uv_stream_t* const server : std::exchange(waiting_listeners, {})) {
    accept_one(server);
  }
}

Result<std::unique_ptr<Listener>> Listener::open(Loop& loop, const Address& address,
                                                 bool reuse_port, Accept accept) {
  auto fd = bound_socket(address, reuse_port);
  if (!fd) {
    return fail(std::move(fd.error()));
  }
  auto impl = std::make_unique<Impl>();
  impl->loop = &loop.impl();
  impl->address = {address.host, port_of(*fd)};
  impl->accept = std::move(accept);
  uv_tcp_init(&loop.impl().uv, &impl->tcp);
  impl->tcp.data = static_cast<HandleOwner*>(impl.get());
  uv_tcp_open(&impl->tcp, *fd);
  impl->open = true;
  std::unique_ptr<Listener> listener(new Listener(std::move(impl)));

  const int status =
      uv_listen(reinterpret_cast<uv_stream_t*>(&listener->impl_->tcp), kBacklog, on_connection);
  if (status != 0) {
    return fail(Errc::bind_failed,
                "can not listen on " + address.text() + ": " + uv_strerror(status));
  }
  return listener;
}

} // namespace spate::net
