#include "loadgen/fleet/group_port.hpp"

#include <cassert>
#include <utility>

#include "engine/base/clock.hpp"

namespace spate::loadgen {

namespace {

/// As the generator's user sees it: net's own names are a server's.
std::string_view why_closed(const net::Connection& connection, net::CloseReason reason) noexcept {
  switch (reason) {
  case net::CloseReason::by_us:
    return "closed by the generator";
  case net::CloseReason::by_peer:
    return "closed by the server";
  case net::CloseReason::write_failed:
    return "write failed";
  case net::CloseReason::slow_reader:
    return "the server took no bytes for 30 s";
  case net::CloseReason::connect_failed:
    return connection.connect_error();
  case net::CloseReason::loop_stopped:
    return "the generator stopped";
  case net::CloseReason::input_full:
    return "the generator's input buffers are full";
  }
  return "";
}

} // namespace

GroupPort::GroupPort(const FleetPlan& plan, const CohortPlan& cohort, GroupPlan group,
                     const DeviceShare& share, std::uint32_t number, std::unique_ptr<Load> load,
                     net::Loop& loop)
    : plan_(plan), cohort_(cohort), share_(share), number_(number), loop_(loop),
      load_(std::move(load)), group_(std::move(group), share, load_.get(), *this) {
  for (std::uint32_t i = 0; i < share.connections; ++i) {
    links_.emplace_back(*this, i);
  }
}

void GroupPort::tell() {
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

void GroupPort::expect(std::uint32_t connection, bool under_way) {
  assert(connection < links_.size());
  Link& link = links_[connection];
  link.expected += under_way ? 1 : link.expected == 0 ? 0 : ~std::uint32_t{0};
  if (link.connection != nullptr) {
    link.connection->set_hot(link.expected != 0);
  }
}

Result<void> GroupPort::connect(std::uint32_t device) {
  Link& link = links_[device];
  if (cohort_.tls) {
    char buffer[DeviceNames::kNameBytesMax];
    auto secured = SecuredConnection::make(*cohort_.tls, share_.device_or_client(device, buffer));
    if (!secured) {
      return fail(std::move(secured.error()));
    }
    link.secured = std::move(*secured);
  }
  auto made = loop_.connect(plan_.target.host, plan_.target.port,
                            plan_.sources.source(number_ + device), link);
  if (!made) {
    return fail(std::move(made.error()));
  }
  link.connection = *made;
  link.connection->set_unused_bytes_max(group_.packet_bytes_max());
  if (link.expected != 0) {
    link.connection->set_hot(true);
  }
  return {};
}

void GroupPort::opened(Link& link, net::Connection& connection) {
  if (&connection != link.connection) {
    return;
  }
  if (!link.secured) {
    group_.on_open(link.index);
  } else if (auto moved = link.secured->handshake(connection); !moved) {
    fail_secured(link, std::move(moved.error()));
  }
}

void GroupPort::fail_secured(Link& link, Error error) {
  link.fault = std::move(error.detail);
  link.connection->abort();
}

std::size_t GroupPort::read(Link& link, net::Connection& from, std::string_view bytes) {
  if (&from != link.connection) {
    return bytes.size(); // Came before it was parked.
  }
  if (!link.secured) {
    const std::size_t used = group_.on_bytes(link.index, bytes, steady_ns(), loop_.wall_now_ms());
    if (used < bytes.size()) { // The rest of a large packet is not looked at piece by piece.
      from.expect(wire::next_frame(bytes.substr(used), group_.packet_bytes_max()).bytes);
    }
    return used;
  }
  read_secured(link, bytes);
  return bytes.size();
}

void GroupPort::read_secured(Link& link, std::string_view bytes) {
  auto more = link.secured->read(
      *link.connection, bytes, [&] { group_.on_open(link.index); },
      [&](std::string_view plain) {
        return group_.on_bytes(link.index, plain, steady_ns(), loop_.wall_now_ms());
      });
  if (!more) {
    fail_secured(link, std::move(more.error()));
  } else if (!*more) {
    link.fault = why_closed(*link.connection, net::CloseReason::by_peer);
    link.connection->close();
  }
}

void GroupPort::closed(Link& link, net::Connection& connection, net::CloseReason reason) {
  if (&connection != link.connection) {
    parked_.erase(&connection);
    return;
  }
  link.connection = nullptr;
  link.secured.reset();
  const std::string fault = std::exchange(link.fault, {});
  group_.on_closed(link.index, fault.empty() ? why_closed(connection, reason) : fault, steady_ns());
}

std::string& GroupPort::output(std::uint32_t device) {
  Link& link = links_[device];
  return link.secured ? link.secured->output() : link.connection->output();
}

void GroupPort::sent(std::uint32_t device) {
  Link& link = links_[device];
  if (link.secured) {
    link.secured->send(*link.connection);
  } else {
    link.connection->sent();
  }
}

std::size_t GroupPort::unsent_bytes(std::uint32_t device) const {
  const net::Connection* connection = links_[device].connection;
  return connection == nullptr ? 0 : connection->unsent_bytes();
}

void GroupPort::park(std::uint32_t device, std::int64_t until_ns) {
  Link& link = links_[device];
  link.connection->pause_reading(true);
  parked_.emplace(link.connection, until_ns);
  link.connection = nullptr;
  link.secured.reset();
}

void GroupPort::unpark(std::int64_t now_ns) {
  std::erase_if(parked_, [now_ns](const auto& parked) {
    if (now_ns >= parked.second) {
      parked.first->abort();
      return true;
    }
    return false;
  });
}

Result<void> GroupPort::open_silent(std::size_t fault) {
  Silent& silent = silent_.emplace_back(*this, fault);
  auto made = loop_.connect(plan_.target.host, plan_.target.port,
                            plan_.sources.source(number_ + share_.connections +
                                                 static_cast<std::uint32_t>(silent_.size())),
                            silent);
  if (!made) {
    silent_.pop_back();
    return fail(std::move(made.error()));
  }
  silent.connection = *made;
  return {};
}

void GroupPort::close_silent(std::size_t fault) {
  for (Silent& silent : silent_) {
    if (silent.connection != nullptr && silent.fault == fault) {
      std::exchange(silent.connection, nullptr)->abort();
    }
  }
}

void GroupPort::Silent::on_open(net::Connection&) {
  if (connection != nullptr) {
    open = true;
    port.group_.on_silent_open();
  }
}

void GroupPort::Silent::on_close(net::Connection& closed, net::CloseReason reason) {
  if (std::exchange(connection, nullptr) == nullptr) {
    return; // By close_silent().
  }
  open ? port.group_.on_silent_closed() : port.group_.on_silent_failed(why_closed(closed, reason));
}

} // namespace spate::loadgen
