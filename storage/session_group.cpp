#include "storage/session_group.hpp"

#include <algorithm>
#include <utility>

#include "storage/rocks_options.hpp"
#include "storage/session_keys.hpp"
#include "storage/small_database.hpp"

namespace spate::storage {

namespace keys = session_keys;

std::int64_t end_due_ms(const StoredSession& stored) noexcept {
  return stored.connected || stored.expiry_s == kNeverExpires
             ? INT64_MAX
             : stored.since_ms + std::int64_t{1000} * stored.expiry_s;
}

std::int64_t will_due_ms(const StoredSession& stored) noexcept {
  return stored.connected || !stored.will_delay_s
             ? INT64_MAX
             : std::min(stored.since_ms + std::int64_t{1000} * *stored.will_delay_s,
                        end_due_ms(stored));
}

SessionReceipt SessionGroup::add(std::uint64_t ticket, const SessionEntry& entry) {
  SessionReceipt receipt;
  receipt.ticket = ticket;
  auto applied = std::visit([&](const auto& each) { return apply(each, receipt); }, entry);
  if (!applied) {
    receipt.status = SessionStatus::unavailable;
    receipt.detail = applied.error().detail;
    if (applied.error().code == Errc::storage_corrupt) {
      report(std::move(applied.error().detail));
    }
  }
  return receipt;
}

void SessionGroup::finish() {
  for (const auto& [key, value] : staged_) { // Past the index: nobody reads any more.
    if (value) {
      batch().Put(key, *value);
    } else {
      batch().Delete(key);
    }
  }
  staged_.clear();
  for (const auto& [number, work] : works_) {
    if (work.there && work.changed) {
      batch_.Put(keys::part(number, keys::kState), encode_session(work.stored));
    }
  }
  if (totals_changed_) {
    batch_.Put(slice_of(kSmallTotalsKey), encode_session_totals(totals_));
  }
}

Result<void> SessionGroup::apply(const SessionOpening& opening, SessionReceipt& receipt) {
  const auto known = number_of(opening.client_id);
  auto found = !known || *known == 0 ? Result<Work*>(nullptr) : find(*known);
  if (!known || !found) {
    return fail(known ? std::move(found.error()) : known.error());
  }
  SessionNumber number = *known;
  Work* work = *found;
  if (work != nullptr && work->stored.connected) {
    disconnect(*work); // Nobody closed it.
  }
  if (work != nullptr && (opening.clean_start || end_due_ms(work->stored) <= now_ms_)) {
    if (auto ended = end(number, *work); !ended) {
      return ended;
    }
    needs_sync_ = true;
    work = nullptr;
  }
  if (opening.clean_start && opening.expiry_s == 0) {
    return {};
  }
  OpenedSession& opened = receipt.opened;
  if (work == nullptr) {
    if (totals_.sessions >= options_.sessions_max) {
      receipt.status = SessionStatus::full;
      receipt.detail = "as many sessions are kept as may be";
      return {};
    }
    number = create(opening.client_id);
    work = &works_.at(number);
  } else {
    opened.present = true;
    if (auto loaded = load_session(number, *work, opening, opened); !loaded) {
      opened = {};
      return loaded;
    }
    remove_timers(number, work->stored);
    if (will_due_ms(work->stored) <= now_ms_) {
      if (auto sent = send_will(number, *work); !sent) {
        opened = {};
        return sent;
      }
    }
    forget_will(number, *work);
    // Its queue is in the page or behind it.
    std::erase_if(deliveries_, [&](const auto& each) { return each.session == number; });
  }
  opened.number = number;
  opened.sent_through = work->stored.sent_through;
  work->stored.connected = true;
  work->stored.since_ms = now_ms_;
  work->stored.expiry_s = opening.expiry_s;
  if (opening.will) {
    work->stored.will_delay_s = opening.will->delay_s;
    batch_.Put(keys::part(number, keys::kWill), encode_will(*opening.will));
  }
  work->changed = true;
  needs_sync_ = true;
  return {};
}

SessionNumber SessionGroup::create(const std::string& client_id) {
  const SessionNumber number = ++totals_.last_number;
  ++totals_.sessions;
  totals_changed_ = true;
  batch_.Put(keys::client(client_id), encode_number(number));
  batch_.Put(keys::part(number, keys::kClientId), client_id);
  works_[number] = {{}, true, true};
  return number;
}

Result<void> SessionGroup::load_session(SessionNumber number, Work& work,
                                        const SessionOpening& opening, OpenedSession& opened) {
  const std::string prefix = keys::session(number);
  const auto visit = [&](std::string_view key, std::string_view value) {
    const auto part = keys::parse_session(key);
    if (part && part->part == keys::kSubscription) {
      if (auto subscription = decode_subscription(part->rest, value)) {
        page_bytes_ += sizeof(*subscription) + subscription->filter.size();
        opened.subscriptions.push_back(std::move(*subscription));
      } else {
        report("a subscription of " + name_of_session(number) + " is damaged");
      }
      return true;
    }
    if (part && part->part == keys::kReceivedId) {
      if (const auto id = keys::parse_number<std::uint16_t>(part->rest)) {
        opened.received_ids.push_back(*id);
      } else {
        report("a packet id of " + name_of_session(number) + " is damaged");
      }
      return true;
    }
    return part && part->part < keys::kReceivedId;
  };
  if (auto scanned = scan(prefix, keys::part(number, keys::kSubscription), visit); !scanned) {
    return scanned;
  }
  auto page = load_page(number, work, 0, opening.page_messages, opening.page_bytes);
  if (!page) {
    return fail(std::move(page.error()));
  }
  opened.page = std::move(page->messages);
  opened.more = page->more;
  return {};
}

Result<void> SessionGroup::apply(const SessionClosing& closing, SessionReceipt&) {
  const auto found = find(closing.session);
  if (!found || *found == nullptr) {
    return found ? Result<void>() : fail(found.error());
  }
  Work& work = **found;
  remove_timers(closing.session, work.stored);
  if (closing.forget_will) {
    forget_will(closing.session, work);
  }
  needs_sync_ = true;
  const std::uint64_t before = work.stored.sent_through;
  disconnect(work);
  work.stored.sent_through =
      std::max(before, std::min(closing.sent_through, work.stored.last_sequence));
  work.stored.expiry_s = closing.expiry_s;
  if (closing.expiry_s == 0) {
    return end(closing.session, work);
  }
  put_timers(closing.session, work.stored);
  return {};
}

void SessionGroup::abandon(const std::string& client_id) {
  const auto number = number_of(client_id);
  auto found = !number || *number == 0 ? Result<Work*>(nullptr) : find(*number);
  if (!found || *found == nullptr || !(*found)->stored.connected) {
    return;
  }
  // Its will is not published: the client was never told that it is connected.
  SessionReceipt unheard;
  static_cast<void>(apply(SessionClosing{*number, (*found)->stored.expiry_s, true, 0}, unheard));
}

Result<void> SessionGroup::apply(const SessionSubscribing& subscribing, SessionReceipt& receipt) {
  const auto found = find(subscribing.session);
  if (!found || *found == nullptr) {
    return found ? Result<void>() : fail(found.error());
  }
  rocksdb::PinnableSlice value;
  for (const SessionSubscription& each : subscribing.added) {
    const auto key = keys::part(subscribing.session, keys::kSubscription, each.filter);
    const auto there = get(key, value);
    if (!there) {
      return fail(there.error());
    }
    batch_.Put(key, encode_subscription(each));
    totals_.subscriptions += *there ? 0 : 1;
  }
  for (const std::string& filter : subscribing.removed) {
    const auto key = keys::part(subscribing.session, keys::kSubscription, filter);
    const auto there = get(key, value);
    if (!there) {
      return fail(there.error());
    }
    if (*there) {
      batch_.Delete(key);
      --totals_.subscriptions;
    }
  }
  if (subscribing.set_aside != 0) {
    Work& work = **found;
    receipt.sequence = work.stored.last_sequence + 1;
    work.stored.last_sequence += subscribing.set_aside;
    work.changed = true;
  }
  totals_changed_ = needs_sync_ = true;
  return {};
}

/// Removes all of it; its will goes out (MQTT5-3.1.3-9).
Result<void> SessionGroup::end(SessionNumber number, Work& work) {
  remove_timers(number, work.stored);
  if (work.stored.will_delay_s) {
    if (auto sent = send_will(number, work); !sent && sent.error().code != Errc::storage_corrupt) {
      return sent;
    }
  }
  std::vector<std::string> gone;
  std::vector<std::string> filters;
  std::vector<std::uint64_t> bodies;
  const std::string prefix = keys::session(number);
  const auto scanned = scan(prefix, prefix, [&](std::string_view key, std::string_view value) {
    gone.emplace_back(key);
    const auto part = keys::parse_session(key);
    if (part && part->part == keys::kClientId) {
      gone.push_back(keys::client(value));
    } else if (part && part->part == keys::kSubscription) {
      filters.emplace_back(part->rest);
    } else if (part && part->part == keys::kQueued) {
      if (const auto queued = decode_queued(value); queued && queued->body != 0) {
        bodies.push_back(queued->body);
      }
    }
    return true;
  });
  if (!scanned && !failure_.ok()) {
    return scanned;
  }
  if (!scanned) {
    report(name_of_session(number) + " can not be removed wholly: " + scanned.error().detail);
  }
  for (const std::string& key : gone) {
    batch_.Delete(key);
  }
  for (const std::uint64_t body : bodies) {
    if (auto released = release_body(body); !released) {
      return released;
    }
  }
  batch_.Delete(keys::part(number, keys::kState)); // Also where reading did not come so far.
  totals_.sessions -= std::min<std::uint64_t>(totals_.sessions, 1);
  totals_.subscriptions -= std::min<std::uint64_t>(totals_.subscriptions, filters.size());
  totals_.queued -= std::min(totals_.queued, work.stored.queued);
  totals_.queued_bytes -= std::min(totals_.queued_bytes, work.stored.queued_bytes);
  totals_changed_ = true;
  std::erase_if(deliveries_, [&](const auto& each) { return each.session == number; });
  work = {};
  ended_.emplace_back(number, std::move(filters));
  return {};
}

/// Puts it among those that are to be told.
Result<void> SessionGroup::send_will(SessionNumber number, Work& work) {
  const std::string key = keys::part(number, keys::kWill);
  rocksdb::PinnableSlice value;
  const auto found = get(key, value);
  if (!found) {
    return fail(found.error());
  }
  auto will = *found ? decode_will(view_of(value)) : std::nullopt;
  forget_will(number, work);
  if (!will) {
    report("the will of " + name_of_session(number) + " is damaged");
    return {};
  }
  will->message.expires_ms =
      will->message_expiry_s == 0 ? 0 : now_ms_ + std::int64_t{1000} * will->message_expiry_s;
  batch_.Put(keys::numbered(keys::kOutgoing, ++totals_.last_outgoing),
             encode_outgoing(number, will->message));
  totals_changed_ = has_outgoing_ = needs_sync_ = true;
  return {};
}

void SessionGroup::forget_will(SessionNumber number, Work& work) {
  if (work.stored.will_delay_s) {
    work.stored.will_delay_s.reset();
    work.changed = true;
    batch_.Delete(keys::part(number, keys::kWill));
  }
}

void SessionGroup::disconnect(Work& work) {
  work.stored.connected = false;
  work.stored.since_ms = now_ms_;
  work.stored.sent_through = work.stored.last_sequence; // Perhaps.
  work.changed = true;
}

void SessionGroup::put_timers(SessionNumber number, const StoredSession& stored) {
  if (const auto due = end_due_ms(stored); due != INT64_MAX) {
    batch_.Put(keys::timer(keys::kExpiry, due, number), {});
    put_due_ms_ = std::min(put_due_ms_, due);
  }
  if (const auto due = will_due_ms(stored); due != INT64_MAX) {
    batch_.Put(keys::timer(keys::kWillDue, due, number), {});
    put_due_ms_ = std::min(put_due_ms_, due);
  }
}

void SessionGroup::remove_timers(SessionNumber number, const StoredSession& stored) {
  if (const auto due = end_due_ms(stored); due != INT64_MAX) {
    batch_.Delete(keys::timer(keys::kExpiry, due, number));
  }
  if (const auto due = will_due_ms(stored); due != INT64_MAX) {
    batch_.Delete(keys::timer(keys::kWillDue, due, number));
  }
}

} // namespace spate::storage
