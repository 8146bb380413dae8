#include "loadgen/agents/local_agents.hpp"

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <random>

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

namespace spate::loadgen {

namespace {

constexpr std::string_view kListening = "listening on ";

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
  int in[2];  // The token, so that no list of processes shows it.
  int out[2]; // What it says.
  if (::pipe2(in, O_CLOEXEC) != 0 || ::pipe2(out, O_CLOEXEC) != 0) {
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
    ::dup2(in[0], STDIN_FILENO);
    ::dup2(out[1], STDOUT_FILENO);
    ::execl("/proc/self/exe", "spate-loadgen", "agent", "--listen", "127.0.0.1:0", "--token-file",
            "/dev/stdin", "--once", static_cast<char*>(nullptr));
    ::_exit(127);
  }
  ::close(in[0]);
  ::close(out[1]);
  if (process < 0) {
    return fail(Errc::connect_failed, std::string("a process: ") + std::strerror(errno));
  }
  processes_.push_back(process);
  const std::string line = token_ + "\n";
  const bool told = ::write(in[1], line.data(), line.size()) == static_cast<ssize_t>(line.size());
  ::close(in[1]);
  std::FILE* said = ::fdopen(out[0], "re");
  char text[256] = "";
  const bool heard = told && std::fgets(text, sizeof text, said) != nullptr;
  std::fclose(said);
  std::string_view where(text);
  if (!heard || !where.starts_with(kListening) || !where.ends_with('\n')) {
    return fail(Errc::connect_failed, "an agent of our own did not start");
  }
  where.remove_prefix(kListening.size());
  where.remove_suffix(1);
  auto address = net::parse_address(where);
  if (!address) {
    return fail(std::move(address.error()));
  }
  addresses_.push_back(std::move(*address));
  return {};
}

} // namespace spate::loadgen
