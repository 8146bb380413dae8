// Spate - waits for coordinators.
#pragma once

#include <atomic>
#include <memory>
#include <string>

#include "engine/base/result.hpp"
#include "engine/net/listener.hpp"

namespace spate::loadgen {

/// Serves one coordinator at a time; others are told that the agent is busy. Only who has shown the
/// token makes it busy.
/// Thread: the caller's, and one for each connection.
class AgentServer {
public:
  /// Above it a connection is closed at once.
  static constexpr std::size_t kConnectionsMax = 32;

  /// Without a token only loopback may be listened on: who reaches an agent makes it send. Errors:
  /// usage, bind_failed.
  static Result<std::unique_ptr<AgentServer>> open(const net::Address& address, std::string token);
  ~AgentServer();
  AgentServer(const AgentServer&) = delete;
  AgentServer& operator=(const AgentServer&) = delete;

  /// With the port that was given.
  [[nodiscard]] const net::Address& address() const noexcept { return address_; }
  /// Until `stop`, or with `once` until the first run has ended. Who showed no token had none.
  void serve(bool once, const std::atomic<bool>& stop);

private:
  AgentServer(int socket, net::Address address, std::string token)
      : socket_(socket), address_(std::move(address)), token_(std::move(token)) {}
  const int socket_;
  const net::Address address_;
  const std::string token_;
};

/// The first line of a file, without the spaces around it. Errors: file_unreadable, usage (nothing
/// there, or more than 4096 bytes).
Result<std::string> read_token(const std::string& path);

} // namespace spate::loadgen
