#include "storage/session_start.hpp"

#include <memory>
#include <optional>
#include <utility>

#include "engine/base/clock.hpp"
#include "engine/base/log.hpp"
#include "storage/rocks_options.hpp"
#include "storage/session_codec.hpp"
#include "storage/session_group.hpp"
#include "storage/session_keys.hpp"

namespace spate::storage {

namespace keys = session_keys;

namespace {

constexpr int kBatchEntriesMax = 4096;
constexpr std::size_t kRestoredAtOnce = 10'000;

class Start {
public:
  Start(rocksdb::DB& db, std::int64_t now_ms, SessionListener& listener, ClientFilter& clients)
      : db_(db), now_ms_(now_ms), listener_(listener), clients_(clients) {}

  Result<void> run(bool sync) {
    rocksdb::ReadOptions options;
    options.fill_cache = false;
    const std::string prefix(1, keys::kSession);
    const std::string end(1, keys::kSession + 1);
    const rocksdb::Slice bound = end;
    options.iterate_upper_bound = &bound;
    const std::unique_ptr<rocksdb::Iterator> at(db_.NewIterator(options));
    at->Seek(prefix);
    while (at->Valid()) {
      const auto part = keys::parse_session(view_of(at->key()));
      if (!part) {
        damaged("a key of a session is damaged");
        at->Next();
        continue;
      }
      if (part->part > keys::kSubscription) {
        at->Seek(keys::session(part->number + 1)); // Over the queue.
        continue;
      }
      look_at(*part, view_of(at->value()));
      at->Next();
      if (batch_.Count() >= kBatchEntriesMax) {
        if (auto written = write(false); !written) {
          return written;
        }
      }
    }
    if (!at->status().ok()) {
      return fail(error_of(at->status()));
    }
    tell();
    return batch_.Count() == 0 && !wrote_ ? Result<void>() : write(sync);
  }

private:
  void look_at(const keys::SessionPart& part, std::string_view value) {
    if (part.part == keys::kState) {
      number_ = part.number;
      if (auto stored = decode_session(value)) {
        if (stored->connected) {
          disconnect(*stored);
        }
      } else {
        damaged(name_of_session(part.number) + " is damaged");
      }
    } else if (part.part == keys::kClientId) {
      clients_.insert(value);
    } else if (part.part == keys::kSubscription) {
      auto subscription = decode_subscription(part.rest, value);
      if (!subscription || number_ != part.number) {
        damaged("a subscription of " + name_of_session(part.number) + " is damaged");
      } else {
        restored_.emplace_back(part.number, std::move(*subscription));
      }
      if (restored_.size() >= kRestoredAtOnce) {
        tell();
      }
    }
  }

  void tell() {
    if (!restored_.empty()) {
      listener_.on_restored(std::exchange(restored_, {}));
    }
  }

  /// All that was in its queue may have been sent.
  void disconnect(StoredSession& stored) {
    stored.connected = false;
    stored.since_ms = now_ms_;
    stored.sent_through = stored.last_sequence;
    batch_.Put(keys::part(*number_, keys::kState), encode_session(stored));
    if (const auto due = end_due_ms(stored); due != INT64_MAX) {
      batch_.Put(keys::timer(keys::kExpiry, due, *number_), {});
    }
    if (const auto due = will_due_ms(stored); due != INT64_MAX) {
      batch_.Put(keys::timer(keys::kWillDue, due, *number_), {});
    }
  }

  Result<void> write(bool sync) {
    rocksdb::WriteOptions how;
    how.sync = sync;
    const auto status = db_.Write(how, &batch_);
    batch_.Clear();
    wrote_ = true;
    return status.ok() ? Result<void>() : fail(error_of(status));
  }

  void damaged(const std::string& what) {
    if (lines_.allow(steady_ns())) {
      log::error("session-store-damaged", what + " and is left out",
                 {{"suppressed", lines_.take_suppressed()}});
    }
  }

  rocksdb::DB& db_;
  const std::int64_t now_ms_;
  SessionListener& listener_;
  ClientFilter& clients_;
  SessionListener::Restored restored_;
  rocksdb::WriteBatch batch_;
  std::optional<SessionNumber> number_; ///< The last one whose state was seen.
  bool wrote_ = false;
  log::RateLimit lines_;
};

} // namespace

Result<void> start_sessions(rocksdb::DB& db, std::int64_t now_ms, bool sync,
                            SessionListener& listener, ClientFilter& clients) {
  return Start(db, now_ms, listener, clients).run(sync);
}

} // namespace spate::storage
