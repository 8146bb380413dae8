#include "loadgen/agents/agent_server.hpp"

#include <cerrno>
#include <chrono>
#include <cstring>
#include <fstream>
#include <thread>

#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "loadgen/agents/agent_session.hpp"

namespace spate::loadgen {

namespace {

constexpr int kLookMs = 100;
constexpr int kEndLooks = 100; // Of 5 ms.
constexpr std::size_t kTokenBytesMax = 4096;

std::uint16_t port_of(int socket) {
  sockaddr_storage name{};
  socklen_t size = sizeof name;
  ::getsockname(socket, reinterpret_cast<sockaddr*>(&name), &size);
  return ntohs(name.ss_family == AF_INET6 ? reinterpret_cast<const sockaddr_in6*>(&name)->sin6_port
                                          : reinterpret_cast<const sockaddr_in*>(&name)->sin_port);
}

/// One coordinator, on a thread of its own.
struct Session {
  Session(int socket, const std::string& token, const std::atomic<bool>& stop)
      : channel(socket), session(channel, token, stop) {
    thread = std::thread([this] {
      session.run();
      done = true;
    });
  }
  ~Session() { thread.join(); }
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;
  Channel channel;
  AgentSession session;
  std::atomic<bool> done{false};
  std::thread thread;
};

} // namespace

Result<std::unique_ptr<AgentServer>> AgentServer::open(const net::Address& address,
                                                       std::string token) {
  if (token.empty() && !address.loopback()) {
    return fail(Errc::usage, "without --token-file an agent listens on loopback only: whoever "
                             "reaches it can make it send");
  }
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE;
  addrinfo* found = nullptr;
  if (::getaddrinfo(address.host.c_str(), std::to_string(address.port).c_str(), &hints, &found) !=
      0) {
    return fail(Errc::usage, address.text() + ": not a numeric address");
  }
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> list(found, &::freeaddrinfo);
  const int socket = ::socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, IPPROTO_TCP);
  const int on = 1;
  if (socket < 0 || ::setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
      ::bind(socket, found->ai_addr, found->ai_addrlen) != 0 || ::listen(socket, 16) != 0) {
    const int error = errno;
    if (socket >= 0) {
      ::close(socket);
    }
    return fail(Errc::bind_failed, address.text() + ": " + std::strerror(error));
  }
  net::Address bound = address;
  bound.port = port_of(socket);
  return std::unique_ptr<AgentServer>(new AgentServer(socket, std::move(bound), std::move(token)));
}

AgentServer::~AgentServer() {
  ::close(socket_);
}

void AgentServer::serve(bool once, const std::atomic<bool>& stop) {
  std::unique_ptr<Session> session;
  while (!stop) {
    pollfd one{socket_, POLLIN, 0};
    const bool waiting = ::poll(&one, 1, kLookMs) > 0;
    if (session && session->done) {
      session.reset();
      if (once) {
        return;
      }
    }
    if (!waiting) {
      continue;
    }
    const int socket = ::accept4(socket_, nullptr, nullptr, SOCK_CLOEXEC);
    if (socket < 0) {
      continue;
    }
    // Its coordinator has heard the end a moment before us, and may be here again.
    for (int i = 0; session && !session->done && i < kEndLooks; ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    if (session && session->done) {
      session.reset();
      if (once) {
        ::close(socket);
        return;
      }
    }
    if (session) {
      Channel busy(socket);
      busy.send(nlohmann::json{{"type", "error"}, {"text", "the agent is busy with another run"}});
      busy.finish();
    } else {
      session = std::make_unique<Session>(socket, token_, stop);
    }
  }
}

Result<std::string> read_token(const std::string& path) {
  std::ifstream file(path);
  std::string token;
  if (!file || !std::getline(file, token)) {
    return fail(Errc::file_unreadable, path + ": no token can be read there");
  }
  const std::size_t begin = token.find_first_not_of(" \t\r");
  const std::size_t end = token.find_last_not_of(" \t\r");
  token = begin == std::string::npos ? "" : token.substr(begin, end - begin + 1);
  if (token.empty() || token.size() > kTokenBytesMax) {
    return fail(Errc::usage, path + ": a token has 1 to 4096 bytes, on the first line");
  }
  return token;
}

} // namespace spate::loadgen
