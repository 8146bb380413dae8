#include "loadgen/agents/local_agents.hpp"

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <random>
#include <utility>

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "engine/base/clock.hpp"

namespace spate::loadgen {

namespace {

constexpr std::string_view kListening = "listening on ";
constexpr std::int64_t kStartNs = 20'000'000'000;
constexpr std::size_t kLineBytesMax = 256;

/// A text of 128 random bits.
std::string make_token() {
  std::random_device random;
  std::string token;
  for (int i = 0; i < 4; ++i) {
    char word[9];
    std::snprintf(word, sizeof word, "%08x", random());
    token += word;
  }
  return token;
}

struct Pipe {
  Pipe() = default;
  Pipe(const Pipe&) = delete;
  Pipe& operator=(const Pipe&) = delete;
  ~Pipe() {
    close(read);
    close(write);
  }
  bool open() {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) {
      return false;
    }
    read = ends[0];
    write = ends[1];
    return true;
  }
  static void close(int& end) {
    if (end >= 0) {
      ::close(std::exchange(end, -1));
    }
  }
  int read = -1, write = -1;
};

/// The first line, without its end; empty if none comes.
std::string line_of(int file) {
  std::string line;
  const std::int64_t until_ns = steady_ns() + kStartNs;
  for (std::int64_t left_ns = kStartNs; left_ns > 0 && line.size() < kLineBytesMax;
       left_ns = until_ns - steady_ns()) {
    pollfd one{file, POLLIN, 0};
    char c = 0;
    if (::poll(&one, 1, static_cast<int>(left_ns / 1'000'000 + 1)) <= 0) {
      continue; // A signal, or the time is up.
    }
    if (::read(file, &c, 1) != 1) {
      break;
    }
    if (c == '\n') {
      return line;
    }
    line += c;
  }
  return {};
}

} // namespace

Result<std::unique_ptr<LocalAgents>> LocalAgents::start(std::uint32_t count) {
  std::unique_ptr<LocalAgents> agents(new LocalAgents);
  agents->token_ = make_token();
  for (std::uint32_t i = 0; i < count; ++i) {
    if (auto added = agents->add(); !added) {
      return fail(std::move(added.error()));
    }
  }
  return agents;
}

LocalAgents::~LocalAgents() {
  for (const pid_t process : processes_) {
    ::kill(process, SIGKILL);
  }
  for (const pid_t process : processes_) {
    ::waitpid(process, nullptr, 0);
  }
}

Result<void> LocalAgents::add() {
  Pipe in;  // The token, so that no list of processes shows it.
  Pipe out; // What it says.
  if (!in.open() || !out.open()) {
    return fail(Errc::connect_failed, std::string("a pipe: ") + std::strerror(errno));
  }
  const pid_t parent = ::getpid();
  const pid_t process = ::fork();
  if (process == 0) {
    ::setpgid(0, 0); // Ctrl-C is the coordinator's: it stops its agents in good order.
    ::prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (::getppid() != parent) {
      ::_exit(1);
    }
    ::dup2(in.read, STDIN_FILENO);
    ::dup2(out.write, STDOUT_FILENO);
    ::execl("/proc/self/exe", "spate-loadgen", "agent", "--listen", "127.0.0.1:0", "--token-file",
            "/dev/stdin", "--once", static_cast<char*>(nullptr));
    ::_exit(127);
  }
  if (process < 0) {
    return fail(Errc::connect_failed, std::string("a process: ") + std::strerror(errno));
  }
  processes_.push_back(process);
  out.close(out.write); // Else its end would not be heard.
  const std::string line = token_ + "\n";
  if (::write(in.write, line.data(), line.size()) != static_cast<ssize_t>(line.size())) {
    return fail(Errc::connect_failed, "an agent of our own did not start");
  }
  in.close(in.write);
  const std::string said = line_of(out.read);
  std::string_view where(said);
  if (!where.starts_with(kListening)) {
    return fail(Errc::connect_failed, "an agent of our own did not start");
  }
  where.remove_prefix(kListening.size());
  auto address = net::parse_address(where);
  if (!address) {
    return fail(std::move(address.error()));
  }
  addresses_.push_back(std::move(*address));
  return {};
}

} // namespace spate::loadgen
