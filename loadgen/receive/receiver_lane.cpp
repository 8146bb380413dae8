#include "loadgen/receive/receiver_lane.hpp"

#include <limits>
#include <utility>

#include "loadgen/proof/ledger_text.hpp"

namespace spate::loadgen {

namespace {

void count(std::atomic<std::uint64_t>& counter) {
  counter.fetch_add(1, std::memory_order_relaxed);
}

} // namespace

Receiver::Lane::Lane(const ReceiverPlan& plan, const DeviceTopics& topics, LedgerWriter& ledger,
                     SubscriberOptions session)
    : plan_(plan), topics_(topics), session_(std::move(session)), lines_(ledger, "received") {
  loop_.every(kTickMs, [this] { tick(); });
  loop_.post([this] { connect(); });
  thread_ = std::thread([this] { loop_.run(); });
}

Receiver::Lane::~Lane() {
  if (thread_.joinable()) {
    loop_.stop();
    thread_.join();
  }
}

std::string Receiver::Lane::fault() const {
  const std::lock_guard lock(mutex_);
  return fault_;
}

void Receiver::Lane::add_counts(ReceiverCounts& to) const {
  to.received += received_;
  to.repeated += repeated_;
  to.out_of_order += out_of_order_;
  to.foreign += foreign_;
  to.unreadable += unreadable_;
  to.connections_lost += connections_lost_;
}

void Receiver::Lane::finish() {
  loop_.post([this] {
    closing_ = true;
    if (connection_ != nullptr && session_.subscribed()) {
      session_.disconnect(output());
      sent();
      connection_->close();
    } else {
      loop_.stop();
    }
  });
  thread_.join();
  lines_.flush();
}

void Receiver::Lane::tick() {
  lines_.flush();
  if (closing_) {
    return;
  }
  if (connection_ == nullptr && subscribed_) {
    connect(); // It was there once: a server that is away comes back.
    return;
  }
  // All that a subscriber sends are acknowledgements; without any the server hears nothing.
  if (session_.subscribed() && ++quiet_ticks_ * kTickMs >= 20'000) {
    session_.ping(output());
    sent();
  }
}

void Receiver::Lane::connect() {
  secured_.reset();
  if (plan_.tls) {
    auto secured = SecuredConnection::make(*plan_.tls, "");
    if (!secured) {
      give_up(secured.error().detail);
      return;
    }
    secured_ = std::move(*secured);
  }
  auto made = loop_.connect(plan_.target.host, plan_.target.port, "", *this);
  if (!made) {
    give_up(made.error().detail);
    return;
  }
  connection_ = *made;
  connection_->set_unused_bytes_max(SubscriberSession::kPacketBytesMax);
}

void Receiver::Lane::give_up(const std::string& why) {
  const std::lock_guard lock(mutex_);
  if (!subscribed_ && fault_.empty()) {
    fault_ = why;
  }
}

void Receiver::Lane::sent() {
  quiet_ticks_ = 0;
  if (secured_) {
    secured_->send(*connection_);
  } else {
    connection_->sent();
  }
}

void Receiver::Lane::greet() {
  session_.connect(output());
  sent();
}

void Receiver::Lane::on_open(net::Connection& opened) {
  if (!secured_) {
    greet();
  } else if (auto moved = secured_->handshake(opened); !moved) {
    give_up(moved.error().detail);
    opened.abort();
  }
}

std::size_t Receiver::Lane::on_bytes(net::Connection& from, std::string_view bytes) {
  if (closing_) {
    return bytes.size();
  }
  if (!secured_) {
    return read(bytes);
  }
  read_secured(from, bytes);
  return bytes.size();
}

void Receiver::Lane::read_secured(net::Connection& from, std::string_view bytes) {
  auto more = secured_->read(
      from, bytes, [this] { greet(); }, [this](std::string_view plain) { return read(plain); });
  if (!more && !secured_->open()) {
    give_up(more.error().detail);
  }
  if (!more || secured_->left_bytes() > SubscriberSession::kPacketBytesMax) {
    from.abort();
  } else if (!*more) {
    from.close();
  }
}

std::size_t Receiver::Lane::read(std::string_view bytes) {
  std::size_t whole_bytes = 0;
  const std::size_t before = output().size();
  const auto used = session_.receive(bytes, output(), *this, whole_bytes);
  if (!used) {
    give_up(used.error().detail);
    connection_->abort();
    return bytes.size();
  }
  if (whole_bytes != 0 && !secured_) {
    connection_->expect(whole_bytes);
  }
  if (output().size() != before) {
    sent();
  }
  return *used;
}

void Receiver::Lane::on_close(net::Connection& closed, net::CloseReason reason) {
  give_up("the subscriber's connection: " + std::string(reason == net::CloseReason::connect_failed
                                                            ? closed.connect_error()
                                                            : net::name_of(reason)));
  if (session_.subscribed() && !closing_) {
    count(connections_lost_);
  }
  session_.lost();
  connection_ = nullptr;
  if (closing_) {
    loop_.stop();
  }
}

void Receiver::Lane::on_subscribed() {
  subscribed_ = true;
}

void Receiver::Lane::on_message(const wire::Publish& message) {
  const auto device = topics_.device(message.topic);
  if (message.retain || !device || !is_ledger_name(*device)) {
    count(foreign_);
    return;
  }
  const auto record = read_received(message.payload, scratch_);
  if (!record) {
    count(unreadable_);
    return;
  }
  const std::uint32_t number = lines_.add(*device, record->ts, record->hash, message.dup);
  if (number == NamedLines::kNone) {
    count(foreign_);
    return;
  }
  if (number >= last_ts_.size()) {
    last_ts_.resize(number + std::size_t{1}, std::numeric_limits<std::int64_t>::min());
  }
  if (message.dup) {
    count(repeated_);
  } else if (record->ts < last_ts_[number]) {
    count(out_of_order_);
  } else {
    last_ts_[number] = record->ts;
  }
  count(received_);
}

} // namespace spate::loadgen
