// Spate - accepts TCP connections on a loop.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "engine/base/result.hpp"
#include "engine/net/connection.hpp"

namespace spate::net {

/// A numeric address and port.
struct Address {
  std::string host; ///< "127.0.0.1", "::1", "0.0.0.0".
  std::uint16_t port = 0;

  [[nodiscard]] bool loopback() const noexcept;
  /// "127.0.0.1:1883", "[::1]:1883".
  [[nodiscard]] std::string text() const;
};

/// Reads HOST:PORT ("localhost" becomes 127.0.0.1, "*" 0.0.0.0, IPv6 in brackets). Error:
/// address_invalid.
Result<Address> parse_address(std::string_view text);

/// Several listeners of one address on several loops share it by SO_REUSEPORT: the kernel spreads
/// connections.
class Listener {
public:
  /// Gives the handler of a new connection. Called on the loop's thread; nullptr refuses the
  /// connection.
  using Accept = std::function<ConnectionHandler*(Connection&)>;

  /// Binds and listens at once. Port 0 takes a free one, see address(). Error: bind_failed, with
  /// the address.
  static Result<std::unique_ptr<Listener>> open(Loop& loop, const Address& address, bool reuse_port,
                                                Accept accept);
  ~Listener();
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;

  /// The address with the port that was given.
  [[nodiscard]] Address address() const;
  /// Accepts no more; connections that are open stay. On the loop's thread.
  void close();

  struct Impl;

private:
  explicit Listener(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

} // namespace spate::net
