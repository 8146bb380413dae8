// What happens to sessions and retained messages by the clock, and the wills that come of it.
#include <algorithm>
#include <memory>
#include <utility>

#include "storage/rocks_options.hpp"
#include "storage/session_group.hpp"
#include "storage/session_keys.hpp"

namespace spate::storage {

namespace keys = session_keys;

SessionTimers::SessionTimers() {
  // Wills first: one whose delay ends with its session goes out once either way.
  constexpr std::array kKinds{keys::kWillDue, keys::kExpiry, keys::kRetainedExpiry};
  for (std::size_t i = 0; i < from_.size(); ++i) {
    from_[i] = {kKinds[i], std::string(1, kKinds[i])};
  }
}

void SessionTimers::put(std::int64_t due_ms) {
  for (auto& [kind, from] : from_) {
    from = std::min(from, keys::from_time(kind, due_ms));
  }
}

void SessionGroup::run_timers(SessionTimers& timers, std::size_t count_max) {
  for (auto& [kind, from] : timers.from_) {
    std::vector<std::string> due;
    std::string next = std::string(1, static_cast<char>(kind + 1));
    const auto scanned =
        scan(std::string(1, kind), from, [&](std::string_view key, std::string_view) {
          const auto timed = keys::parse_timed(key);
          if (timed && (timed->due_ms > now_ms_ || due.size() >= count_max)) {
            next_due_ms_ = std::min(next_due_ms_, timed->due_ms);
            next = key;
            return false;
          }
          due.emplace_back(key);
          return true;
        });
    if (scanned) {
      from = std::move(next);
    }
    if (!scanned) {
      if (failure_.ok()) {
        report("what is due can not be read: " + scanned.error().detail);
        continue;
      }
      return;
    }
    for (const std::string& key : due) {
      batch_.Delete(key);
      if (const auto timed = keys::parse_timed(key)) {
        run_timer(kind, timed->due_ms, timed->rest);
      } else {
        report("a timer is damaged");
      }
    }
  }
}

/// A timer that was overtaken by what came later does nothing.
void SessionGroup::run_timer(char kind, std::int64_t due_ms, std::string_view rest) {
  if (kind == keys::kRetainedExpiry) {
    expire_retained(due_ms, rest);
    return;
  }
  const auto number = keys::parse_number<std::uint64_t>(rest);
  auto found = number ? find(*number) : Result<Work*>(nullptr);
  Result<void> done;
  if (!found) {
    done = fail(std::move(found.error()));
  } else if (Work* const work = *found; work != nullptr) {
    if (kind == keys::kWillDue && will_due_ms(work->stored) == due_ms) {
      done = send_will(*number, *work);
    } else if (kind == keys::kExpiry && end_due_ms(work->stored) == due_ms) {
      done = end(*number, *work);
    }
  }
  if (!done && done.error().code == Errc::storage_corrupt) {
    report(std::move(done.error().detail));
  }
}

std::vector<SessionGroup::OutgoingWill>
SessionGroup::outgoing_wills(std::uint64_t after, std::size_t count_max, std::size_t bytes_max) {
  std::vector<OutgoingWill> out;
  std::vector<std::string> damaged;
  std::size_t bytes = 0;
  const std::string prefix(1, keys::kOutgoing);
  const auto scanned =
      scan(prefix, keys::numbered(keys::kOutgoing, after + 1),
           [&](std::string_view key, std::string_view value) {
             const auto sequence = keys::parse_number<std::uint64_t>(key.substr(1));
             auto stored = decode_outgoing(value);
             if (!sequence || !stored) {
               damaged.emplace_back(key);
               return true;
             }
             if (out.size() >= count_max || bytes >= bytes_max) {
               has_outgoing_ = true;
               return false;
             }
             bytes += stored->message.bytes();
             out.push_back(
                 {*sequence, stored->session,
                  std::make_shared<const model::ApplicationMessage>(std::move(stored->message))});
             return true;
           });
  if (!scanned && failure_.ok()) {
    report("wills can not be read: " + scanned.error().detail);
  }
  for (const std::string& key : damaged) {
    batch_.Delete(key);
    report("a will that is due is damaged");
  }
  return out;
}

void SessionGroup::end_will(std::uint64_t sequence, const SessionPublishing& kept) {
  const auto key = keys::numbered(keys::kOutgoing, sequence);
  rocksdb::PinnableSlice value;
  if (const auto found = get(key, value); !found || !*found) {
    return; // It was written, or can not be read: then nothing is.
  }
  batch_.Delete(key);
  needs_sync_ = true; // Else a power cut brings it back, and it is told twice.
  if (kept.message != nullptr) {
    SessionReceipt unheard;
    if (auto applied = apply(kept, unheard);
        !applied && applied.error().code == Errc::storage_corrupt) {
      report(std::move(applied.error().detail));
    }
  }
}

} // namespace spate::storage
