// Spate - one thread's part of a cohort: its group, its load and the sockets below it.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "engine/net/connection.hpp"
#include "engine/net/loop.hpp"
#include "loadgen/fleet/fleet.hpp"
#include "loadgen/fleet/secured_connection.hpp"

namespace spate::loadgen {

/// Thread: its loop's, but for what is said to be of any.
class GroupPort final : private Port {
public:
  /// Borrows everything but the load. `number` is that of the group's first connection in the
  /// fleet: source addresses go by it.
  GroupPort(const FleetPlan& plan, const CohortPlan& cohort, GroupPlan group,
            const DeviceShare& share, std::uint32_t number, std::unique_ptr<Load> load,
            net::Loop& loop);

  [[nodiscard]] DeviceGroup& group() noexcept { return group_; }
  [[nodiscard]] Load* load() noexcept { return load_.get(); }

  /// Readable by any thread.
  GroupState state;
  void tell();

  /// One command more, or one less, is under way on a connection: its socket is read first.
  void expect(std::uint32_t connection, bool under_way);

private:
  struct Link final : net::ConnectionHandler {
    Link(GroupPort& owner, std::uint32_t number) : port(owner), index(number) {}
    void on_open(net::Connection& opened) override { port.opened(*this, opened); }
    std::size_t on_bytes(net::Connection& from, std::string_view bytes) override {
      return port.read(*this, from, bytes);
    }
    void on_close(net::Connection& closed, net::CloseReason reason) override {
      port.closed(*this, closed, reason);
    }
    GroupPort& port;
    const std::uint32_t index;
    std::uint32_t expected = 0;                 ///< Commands under way to this device.
    net::Connection* connection = nullptr;      ///< Another one that calls was parked.
    std::unique_ptr<SecuredConnection> secured; ///< Null: plain TCP.
    std::string fault;                          ///< Of TLS: why it is closed.
  };
  struct Silent final : net::ConnectionHandler {
    Silent(GroupPort& owner, std::size_t number) : port(owner), fault(number) {}
    void on_open(net::Connection&) override;
    std::size_t on_bytes(net::Connection&, std::string_view bytes) override { return bytes.size(); }
    void on_close(net::Connection&, net::CloseReason) override;
    GroupPort& port;
    const std::size_t fault;
    bool open = false;
    net::Connection* connection = nullptr; ///< Null once it is closed, or is to be.
  };

  void opened(Link& link, net::Connection& connection);
  std::size_t read(Link& link, net::Connection& from, std::string_view bytes);
  void read_secured(Link& link, std::string_view bytes);
  void fail_secured(Link& link, Error error);
  void closed(Link& link, net::Connection& connection, net::CloseReason reason);

  Result<void> connect(std::uint32_t device) override;
  std::string& output(std::uint32_t device) override;
  void sent(std::uint32_t device) override;
  void flush(std::uint32_t device) override { links_[device].connection->flush(); }
  [[nodiscard]] std::size_t unsent_bytes(std::uint32_t device) const override;
  void close(std::uint32_t device) override { links_[device].connection->close(); }
  void abort(std::uint32_t device) override { links_[device].connection->abort(); }
  void pause_reading(std::uint32_t device, bool paused) override {
    links_[device].connection->pause_reading(paused);
  }
  void park(std::uint32_t device, std::int64_t until_ns) override;
  void unpark(std::int64_t now_ns) override;
  Result<void> open_silent(std::size_t fault) override;
  void close_silent(std::size_t fault) override;

  const FleetPlan& plan_;
  const CohortPlan& cohort_;
  const DeviceShare share_;
  const std::uint32_t number_;
  net::Loop& loop_;
  const std::unique_ptr<Load> load_;
  std::deque<Link> links_; ///< They do not move: connections know them.
  std::deque<Silent> silent_;
  /// Connections that were left silently, and until when they stay.
  std::unordered_map<net::Connection*, std::int64_t> parked_;
  DeviceGroup group_;
};

} // namespace spate::loadgen
