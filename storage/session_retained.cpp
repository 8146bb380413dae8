// Retained messages: one of each topic.
#include <algorithm>
#include <memory>
#include <utility>

#include "storage/retained_filter.hpp"
#include "storage/rocks_options.hpp"
#include "storage/session_group.hpp"
#include "storage/session_keys.hpp"

namespace spate::storage {

namespace keys = session_keys;

namespace {

/// What one load may look at, so that a filter that nearly nothing matches holds nobody up.
constexpr std::size_t kLookedAtMax = 2000;

} // namespace

Result<bool> SessionGroup::retain(const model::ApplicationMessage& message) {
  const std::string key = keys::retained(message.topic);
  rocksdb::PinnableSlice value;
  const auto found = get(key, value);
  if (!found) {
    return fail(found.error());
  }
  const auto before = *found ? decode_message(view_of(value)) : std::nullopt;
  const std::uint64_t bytes_before = before ? before->bytes() : 0;
  const bool stays =
      !message.payload.empty() && (message.expires_ms == 0 || message.expires_ms > now_ms_);
  const std::uint64_t count = totals_.retained - (*found && totals_.retained != 0 ? 1 : 0);
  const std::uint64_t bytes =
      totals_.retained_bytes - std::min(totals_.retained_bytes, bytes_before);
  if (stays &&
      (count >= options_.retained_max || bytes + message.bytes() > options_.retained_bytes_max)) {
    return false;
  }
  if (*found && before && before->expires_ms != 0) {
    batch_.Delete(keys::retained_expiry(before->expires_ms, message.topic));
  }
  if (stays) {
    batch_.Put(key, encode_message(message));
    if (message.expires_ms != 0) {
      batch_.Put(keys::retained_expiry(message.expires_ms, message.topic), {});
      put_due_ms_ = std::min(put_due_ms_, message.expires_ms);
    }
  } else if (*found) {
    batch_.Delete(key);
  }
  if (stays || *found) {
    totals_.retained = count + (stays ? 1 : 0);
    totals_.retained_bytes = bytes + (stays ? message.bytes() : 0);
    totals_changed_ = true;
  }
  return true;
}

/// `levels`: the topic as in keys. A newer message stays.
void SessionGroup::expire_retained(std::int64_t due_ms, std::string_view levels) {
  const std::string key = std::string(1, keys::kRetained).append(levels);
  rocksdb::PinnableSlice value;
  const auto found = get(key, value);
  if (!found || !*found) {
    return;
  }
  const auto message = decode_message(view_of(value));
  if (!message || message->expires_ms != due_ms) {
    return;
  }
  batch_.Delete(key);
  totals_.retained -= std::min<std::uint64_t>(totals_.retained, 1);
  totals_.retained_bytes -= std::min<std::uint64_t>(totals_.retained_bytes, message->bytes());
  totals_changed_ = true;
}

void SessionGroup::queue_retained(const RetainedLoad& load, Work& work,
                                  const model::ApplicationMessage& message, std::string_view value,
                                  std::uint64_t& sequence) {
  const std::uint64_t bytes = message.bytes();
  if (sequence >= load.sequence_end || work.stored.queued >= options_.queue_messages_max ||
      work.stored.queued_bytes + bytes > options_.queue_bytes_max) {
    ++dropped_full_;
    return;
  }
  StoredQueued stored;
  stored.qos = std::min(load.qos, message.qos);
  stored.retain = true;
  if (load.subscription_id != 0) {
    stored.subscription_ids.push_back(load.subscription_id);
  }
  stored.bytes = bytes;
  stored.expires_ms = message.expires_ms;
  stored.message = value;
  put_queued(keys::queued(load.session, sequence++), encode_queued(stored));
  ++work.stored.queued;
  work.stored.queued_bytes += bytes;
  ++totals_.queued;
  totals_.queued_bytes += bytes;
  work.changed = totals_changed_ = needs_sync_ = true;
}

Result<void> SessionGroup::apply(const RetainedLoad& load, SessionReceipt& receipt) {
  Work* work = nullptr;
  if (load.session != 0) {
    const auto found = find(load.session);
    if (!found || *found == nullptr) {
      return found ? Result<void>() : fail(found.error()); // It has ended.
    }
    work = *found;
  }
  receipt.sequence = load.sequence;
  // Behind the walk: it must not be written to while it is under way.
  std::vector<std::pair<model::ApplicationMessage, std::string>> to_queue;
  const RetainedFilter filter(load.filter);
  const std::string prefix(1, keys::kRetained);
  std::string from = prefix + filter.start();
  if (!load.after.empty()) {
    from = std::max(from, keys::retained(load.after) + '\0');
  }
  std::size_t bytes = 0;
  std::size_t looked_at = 0;
  bool ended = false;
  // Each turn is a seek: a scan goes on while the next topic may match.
  while (!ended) {
    std::string target;
    bool seeks = false;
    const auto visit = [&](std::string_view key, std::string_view value) {
      const std::string_view levels = key.substr(1);
      if (++looked_at > kLookedAtMax) {
        receipt.more = true;
        return false;
      }
      const auto step = filter.look_at(levels, target);
      if (step != RetainedFilter::Step::match) {
        receipt.after = levels;
        seeks = step == RetainedFilter::Step::seek;
        return step == RetainedFilter::Step::next;
      }
      auto message = decode_message(value);
      if (!message) {
        report("the retained message of a topic is damaged");
      } else if (message->expires_ms == 0 || message->expires_ms > now_ms_) {
        if (receipt.page.size() + to_queue.size() >= load.messages_max ||
            (bytes != 0 && bytes + message->bytes() > load.bytes_max)) {
          receipt.more = true;
          return false;
        }
        bytes += message->bytes() + sizeof(*message);
        if (work != nullptr && std::min(load.qos, message->qos) != 0) {
          to_queue.emplace_back(std::move(*message), value);
        } else {
          QueuedMessage out;
          out.target.qos = message->qos;
          out.target.retain = true;
          out.message = std::make_shared<const model::ApplicationMessage>(std::move(*message));
          receipt.page.push_back(std::move(out));
        }
      }
      receipt.after = levels;
      return true;
    };
    if (auto scanned = scan(prefix, from, visit); !scanned) {
      receipt.page.clear();
      receipt.more = false;
      return scanned;
    }
    ended = !seeks;
    from = prefix + target;
  }
  for (const auto& [message, value] : to_queue) {
    queue_retained(load, *work, message, value, receipt.sequence);
  }
  receipt.after = receipt.more ? keys::topic_of(receipt.after) : std::string();
  page_bytes_ += bytes;
  return {};
}

} // namespace spate::storage
