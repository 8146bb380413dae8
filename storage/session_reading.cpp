// What a group of entries reads: the database, with what the group has done so far.
#include <limits>
#include <memory>
#include <utility>

#include "storage/rocks_options.hpp"
#include "storage/session_group.hpp"
#include "storage/session_keys.hpp"

namespace spate::storage {

namespace keys = session_keys;

std::string name_of_session(SessionNumber number) {
  return "session " + std::to_string(number);
}

void SessionGroup::report(std::string what) {
  damage_.push_back(std::move(what));
}

tl::unexpected<Error> SessionGroup::failed(const rocksdb::Status& status) {
  Error error = error_of(status);
  if (error.code != Errc::storage_corrupt) {
    failure_ = status;
  }
  return fail(std::move(error));
}

void SessionGroup::put_queued(std::string key, std::string value) {
  staged_.emplace_back(std::move(key), std::move(value));
}

void SessionGroup::delete_queued(std::string key) {
  staged_.emplace_back(std::move(key), std::nullopt);
}

void SessionGroup::index_queued() {
  for (const auto& [key, value] : staged_) {
    if (value) {
      batch_.Put(key, *value);
    } else {
      batch_.Delete(key);
    }
  }
  staged_.clear();
}

Result<bool> SessionGroup::get(const std::string& key, rocksdb::PinnableSlice& value) {
  value.Reset();
  if (keys::is_queued(key)) {
    index_queued();
  }
  const auto status = batch_.GetFromBatchAndDB(&db_, {}, key, &value);
  if (status.IsNotFound()) {
    return false;
  }
  if (!status.ok()) {
    return failed(status);
  }
  return true;
}

Result<void> SessionGroup::scan(const std::string& prefix, const std::string& from,
                                const Visit& visit) {
  if (prefix[0] == keys::kSession) {
    index_queued();
  }
  // The first key behind all that begin so; no prefix of ours ends with the highest byte only.
  std::string end = prefix;
  while (static_cast<unsigned char>(end.back()) == 0xff) {
    end.pop_back();
  }
  end.back() = static_cast<char>(end.back() + 1);
  const rocksdb::Slice bound = end;
  rocksdb::ReadOptions options;
  options.iterate_upper_bound = &bound;
  const std::unique_ptr<rocksdb::Iterator> at(
      batch_.NewIteratorWithBase(db_.DefaultColumnFamily(), db_.NewIterator(options), &options));
  for (at->Seek(from); at->Valid() && at->key().starts_with(prefix); at->Next()) {
    if (!visit(view_of(at->key()), view_of(at->value()))) {
      return {};
    }
  }
  if (!at->status().ok()) {
    return failed(at->status());
  }
  return {};
}

Result<SessionNumber> SessionGroup::number_of(const std::string& client_id) {
  rocksdb::PinnableSlice value;
  const auto found = get(keys::client(client_id), value);
  if (!found) {
    return fail(found.error());
  }
  if (!*found) {
    return SessionNumber{0};
  }
  const auto number = decode_number(view_of(value));
  if (!number) {
    // As if it had none: the session itself has nobody who could come for it.
    report("the number of a client's session can not be read: it is damaged");
  }
  return number.value_or(0);
}

Result<SessionGroup::Work*> SessionGroup::find(SessionNumber number) {
  if (const auto known = works_.find(number); known != works_.end()) {
    return known->second.there ? &known->second : nullptr;
  }
  rocksdb::PinnableSlice value;
  const auto found = get(keys::part(number, keys::kState), value);
  if (!found) {
    return fail(found.error());
  }
  Work work;
  work.there = *found;
  if (*found) {
    if (auto stored = decode_session(view_of(value))) {
      work.stored = *stored;
    } else {
      report(name_of_session(number) + " is damaged: its counts are made anew from its queue");
      auto made = rebuild(number);
      if (!made) {
        return fail(std::move(made.error()));
      }
      work.stored = *made;
      work.changed = true;
    }
  }
  const auto entry = works_.emplace(number, std::move(work)).first;
  return entry->second.there ? &entry->second : nullptr;
}

/// What was sent, and to which sequence it had come, is not known: it goes on far behind.
Result<StoredSession> SessionGroup::rebuild(SessionNumber number) {
  StoredSession out;
  out.expiry_s = kNeverExpires;
  out.since_ms = now_ms_;
  const std::string prefix = keys::part(number, keys::kQueued);
  const auto scanned = scan(prefix, prefix, [&](std::string_view key, std::string_view value) {
    const auto sequence = keys::parse_number<std::uint64_t>(key.substr(prefix.size()));
    out.last_sequence = sequence.value_or(out.last_sequence);
    ++out.queued;
    if (const auto queued = decode_queued(value)) {
      out.queued_bytes += queued->bytes;
    }
    return true;
  });
  if (!scanned) {
    return fail(scanned.error());
  }
  out.last_sequence += std::uint64_t{1} << 32;
  out.sent_through = out.last_sequence;
  return out;
}

Result<std::optional<model::ApplicationMessage>>
SessionGroup::message_of(const StoredQueued& queued) {
  if (queued.body == 0) {
    return decode_message(queued.message);
  }
  rocksdb::PinnableSlice value;
  const auto found = get(keys::numbered(keys::kBody, queued.body), value);
  if (!found) {
    return fail(found.error());
  }
  return *found ? decode_message(view_of(value)) : std::nullopt;
}

Result<SessionGroup::Page> SessionGroup::load_page(SessionNumber number, Work& work,
                                                   std::uint64_t after, std::size_t messages_max,
                                                   std::size_t bytes_max) {
  Page page;
  if (work.stored.queued == 0 || after == std::numeric_limits<std::uint64_t>::max()) {
    return page;
  }
  std::size_t bytes = 0;
  std::vector<std::pair<std::uint64_t, StoredQueued>> expired;
  std::optional<Error> failure;
  const std::string prefix = keys::part(number, keys::kQueued);
  const auto visit = [&](std::string_view key, std::string_view value) {
    const auto sequence = keys::parse_number<std::uint64_t>(key.substr(prefix.size()));
    auto queued = decode_queued(value);
    if (!sequence || !queued) {
      report("a message in the queue of " + name_of_session(number) + " is damaged");
      return true;
    }
    // What was perhaps sent is sent again, whatever its age: the receiver may have its packet id.
    if (queued->expires_ms != 0 && queued->expires_ms <= now_ms_ && !queued->received &&
        *sequence > work.stored.sent_through) {
      expired.emplace_back(*sequence, std::move(*queued));
      return true;
    }
    if (page.messages.size() >= messages_max || (bytes != 0 && bytes + queued->bytes > bytes_max)) {
      page.more = true;
      return false;
    }
    QueuedMessage out;
    out.sequence = *sequence;
    if (!queued->received) {
      auto message = message_of(*queued);
      if (!message && message.error().code != Errc::storage_corrupt) {
        failure = std::move(message.error());
        return false;
      }
      if (!message || !*message) {
        report("a message in the queue of " + name_of_session(number) + " is damaged");
        return true;
      }
      out.message = std::make_shared<const model::ApplicationMessage>(std::move(**message));
    }
    out.target = {number, queued->qos, queued->retain, std::move(queued->subscription_ids)};
    bytes += queued->bytes + sizeof(out);
    page.messages.push_back(std::move(out));
    return true;
  };
  const auto scanned = scan(prefix, keys::queued(number, after + 1), visit);
  if (!scanned || failure) {
    return fail(failure ? std::move(*failure) : scanned.error());
  }
  for (const auto& [sequence, queued] : expired) {
    if (auto removed = remove_queued(number, work, sequence, queued); !removed) {
      return fail(std::move(removed.error()));
    }
    ++dropped_expired_;
  }
  page_bytes_ += bytes;
  return page;
}

} // namespace spate::storage
