// Spate - where connections come from and whether they fit: source addresses, file descriptors.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "engine/base/result.hpp"
#include "engine/net/listener.hpp"
#include "loadgen/base/texts.hpp"

namespace spate::loadgen {

/// Local addresses for outgoing connections. One address has about 28,000 free ports towards one
/// server (Linux' ip_local_port_range), so a large fleet needs several.
class SourcePool {
public:
  /// Devices that share an address of a range.
  static constexpr std::uint32_t kDevicesPerAddress = 10'000;

  /// "auto": 127.0.0.0/8 for a loopback target (IPv4), else the kernel's choice. "none": the
  /// kernel's choice. Otherwise a range like 10.0.0.0/24 or a list of addresses with commas. Error:
  /// usage.
  static Result<SourcePool> parse(std::string_view text, const net::Address& target);

  /// The address for a device; empty leaves it to the kernel.
  [[nodiscard]] std::string source(std::uint32_t device) const;

private:
  std::vector<std::string> list_;
  std::uint32_t base_ = 0;  ///< First address of a range, host order; 0 = none.
  std::uint32_t count_ = 0; ///< Addresses in it.
};

/// Raises the limit of open files to what the system allows and checks that `connections` fit
/// beside the program's own and `beside` others. Error: usage, with the numbers and what to do.
Result<void> make_room(std::uint64_t connections, std::uint64_t beside = 0);

/// Looks a host name up; numeric addresses are kept. Errors: address_invalid, connect_failed.
Result<net::Address> resolve(std::string_view host_port, std::uint16_t default_port);

struct Target {
  std::string host_port;
  bool tls = false;
};

/// Several targets by commas: agents take them in turn.
[[nodiscard]] inline std::vector<std::string> split_targets(std::string_view targets) {
  return split(targets, ",");
}

/// Takes mqtt://HOST[:PORT], mqtts://HOST[:PORT] or HOST[:PORT] apart. Error: usage.
Result<Target> target_of(std::string_view url);

} // namespace spate::loadgen
