#include "engine/http/exchange.hpp"

#include <algorithm>
#include <cassert>
#include <utility>

namespace spate::http {

namespace {

/// A refused body of at most this size is read and dropped, so that the connection can go on.
constexpr std::size_t kDroppedBodyBytesMax = 64u << 10;

} // namespace

Exchange::Exchange(Exchanges& table, Transport& transport)
    : table_(table), transport_(transport), reader_(table.limits_.request),
      since_ms_(table.now_ms_), slot_(table.enter(*this)) {}

Exchange::~Exchange() {
  table_.counts_.bytes_buffered -= accounted_bytes_;
  table_.leave(slot_);
  if (peer_) {
    peer_->gone = true;
  }
}

std::size_t Exchange::on_bytes(std::string_view bytes) {
  std::size_t used = 0;
  while (!ended_ && !no_more_) {
    if (full()) {
      paused_ = true;
      transport_.pause_reading(true);
      break;
    }
    if (reader_.idle() && used < bytes.size()) {
      since_ms_ = table_.now_ms_;
    }
    const RequestReader::Fed fed = reader_.feed(bytes.substr(used));
    used += fed.used;
    if (fed.step == RequestReader::Step::need_more) {
      if (reader_.buffered_bytes() != 0 && table_.over_limit()) {
        refuse({Refused::overloaded, "the buffers of all HTTP connections are full"});
      }
      break;
    }
    if (fed.step == RequestReader::Step::failed) {
      refuse(reader_.refusal());
    } else if (fed.step == RequestReader::Step::head) {
      if (on_head() == Go::stop) {
        break;
      }
    } else {
      on_complete();
    }
  }
  account();
  return ended_ || no_more_ ? bytes.size() : used;
}

void Exchange::on_end() {
  if (ended_) {
    return;
  }
  no_more_ = true;
  input_ended_ = true;
  if (peer_) {
    peer_->ended = true;
  }
  if (pending_.empty()) {
    end();
  } else {
    pending_.back().framing.close = true;
  }
}

Exchange::Go Exchange::on_head() {
  since_ms_ = table_.now_ms_;
  const std::size_t body_bytes = reader_.body_bytes_left();
  if (body_bytes != 0 && table_.over_limit()) {
    refuse({Refused::overloaded, "the buffers of all HTTP connections are full"});
    return Go::stop;
  }
  refusing_ = table_.handler_.on_head(reader_.request());
  if (refusing_) {
    if (reader_.expects_continue() || body_bytes > kDroppedBodyBytesMax) {
      // The body may or may not follow: only the end of the connection tells them apart.
      const std::uint64_t sequence = expect_answer(false);
      answer(sequence, std::move(*refusing_));
      refusing_.reset();
      return Go::stop;
    }
    reader_.drop_body();
  } else if (reader_.expects_continue()) {
    continue_wanted_ = true;
    flush();
  }
  return Go::on;
}

void Exchange::on_complete() {
  continue_wanted_ = false;
  const bool keep_alive = reader_.keep_alive() && !table_.draining_;
  const std::uint64_t sequence = expect_answer(keep_alive);
  if (refusing_) {
    answer(sequence, std::move(*refusing_));
    refusing_.reset();
  } else {
    table_.handler_.on_request(reader_.request(),
                               Responder(table_, slot_, table_.slots_[slot_].generation, sequence));
  }
  reader_.next();
  since_ms_ = table_.now_ms_;
}

/// Answers for a request that can not be read to its end, after those before it.
void Exchange::refuse(const Refusal& refusal) {
  Response response = table_.handler_.on_refusal(refusal, reader_.request());
  const std::uint64_t sequence = expect_answer(false);
  answer(sequence, std::move(response));
}

std::uint64_t Exchange::expect_answer(bool keep_alive) {
  const Request& request = reader_.request();
  Pending& pending = pending_.emplace_back();
  pending.since_ms = table_.now_ms_;
  pending.framing = {request.method == Method::head, !keep_alive, !request.http11};
  no_more_ = !keep_alive;
  return first_sequence_ + pending_.size() - 1;
}

void Exchange::answer(std::uint64_t sequence, Response response) {
  const std::uint64_t index = sequence - first_sequence_;
  if (ended_ || index >= pending_.size() || pending_[index].response) {
    return;
  }
  pending_[index].response = std::move(response);
  if (index == 0) {
    flush();
  }
  account();
}

/// Writes the answers that are due. The order of requests is the order of answers.
void Exchange::flush() {
  bool written = false;
  bool close = false;
  while (!parts_ && !pending_.empty() && pending_.front().response && !close) {
    Pending& next = pending_.front();
    if (table_.draining_ && pending_.size() == 1 && reader_.idle()) {
      next.framing.close = true;
    }
    const bool in_parts = next.response->parts != nullptr;
    if (in_parts && !next.framing.chunked()) {
      next.framing.close = true; // Its end is that of the body.
    }
    append_response(transport_.output(), *next.response, next.framing, table_.date_);
    ++table_.counts_.responses[next.response->status];
    written = true;
    if (in_parts && !next.framing.head_only) {
      begin_parts(std::move(next.response->parts)); // Stays the first until its end.
      break;
    }
    close = next.framing.close;
    pending_.erase(pending_.begin());
    ++first_sequence_;
  }
  if (written) {
    if (pending_.empty() && reader_.idle()) {
      since_ms_ = table_.now_ms_;
    }
    transport_.sent();
  }
  if (close) {
    end();
    return;
  }
  if (parts_) {
    pull_parts();
    return;
  }
  if (continue_wanted_ && pending_.empty()) {
    continue_wanted_ = false;
    since_ms_ = table_.now_ms_;
    transport_.output().append("HTTP/1.1 100 Continue\r\n\r\n");
    transport_.sent();
  }
  resume();
}

/// Answers that are written at once never wait, but the peer may not take them.
bool Exchange::full() const {
  return parts_.has_value() || pending_.size() >= table_.limits_.pipelined_max ||
         transport_.unsent_bytes() > table_.limits_.unsent_bytes_max;
}

void Exchange::resume() {
  if (paused_ && !full()) {
    paused_ = false;
    since_ms_ = table_.now_ms_; // The wait was ours.
    transport_.pause_reading(false);
  }
}

void Exchange::end() {
  ended_ = true;
  pending_.clear();
  if (peer_) {
    peer_->gone = true;
  }
  transport_.close();
}

void Exchange::account() {
  std::size_t now = reader_.buffered_bytes() + transport_.unsent_bytes();
  for (const Pending& waiting : pending_) {
    now += waiting.response ? waiting.response->body.size() : 0;
  }
  table_.counts_.bytes_buffered += now;
  table_.counts_.bytes_buffered -= accounted_bytes_;
  accounted_bytes_ = now;
}

void Exchange::on_tick() {
  if (ended_) {
    return;
  }
  const Limits& limits = table_.limits_;
  const std::uint64_t now = table_.now_ms_;
  const std::uint64_t age = now - since_ms_;
  account();
  if (parts_) {
    tick_parts();
    return;
  }
  if (!pending_.empty() && now - pending_.front().since_ms > limits.answer_ms_max) {
    const Refusal late{Refused::overloaded, "the answer took too long; what was asked may still "
                                            "be done, and sending telemetry again is harmless"};
    pending_.front().framing.close = true;
    answer(first_sequence_, table_.handler_.on_refusal(late, Request{}));
    return;
  }
  if (no_more_ || paused_) {
    return;
  }
  if (reader_.idle()) {
    if (pending_.empty() && age > limits.idle_ms_max) {
      end();
    }
    return;
  }
  const std::uint64_t allowed =
      reader_.head_complete()
          ? limits.body_grace_ms + reader_.body_bytes() / limits.body_bytes_per_ms_min
          : limits.head_ms_max;
  if (age > allowed && !continue_wanted_) {
    refuse({Refused::timed_out,
            reader_.head_complete() ? "the body came too slowly" : "the header came too slowly"});
  }
}

void Exchange::drain() {
  if (ended_ || no_more_) {
    return;
  }
  if (!reader_.idle()) {
    refuse({Refused::draining, "the node stops; the request was not whole yet, send it again"});
  } else if (pending_.empty()) {
    end();
  }
}

void Responder::respond(Response response) const {
  if (table_ == nullptr) {
    return;
  }
  if (Exchange* exchange = table_->find(slot_, generation_)) {
    exchange->answer(sequence_, std::move(response));
  }
}

std::shared_ptr<const Peer> Responder::peer() const {
  Exchange* exchange = table_ == nullptr ? nullptr : table_->find(slot_, generation_);
  if (exchange == nullptr) {
    auto gone = std::make_shared<Peer>();
    gone->gone = true;
    return gone;
  }
  if (!exchange->peer_) {
    exchange->peer_ = std::make_shared<Peer>();
    exchange->peer_->ended = exchange->input_ended_;
    exchange->peer_->gone = exchange->ended_;
  }
  return exchange->peer_;
}

void Exchanges::set_now(std::uint64_t now_ms, std::int64_t wall_ms) {
  now_ms_ = now_ms;
  if (wall_ms / 1000 != date_second_) {
    date_second_ = wall_ms / 1000;
    date_ = http_date(wall_ms);
  }
}

void Exchanges::tick() {
  // By index: an ended conversation leaves its slot later, never within this call.
  for (std::size_t i = 0; i < slots_.size(); ++i) {
    if (slots_[i].exchange != nullptr) {
      slots_[i].exchange->on_tick();
    }
  }
}

void Exchanges::drain() {
  draining_ = true;
  draining_since_ms_ = now_ms_;
  for (std::size_t i = 0; i < slots_.size(); ++i) {
    if (slots_[i].exchange != nullptr) {
      slots_[i].exchange->drain();
    }
  }
}

bool Exchanges::over_limit() {
  if (counts_.bytes_buffered >= limits_.buffered_bytes_max &&
      now_ms_ - recounted_ms_ >= kRecountMs) {
    recounted_ms_ = now_ms_; // What the kernel has taken meanwhile is not counted by itself.
    for (const Slot& slot : slots_) {
      if (slot.exchange != nullptr) {
        slot.exchange->account();
      }
    }
  }
  return counts_.bytes_buffered >= limits_.buffered_bytes_max;
}

std::uint32_t Exchanges::enter(Exchange& exchange) {
  if (free_.empty()) {
    free_.push_back(static_cast<std::uint32_t>(slots_.size()));
    slots_.emplace_back();
  }
  const std::uint32_t slot = free_.back();
  free_.pop_back();
  slots_[slot].exchange = &exchange;
  ++counts_.connections;
  ++counts_.connections_total;
  return slot;
}

void Exchanges::leave(std::uint32_t slot) {
  slots_[slot].exchange = nullptr;
  ++slots_[slot].generation;
  free_.push_back(slot);
  --counts_.connections;
}

Exchange* Exchanges::find(std::uint32_t slot, std::uint32_t generation) const noexcept {
  return slot < slots_.size() && slots_[slot].generation == generation ? slots_[slot].exchange
                                                                       : nullptr;
}

} // namespace spate::http
