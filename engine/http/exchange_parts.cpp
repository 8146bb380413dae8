// The part of Exchange that sends bodies which are made while they are sent.
#include <array>
#include <charconv>
#include <utility>

#include "engine/http/exchange.hpp"

namespace spate::http {

namespace {

void append_chunk(std::string& out, std::string_view bytes) {
  std::array<char, 16> digits;
  const auto end =
      std::to_chars(digits.data(), digits.data() + digits.size(), bytes.size(), 16).ptr;
  out.append(digits.data(), static_cast<std::size_t>(end - digits.data()));
  out.append("\r\n").append(bytes).append("\r\n");
}

} // namespace

void PartWriter::write(std::string_view bytes, Then then) const {
  if (table_ == nullptr) {
    return;
  }
  if (Exchange* exchange = table_->find(slot_, generation_)) {
    exchange->write_part(number_, bytes, then);
  }
}

void Exchange::on_room() {
  if (ended_) {
    return;
  }
  pull_parts();
  resume();
}

/// Nothing is read meanwhile: so the connection tells when there is room.
void Exchange::begin_parts(std::unique_ptr<PartSource> source) {
  parts_.emplace(std::move(source), table_.now_ms_);
  if (!paused_) {
    paused_ = true;
    transport_.pause_reading(true);
  }
}

/// Asks for parts while there is room. One that comes at once is written within pull(): so its
/// source is destroyed here, behind it.
void Exchange::pull_parts() {
  if (pulling_) {
    return;
  }
  pulling_ = true;
  while (!ended_ && parts_ && !parts_->asked && !parts_->ended &&
         transport_.unsent_bytes() <= table_.limits_.part_unsent_bytes_max) {
    parts_->asked = true;
    parts_->source->pull(
        PartWriter(table_, slot_, table_.slots_[slot_].generation, ++parts_->number));
  }
  pulling_ = false;
  if (!ended_ && parts_ && parts_->ended) {
    end_parts();
  }
}

void Exchange::write_part(std::uint64_t number, std::string_view bytes, PartWriter::Then then) {
  if (ended_ || !parts_ || !parts_->asked || number != parts_->number) {
    return;
  }
  parts_->asked = false;
  parts_->since_ms = table_.now_ms_;
  parts_->bytes += bytes.size();
  const ResponseFraming framing = pending_.front().framing;
  if (!framing.chunked()) {
    transport_.output().append(bytes);
  } else if (!bytes.empty()) { // An empty chunk would be the last.
    append_chunk(transport_.output(), bytes);
  }
  if (then != PartWriter::Then::more) {
    parts_->ended = then;
  }
  if (then == PartWriter::Then::end && framing.chunked()) {
    transport_.output().append("0\r\n\r\n");
  }
  transport_.sent();
  pull_parts();
  account();
}

void Exchange::end_parts() {
  const PartWriter::Then how = *parts_->ended;
  const ResponseFraming framing = pending_.front().framing;
  parts_.reset();
  if (how == PartWriter::Then::abort && !framing.chunked()) {
    cut(); // A regular end would look like that of the body.
    return;
  }
  pending_.erase(pending_.begin());
  ++first_sequence_;
  if (how == PartWriter::Then::abort || framing.close ||
      (table_.draining_ && pending_.empty() && reader_.idle())) {
    end(); // After an abort the last chunk is missing: the peer sees that.
    return;
  }
  if (pending_.empty() && reader_.idle()) {
    since_ms_ = table_.now_ms_;
  }
  flush();
}

void Exchange::tick_parts() {
  const Limits& limits = table_.limits_;
  if (!parts_->asked) {
    parts_->waited_ms += table_.now_ms_ - parts_->since_ms;
  }
  parts_->since_ms = table_.now_ms_;
  const std::uint64_t allowed = limits.part_grace_ms + parts_->bytes / limits.part_bytes_per_ms_min;
  const bool stopping =
      table_.draining_ && table_.now_ms_ - table_.draining_since_ms_ > limits.part_drain_ms_max;
  if (parts_->waited_ms > allowed || stopping) {
    cut();
  }
}

void Exchange::cut() {
  ended_ = true;
  parts_.reset();
  pending_.clear();
  if (peer_) {
    peer_->gone = true;
  }
  transport_.abort();
}

} // namespace spate::http
