#include "storage/long_work.hpp"

#include <algorithm>
#include <chrono>
#include <utility>

#include "engine/base/hash.hpp"
#include "engine/base/log.hpp"
#include "storage/keys.hpp"
#include "storage/rocks_options.hpp"

namespace spate::storage {

namespace {

/// Between two looks at something that another thread or a reader brings about: longer each time.
constexpr std::chrono::milliseconds kPauseMin{2};
constexpr std::chrono::milliseconds kPauseMax{200};
constexpr std::chrono::milliseconds kRetryPause{500};
/// Steps of an erasure: hidden, log closed, folded, log gone, register rewritten.
constexpr std::uint64_t kEraseSteps = 5;

std::uint64_t hash_of(const EraseRequest& request) {
  std::string text = request.device;
  put_be(text, ordered(request.from_ns));
  put_be(text, ordered(request.to_ns));
  return hash_bytes(text);
}

Result<void> checked(const rocksdb::Status& status) {
  return status.ok() ? Result<void>() : fail(error_of(status));
}

tl::unexpected<Error> stopped() {
  return fail(Errc::storage_unavailable, "the node is stopping");
}

} // namespace

LongWork::LongWork(LongWorkHost& host, LongWorkPauses pauses)
    : host_(host), pauses_(pauses), thread_([this] { run(); }) {}

LongWork::~LongWork() {
  stop();
}

void LongWork::stop() {
  {
    const std::scoped_lock lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_one();
  if (thread_.joinable()) {
    thread_.join();
  }
}

/// False if it shall stop.
bool LongWork::pause(std::chrono::nanoseconds time) {
  std::unique_lock lock(mutex_);
  wake_.wait_for(lock, time, [this] { return stopping_; });
  return !stopping_;
}

Result<Operation> LongWork::erase(const EraseRequest& request) {
  const std::scoped_lock one(accepting_);
  const std::int64_t now = host_.now_ms();
  Operation operation;
  operation.id = request.operation;
  operation.type = OperationType::telemetry_erase;
  operation.created_ms = now;
  operation.total = kEraseSteps;
  operation.idempotency_key = request.idempotency_key;
  operation.request_hash = hash_of(request);
  std::optional<Operation> earlier;
  auto looked = host_.with_open([&](LiveDirectory& live) -> Result<void> {
    if (!request.idempotency_key.empty()) {
      earlier = live.operations().find_key(request.idempotency_key, now);
    }
    if (!live.knows(request.device)) {
      return fail(Errc::device_unknown, "no device " + request.device);
    }
    // Before anything is hidden: whoever is refused believes that the records are still there.
    return earlier ? Result<void>() : live.operations().check_room();
  });
  if (earlier && earlier->request_hash != operation.request_hash) {
    return fail(Errc::idempotency_conflict, "this key was used for another request");
  }
  if (earlier) {
    return *earlier;
  }
  if (!looked) {
    return fail(std::move(looked.error()));
  }
  const std::scoped_lock beginning(beginning_); // The work sees an erasure with its operation.
  std::optional<Erasure> erasure;
  auto hidden = host_.on_committer([&](LiveDirectory& live) {
    erasure = live.erase(request.device, request.from_ns, request.to_ns);
  });
  if (!hidden) {
    return fail(std::move(hidden.error()));
  }
  if (!erasure) {
    return fail(Errc::device_unknown, "no device " + request.device);
  }
  operation.subject = erasure->number;
  operation.done = 1;
  if (auto recorded = record(operation); !recorded) {
    return fail(std::move(recorded.error()));
  }
  poke();
  return operation;
}

void LongWork::poke() {
  {
    const std::scoped_lock lock(mutex_);
    poked_ = true;
  }
  wake_.notify_one();
}

Result<Operation> LongWork::begin(const Uuid& id, OperationType type) {
  Operation operation;
  operation.id = id;
  operation.type = type;
  operation.created_ms = host_.now_ms();
  if (auto recorded = record(operation); !recorded) {
    return fail(std::move(recorded.error()));
  }
  poke();
  return operation;
}

Result<void> LongWork::record(const Operation& operation) {
  return host_.with_open(
      [&](LiveDirectory& live) { return live.operations().put(operation, host_.now_ms()); });
}

void LongWork::run() {
  std::unique_lock lock(mutex_);
  for (;;) {
    wake_.wait(lock, [this] { return stopping_ || poked_; });
    if (stopping_) {
      return;
    }
    poked_ = false;
    lock.unlock();
    const bool done = work();
    lock.lock();
    if (!done) {
      poked_ = true;
      wake_.wait_for(lock, kRetryPause, [this] { return stopping_; });
    }
  }
}

/// All that is recorded. False: some of it is to be tried again.
bool LongWork::work() {
  std::vector<Operation> operations;
  std::vector<Erasure> erasures;
  {
    const std::scoped_lock begun(beginning_);
    if (!host_.with_open([&](LiveDirectory& live) -> Result<void> {
          operations = live.operations().unfinished();
          erasures = live.blocks().erasures();
          return {};
        })) {
      return false;
    }
  }
  bool done = true;
  for (Operation& operation : operations) {
    operation.state = OperationState::running;
    operation.started_ms = operation.started_ms != 0 ? operation.started_ms : host_.now_ms();
    const auto erasure = std::find_if(erasures.begin(), erasures.end(), [&](const Erasure& e) {
      return e.number == operation.subject;
    });
    Result<void> how = record(operation);
    if (how && operation.type == OperationType::store_compact) {
      how = compact_all(operation);
    } else if (how && operation.type == OperationType::store_check) {
      how = check_all(operation);
    } else if (how && erasure != erasures.end()) {
      how = erase_bytes(*erasure, &operation);
      note(*erasure, how);
      done = how.has_value() && done;
      erasures.erase(erasure);
    }
    done = finish(std::move(operation), how).has_value() && done;
  }
  // Those whose operation could not be recorded any more, or has failed.
  for (const Erasure& erasure : erasures) {
    done = erase_alone(erasure) && done;
  }
  return done;
}

/// True if it is done. After damage it is not tried again at once: that takes as long as a healthy
/// one, and would meet the same.
bool LongWork::erase_alone(const Erasure& erasure) {
  const auto at = blocked_.find(erasure.number);
  if (at != blocked_.end() && std::chrono::steady_clock::now() < at->second.until) {
    return false;
  }
  const auto erased = erase_bytes(erasure, nullptr);
  note(erasure, erased);
  return erased.has_value();
}

/// Whether damage keeps the erasure from ending.
void LongWork::note(const Erasure& erasure, const Result<void>& how) {
  if (how || how.error().code != Errc::storage_corrupt) {
    blocked_.erase(erasure.number);
  } else {
    Blocked& blocked = blocked_[erasure.number];
    blocked.pause = std::clamp(blocked.pause * 2, pauses_.damaged_min, pauses_.damaged_max);
    blocked.until = std::chrono::steady_clock::now() + blocked.pause;
    log::error("erasure-blocked",
               "erased records are hidden, but damage keeps them on the disk; tried again later",
               {{"data_dir", std::string_view(host_.name())},
                {"device_number", std::uint64_t{erasure.device}},
                {"reason", std::string_view(how.error().detail)},
                {"pause_ms", static_cast<std::int64_t>(blocked.pause.count())}});
  }
  blocked_count_.store(blocked_.size(), std::memory_order_relaxed);
}

/// Says how it ended, if it has: what is only unavailable is tried again.
Result<void> LongWork::finish(Operation operation, const Result<void>& how) {
  if (!how && how.error().code != Errc::storage_corrupt) {
    return how;
  }
  operation.finished_ms = host_.now_ms();
  operation.state = how ? OperationState::succeeded : OperationState::failed;
  operation.done = operation.total.value_or(operation.done);
  operation.error = how ? std::string() : how.error().detail;
  return record(operation);
}

/// Waits until `done`. With `ticks` it may depend on the committer, which is asked only when that
/// helps.
Result<void> LongWork::await(const std::function<Result<bool>(LiveDirectory&)>& done, bool ticks) {
  for (auto time = kPauseMin;; time = std::min(time * 2, kPauseMax)) {
    bool is_done = false;
    bool helps = false;
    if (auto looked = host_.with_open([&](LiveDirectory& live) -> Result<void> {
          auto found = done(live);
          if (!found) {
            return fail(std::move(found.error()));
          }
          is_done = *found;
          helps = ticks && live.tick_helps();
          return {};
        });
        !looked || is_done) {
      return looked;
    }
    if (helps) {
      if (auto asked = host_.on_committer([](LiveDirectory& live) { live.tick_log(); }); !asked) {
        return asked;
      }
    }
    if (!pause(time)) {
      return stopped();
    }
  }
}

Result<void> LongWork::flush() {
  return host_.with_open([](LiveDirectory& live) { return checked(live.flush()); });
}

Result<void> LongWork::seal_through(std::uint64_t sequence) {
  for (bool sealed = false; !sealed;) {
    if (auto asked = host_.on_committer([&](LiveDirectory& live) {
          live.seal_through(sequence);
          sealed = live.sealed_through(sequence);
        });
        !asked) {
      return asked;
    }
    const std::scoped_lock lock(mutex_);
    if (stopping_) {
      return stopped();
    }
  }
  return {};
}

/// All rows that came so far are in blocks afterwards, and no log holds them. `old_log`: files of
/// the write-ahead log below it were written before this began.
Result<void> LongWork::drop_log(std::uint64_t& old_log) {
  // What was written so far shares no file with what comes.
  if (auto flushed = flush(); !flushed) {
    return flushed;
  }
  if (auto asked = host_.with_open([&](LiveDirectory& live) -> Result<void> {
        auto current = live.current_log();
        if (!current) {
          return fail(std::move(current.error()));
        }
        old_log = *current;
        return {};
      });
      !asked) {
    return asked;
  }
  std::uint64_t last = 0;
  bool rotated = false;
  for (auto time = kPauseMin; !rotated; time = std::min(time * 2, kPauseMax)) {
    if (auto asked = host_.on_committer([&](LiveDirectory& live) {
          rotated = live.rotate_log();
          last = live.sequence();
        });
        !asked) {
      return asked;
    }
    if (!rotated && !pause(time)) {
      return stopped();
    }
  }
  if (auto sealed = seal_through(last); !sealed) {
    return sealed;
  }
  if (auto gone = await([&](LiveDirectory& live) { return !live.windows().holds(last); }, true);
      !gone) {
    return gone;
  }
  return {};
}

Result<void> LongWork::erase_bytes(const Erasure& erasure, Operation* operation) {
  const auto step = [&](std::uint64_t done) {
    if (operation != nullptr) {
      operation->done = done;
      (void)record(*operation); // For those who look; the end is what counts.
    }
  };
  std::uint64_t old_log = 0;
  if (auto dropped = drop_log(old_log); !dropped) {
    return dropped;
  }
  step(2);
  if (auto asked = host_.on_committer([](LiveDirectory& live) { live.freeze(); }); !asked) {
    return asked;
  }
  if (auto folded = await(
          [&](LiveDirectory& live) {
            live.blocks().maintenance().poke();
            return live.blocks().folded_through(erasure.sequence) &&
                   live.blocks().maintenance().erased_through(erasure.number);
          },
          true);
      !folded) {
    return folded;
  }
  step(3);
  bool gone = false;
  for (auto time = kPauseMin; !gone; time = std::min(time * 2, kPauseMax)) {
    if (auto renewed = host_.with_open(
            [&](LiveDirectory& live) { return checked(live.renew_erasure(erasure)); });
        !renewed) {
      return renewed;
    }
    if (auto flushed = flush(); !flushed) {
      return flushed;
    }
    if (auto looked = host_.with_open([&](LiveDirectory& live) -> Result<void> {
          auto oldest = live.oldest_log();
          if (!oldest) {
            return fail(std::move(oldest.error()));
          }
          gone = *oldest >= old_log;
          return {};
        });
        !looked) {
      return looked;
    }
    if (!gone && !pause(time)) {
      return stopped();
    }
  }
  // What those files hold is archived now at the latest. Readers of the log whose page begins after
  // the erasure is forgotten find no file that it would have to hide rows of.
  if (auto dropped =
          host_.with_open([&](LiveDirectory& live) { return live.drop_kept_log(old_log); });
      !dropped) {
    return dropped;
  }
  step(4);
  return erase_register(erasure);
}

/// Last values lie in the register: what was replaced goes when its files are rewritten, but for
/// what a snapshot still shows, and the old files go when no reader or backup holds them.
Result<void> LongWork::erase_register(const Erasure& erasure) {
  std::uint64_t write = 0;
  if (auto asked = host_.with_open([&](LiveDirectory& live) -> Result<void> {
        write = live.newest_write();
        return {};
      });
      !asked) {
    return asked;
  }
  if (auto past = await([&](LiveDirectory& live) { return live.readers_past(write); }, false);
      !past) {
    return past;
  }
  std::vector<std::string> old;
  if (auto rewritten = host_.with_open([&](LiveDirectory& live) -> Result<void> {
        if (auto done = checked(live.rewrite_register()); !done) {
          return done;
        }
        auto found = live.obsolete_tables();
        if (!found) {
          return fail(std::move(found.error()));
        }
        old = std::move(*found);
        return {};
      });
      !rewritten) {
    return rewritten;
  }
  if (auto gone = await(
          [&](LiveDirectory& live) -> Result<bool> {
            if (auto removed = old.empty() ? Result<void>() : live.remove_obsolete(old); !removed) {
              return fail(std::move(removed.error()));
            }
            return old.empty();
          },
          false);
      !gone) {
    return gone;
  }
  return host_.with_open([&](LiveDirectory& live) -> Result<void> {
    return checked(live.forget_erasure(erasure.number));
  });
}

Result<void> LongWork::compact_all(Operation& operation) {
  std::uint64_t old_log = 0;
  if (auto dropped = drop_log(old_log); !dropped) {
    return dropped;
  }
  if (auto asked = host_.on_committer([](LiveDirectory& live) { live.freeze(); }); !asked) {
    return asked;
  }
  if (auto frozen = await([](LiveDirectory& live) { return !live.blocks().freezing(); }, true);
      !frozen) {
    return frozen;
  }
  std::shared_ptr<const CompactProgress> progress;
  if (auto asked = host_.with_open([&](LiveDirectory& live) -> Result<void> {
        progress = live.blocks().maintenance().compact();
        return {};
      });
      !asked) {
    return asked;
  }
  std::int64_t told_ms = 0;
  if (auto merged = await(
          [&](LiveDirectory& live) {
            if (host_.now_ms() - told_ms >= 1000) {
              told_ms = host_.now_ms();
              operation.done = progress->rows_done;
              operation.total = progress->rows_total.load();
              (void)live.operations().put(operation, told_ms);
            }
            return progress->state >= CompactProgress::State::done;
          },
          false);
      !merged) {
    return merged;
  }
  if (progress->state == CompactProgress::State::failed) {
    return fail(Errc::storage_unavailable, "the compaction was given up");
  }
  operation.done = progress->rows_done;
  operation.total = progress->rows_done;
  if (auto flushed = flush(); !flushed) {
    return flushed;
  }
  return host_.with_open([](LiveDirectory& live) { return checked(live.rewrite_register()); });
}

} // namespace spate::storage
