// Spate - TLS between a connection and whoever speaks plain text over it.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "engine/net/connection.hpp"
#include "loadgen/fleet/tls_client.hpp"

namespace spate::loadgen {

/// Made for each connection anew. Thread: its loop's.
class SecuredConnection {
public:
  /// For the device `device`. Errors: those of TlsStream::make().
  static Result<std::unique_ptr<SecuredConnection>> make(const TlsContext& context,
                                                         std::string_view device) {
    auto stream = TlsStream::make(context, device);
    if (!stream) {
      return fail(std::move(stream.error()));
    }
    return std::unique_ptr<SecuredConnection>(new SecuredConnection(std::move(*stream)));
  }

  [[nodiscard]] bool open() const noexcept { return stream_->open(); }
  /// What goes out next, plain; send() passes it on. Only once open().
  [[nodiscard]] std::string& output() noexcept { return output_; }
  void send(net::Connection& connection) {
    stream_->write(output_, connection.output());
    output_.clear();
    connection.sent();
  }
  /// The first step once the connection is open, and the next one with what read() fed. Errors:
  /// connect_failed.
  Result<void> handshake(net::Connection& connection) {
    auto moved = stream_->handshake(connection.output());
    connection.sent();
    return moved;
  }
  /// Takes what came. `opened()` is called when the handshake ends; `take(plain)` gives the bytes
  /// that it used, the rest is shown again with more behind it. False: the server closed. Errors:
  /// connect_failed.
  template <class Opened, class Take>
  Result<bool> read(net::Connection& connection, std::string_view records, Opened&& opened,
                    Take&& take) {
    stream_->feed(records);
    if (!open()) {
      if (auto moved = handshake(connection); !moved) {
        return fail(std::move(moved.error()));
      }
      if (!open()) {
        return true;
      }
      opened();
    }
    auto more = stream_->read(input_);
    if (!input_.empty()) {
      input_.erase(0, take(std::string_view(input_)));
    }
    return more;
  }
  /// Plain bytes that wait for more.
  [[nodiscard]] std::size_t left_bytes() const noexcept { return input_.size(); }

private:
  explicit SecuredConnection(std::unique_ptr<TlsStream> stream) : stream_(std::move(stream)) {}
  std::unique_ptr<TlsStream> stream_;
  std::string output_, input_; ///< Plain.
};

} // namespace spate::loadgen
