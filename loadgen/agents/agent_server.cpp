#include "loadgen/agents/agent_server.hpp"

#include <cerrno>
#include <chrono>
#include <cstring>
#include <fstream>
#include <list>
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

/// One connection, on a thread of its own.
struct Session {
  Session(int socket, const std::string& token, const std::atomic<bool>& stop,
          std::atomic<bool>& busy)
      : channel(socket), session(channel, token, stop, [this, &busy] { return claim(busy); }) {
    thread = std::thread([this, &busy] {
      session.run();
      if (claimed) {
        busy = false;
      }
      done = true;
    });
  }
  ~Session() { thread.join(); }
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  bool claim(std::atomic<bool>& busy) {
    // A coordinator hears the end of its run a moment before the agent is free, and may be here
    // again.
    for (int i = 0; busy.exchange(true); ++i) {
      if (i == kEndLooks) {
        return false;
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    claimed = true;
    return true;
  }

  Channel channel;
  AgentSession session;
  std::atomic<bool> claimed{false}, done{false};
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
  std::atomic<bool> busy{false};
  std::list<Session> sessions;
  while (!stop) {
    pollfd one{socket_, POLLIN, 0};
    const bool waiting = ::poll(&one, 1, kLookMs) > 0;
    bool served = false;
    sessions.remove_if([&served](const Session& session) {
      served |= session.done && session.claimed;
      return session.done.load();
    });
    if (once && served) {
      return;
    }
    if (!waiting) {
      continue;
    }
    const int socket = ::accept4(socket_, nullptr, nullptr, SOCK_CLOEXEC);
    if (socket < 0) {
      // Without descriptors the connection stays there, and poll() would call us at once.
      std::this_thread::sleep_for(std::chrono::milliseconds(kLookMs));
    } else if (sessions.size() == kConnectionsMax) {
      ::close(socket);
    } else {
      sessions.emplace_back(socket, token_, stop, busy);
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
