#include "engine/net/loop.hpp"

#include <algorithm>
#include <csignal>
#include <stdexcept>
#include <utility>

#include <sys/eventfd.h>
#include <unistd.h>

#include "engine/net/impl.hpp"
#include "engine/net/listener.hpp"

namespace spate::net {

namespace {

/// Of the connections that an iteration flushes, so many go between two looks at what is urgent.
constexpr std::size_t kWritesPerStep = 8;

Loop::Impl& impl_of(void* handle) {
  return *static_cast<Loop::Impl*>(owner_of(handle));
}

void on_prepare(uv_prepare_t* handle) {
  Loop::Impl& loop = impl_of(handle);
  loop.last_turn_ms.store(uv_now(&loop.uv), std::memory_order_relaxed);
  loop.wall_known = false;
  loop.reshow_left_over();
  loop.accept_waiting();
  bool more = loop.check_deadlines();
  more = (loop.hooks != nullptr && loop.hooks->before_poll()) || more;
  more = loop.flush_dirty() || more;
  // Either wake() sees that the loop polls, or the loop sees here what wake() wants.
  loop.polling.store(true);
  more = loop.wake_pending.load() || more;
  if (more || (!loop.to_reshow.empty() && !loop.reading_paused)) {
    uv_idle_start(&loop.idle, [](uv_idle_t*) {}); // An active idle handle makes the poll not wait.
  } else {
    uv_idle_stop(&loop.idle);
  }
}

void on_check(uv_check_t* handle) {
  Loop::Impl& loop = impl_of(handle);
  loop.polling.store(false);
  if (loop.wake_pending.exchange(false)) {
    loop.run_posted();
  }
  if (loop.hooks != nullptr) {
    loop.hooks->after_poll();
  }
  loop.read_hot();
  loop.flush_dirty();
  loop.wall_known = false;
}

/// Frees itself when its handle is closed.
struct Timer final : HandleOwner {
  uv_timer_t handle{};
  std::function<void()> function;
  bool repeats = false;

  void close_with_loop(uv_handle_t* closing) override {
    uv_close(closing, [](uv_handle_t* closed) { delete owner_of(closed); });
  }
};

void start_timer(Loop::Impl& loop, std::uint64_t delay_ms, std::uint64_t period_ms,
                 std::function<void()> function) {
  auto* timer = new Timer;
  timer->function = std::move(function);
  timer->repeats = period_ms != 0;
  uv_timer_init(&loop.uv, &timer->handle);
  timer->handle.data = static_cast<HandleOwner*>(timer);
  uv_timer_start(
      &timer->handle,
      [](uv_timer_t* handle) {
        auto* self = static_cast<Timer*>(owner_of(handle));
        self->function();
        auto* closing = reinterpret_cast<uv_handle_t*>(handle);
        if (!self->repeats && uv_is_closing(closing) == 0) {
          self->close_with_loop(closing);
        }
      },
      delay_ms, period_ms);
}

} // namespace

void Loop::Impl::run_posted() {
  std::vector<std::function<void()>> functions;
  {
    const std::scoped_lock lock(posted_mutex);
    functions.swap(posted);
  }
  for (auto& function : functions) {
    function();
  }
}

void Loop::Impl::reshow_left_over() {
  if (to_reshow.empty() || reading_paused) {
    return;
  }
  std::vector<Connection*> connections;
  connections.swap(to_reshow);
  for (Connection* connection : connections) {
    if (connection == nullptr) {
      continue; // Closed meanwhile.
    }
    Connection::Impl& impl = connection->impl();
    if (impl.closing || impl.paused_by_handler || impl.left.empty()) {
      continue;
    }
    if (reading_paused) { // By what was shown before.
      to_reshow.push_back(connection);
      continue;
    }
    impl.expected = 0;
    impl.show(read_buffer.data(), 0);
    if (hooks != nullptr) {
      hooks->between_reads();
    }
    read_hot();
  }
}

/// True if others had their turn between the writes: they may have left work to the hooks.
bool Loop::Impl::flush_dirty() {
  const std::size_t steps_end = dirty.size();      // What comes on the way may not keep us here.
  for (std::size_t i = 0; i < dirty.size(); ++i) { // Flushing may make others dirty.
    if (dirty[i] != nullptr) {
      dirty[i]->impl().dirty = false;
      dirty[i]->impl().flush();
    }
    if ((i + 1) % kWritesPerStep == 0 && i < steps_end) {
      if (hooks != nullptr) {
        hooks->between_writes();
      }
      read_hot();
    }
  }
  dirty.clear();
  return steps_end >= kWritesPerStep;
}

void Loop::Impl::begin_deadlines() {
  if (deadline_next == kNoDeadlines) {
    std::erase_if(with_deadline,
                  [](Connection* c) { return c == nullptr || c->impl().deadline_ms == 0; });
    deadline_next = 0;
  }
}

/// True if some are left.
bool Loop::Impl::check_deadlines() {
  if (deadline_next == kNoDeadlines) {
    return false;
  }
  const std::uint64_t now = uv_now(&uv);
  // By index: an entry that is renewed is listed already.
  for (std::size_t closed = 0; deadline_next < with_deadline.size();) {
    if (closed == kClosesPerIteration) {
      return true;
    }
    Connection* const each = with_deadline[deadline_next++];
    if (each != nullptr && each->impl().deadline_ms != 0) {
      closed += each->impl().check_deadline(now) ? 1 : 0;
    }
  }
  deadline_next = kNoDeadlines;
  if (with_deadline.empty()) {
    uv_timer_stop(&tick);
  }
  return false;
}

void Loop::Impl::close_all() {
  uv_walk(
      &uv,
      [](uv_handle_t* handle, void*) {
        if (uv_is_closing(handle) == 0) {
          owner_of(handle)->close_with_loop(handle);
        }
      },
      nullptr);
}

Loop::Loop() : impl_(std::make_unique<Impl>()) {
  std::signal(SIGPIPE, SIG_IGN); // A peer that is gone is an error of write(), not a signal.
  Impl& loop = *impl_;
  loop.self = this;
  if (uv_loop_init(&loop.uv) != 0) {
    throw std::runtime_error("can not create an event loop (file descriptors used up?)");
  }
  loop.wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  if (loop.wake_fd < 0 || uv_poll_init(&loop.uv, &loop.waking, loop.wake_fd) != 0) {
    throw std::runtime_error("can not create an event loop (file descriptors used up?)");
  }
  uv_prepare_init(&loop.uv, &loop.prepare);
  uv_check_init(&loop.uv, &loop.check);
  uv_idle_init(&loop.uv, &loop.idle);
  uv_timer_init(&loop.uv, &loop.tick);
  loop.waking.data = loop.prepare.data = loop.check.data = loop.idle.data = loop.tick.data =
      static_cast<HandleOwner*>(&loop);
  uv_poll_start(&loop.waking, UV_READABLE, [](uv_poll_t* handle, int, int) {
    std::uint64_t times = 0;
    // on_check() does what is wanted; this only makes the descriptor quiet.
    static_cast<void>(!read(impl_of(handle).wake_fd, &times, sizeof times));
  });
  uv_prepare_start(&loop.prepare, on_prepare);
  uv_check_start(&loop.check, on_check);
  loop.read_buffer.resize(Connection::kReadBytesMax + Connection::kPaddingBytes);
}

Loop::~Loop() {
  if (!impl_->stopping) { // run() was never called, or it was left without stop().
    impl_->stopping = true;
    impl_->close_all();
  }
  uv_run(&impl_->uv, UV_RUN_DEFAULT);
  uv_loop_close(&impl_->uv);
  close(impl_->wake_fd);
}

void Loop::set_hooks(LoopHooks& hooks) noexcept {
  impl_->hooks = &hooks;
}

void Loop::run() {
  impl_->thread.store(std::this_thread::get_id());
  uv_run(&impl_->uv, UV_RUN_DEFAULT);
  impl_->run_posted(); // What was posted after stop() may own resources.
}

void Loop::stop() {
  post([this] {
    impl_->flush_dirty();
    impl_->stopping = true;
    impl_->close_all();
  });
}

void Loop::post(std::function<void()> function) {
  {
    const std::scoped_lock lock(impl_->posted_mutex);
    impl_->posted.push_back(std::move(function));
  }
  wake();
}

void Loop::wake() noexcept {
  if (!impl_->wake_pending.exchange(true) && impl_->polling.load()) {
    const std::uint64_t once = 1;
    static_cast<void>(!write(impl_->wake_fd, &once, sizeof once));
  }
}

bool Loop::on_loop_thread() const noexcept {
  return impl_->thread.load(std::memory_order_relaxed) == std::this_thread::get_id();
}

std::uint64_t Loop::now_ms() const noexcept {
  return uv_now(&impl_->uv);
}

std::int64_t Loop::wall_now_ms() noexcept {
  if (!impl_->wall_known) {
    impl_->wall_ms = wall_ms();
    impl_->wall_known = true;
  }
  return impl_->wall_ms;
}

void Loop::every(std::uint64_t period_ms, std::function<void()> function) {
  start_timer(*impl_, period_ms, period_ms, std::move(function));
}

void Loop::after(std::uint64_t delay_ms, std::function<void()> function) {
  start_timer(*impl_, delay_ms, 0, std::move(function));
}

std::uint64_t Loop::last_turn_ms() const noexcept {
  return impl_->last_turn_ms.load(std::memory_order_relaxed);
}

bool Loop::reading_paused() const noexcept {
  return impl_->reading_paused;
}

std::uint64_t Loop::reading_resumed_ms() const noexcept {
  return impl_->resumed_ms;
}

void Loop::set_left_bytes_max(std::size_t bytes) noexcept {
  impl_->left_bytes_max = bytes;
}

void Loop::pause_reading(bool paused, std::size_t hot_bytes_max) noexcept {
  if (!impl_->reading_paused || hot_bytes_max == 0) {
    impl_->hot_bytes_left = hot_bytes_max;
  }
  if (impl_->reading_paused && !paused) {
    impl_->resumed_ms = now_ms();
  }
  impl_->reading_paused = paused;
  if (paused) {
    return;
  }
  std::vector<Connection*> connections;
  connections.swap(impl_->starved);
  for (Connection* connection : connections) {
    if (connection != nullptr) {
      connection->impl().starved = false;
      connection->impl().update_reading();
    }
  }
}

} // namespace spate::net
