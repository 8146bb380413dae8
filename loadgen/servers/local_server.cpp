#include "loadgen/servers/local_server.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <thread>
#include <vector>

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

namespace spate::loadgen {

namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

constexpr auto kStartMax = 20s;

/// A port that nobody has now.
int free_port() {
  const int file = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  int port = 0;
  if (bind(file, reinterpret_cast<sockaddr*>(&address), size) == 0 &&
      getsockname(file, reinterpret_cast<sockaddr*>(&address), &size) == 0) {
    port = ntohs(address.sin_port);
  }
  ::close(file);
  return port;
}

bool answers(int port) {
  const int file = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  const bool open = ::connect(file, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
  ::close(file);
  return open;
}

std::string find_program(const std::string& name) {
  std::vector<fs::path> folders;
  std::error_code ignored;
  folders.push_back(fs::read_symlink("/proc/self/exe", ignored).parent_path());
  const char* path = std::getenv("PATH");
  for (std::string_view rest = path == nullptr ? "" : path; !rest.empty();) {
    const std::size_t colon = std::min(rest.find(':'), rest.size());
    folders.emplace_back(rest.substr(0, colon));
    rest.remove_prefix(std::min(colon + 1, rest.size()));
  }
  folders.emplace_back("/usr/sbin");
  for (const fs::path& folder : folders) {
    const fs::path file = folder / name;
    if (access(file.c_str(), X_OK) == 0) {
      return file.string();
    }
  }
  return {};
}

std::string program_of(ServerSpec::Kind kind) {
  return kind == ServerSpec::Kind::spate       ? "spate"
         : kind == ServerSpec::Kind::mosquitto ? "mosquitto"
                                               : "nats-server";
}

/// The command line; writes a configuration where one is needed.
std::vector<std::string> command_of(ServerSpec::Kind kind, const std::string& program,
                                    const std::string& directory, int port) {
  const std::string listen = "127.0.0.1:" + std::to_string(port);
  if (kind == ServerSpec::Kind::spate) {
    return {program, "serve",  "--data-dir",  directory + "/data", "--mqtt",
            listen,  "--http", "127.0.0.1:0", "--log-level",       "warn"};
  }
  const std::string path = directory + "/server.conf";
  std::ofstream file(path);
  if (kind == ServerSpec::Kind::mosquitto) {
    // What it drops without these, no other server here drops.
    file << "listener " << port << " 127.0.0.1\nallow_anonymous true\nmax_queued_messages 0\n"
         << "max_inflight_messages 0\n"
         << (geteuid() == 0 ? "user root\n" : ""); // Else it can not read our directory.
    return {program, "-c", path};
  }
  file << "server_name: spate_comparison\nlisten: 127.0.0.1:-1\njetstream { store_dir: \""
       << directory << "\" }\nmqtt { host: 127.0.0.1, port: " << port
       << ", max_ack_pending: 60000 }\n";
  return {program, "-c", path};
}

} // namespace

Result<ServerSpec> parse_server(std::string_view word) {
  ServerSpec spec;
  const std::string given(word);
  if (const auto equals = word.find('='); equals != std::string_view::npos) {
    spec.name = word.substr(0, equals);
    word.remove_prefix(equals + 1);
  }
  for (const auto kind :
       {ServerSpec::Kind::spate, ServerSpec::Kind::mosquitto, ServerSpec::Kind::nats}) {
    if (word == program_of(kind)) {
      spec.kind = kind;
    }
  }
  if (spec.kind != ServerSpec::Kind::given) {
    spec.name = spec.name.empty() ? std::string(word) : spec.name;
    return spec;
  }
  if (const auto at = word.rfind('@'); at != std::string_view::npos) {
    const std::string_view digits = word.substr(at + 1);
    const auto read = std::from_chars(digits.data(), digits.data() + digits.size(), spec.pid);
    if (read.ec != std::errc{} || read.ptr != digits.data() + digits.size() || spec.pid <= 0) {
      return fail(Errc::usage, given + ": behind @ comes the number of a process");
    }
    word = word.substr(0, at);
  }
  if (word.find(':') == std::string_view::npos) {
    return fail(Errc::usage,
                given + " is none of spate, mosquitto, nats-server, HOST:PORT, HOST:PORT@PID");
  }
  spec.target = word.find("://") == std::string_view::npos ? "mqtt://" + std::string(word)
                                                           : std::string(word);
  spec.name = spec.name.empty() ? std::string(word) : spec.name;
  return spec;
}

bool is_installed(const ServerSpec& spec) {
  return spec.kind == ServerSpec::Kind::given || !find_program(program_of(spec.kind)).empty();
}

Result<std::unique_ptr<LocalServer>> LocalServer::start(const ServerSpec& spec,
                                                        const std::atomic<bool>& stop) {
  std::unique_ptr<LocalServer> server(new LocalServer);
  server->name_ = spec.name;
  if (spec.kind == ServerSpec::Kind::given) {
    server->target_ = spec.target;
    server->pid_ = spec.pid;
    return server;
  }
  const std::string name = program_of(spec.kind);
  const std::string program = find_program(name);
  if (program.empty()) {
    return fail(Errc::file_unreadable,
                name + " is not there: it is looked for beside this program, in PATH and in "
                       "/usr/sbin");
  }
  std::error_code nowhere;
  const fs::path temporary = fs::temp_directory_path(nowhere);
  std::string directory = (temporary / (name + "-XXXXXX")).string();
  if (nowhere || mkdtemp(directory.data()) == nullptr) {
    return fail(Errc::file_unreadable, "a directory for " + name + ": " +
                                           (nowhere ? nowhere.message() : std::strerror(errno)));
  }
  server->directory_ = directory;
  const int port = free_port();
  auto process = ChildProcess::start(command_of(spec.kind, program, directory, port),
                                     directory + "/server.log", ChildProcess::Output::all);
  if (!process) {
    return fail(std::move(process.error()));
  }
  server->process_ = std::move(*process);
  server->pid_ = server->process_->pid();
  server->target_ = "mqtt://127.0.0.1:" + std::to_string(port);
  if (auto ready = server->await_ready(port, stop); !ready) {
    return fail(std::move(ready.error()));
  }
  return server;
}

Result<void> LocalServer::await_ready(int port, const std::atomic<bool>& stop) {
  const auto until = std::chrono::steady_clock::now() + kStartMax;
  while (!answers(port)) {
    if (stop) {
      return fail(Errc::connect_failed, name_ + " was stopped at its start");
    }
    if (process_->ended()) {
      return fail(Errc::connect_failed, name_ + " ended at its start: " + log_end());
    }
    if (std::chrono::steady_clock::now() > until) {
      return fail(Errc::connect_failed, name_ + " takes no connections after 20 s: " + log_end());
    }
    std::this_thread::sleep_for(20ms);
  }
  return {};
}

std::string LocalServer::log_end() const {
  std::ifstream file(directory_ + "/server.log");
  std::string line, last;
  while (std::getline(file, line)) {
    last = line.empty() ? last : line;
  }
  return last.empty() ? "it said nothing" : last;
}

LocalServer::~LocalServer() {
  process_.reset();
  if (!directory_.empty()) {
    std::error_code ignored;
    fs::remove_all(directory_, ignored);
  }
}

} // namespace spate::loadgen
