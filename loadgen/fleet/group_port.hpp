// Spate - one thread's part of a cohort: its group, its load and the sockets below it.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "engine/base/clock.hpp"
#include "engine/net/connection.hpp"
#include "engine/net/loop.hpp"
#include "loadgen/fleet/fleet.hpp"

namespace spate::loadgen {

/// Thread: its loop's, but for what is said to be of any.
class GroupPort final : private Port {
public:
  /// Borrows everything but the load. `number` is that of the group's first connection in the
  /// fleet: source addresses go by it.
  GroupPort(const net::Address& target, const SourcePool& sources, std::uint32_t number,
            GroupPlan plan, const DeviceShare& share, std::unique_ptr<Load> load, net::Loop& loop)
      : target_(target), loop_(loop), load_(std::move(load)),
        group_(std::move(plan), share, load_.get(), *this) {
    for (std::uint32_t i = 0; i < share.connections; ++i) {
      links_.emplace_back(*this, i, sources.source(number + i));
    }
  }

  [[nodiscard]] DeviceGroup& group() noexcept { return group_; }
  [[nodiscard]] Load* load() noexcept { return load_.get(); }

  /// Readable by any thread.
  GroupState state;
  void tell() {
    state.online.store(group_.online(), std::memory_order_relaxed);
    state.subscribed.store(group_.subscribed(), std::memory_order_relaxed);
    state.settled.store(group_.settled(), std::memory_order_relaxed);
    state.seen.store(group_.seen(), std::memory_order_relaxed);
    state.gone.store(group_.gone(), std::memory_order_relaxed);
    state.in_flight.store(group_.in_flight(), std::memory_order_relaxed);
    state.waiting.store(group_.waiting(), std::memory_order_relaxed);
    state.moves.store(group_.moves(), std::memory_order_relaxed);
    state.open.store(group_.open_connections(), std::memory_order_relaxed);
    state.all_sent.store(group_.all_sent(), std::memory_order_relaxed);
    state.drained.store(group_.drained(), std::memory_order_relaxed);
  }

  /// One command more, or one less, is under way on a connection: its socket is read first.
  void expect(std::uint32_t connection, bool under_way) {
    Link& link = links_[connection];
    link.expected += under_way ? 1 : link.expected == 0 ? 0 : ~std::uint32_t{0};
    if (link.connection != nullptr) {
      link.connection->set_hot(link.expected != 0);
    }
  }

private:
  struct Link final : net::ConnectionHandler {
    Link(GroupPort& owner, std::uint32_t number, std::string from)
        : port(owner), index(number), source(std::move(from)) {}
    void on_open(net::Connection&) override { port.group_.on_open(index); }
    std::size_t on_bytes(net::Connection&, std::string_view bytes) override {
      return port.group_.on_bytes(index, bytes, steady_ns(), port.loop_.wall_now_ms());
    }
    void on_close(net::Connection&, net::CloseReason reason) override {
      connection = nullptr;
      port.group_.on_closed(index, net::name_of(reason), steady_ns());
    }
    GroupPort& port;
    std::uint32_t index;
    std::string source;
    net::Connection* connection = nullptr;
    std::uint32_t expected = 0; ///< Commands under way to this device.
  };

  Result<void> connect(std::uint32_t device) override {
    Link& link = links_[device];
    auto made = loop_.connect(target_.host, target_.port, link.source, link);
    if (!made) {
      return fail(std::move(made.error()));
    }
    link.connection = *made;
    if (link.expected != 0) {
      link.connection->set_hot(true);
    }
    return {};
  }
  std::string& output(std::uint32_t device) override { return links_[device].connection->output(); }
  void sent(std::uint32_t device) override { links_[device].connection->sent(); }
  void flush(std::uint32_t device) override { links_[device].connection->flush(); }
  std::size_t unsent_bytes(std::uint32_t device) const override {
    const net::Connection* connection = links_[device].connection;
    return connection == nullptr ? 0 : connection->unsent_bytes();
  }
  void close(std::uint32_t device) override { links_[device].connection->close(); }
  void abort(std::uint32_t device) override { links_[device].connection->abort(); }

  const net::Address& target_;
  net::Loop& loop_;
  const std::unique_ptr<Load> load_;
  std::deque<Link> links_;
  DeviceGroup group_;
};

} // namespace spate::loadgen
