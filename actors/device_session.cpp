#include "actors/device_session.hpp"

#include <algorithm>

namespace spate::actors {

DeviceSession::DeviceSession(caf::actor_config& config, SessionHome& home,
                             net::Connection& connection)
    : PinnedActor(config), home_(home), connection_(&connection), self_(home.table.add(this)),
      alive_(ctrl()), session_(home.context, *this, self_.slot, self_.generation) {
  SessionContext& context = home.context;
  context.counters.accepted.add();
  context.counters.connections.add();
  arm(context.loop.now_ms() + context.limits.connect_timeout_ms);
}

DeviceSession::~DeviceSession() = default;

caf::behavior DeviceSession::make_behavior() {
  return {[this](TakeOverAtom) {
            if (connection_ != nullptr) {
              session_.on_taken_over();
            }
          },
          [this](DeliverCommand& message) {
            if (connection_ != nullptr) {
              session_.on_deliver(std::move(message.command));
            }
          },
          [this](const SettleAnswer& message) {
            if (connection_ != nullptr) {
              session_.on_settle(message);
            }
          },
          [this](const ForgetCommand& message) {
            if (connection_ != nullptr) {
              session_.on_forget(message);
            }
          }};
}

std::size_t DeviceSession::on_bytes(net::Connection&, std::string_view bytes) {
  return session_.on_bytes(bytes);
}

void DeviceSession::on_close(net::Connection&, net::CloseReason reason) {
  SessionContext& context = home_.context;
  context.counters.connections.sub();
  context.counters.closed[static_cast<std::size_t>(reason)].add();
  session_.on_closed();
  home_.table.remove(self_);
  if (!session_.client_id().empty()) {
    home_.registry.release(session_.client_id(), address());
  }
  connection_ = nullptr;
  // Through the mailbox, so that CAF ends the actor in its own time: bounced requests, monitors,
  // links.
  caf::anon_send_exit(caf::actor_cast<caf::actor>(alive_), caf::exit_reason::normal);
  alive_ = nullptr;
}

void DeviceSession::on_timer() {
  const std::uint64_t now_ms = home_.context.loop.now_ms();
  if (now_ms < armed_ms_) {
    return; // An entry that an earlier one has overtaken and renewed.
  }
  armed_ms_ = 0;
  const std::uint64_t after_ms = session_.on_timer(now_ms);
  arm(now_ms + after_ms);
}

/// One entry in the wheel counts: the earliest. None is farther than the wheel reaches, since those
/// would fire early.
void DeviceSession::arm(std::uint64_t at_ms) {
  using Wheel = TimerWheel<SessionRef>;
  constexpr std::uint64_t kFarthestMs = Wheel::kSlots / 2 * Wheel::kSlotMs;
  at_ms = std::min(at_ms, home_.context.loop.now_ms() + kFarthestMs);
  if (armed_ms_ == 0 || at_ms < armed_ms_) {
    armed_ms_ = at_ms;
    home_.timers.arm(at_ms, self_);
  }
}

void DeviceSession::send_first(std::string_view bytes) {
  if (home_.priorities) {
    connection_->send_first(bytes);
  } else {
    connection_->send(bytes);
  }
}

void DeviceSession::set_packet_bytes_max(std::size_t bytes) {
  connection_->set_unused_bytes_max(bytes);
}

void DeviceSession::close() {
  connection_->close();
}

void DeviceSession::claim(std::string_view client_id) {
  const caf::actor_addr previous = home_.registry.claim(client_id, address());
  if (const auto holder = caf::actor_cast<caf::actor>(previous); holder && previous != address()) {
    // Answered, or bounced by one that has ended: either way it has told the store what it had to.
    const auto claimed = [this] {
      if (connection_ != nullptr) {
        session_.on_claimed();
      }
    };
    request<caf::message_priority::high>(holder, caf::infinite, TakeOverAtom::value)
        .then([claimed] { claimed(); }, [claimed](const caf::error&) { claimed(); });
  } else {
    session_.on_claimed();
  }
  // The connect timer goes on as that of the keep-alive, unless that comes sooner.
  const std::uint64_t now_ms = home_.context.loop.now_ms();
  const std::uint64_t after_ms = session_.on_timer(now_ms);
  arm(now_ms + after_ms);
}

} // namespace spate::actors
