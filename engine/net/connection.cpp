#include "engine/net/connection.hpp"

#include <algorithm>
#include <array>
#include <cstring>

#include <netinet/in.h>
#include <sys/socket.h>

#include "engine/net/impl.hpp"
#include "engine/net/listener.hpp"

namespace spate::net {

namespace {

/// An output buffer larger than this is given back after its burst.
constexpr std::size_t kKeptOutputBytes = 2048;

constexpr std::uint64_t kDeadlineTickMs = 250;

void forget(std::vector<Connection*>& list, const Connection* connection) {
  // Not erased: the list may be walked right now.
  std::replace(list.begin(), list.end(), const_cast<Connection*>(connection),
               static_cast<Connection*>(nullptr));
}

void on_alloc(uv_handle_t* handle, std::size_t, uv_buf_t* buffer) {
  Connection::Impl& c = connection_of(handle);
  if (c.loop->reading_paused && !c.closing) {
    *buffer = uv_buf_init(nullptr, 0); // Comes back as UV_ENOBUFS without a read.
    return;
  }
  std::vector<char>& bytes = c.loop->read_buffer;
  const std::size_t wanted = c.left.size() + Connection::kReadBytesMax + Connection::kPaddingBytes;
  if (bytes.size() < wanted) {
    bytes.resize(wanted);
  }
  *buffer = uv_buf_init(bytes.data() + c.left.size(), Connection::kReadBytesMax);
}

void on_read(uv_stream_t* stream, ssize_t size, const uv_buf_t*) {
  Connection::Impl& c = connection_of(stream);
  Loop::Impl& loop = *c.loop;
  if (size == UV_ENOBUFS && loop.reading_paused) {
    c.starved = true;
    loop.starved.push_back(c.self);
    c.update_reading();
    return;
  }
  if (size == UV_EOF && !c.closing && c.handler->on_end(*c.self)) {
    c.ended = true;
    c.keep({});
    c.update_reading();
    return;
  }
  if (size < 0) {
    c.finish(c.closing ? c.reason : CloseReason::by_peer);
    return;
  }
  if (size == 0 || c.closing) {
    return; // While lingering, what still arrives is dropped.
  }
  c.show(loop.read_buffer.data(), static_cast<std::size_t>(size));
  c.shown();
  loop.read_hot();
}

} // namespace

std::string_view name_of(CloseReason reason) noexcept {
  constexpr std::array<std::string_view, kCloseReasons> kNames = {
      "closed by the server", "closed by the peer", "write failed",      "slow reader",
      "connect failed",       "loop stopped",       "input buffers full"};
  return kNames[static_cast<std::size_t>(reason)];
}

/// After a read: too much output stops the next, and what may not wait for it has its turn.
void Connection::Impl::shown() {
  if (!closed && self->unsent_bytes() > kUnsentBytesMax) {
    paused_by_output = true; // Until a flush finds that the peer has taken it.
    update_reading();
  }
  if (loop->hooks != nullptr) {
    loop->hooks->between_reads();
  }
}

/// Shows the left-over bytes and `size` fresh ones, which lie right behind them in the read buffer.
void Connection::Impl::show(const char* bytes, std::size_t size) {
  const std::size_t before = left.size();
  const std::size_t total = before + size;
  if (before != 0 && total < expected) {
    append_left({bytes + before, size});
    return;
  }
  if (before != 0) {
    if (loop->read_buffer.size() < before + kPaddingBytes) {
      loop->read_buffer.resize(before + kReadBytesMax + kPaddingBytes);
      bytes = loop->read_buffer.data();
    }
    std::memcpy(loop->read_buffer.data(), left.data(), before);
  }
  expected = 0;
  in_on_bytes = loop->showing = true;
  const std::size_t used = handler->on_bytes(*self, {bytes, total});
  in_on_bytes = loop->showing = false;
  assert(used <= total);
  if (closing || closed) {
    keep({});
  } else if (used == 0 && before != 0 && !paused_by_handler) {
    append_left({bytes + before, size});
  } else {
    keep({bytes + used, total - used});
  }
}

/// What the handler left of everything shown.
void Connection::Impl::keep(std::string_view rest) {
  if (rest.empty() && left.empty()) {
    return;
  }
  const std::size_t before = left.capacity();
  if (rest.empty() || rest.size() < left.capacity() / 4) {
    left = std::string(rest); // Gives memory back: an idle connection holds no buffer.
  } else {
    left.assign(rest);
  }
  account_left(before);
}

/// Fresh bytes behind those that are left.
void Connection::Impl::append_left(std::string_view fresh) {
  const std::size_t before = left.capacity();
  const std::size_t size = left.size() + fresh.size();
  if (size > before && size >= expected / 2 && size < expected) {
    left.reserve(expected); // Half of it came, so the rest is believed; no doubling beyond it.
  }
  left.append(fresh);
  account_left(before);
}

void Connection::Impl::account_left(std::size_t before) {
  // A string's own few bytes lie in the connection.
  const auto weight = [](std::size_t capacity) {
    return capacity > std::string().capacity() ? capacity : 0;
  };
  const std::size_t now = weight(left.capacity());
  loop->left_bytes = loop->left_bytes - weight(before) + now;
  if (closed) {
    return;
  }
  // A paused handler may leave a whole read behind; otherwise one unit is all that may be
  // incomplete.
  if (left.size() > unused_bytes_max + (paused_by_handler ? kReadBytesMax : 0)) {
    finish(CloseReason::by_us);
  } else if (now > weight(before) && loop->left_bytes > loop->left_bytes_max) {
    finish(CloseReason::input_full);
  }
}

void Connection::Impl::begin() {
  opened = true;
  update_reading();
  update_hot();
}

void Connection::Impl::update_reading() {
  const bool wanted =
      opened && !closed &&
      (closing ? shut : !ended && !starved && !paused_by_handler && !paused_by_output);
  if (wanted == reading) {
    return;
  }
  reading = wanted;
  auto* stream = reinterpret_cast<uv_stream_t*>(&tcp);
  if (wanted) {
    uv_read_start(stream, on_alloc, on_read);
  } else {
    uv_read_stop(stream);
  }
}

void Connection::Impl::set_deadline(std::uint64_t after_ms) {
  if (deadline_ms == 0) {
    forget(loop->with_deadline, self); // A cleared entry may still be listed.
    loop->with_deadline.push_back(self);
  }
  deadline_ms = uv_now(&loop->uv) + after_ms;
  if (uv_is_active(reinterpret_cast<uv_handle_t*>(&loop->tick)) == 0) {
    uv_timer_start(
        &loop->tick,
        [](uv_timer_t* timer) { static_cast<Loop::Impl*>(owner_of(timer))->begin_deadlines(); },
        kDeadlineTickMs, kDeadlineTickMs);
  }
}

void Connection::Impl::flush() {
  if (closed || !opened) {
    return;
  }
  if (!blocked && !out.empty()) { // A blocked write takes the rest with it when it is done.
    write_out();
  }
  if (closed) {
    return;
  }
  paused_by_output = self->unsent_bytes() > kUnsentBytesMax;
  update_reading();
  if (closing && !shut && !blocked && out.empty()) {
    shut_down();
  } else if (paused_by_handler && !paused_by_output && !closing) {
    handler->on_room(*self);
  }
}

void Connection::Impl::write_out() {
  auto* stream = reinterpret_cast<uv_stream_t*>(&tcp);
  const uv_buf_t buffer = uv_buf_init(out.data(), static_cast<unsigned>(out.size()));
  const int written = uv_try_write(stream, &buffer, 1);
  if (written < 0 && written != UV_EAGAIN) {
    finish(CloseReason::write_failed);
    return;
  }
  first_bytes = 0;
  const auto taken = static_cast<std::size_t>(std::max(written, 0));
  if (taken < out.size()) {
    std::string rest(out, taken);
    out = {};
    write_rest(std::move(rest));
    return;
  }
  out.clear();
  if (out.capacity() > kKeptOutputBytes) {
    out = {};
  }
}

/// The kernel's buffer is full: libuv writes the rest when there is room, and then `out`.
void Connection::Impl::write_rest(std::string rest_bytes) {
  blocked = std::make_unique<Blocked>();
  blocked->bytes = std::move(rest_bytes);
  blocked->request.data = self;
  const uv_buf_t rest =
      uv_buf_init(blocked->bytes.data(), static_cast<unsigned>(blocked->bytes.size()));
  uv_write(&blocked->request, reinterpret_cast<uv_stream_t*>(&tcp), &rest, 1,
           [](uv_write_t* request, int status) {
             Impl& c = static_cast<Connection*>(request->data)->impl();
             c.blocked.reset();
             if (c.closed) {
               return;
             }
             if (status < 0) {
               c.finish(CloseReason::write_failed);
               return;
             }
             c.deadline_ms = 0;
             c.flush();
           });
  queued_bytes = uv_stream_get_write_queue_size(reinterpret_cast<uv_stream_t*>(&tcp));
  set_deadline(stall_ms());
}

/// A peer may be slow, but it may not stand still: what it takes gives it more time.
bool Connection::Impl::check_deadline(std::uint64_t now_ms) {
  const std::size_t queued = uv_stream_get_write_queue_size(reinterpret_cast<uv_stream_t*>(&tcp));
  if (blocked && queued < queued_bytes) {
    queued_bytes = queued;
    set_deadline(stall_ms());
  } else if (now_ms >= deadline_ms) {
    finish(closing ? reason : CloseReason::slow_reader);
    return true;
  }
  return false;
}

/// Everything is written: say so to the peer, and wait for its end of the conversation. A plain
/// close() with unread bytes would send RST, which can destroy our last words on their way.
void Connection::Impl::shut_down() {
  shut = true;
  set_deadline(kCloseLingerMs);
  auto* request = new uv_shutdown_t;
  request->data = self;
  const int status = uv_shutdown(request, reinterpret_cast<uv_stream_t*>(&tcp),
                                 [](uv_shutdown_t* r, int) { delete r; });
  if (status != 0) {
    delete request;
    finish(reason);
    return;
  }
  update_reading();
}

void Connection::Impl::finish(CloseReason why) {
  if (closed) {
    return;
  }
  closed = true;
  closing = true;
  update_hot();
  reason = why;
  uv_close(reinterpret_cast<uv_handle_t*>(&tcp), [](uv_handle_t* handle) {
    Impl& c = connection_of(handle);
    Connection* connection = c.self;
    if (c.handler != nullptr) {
      c.handler->on_close(*connection, c.reason);
    }
    if (c.dirty) {
      forget(c.loop->dirty, connection);
    }
    forget(c.loop->starved, connection);
    forget(c.loop->to_reshow, connection);
    forget(c.loop->with_deadline, connection);
    c.keep({});
    delete connection;
  });
}

Connection::Connection(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {
  impl_->self = this;
  impl_->tcp.data = static_cast<HandleOwner*>(impl_.get());
}
Connection::~Connection() = default;

void Connection::set_unused_bytes_max(std::size_t bytes) noexcept {
  impl_->unused_bytes_max = static_cast<std::uint32_t>(bytes);
}

void Connection::expect(std::size_t bytes) noexcept {
  impl_->expected = bytes;
}

void Connection::send(std::string_view bytes) {
  if (!impl_->closing) {
    impl_->out.append(bytes);
    sent();
  }
}

void Connection::send_first(std::string_view bytes) {
  Impl& c = *impl_;
  if (c.closing || bytes.empty()) {
    return;
  }
  if (c.blocked || !c.opened) { // Behind what is on its way, which may end within a unit.
    c.out.insert(c.first_bytes, bytes);
    c.first_bytes += static_cast<std::uint32_t>(bytes.size());
    sent();
    return;
  }
  const uv_buf_t buffer =
      uv_buf_init(const_cast<char*>(bytes.data()), static_cast<unsigned>(bytes.size()));
  const int written = uv_try_write(reinterpret_cast<uv_stream_t*>(&c.tcp), &buffer, 1);
  if (written < 0 && written != UV_EAGAIN) {
    c.finish(CloseReason::write_failed);
    return;
  }
  const auto taken = static_cast<std::size_t>(std::max(written, 0));
  if (taken < bytes.size()) {
    c.write_rest(std::string(bytes.substr(taken)));
  }
}

std::string& Connection::output() noexcept {
  return impl_->out;
}

void Connection::sent() {
  if (!impl_->dirty && !impl_->closed) {
    impl_->dirty = true;
    impl_->loop->dirty.push_back(this);
  }
}

void Connection::flush() {
  impl_->flush();
}

std::size_t Connection::unsent_bytes() const noexcept {
  return impl_->out.size() + (impl_->blocked ? impl_->blocked->bytes.size() : 0);
}

void Connection::pause_reading(bool paused) {
  Impl& c = *impl_;
  if (c.closing || c.paused_by_handler == paused) {
    return;
  }
  c.paused_by_handler = paused;
  c.update_reading();
  if (!paused && !c.left.empty() && !c.in_on_bytes) {
    c.loop->to_reshow.push_back(this);
    c.loop->self->wake();
  }
}

void Connection::close() {
  Impl& c = *impl_;
  if (c.closing) {
    return;
  }
  c.closing = true;
  c.update_hot();
  c.reason = CloseReason::by_us;
  if (c.blocked) {
    c.set_deadline(c.stall_ms());
  } else if (!c.opened) {
    c.set_deadline(kCloseLingerMs);
  }
  c.update_reading();
  sent(); // The flush at the end of the iteration writes the last words and shuts down.
}

void Connection::abort() {
  Impl& c = *impl_;
  if (c.closed) {
    return;
  }
  c.out.clear();
  const linger reset{1, 0};
  uv_os_fd_t fd = -1;
  if (uv_fileno(reinterpret_cast<uv_handle_t*>(&c.tcp), &fd) == 0) {
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
  }
  c.finish(CloseReason::by_us);
}

bool Connection::closing() const noexcept {
  return impl_->closing;
}
Loop& Connection::loop() noexcept {
  return *impl_->loop->self;
}

std::string_view Connection::connect_error() const noexcept {
  return impl_->connect_error == 0 ? std::string_view() : uv_strerror(impl_->connect_error);
}

std::string Connection::remote_address() const {
  sockaddr_storage storage{};
  int size = sizeof storage;
  if (uv_tcp_getpeername(&impl_->tcp, reinterpret_cast<sockaddr*>(&storage), &size) != 0) {
    return {};
  }
  char host[INET6_ADDRSTRLEN] = {};
  std::uint16_t port = 0;
  if (storage.ss_family == AF_INET6) {
    const auto* v6 = reinterpret_cast<const sockaddr_in6*>(&storage);
    uv_ip6_name(v6, host, sizeof host);
    port = ntohs(v6->sin6_port);
  } else {
    const auto* v4 = reinterpret_cast<const sockaddr_in*>(&storage);
    uv_ip4_name(v4, host, sizeof host);
    port = ntohs(v4->sin_port);
  }
  return Address{host, port}.text();
}

} // namespace spate::net
