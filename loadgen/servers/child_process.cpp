#include "loadgen/servers/child_process.hpp"

#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>
#include <thread>

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

namespace spate::loadgen {

namespace {

using namespace std::chrono_literals;

constexpr auto kStopMax = 30s;

/// After fork(): only what is allowed there.
[[noreturn]] void become(char* const* arguments, const char* file, bool all, pid_t parent) {
  ::setpgid(0, 0);
  ::prctl(PR_SET_PDEATHSIG, SIGTERM);
  const int in = ::open("/dev/null", O_RDONLY);
  const int out = ::open(file, O_WRONLY | O_CREAT | O_TRUNC, 0644);
  if (::getppid() != parent || in < 0 || out < 0) {
    ::_exit(127);
  }
  ::dup2(in, STDIN_FILENO);
  ::dup2(out, STDOUT_FILENO);
  if (all) {
    ::dup2(out, STDERR_FILENO);
  }
  ::signal(SIGPIPE, SIG_DFL); // What we ignore would be inherited.
  ::close_range(3, ~0U, 0);
  ::execv(arguments[0], arguments);
  ::_exit(127);
}

} // namespace

Result<std::unique_ptr<ChildProcess>> ChildProcess::start(const std::vector<std::string>& words,
                                                          const std::string& file, Output output) {
  std::vector<char*> arguments;
  for (const std::string& word : words) {
    arguments.push_back(const_cast<char*>(word.c_str()));
  }
  arguments.push_back(nullptr);
  const pid_t parent = ::getpid();
  const pid_t pid = ::fork();
  if (pid == 0) {
    become(arguments.data(), file.c_str(), output == Output::all, parent);
  }
  if (pid < 0) {
    return fail(Errc::connect_failed, words.front() + ": " + std::strerror(errno));
  }
  return std::unique_ptr<ChildProcess>(new ChildProcess(pid));
}

ChildProcess::~ChildProcess() {
  signal(SIGTERM);
  for (const auto until = std::chrono::steady_clock::now() + kStopMax; !ended();) {
    if (std::chrono::steady_clock::now() > until) {
      signal(SIGKILL);
    }
    std::this_thread::sleep_for(10ms);
  }
}

void ChildProcess::signal(int number) const {
  if (!code_) {
    ::kill(pid_, number);
  }
}

std::optional<int> ChildProcess::ended() {
  int status = 0;
  if (!code_ && ::waitpid(pid_, &status, WNOHANG) == pid_) {
    code_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  }
  return code_;
}

} // namespace spate::loadgen
