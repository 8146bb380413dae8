#include "actors/outbox.hpp"

#include <algorithm>
#include <cassert>

namespace spate::actors {

using wire::PacketType;

void Outbox::push(Entry entry) {
  assert(entry.sequence > last_);
  last_ = entry.sequence;
  entry.state = entry.message != nullptr ? State::waiting : State::received;
  if (entry.state == State::waiting) {
    ++waiting_;
    entry.bytes = static_cast<std::uint32_t>(entry.message->bytes());
    waiting_bytes_ += entry.bytes;
  } else {
    ++in_flight_;
  }
  entries_.push_back(std::move(entry));
}

/// An id is free once what had it before is done.
bool Outbox::has_room(std::uint64_t sequence, std::size_t bytes) const noexcept {
  return in_flight_ < window_ &&
         (entries_.empty() || sequence - entries_.front().sequence < kMessageIds) &&
         (in_flight_bytes_ == 0 || in_flight_bytes_ + bytes <= bytes_max_);
}

bool Outbox::open(std::size_t bytes) const noexcept {
  return waiting_ == 0 && has_room(last_ + 1, bytes);
}

std::uint16_t Outbox::push_sent(std::uint64_t sequence, std::uint8_t qos, std::size_t bytes) {
  assert(sequence > last_);
  last_ = sent_through_ = sequence;
  Entry entry;
  entry.sequence = sequence;
  entry.qos = qos;
  entry.bytes = static_cast<std::uint32_t>(bytes);
  entry.state = State::sent;
  ++in_flight_;
  in_flight_bytes_ += bytes;
  entries_.push_back(std::move(entry));
  return packet_id_of(sequence);
}

Outbox::Entry* Outbox::next() noexcept {
  if (waiting_ == 0) {
    return nullptr;
  }
  while (entries_[next_].state != State::waiting) {
    ++next_;
  }
  Entry& entry = entries_[next_];
  return has_room(entry.sequence, entry.bytes) ? &entry : nullptr;
}

void Outbox::leave_waiting(Entry& entry) noexcept {
  assert(entry.state == State::waiting);
  --waiting_;
  waiting_bytes_ -= entry.bytes;
  entry.message = nullptr;
}

void Outbox::sent(Entry& entry) noexcept {
  leave_waiting(entry);
  entry.state = State::sent;
  sent_through_ = std::max(sent_through_, entry.sequence);
  ++in_flight_;
  in_flight_bytes_ += entry.bytes;
}

void Outbox::drop(Entry& entry) noexcept {
  leave_waiting(entry);
  finish(entry);
}

Outbox::Answered Outbox::on_ack(PacketType type, std::uint16_t packet_id,
                                wire::Reason reason) noexcept {
  Entry* entry = find_id(packet_id);
  if (entry == nullptr || entry->state == State::waiting) {
    return {};
  }
  const std::uint64_t sequence = entry->sequence;
  const bool refused = static_cast<unsigned>(reason) >= 0x80;
  switch (type) {
  case PacketType::puback:
    if (entry->state == State::sent && entry->qos == 1) {
      finish(*entry);
      return {refused ? Answer::refused : Answer::settled, sequence};
    }
    break;
  case PacketType::pubrec:
    if (entry->state == State::sent && entry->qos == 2) {
      if (refused) {
        finish(*entry);
        return {Answer::refused, sequence};
      }
      entry->state = State::received;
      in_flight_bytes_ -= entry->bytes;
      return {Answer::received, sequence};
    }
    if (entry->state == State::received || entry->state == State::released) {
      return {Answer::repeated, sequence};
    }
    break;
  case PacketType::pubcomp:
    if (entry->state == State::released) {
      finish(*entry);
      return {Answer::settled, sequence};
    }
    break;
  default:
    break;
  }
  return {};
}

bool Outbox::release(std::uint64_t sequence) noexcept {
  Entry* entry = find(sequence);
  if (entry == nullptr || entry->state != State::received) {
    return false;
  }
  entry->state = State::released;
  return true;
}

Outbox::Entry* Outbox::find(std::uint64_t sequence) noexcept {
  const auto at = std::lower_bound(
      entries_.begin(), entries_.end(), sequence,
      [](const Entry& entry, std::uint64_t wanted) { return entry.sequence < wanted; });
  return at != entries_.end() && at->sequence == sequence && at->state != State::done ? &*at
                                                                                      : nullptr;
}

Outbox::Entry* Outbox::find_id(std::uint16_t packet_id) noexcept {
  if (entries_.empty() || packet_id == 0 || packet_id > kMessageIds) {
    return nullptr;
  }
  // What is out lies within one round of ids behind the oldest.
  const std::uint64_t first = entries_.front().sequence;
  const std::uint64_t ahead =
      (packet_id + std::uint64_t{kMessageIds} - packet_id_of(first)) % kMessageIds;
  return find(first + ahead);
}

void Outbox::finish(Entry& entry) noexcept {
  if (entry.state != State::waiting) {
    --in_flight_;
    in_flight_bytes_ -= entry.state == State::sent ? entry.bytes : 0;
  }
  entry.state = State::done;
  while (!entries_.empty() && entries_.front().state == State::done) {
    entries_.pop_front();
    next_ -= next_ > 0 ? 1 : 0;
  }
}

} // namespace spate::actors
