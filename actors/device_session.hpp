// Spate - the actor of one device connection: carries bytes and messages to its MqttSession.
#pragma once

#include <caf/actor.hpp>
#include <caf/atom.hpp>
#include <caf/send.hpp>

#include "actors/command_mail.hpp"
#include "actors/loop_executor.hpp"
#include "actors/mqtt_session.hpp"
#include "actors/session_registry.hpp"
#include "actors/session_table.hpp"
#include "actors/timer_wheel.hpp"
#include "engine/net/connection.hpp"

namespace spate::actors {

using TakeOverAtom = caf::atom_constant<caf::atom("takeover")>;

/// What the sessions of a loop share beside SessionContext: what belongs to actors.
struct SessionHome {
  SessionContext& context;
  SessionTable& table;
  TimerWheel<SessionRef>& timers;
  SessionRegistry& registry;
  caf::actor command_router; ///< None: its sessions take no commands.
  bool priorities = true;
};

/// Bytes reach it by a direct call on its loop, everything from other threads as a message, which
/// is resumed on the same loop: so its state has one thread without a lock. Lifetime: CAF's
/// reference count. The connection's existence holds one reference; on_close gives it back.
class DeviceSession final : public PinnedActor,
                            public net::ConnectionHandler,
                            private SessionPort,
                            private CommandPort {
public:
  DeviceSession(caf::actor_config& config, SessionHome& home, net::Connection& connection);
  ~DeviceSession() override;

  const char* name() const override { return "device-session"; }
  caf::behavior make_behavior() override;

  std::size_t on_bytes(net::Connection& connection, std::string_view bytes) override;
  void on_close(net::Connection& connection, net::CloseReason reason) override;

  void on_receipt(const model::TelemetryBlock& block, const model::Message& message) {
    session_.on_receipt(block, message);
  }
  void on_copy(Passing& passing, const Copy& copy) { session_.on_copy(passing, copy); }
  void on_store_answer(StoreTask task, std::uint64_t argument, storage::SessionReceipt& receipt) {
    session_.on_store_answer(task, argument, receipt);
  }
  void on_queued(storage::QueuedMessage& queued) { session_.on_queued(queued); }
  void on_timer();
  void on_shutdown() { session_.on_shutdown(); }

private:
  std::string& output() override { return connection_->output(); }
  void sent() override { connection_->sent(); }
  void pause_reading(bool paused) override { connection_->pause_reading(paused); }
  std::size_t unsent_bytes() const override { return connection_->unsent_bytes(); }
  void set_packet_bytes_max(std::size_t bytes) override;
  void expect(std::size_t bytes) override { connection_->expect(bytes); }
  void close() override;
  void claim(std::string_view client_id) override;
  CommandPort* commands() override { return home_.command_router ? this : nullptr; }
  std::string remote_address() const override { return connection_->remote_address(); }

  void send_first(std::string_view bytes) override;
  void flush() override { connection_->flush(); }
  void set_hot(bool hot) override { connection_->set_hot(hot && home_.priorities); }
  void wake_within(std::uint64_t ms) override { arm(home_.context.loop.now_ms() + ms); }
  void tell(DeviceReady message) override { tell_router(std::move(message)); }
  void tell(CommandSent message) override { tell_router(std::move(message)); }
  void tell(CommandDelivered message) override { tell_router(std::move(message)); }
  void tell(CommandAnswer message) override { tell_router(std::move(message)); }
  void tell(DeviceGone message) override { tell_router(std::move(message)); }

  template <class Message>
  void tell_router(Message message) {
    // As its sender, so that the router can answer.
    if (home_.priorities) {
      send<caf::message_priority::high>(home_.command_router, std::move(message));
    } else {
      send(home_.command_router, std::move(message));
    }
  }
  void arm(std::uint64_t at_ms);

  SessionHome& home_;
  net::Connection* connection_; ///< Null once it is closed.
  const SessionRef self_;
  caf::strong_actor_ptr alive_; ///< Ourselves, while the connection is open.
  std::uint64_t armed_ms_ = 0;  ///< When its timer fires next; 0: it has none.
  MqttSession session_;
};

} // namespace spate::actors
