#include "actors/command_service.hpp"

#include <algorithm>
#include <random>
#include <unordered_map>
#include <utility>

#include <caf/send.hpp>

#include "actors/command_mail.hpp"
#include "engine/base/clock.hpp"

namespace spate::actors {

namespace {

/// What the log's thread says, as a message.
struct Logged {
  std::shared_ptr<std::vector<storage::CommandReceipt>> receipts;
};
struct Due {
  std::shared_ptr<std::vector<model::CommandRecord>> commands;
};

CommandClock clock_now() {
  return {wall_ms(), steady_ns()};
}

struct TargetHash {
  std::size_t operator()(const CommandTarget& target) const noexcept {
    return std::hash<std::uint64_t>()((std::uint64_t{target.loop} << 48) ^
                                      (std::uint64_t{target.generation} << 32) ^ target.slot);
  }
};

} // namespace
} // namespace spate::actors

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(spate::actors::Logged)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(spate::actors::Due)

namespace spate::actors {

struct CommandService::Impl final : DevicePort, storage::CommandLogListener {
  Impl(net::Loop& on, caf::actor_system& system, const Presence& devices, CommandLimits limits,
       bool with_priorities)
      : loop(on), executor(system, on, with_priorities), presence(devices),
        priorities(with_priorities), router(limits, *this, std::random_device()()) {}

  template <class Message>
  void tell(const caf::actor& whom, Message message) {
    if (priorities) {
      caf::anon_send<caf::message_priority::high>(whom, std::move(message));
    } else {
      caf::anon_send(whom, std::move(message));
    }
  }
  template <class Message>
  void tell(const CommandTarget& target, Message message) {
    const auto found = targets.find(target);
    if (found == targets.end()) {
      return;
    }
    if (const auto session = caf::actor_cast<caf::actor>(found->second)) {
      tell(session, std::move(message));
    }
  }

  void deliver(const CommandTarget& target, const model::Command& command) override {
    tell(target, DeliverCommand{command});
  }
  void settle(const CommandTarget& target, const SettleAnswer& answer) override {
    tell(target, answer);
  }
  void forget(const CommandTarget& target, const ForgetCommand& what) override {
    tell(target, what);
  }
  bool connected(std::string_view device) const override {
    return presence.find(device).has_value();
  }

  void on_logged(std::vector<storage::CommandReceipt> receipts) override {
    tell(actor,
         Logged{std::make_shared<std::vector<storage::CommandReceipt>>(std::move(receipts))});
  }
  void on_due(std::vector<model::CommandRecord> due) override {
    tell(actor, Due{std::make_shared<std::vector<model::CommandRecord>>(std::move(due))});
  }

  /// After each event: the router may want to be called earlier than before.
  void arm_timer() {
    const auto wanted_ns = router.timer_ns();
    if (!wanted_ns || (armed_ns != 0 && armed_ns <= *wanted_ns)) {
      return;
    }
    armed_ns = *wanted_ns;
    const std::int64_t delay_ns = std::max<std::int64_t>(*wanted_ns - steady_ns(), 0);
    loop.after(static_cast<std::uint64_t>(delay_ns / 1'000'000 + 1), [this, at = armed_ns] {
      if (armed_ns == at) {
        armed_ns = 0;
        router.on_timer(clock_now());
        arm_timer();
      }
    });
  }

  net::Loop& loop;
  LoopExecutor executor;
  const Presence& presence;
  const bool priorities;
  CommandRouter router;
  std::unique_ptr<storage::CommandLog> log;
  caf::actor actor;
  std::unordered_map<CommandTarget, caf::actor_addr, TargetHash> targets;
  std::int64_t armed_ns = 0; ///< Steady clock; 0: no timer runs.
};

/// Carries messages to the router.
class CommandService::Actor final : public PinnedActor {
public:
  Actor(caf::actor_config& config, Impl& service) : PinnedActor(config), service_(service) {}

  const char* name() const override { return "command-router"; }

  caf::behavior make_behavior() override {
    CommandRouter& router = service_.router;
    return {[this, &router](const DeviceReady& ready) {
              service_.targets[ready.target] = caf::actor_cast<caf::actor_addr>(current_sender());
              router.on(ready, clock_now());
              service_.arm_timer();
            },
            [this, &router](const DeviceGone& gone) {
              router.on(gone, clock_now());
              service_.targets.erase(gone.target);
              service_.arm_timer();
            },
            [this, &router](const CommandSent& sent) {
              router.on(sent, clock_now());
              service_.arm_timer();
            },
            [this, &router](const CommandDelivered& delivered) {
              router.on(delivered, clock_now());
              service_.arm_timer();
            },
            [this, &router](const CommandAnswer& answer) {
              // One that answers for its client id alone has no commands, so no DeviceReady.
              service_.targets.try_emplace(answer.target,
                                           caf::actor_cast<caf::actor_addr>(current_sender()));
              router.on(answer, clock_now());
              service_.arm_timer();
            },
            [this, &router](const Logged& logged) {
              router.on_logged(std::move(*logged.receipts), clock_now());
              service_.arm_timer();
            },
            [this, &router](const Due& due) {
              router.on_due(*due.commands, clock_now());
              service_.arm_timer();
            }};
  }

private:
  Impl& service_;
};

CommandService::CommandService(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

CommandService::~CommandService() {
  stop_log();
}

Result<std::unique_ptr<CommandService>> CommandService::open(net::Loop& loop,
                                                             caf::actor_system& system,
                                                             const Presence& presence,
                                                             CommandServiceOptions options) {
  auto impl = std::make_unique<Impl>(loop, system, presence, options.limits, options.priorities);
  impl->actor = spawn_on<Actor>(impl->executor, *impl);
  auto log = storage::CommandLog::open(std::move(options.log), *impl);
  if (!log) {
    return fail(std::move(log.error()));
  }
  impl->log = std::move(*log);
  impl->router.set_log(*impl->log);
  return std::unique_ptr<CommandService>(new CommandService(std::move(impl)));
}

const caf::actor& CommandService::router() const noexcept {
  return impl_->actor;
}

void CommandService::create(CommandRequest request, CommandDone done) {
  impl_->router.create(std::move(request), clock_now(), std::move(done));
  impl_->arm_timer();
}

void CommandService::find(std::string_view device, const Uuid& id, std::int64_t wait_ms,
                          CommandDone done) {
  impl_->router.find(device, id, wait_ms, clock_now(), std::move(done));
  impl_->arm_timer();
}

void CommandService::cancel(std::string_view device, const Uuid& id, CommandDone done) {
  impl_->router.cancel(device, id, clock_now(), std::move(done));
  impl_->arm_timer();
}

bool CommandService::is_ready(std::string_view device) const {
  return impl_->router.is_ready(device);
}

storage::CommandLog& CommandService::log() noexcept {
  return *impl_->log;
}

bool CommandService::before_poll() {
  return impl_->executor.run_ready();
}

void CommandService::after_poll() {
  impl_->executor.run_urgent();
}

void CommandService::between_reads() {
  if (impl_->priorities) {
    impl_->executor.run_urgent();
  }
}

void CommandService::drain() {
  impl_->router.end_waits();
}

bool CommandService::drained() const noexcept {
  return impl_->router.idle();
}

void CommandService::stop_log() {
  if (impl_->log) {
    impl_->log->stop();
  }
}

void CommandService::quit() {
  caf::anon_send_exit(impl_->actor, caf::exit_reason::user_shutdown);
  impl_->actor = nullptr;
}

const CommandCounts& CommandService::counts() const noexcept {
  return impl_->router.counts();
}

const LoopExecutor& CommandService::executor() const noexcept {
  return impl_->executor;
}

} // namespace spate::actors
