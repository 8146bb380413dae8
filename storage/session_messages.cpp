// Messages in the queues of sessions: put in, sent, received, gone.
#include <algorithm>
#include <limits>
#include <utility>

#include "storage/rocks_options.hpp"
#include "storage/session_group.hpp"
#include "storage/session_keys.hpp"

namespace spate::storage {

namespace keys = session_keys;

namespace {

/// From this size on a message for several sessions is written once, and counted.
constexpr std::size_t kSharedBytesMin = 256;

} // namespace

Result<void> SessionGroup::apply(const SessionPublishing& publishing, SessionReceipt& receipt) {
  const model::ApplicationMessage& message = *publishing.message;
  std::string id_key;
  if (publishing.sender != 0 && publishing.packet_id != 0) {
    const auto sender = find(publishing.sender);
    if (!sender) {
      return fail(sender.error());
    }
    if (*sender != nullptr) {
      id_key = keys::received_id(publishing.sender, publishing.packet_id);
      rocksdb::PinnableSlice ignored;
      const auto known = get(id_key, ignored);
      if (!known || *known) {
        return known ? Result<void>() : fail(known.error()); // It went out before (MQTT-4.3.3-2).
      }
    }
  }
  if (message.retain) {
    const auto retained = retain(message);
    if (!retained) {
      return fail(retained.error());
    }
    if (!*retained) {
      receipt.status = SessionStatus::full;
      receipt.detail = "as many retained messages are kept as may be";
      return {};
    }
    needs_sync_ = true;
  }
  if (!id_key.empty()) {
    batch_.Put(id_key, {});
    needs_sync_ = true;
  }
  enqueue(publishing);
  return failure_.ok() ? Result<void>() : failed(failure_);
}

/// A session that can not be read does not keep the message from the others.
void SessionGroup::enqueue(const SessionPublishing& publishing) {
  const model::ApplicationMessage& message = *publishing.message;
  if (message.expires_ms != 0 && message.expires_ms <= now_ms_) {
    dropped_expired_ += publishing.targets.size();
    return;
  }
  const std::uint64_t bytes = message.bytes();
  const bool shared = publishing.targets.size() > 1 && bytes >= kSharedBytesMin;
  StoredQueued stored;
  stored.bytes = bytes;
  stored.expires_ms = message.expires_ms;
  std::uint64_t holders = 0;
  for (const SessionTarget& target : publishing.targets) {
    auto found = find(target.session);
    if (!found && failure_.ok()) {
      report(std::move(found.error().detail));
    }
    if (!found || *found == nullptr) {
      continue; // It has ended.
    }
    Work& work = **found;
    if (work.stored.queued >= options_.queue_messages_max ||
        work.stored.queued_bytes + bytes > options_.queue_bytes_max) {
      ++dropped_full_;
      continue;
    }
    if (holders++ == 0) {
      if (shared) {
        stored.body = ++totals_.last_body;
        batch_.Put(keys::numbered(keys::kBody, stored.body), encode_message(message));
      } else {
        stored.message = encode_message(message);
      }
    }
    const std::uint64_t sequence = ++work.stored.last_sequence;
    stored.qos = std::clamp<std::uint8_t>(target.qos, 1, 2);
    stored.retain = target.retain;
    stored.subscription_ids = target.subscription_ids;
    put_queued(keys::queued(target.session, sequence), encode_queued(stored));
    recent_.put(target.session, sequence, {bytes, stored.body});
    ++work.stored.queued;
    work.stored.queued_bytes += bytes;
    work.changed = true;
    if (work.stored.connected) {
      deliveries_.push_back({target.session, {sequence, publishing.message, target}});
    }
  }
  if (holders == 0) {
    return;
  }
  if (shared) {
    batch_.Put(keys::numbered(keys::kHolders, stored.body), encode_number(holders));
  }
  totals_.queued += holders;
  totals_.queued_bytes += holders * bytes;
  totals_changed_ = needs_sync_ = true;
}

Result<void> SessionGroup::apply(const SessionReleasing& releasing, SessionReceipt&) {
  const auto key = keys::received_id(releasing.session, releasing.packet_id);
  rocksdb::PinnableSlice ignored;
  const auto known = get(key, ignored);
  if (!known) {
    return fail(known.error());
  }
  if (*known) {
    batch_.Delete(key);
    needs_sync_ = true;
  }
  return {};
}

Result<void> SessionGroup::apply(const SessionSettling& settling, SessionReceipt&) {
  auto found = find(settling.session);
  if (!found || *found == nullptr) {
    return found ? Result<void>() : fail(std::move(found.error()));
  }
  Work& work = **found;
  const auto recent = recent_.take(settling.session, settling.sequence);
  if (recent && !settling.received) {
    StoredQueued queued;
    queued.bytes = recent->bytes;
    queued.body = recent->body;
    return remove_queued(settling.session, work, settling.sequence, queued);
  }
  const auto key = keys::queued(settling.session, settling.sequence);
  rocksdb::PinnableSlice value;
  const auto there = get(key, value);
  if (!there || !*there) {
    return there ? Result<void>() : fail(there.error());
  }
  auto queued = decode_queued(view_of(value));
  if (!queued) {
    report("a message in the queue of " + name_of_session(settling.session) + " is damaged");
    queued.emplace(); // What it weighed is not known.
  }
  if (!settling.received) {
    return remove_queued(settling.session, work, settling.sequence, *queued);
  }
  if (queued->received) {
    return {};
  }
  StoredQueued left;
  left.received = true;
  left.qos = 2;
  put_queued(key, encode_queued(left));
  const std::uint64_t bytes = std::min(queued->bytes, work.stored.queued_bytes);
  work.stored.queued_bytes -= bytes;
  totals_.queued_bytes -= std::min(bytes, totals_.queued_bytes);
  work.changed = totals_changed_ = needs_sync_ = true;
  return queued->body == 0 ? Result<void>() : release_body(queued->body);
}

Result<void> SessionGroup::apply(const SessionPageLoad& load, SessionReceipt& receipt) {
  auto found = find(load.session);
  if (!found || *found == nullptr) {
    return found ? Result<void>() : fail(std::move(found.error()));
  }
  auto page = load_page(load.session, **found, load.after, load.messages_max, load.bytes_max);
  if (!page) {
    return fail(std::move(page.error()));
  }
  receipt.page = std::move(page->messages);
  receipt.more = page->more;
  return {};
}

Result<void> SessionGroup::remove_queued(SessionNumber number, Work& work, std::uint64_t sequence,
                                         const StoredQueued& queued) {
  delete_queued(keys::queued(number, sequence));
  recent_.take(number, sequence);
  const std::uint64_t bytes = std::min(queued.bytes, work.stored.queued_bytes);
  work.stored.queued -= std::min<std::uint64_t>(work.stored.queued, 1);
  work.stored.queued_bytes -= bytes;
  totals_.queued -= std::min<std::uint64_t>(totals_.queued, 1);
  totals_.queued_bytes -= std::min(bytes, totals_.queued_bytes);
  work.changed = totals_changed_ = true;
  return queued.body == 0 ? Result<void>() : release_body(queued.body);
}

Result<void> SessionGroup::release_body(std::uint64_t body) {
  const auto key = keys::numbered(keys::kHolders, body);
  rocksdb::PinnableSlice value;
  const auto found = get(key, value);
  if (!found) {
    return fail(found.error());
  }
  const auto holders = *found ? decode_number(view_of(value)) : std::nullopt;
  if (!holders) {
    report("how many queues hold a message is damaged: it stays"); // Rather than miss it.
    return {};
  }
  if (*holders > 1) {
    batch_.Put(key, encode_number(*holders - 1));
  } else {
    batch_.Delete(key);
    batch_.Delete(keys::numbered(keys::kBody, body));
  }
  return {};
}

} // namespace spate::storage
