#include "actors/device_loop.hpp"

#include <string>
#include <utility>

#include "actors/own_messages.hpp"
#include "engine/base/thread.hpp"

namespace spate::actors {

DeviceLoop::DeviceLoop(DeviceLoopServices services, DeviceLoopOptions options)
    : services_(services), options_(options), executor_(services.system, loop_, options.priorities),
      writer_(loop_, services.store, *this, options.writer),
      parser_(services.shapes, options.parser),
      messages_(services.messages, loop_, options.number, *this),
      door_(services.sessions, loop_, options.number, *this),
      timers_(loop_.now_ms()), context_{services.store,
                                        writer_,
                                        parser_,
                                        services.routes,
                                        services.presence,
                                        messages_,
                                        door_,
                                        services.sys,
                                        loop_,
                                        options.session,
                                        options.durability,
                                        {},
                                        log::RateLimit(),
                                        {},
                                        {},
                                        {},
                                        std::mt19937_64(std::random_device()()),
                                        options.number},
      home_{context_,          sessions_, timers_, services.registry, services.command_router,
            options.priorities} {
  loop_.set_hooks(*this);
  loop_.set_left_bytes_max(options.incomplete_bytes_max);
  loop_.every(TimerWheel<SessionRef>::kSlotMs, [this] { timers_due_ = true; });
  if (options_.sys_figures) {
    loop_.after(0, [this] { publish_sys(); });
    loop_.every(SysTopics::kPeriodMs, [this] { publish_sys(); });
  }
}

void DeviceLoop::publish_sys() {
  for (const model::SharedMessage& each : *services_.sys.update(options_.sys_figures())) {
    publish_own(messages_, door_, *each);
  }
}

DeviceLoop::~DeviceLoop() {
  stop();
}

Result<net::Address> DeviceLoop::listen(const net::Address& address, bool shared) {
  auto listener =
      net::Listener::open(loop_, address, shared, [this](net::Connection& c) { return accept(c); });
  if (!listener) {
    return fail(std::move(listener.error()));
  }
  listener_ = std::move(*listener);
  return listener_->address();
}

void DeviceLoop::start(std::uint32_t number) {
  thread_ = std::thread([this, number] {
    name_this_thread(("loop-" + std::to_string(number)).c_str());
    loop_.run();
    writer_.hand_over(); // The store is stopped by now and refuses: all is counted.
    while (writer_.deliver_receipts(kReceiptsMax)) {
    }
    while (
        executor_.run_ready()) { // The last words of actors whose connections the stop has closed.
    }
    door_.hand_over();
  });
}

net::ConnectionHandler* DeviceLoop::accept(net::Connection& connection) {
  if (draining_ || sessions_.size() >= options_.connections_max) {
    context_.counters.refused[static_cast<std::size_t>(wire::Reason::server_busy)].add();
    return nullptr;
  }
  const caf::actor session = spawn_on<DeviceSession>(executor_, home_, connection);
  return caf::actor_cast<DeviceSession*>(session);
}

/// Whoever came in a crowd is late in a crowd: in steps, so that those who work have their turn.
void DeviceLoop::fire_timers() {
  timers_due_ = timers_.advance(loop_.now_ms(), kTimersPerIteration, [this](SessionRef ref) {
    if (DeviceSession* session = sessions_.find(ref.slot, ref.generation)) {
      session->on_timer();
    }
  });
}

bool DeviceLoop::before_poll() {
  if (timers_due_) {
    fire_timers();
  }
  const bool actors_left = executor_.run_ready();
  writer_.hand_over(); // What sessions shown again by a resume have parsed.
  messages_.hand_over();
  door_.hand_over();
  return actors_left || receipts_left_ || timers_due_;
}

void DeviceLoop::after_poll() {
  writer_.hand_over();
  messages_.hand_over();
  door_.hand_over();
  receipts_left_ = deliver_receipts();
  throttle();
  if (drained_ && writer_.drained()) {
    std::exchange(drained_, nullptr)();
  }
  if (stopping_ && sessions_.size() == 0 && writer_.drained()) {
    loop_.stop();
  }
}

/// True if some are left.
bool DeviceLoop::deliver_receipts() {
  if (!executor_.priorities()) {
    return writer_.deliver_receipts(kReceiptsMax);
  }
  for (std::size_t done = 0; done < kReceiptsMax; done += kReceiptsPerStep) {
    if (!writer_.deliver_receipts(kReceiptsPerStep)) {
      return false;
    }
    executor_.run_urgent();
    loop_.read_hot();
  }
  return true;
}

void DeviceLoop::between_writes() {
  if (executor_.priorities()) {
    executor_.run_urgent();
  }
}

void DeviceLoop::between_reads() {
  if (executor_.priorities()) {
    executor_.run_urgent();
  }
  if (writer_.over_limit() || messages_.over_limit()) {
    loop_.pause_reading(true, kHotBytesMax);
  }
}

void DeviceLoop::throttle() {
  // Not on and off with each receipt: every pause and resume touches all sockets that are ready.
  const bool too_much =
      draining_ || messages_.over_limit() ||
      (loop_.reading_paused() ? !writer_.well_below_limit() : writer_.over_limit());
  if (too_much != loop_.reading_paused()) {
    loop_.pause_reading(too_much, draining_ ? 0 : kHotBytesMax);
  }
}

void DeviceLoop::on_message(const model::TelemetryBlock& block, const model::Message& message) {
  if (DeviceSession* session = sessions_.find(message.ack.slot, message.ack.generation)) {
    session->on_receipt(block, message);
  }
}

void DeviceLoop::on_copy(Passing& passing, const Copy& copy) {
  if (DeviceSession* session = sessions_.find(copy.slot, copy.generation)) {
    session->on_copy(passing, copy);
  }
}

void DeviceLoop::on_store_answer(std::uint32_t slot, std::uint32_t generation, StoreTask task,
                                 std::uint64_t argument, storage::SessionReceipt& receipt) {
  if (DeviceSession* session = sessions_.find(slot, generation)) {
    session->on_store_answer(task, argument, receipt);
  } else if (task == StoreTask::opening) {
    door_.abandon(receipt.opened.number, static_cast<std::uint32_t>(argument));
  }
}

void DeviceLoop::on_queued(std::uint32_t slot, std::uint32_t generation,
                           storage::QueuedMessage& queued) {
  if (DeviceSession* session = sessions_.find(slot, generation)) {
    session->on_queued(queued);
  }
}

void DeviceLoop::on_will(const model::ApplicationMessage& will, const Matches& connected) {
  pass_will(messages_, will, connected);
}

void DeviceLoop::drain(std::function<void()> drained) {
  loop_.post([this, drained = std::move(drained)]() mutable {
    draining_ = true;
    if (listener_) {
      listener_->close();
    }
    loop_.pause_reading(true);
    drained_ = std::move(drained);
    loop_.wake();
  });
}

void DeviceLoop::stop() {
  if (!thread_.joinable()) {
    return;
  }
  loop_.post([this] {
    draining_ = stopping_ = true;
    sessions_.for_each([](DeviceSession& session) { session.on_shutdown(); });
    // Clients that do not hang up are not waited for.
    loop_.after(net::Connection::kCloseLingerMs + 500, [this] { loop_.stop(); });
    loop_.wake();
  });
  thread_.join();
}

} // namespace spate::actors
