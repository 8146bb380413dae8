#include "actors/loop_executor.hpp"

#include <algorithm>
#include <cassert>

#include <caf/mailbox_element.hpp>
#include <caf/scheduler/abstract_coordinator.hpp>

namespace spate::actors {

void RunQueue::show(std::size_t size) noexcept {
  size_.store(size, std::memory_order_relaxed);
  oldest_ns_.store(head_ != nullptr ? head_->queued_ns_ : 0, std::memory_order_relaxed);
}

void RunQueue::push(PinnedActor& actor, std::int64_t queued_ns) noexcept {
  actor.queued_ns_ = queued_ns;
  actor.queue_previous_ = tail_;
  actor.queue_next_ = nullptr;
  (tail_ != nullptr ? tail_->queue_next_ : head_) = &actor;
  tail_ = &actor;
  show(size() + 1);
}

void RunQueue::remove(PinnedActor& actor) noexcept {
  (actor.queue_previous_ != nullptr ? actor.queue_previous_->queue_next_ : head_) =
      actor.queue_next_;
  (actor.queue_next_ != nullptr ? actor.queue_next_->queue_previous_ : tail_) =
      actor.queue_previous_;
  actor.queue_previous_ = actor.queue_next_ = nullptr;
  actor.queued_ = PinnedActor::Queued::no;
  show(size() - 1);
}

PinnedActor* RunQueue::pop() noexcept {
  PinnedActor* actor = head_;
  if (actor != nullptr) {
    remove(*actor);
  }
  return actor;
}

/// Something another thread gave to this loop.
struct LoopExecutor::Arrival {
  PinnedActor* actor;
  bool is_hint; ///< Only a hint(): carries a reference of its own. Otherwise CAF's reference of
                ///< exec_later().
  bool urgent;  ///< As it was when it came.
  std::int64_t queued_ns;
  Arrival* next = nullptr;
};

LoopExecutor::LoopExecutor(caf::actor_system& system, net::Loop& loop, bool priorities)
    : execution_unit(&system), loop_(loop), priorities_(priorities) {}

LoopExecutor::~LoopExecutor() {
  // What is left belongs to actors that were shut down with the system: give the references back.
  take_arrivals();
  for (RunQueue* queue : {&urgent_, &normal_}) {
    while (PinnedActor* actor = queue->pop()) {
      caf::intrusive_ptr_release(actor->ctrl());
    }
  }
}

void LoopExecutor::exec_later(caf::resumable* ready) {
  if (ready->subtype() != caf::resumable::io_actor) {
    system().scheduler().enqueue(ready);
    return;
  }
  auto* actor = static_cast<PinnedActor*>(ready);
  if (loop_.on_loop_thread()) {
    enqueue(*actor, steady_ns());
  } else {
    post(*actor, false);
  }
}

void LoopExecutor::hint(PinnedActor& actor) {
  if (!loop_.on_loop_thread()) {
    caf::intrusive_ptr_add_ref(actor.ctrl());
    post(actor, true);
    return;
  }
  promote(actor, steady_ns());
}

void LoopExecutor::promote(PinnedActor& actor, std::int64_t queued_ns) {
  if (actor.queued_ == PinnedActor::Queued::normal) {
    normal_.remove(actor);
    actor.queued_ = PinnedActor::Queued::urgent;
    urgent_.push(actor, queued_ns);
  }
}

void LoopExecutor::post(PinnedActor& actor, bool is_hint) {
  const bool urgent = is_hint || actor.urgent_.load(std::memory_order_acquire);
  auto* arrival = new Arrival{&actor, is_hint, urgent, steady_ns()};
  Arriving& arriving = arriving_[urgent ? 1 : 0];
  arriving.count.fetch_add(1, std::memory_order_relaxed);
  std::int64_t none = 0;
  arriving.oldest_ns.compare_exchange_strong(none, arrival->queued_ns, std::memory_order_relaxed);
  Arrival* head = arrivals_.load(std::memory_order_relaxed);
  do {
    arrival->next = head;
  } while (!arrivals_.compare_exchange_weak(head, arrival, std::memory_order_release,
                                            std::memory_order_relaxed));
  if (head == nullptr) {
    loop_.wake(); // One wake-up per empty -> non-empty.
  }
}

void LoopExecutor::take_arrivals() {
  // Before the list: one that comes right between is for a moment not seen as the oldest.
  for (Arriving& arriving : arriving_) {
    arriving.oldest_ns.store(0, std::memory_order_relaxed);
  }
  Arrival* newest = arrivals_.exchange(nullptr, std::memory_order_acquire);
  Arrival* oldest = nullptr;
  while (newest != nullptr) {
    Arrival* next = newest->next;
    newest->next = oldest;
    oldest = newest;
    newest = next;
  }
  while (oldest != nullptr) {
    Arrival* next = oldest->next;
    arriving_[oldest->urgent ? 1 : 0].count.fetch_sub(1, std::memory_order_relaxed);
    if (oldest->is_hint) {
      promote(*oldest->actor, oldest->queued_ns);
      caf::intrusive_ptr_release(oldest->actor->ctrl());
    } else {
      enqueue(*oldest->actor, oldest->queued_ns);
    }
    delete oldest;
    oldest = next;
  }
}

QueueDepth LoopExecutor::depth(const RunQueue& queue, std::size_t arriving) const noexcept {
  const Arriving& coming = arriving_[arriving];
  const std::size_t count = coming.count.load(std::memory_order_relaxed);
  QueueDepth depth{queue.size() + count, queue.oldest_ns()};
  const std::int64_t coming_ns = count == 0 ? 0 : coming.oldest_ns.load(std::memory_order_relaxed);
  if (coming_ns != 0 && (depth.oldest_ns == 0 || coming_ns < depth.oldest_ns)) {
    depth.oldest_ns = coming_ns;
  }
  return depth;
}

void LoopExecutor::enqueue(PinnedActor& actor, std::int64_t queued_ns) {
  assert(actor.queued_ == PinnedActor::Queued::no);
  const bool urgent = actor.urgent_.load(std::memory_order_acquire);
  actor.queued_ = urgent ? PinnedActor::Queued::urgent : PinnedActor::Queued::normal;
  (urgent ? urgent_ : normal_).push(actor, queued_ns);
}

void LoopExecutor::run(PinnedActor& actor) {
  const bool was_urgent = actor.urgent_.exchange(false, std::memory_order_acq_rel);
  const auto result = static_cast<caf::resumable&>(actor).resume(this, kQuantum);
  if (result == caf::resumable::resume_later) {
    if (was_urgent) { // What is left of its mailbox may be urgent, too.
      actor.urgent_.store(true, std::memory_order_release);
    }
    enqueue(actor, steady_ns());
  } else {
    caf::intrusive_ptr_release(actor.ctrl());
  }
}

bool LoopExecutor::run_urgent() {
  if (arrivals_.load(std::memory_order_relaxed) != nullptr) {
    take_arrivals();
  }
  for (int i = 0; i < kUrgentMax; ++i) {
    PinnedActor* actor = urgent_.pop();
    if (actor == nullptr) {
      return false;
    }
    run(*actor);
  }
  return !urgent_.empty();
}

bool LoopExecutor::run_ready() {
  run_urgent();
  // Bounded by what is there now: actors that wake each other take turns with the sockets.
  for (std::size_t left = std::min(normal_.size(), kActorsMax); left > 0; --left) {
    PinnedActor* actor = normal_.pop();
    if (actor == nullptr) {
      break;
    }
    run(*actor);
    run_urgent();
  }
  return !urgent_.empty() || !normal_.empty();
}

PinnedActor::PinnedActor(caf::actor_config& config)
    : event_based_actor(config), executor_(static_cast<LoopExecutor*>(config.host)) {}

void PinnedActor::enqueue(caf::mailbox_element_ptr message, caf::execution_unit*) {
  if (message->mid.category() != caf::message_id::urgent_message_category) {
    event_based_actor::enqueue(std::move(message), executor_);
    return;
  }
  if (!executor_->priorities()) {
    message->mid = message->mid.with_normal_priority();
    event_based_actor::enqueue(std::move(message), executor_);
    return;
  }
  const caf::strong_actor_ptr keep{
      ctrl()}; // The message may be the last thing that keeps us alive.
  // The flag first: whoever schedules us from here on sees that an urgent message waits.
  const bool was_urgent = urgent_.exchange(true, std::memory_order_acq_rel);
  event_based_actor::enqueue(std::move(message), executor_);
  if (!was_urgent) {
    executor_->hint(*this);
  }
}

void PinnedActor::enqueue(caf::strong_actor_ptr from, caf::message_id id, caf::message content,
                          caf::execution_unit* host) {
  enqueue(caf::make_mailbox_element(std::move(from), id, {}, std::move(content)), host);
}

} // namespace spate::actors
