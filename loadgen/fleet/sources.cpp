#include "loadgen/fleet/sources.hpp"

#include <algorithm>
#include <charconv>

#include <arpa/inet.h>
#include <netdb.h>
#include <sys/resource.h>

namespace spate::loadgen {

namespace {

constexpr std::uint64_t kOwnFiles = 64; // Logs, reports, libraries.

bool read_ipv4(const std::string& text, std::uint32_t& address) {
  in_addr parsed{};
  if (inet_pton(AF_INET, text.c_str(), &parsed) != 1) {
    return false;
  }
  address = ntohl(parsed.s_addr);
  return true;
}

std::string ipv4_text(std::uint32_t address) {
  char text[INET_ADDRSTRLEN] = {};
  const in_addr wire{htonl(address)};
  inet_ntop(AF_INET, &wire, text, sizeof text);
  return text;
}

} // namespace

Result<SourcePool> SourcePool::parse(std::string_view text, const net::Address& target) {
  SourcePool pool;
  const bool ipv4 = target.host.find(':') == std::string::npos;
  if (text == "none" || (text == "auto" && !(ipv4 && target.loopback()))) {
    return pool;
  }
  const auto wrong = [text] {
    return fail(Errc::usage, "--sources " + std::string(text) +
                                 ": give auto, none, a range like 127.0.0.0/8, or addresses with "
                                 "commas");
  };
  if (text == "auto") {
    text = "127.0.0.0/8";
  }
  if (const auto slash = text.find('/'); slash != std::string_view::npos) {
    unsigned bits = 0;
    const std::string_view digits = text.substr(slash + 1);
    const auto read = std::from_chars(digits.data(), digits.data() + digits.size(), bits);
    std::uint32_t address = 0;
    if (read.ec != std::errc{} || read.ptr != digits.data() + digits.size() || bits < 8 ||
        bits > 30 || !read_ipv4(std::string(text.substr(0, slash)), address)) {
      return wrong();
    }
    pool.base_ = (address & ~((std::uint32_t{1} << (32 - bits)) - 1)) + 1;
    pool.count_ = (std::uint32_t{1} << (32 - bits)) - 2;
    return pool;
  }
  while (!text.empty()) {
    const std::size_t comma = std::min(text.find(','), text.size());
    std::uint32_t address = 0;
    pool.list_.emplace_back(text.substr(0, comma));
    if (!read_ipv4(pool.list_.back(), address)) {
      return wrong();
    }
    text.remove_prefix(std::min(comma + 1, text.size()));
  }
  return pool;
}

std::string SourcePool::source(std::uint32_t device) const {
  if (!list_.empty()) {
    return list_[device % list_.size()];
  }
  return count_ == 0 ? std::string() : ipv4_text(base_ + device / kDevicesPerAddress % count_);
}

Result<void> make_room(std::uint64_t connections, std::uint64_t beside) {
  const std::uint64_t own = kOwnFiles + beside;
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) {
    return {};
  }
  if (limit.rlim_cur < limit.rlim_max) {
    rlimit raised = limit;
    raised.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &raised) == 0) {
      limit = raised;
    }
  }
  if (limit.rlim_cur == RLIM_INFINITY || connections + own <= limit.rlim_cur) {
    return {};
  }
  const std::uint64_t fit = limit.rlim_cur > own ? limit.rlim_cur - own : 0;
  return fail(Errc::usage,
              std::to_string(connections) + " connections do not fit: this process may open " +
                  std::to_string(limit.rlim_cur) + " files (hard limit), enough for " +
                  std::to_string(fit) +
                  " connections. Raise it (ulimit -Hn, systemd LimitNOFILE=) or run several "
                  "generators with different --device-prefix");
}

Result<net::Address> resolve(std::string_view host_port, std::uint16_t default_port) {
  std::string text(host_port);
  const bool has_port = text.find(':') != std::string::npos &&
                        (text.front() != '[' || text.find("]:") != std::string::npos);
  if (!has_port) {
    text += ":" + std::to_string(default_port);
  }
  if (auto numeric = net::parse_address(text)) {
    return *numeric;
  }
  const std::size_t colon = text.rfind(':');
  const std::string host = text.substr(0, colon);
  const std::string port = text.substr(colon + 1);
  unsigned number = 0; // Looked at here: getaddrinfo takes 99999 for 34463.
  const auto read = std::from_chars(port.data(), port.data() + port.size(), number);
  if (read.ec != std::errc{} || read.ptr != port.data() + port.size() || number == 0 ||
      number > 65'535) {
    return fail(Errc::address_invalid, text + " is not HOST:PORT");
  }
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (const int code = getaddrinfo(host.c_str(), port.c_str(), &hints, &found); code != 0) {
    return fail(Errc::connect_failed, "can not find " + host + ": " + gai_strerror(code));
  }
  char name[NI_MAXHOST] = {};
  const int named =
      getnameinfo(found->ai_addr, found->ai_addrlen, name, sizeof name, nullptr, 0, NI_NUMERICHOST);
  freeaddrinfo(found);
  if (named != 0) {
    return fail(Errc::address_invalid, text + ": " + gai_strerror(named));
  }
  return net::Address{name, static_cast<std::uint16_t>(number)};
}

Result<Target> target_of(std::string_view url) {
  constexpr std::string_view kPlain = "mqtt://", kTls = "mqtts://";
  Target target;
  const std::string_view given = url;
  if (url.find(',') != std::string_view::npos) {
    return fail(Errc::usage, "several targets need --agents, which take them in turn");
  }
  if (url.starts_with(kTls)) {
    target.tls = true;
    url.remove_prefix(kTls.size());
  } else if (url.starts_with(kPlain)) {
    url.remove_prefix(kPlain.size());
  } else if (url.find("://") != std::string_view::npos) {
    return fail(Errc::usage,
                std::string(given) + " is neither mqtt://HOST:PORT nor mqtts://HOST:PORT");
  }
  while (!url.empty() && url.back() == '/') {
    url.remove_suffix(1);
  }
  if (url.empty()) {
    return fail(Errc::usage, "a target is mqtt://HOST:PORT or mqtts://HOST:PORT");
  }
  target.host_port = url;
  return target;
}

} // namespace spate::loadgen
