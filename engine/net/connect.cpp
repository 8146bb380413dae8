#include <netinet/in.h>
#include <sys/socket.h>

#include "engine/net/connection.hpp"
#include "engine/net/impl.hpp"

namespace spate::net {

namespace {

/// The port is chosen when the target is known: then only (source, port, target) must be unique,
/// and one address serves as many connections to each target as there are ports.
void choose_port_late(uv_tcp_t& tcp) {
  int fd = -1;
  if (uv_fileno(reinterpret_cast<uv_handle_t*>(&tcp), &fd) == 0) {
    const int on = 1;
    setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
  }
}

} // namespace

Result<Connection*> Loop::connect(std::string_view host, std::uint16_t port,
                                  std::string_view source, ConnectionHandler& handler) {
  sockaddr_storage to{};
  const std::string target(host);
  if (uv_ip4_addr(target.c_str(), port, reinterpret_cast<sockaddr_in*>(&to)) != 0 &&
      uv_ip6_addr(target.c_str(), port, reinterpret_cast<sockaddr_in6*>(&to)) != 0) {
    return fail(Errc::address_invalid, target + " is no numeric address");
  }
  auto impl = std::make_unique<Connection::Impl>();
  impl->loop = impl_.get();
  impl->handler = &handler;
  // With a source address the socket is made now: its options come before the address.
  const int made = source.empty() ? uv_tcp_init(&impl_->uv, &impl->tcp)
                                  : uv_tcp_init_ex(&impl_->uv, &impl->tcp, AF_INET);
  if (made != 0) {
    return fail(Errc::connect_failed, std::string("no socket: ") + uv_strerror(made));
  }
  auto* connection = new Connection(std::move(impl)); // Freed after on_close.
  Connection::Impl& c = connection->impl();

  if (!source.empty()) {
    sockaddr_in from{};
    const int status = uv_ip4_addr(std::string(source).c_str(), 0, &from);
    choose_port_late(c.tcp);
    const int bound =
        status == 0 ? uv_tcp_bind(&c.tcp, reinterpret_cast<sockaddr*>(&from), 0) : status;
    if (bound != 0) {
      c.handler = nullptr;
      c.finish(CloseReason::connect_failed);
      return fail(Errc::connect_failed, "can not use the source address " + std::string(source) +
                                            ": " + uv_strerror(bound));
    }
  }
  auto* request = new uv_connect_t;
  request->data = connection;
  const int status = uv_tcp_connect(
      request, &c.tcp, reinterpret_cast<sockaddr*>(&to), [](uv_connect_t* r, int result) {
        Connection::Impl& opened = static_cast<Connection*>(r->data)->impl();
        delete r;
        if (opened.closed) {
          return;
        }
        if (result != 0) {
          opened.connect_error = result;
          opened.finish(CloseReason::connect_failed);
          return;
        }
        uv_tcp_nodelay(&opened.tcp, 1);
        opened.begin();
        opened.handler->on_open(*opened.self);
      });
  if (status != 0) {
    delete request;
    c.handler = nullptr;
    c.finish(CloseReason::connect_failed);
    return fail(Errc::connect_failed, target + ": " + uv_strerror(status));
  }
  return connection;
}

} // namespace spate::net
