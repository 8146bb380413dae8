#include "storage/command_thread.hpp"

#include <algorithm>
#include <filesystem>
#include <utility>

#include "engine/base/clock.hpp"
#include "engine/base/log.hpp"
#include "engine/base/thread.hpp"
#include "storage/rocks_options.hpp"

namespace spate::storage {

namespace {

constexpr std::size_t kWaitingBytesMax = 64u << 20;
/// Loaded commands that are gathered before the listener is told.
constexpr std::size_t kReceiptBytesMax = 4u << 20;

/// Its receipt waits for the disk.
bool is_written(const CommandEntry& entry) noexcept {
  return std::holds_alternative<CommandCreation>(entry) ||
         (std::holds_alternative<CommandUpdate>(entry) && is_awaited(entry));
}

std::size_t weight_of(const CommandReceipt& receipt) noexcept {
  const auto of_record = [](const model::CommandRecord& record) {
    return sizeof(record) + record.command.args.size() + record.progress.result.size();
  };
  std::size_t bytes = receipt.record ? of_record(*receipt.record) : 0;
  for (const model::CommandRecord& record : receipt.page) {
    bytes += of_record(record);
  }
  return bytes;
}

} // namespace

CommandThread::CommandThread(CommandLogOptions options, CommandLogListener& listener)
    : ReopeningDatabase(options.directory, "command-log", "the command log"),
      options_(std::move(options)), listener_(listener),
      queue_(options_.waiting_max, kWaitingBytesMax),
      now_ms_(options_.now_ms ? options_.now_ms : [] { return wall_ms(); }), history_(options_) {}

CommandThread::~CommandThread() {
  CommandThread::stop();
}

Result<void> CommandThread::start() {
  if (auto opened = open_first(); !opened) {
    return opened;
  }
  if (starts_closed()) {
    open_.store(1, std::memory_order_relaxed); // Not known: there may be some.
  }
  thread_ = std::thread([this] { run(); });
  return {};
}

Result<void> CommandThread::open_database(bool create) {
  auto opened =
      CommandDatabase::open(options_.directory, options_.env, create,
                            [this](const rocksdb::Status& status) { on_background_error(status); });
  if (!opened) {
    return fail(std::move(opened.error()));
  }
  const auto totals = (*opened)->totals();
  if (!totals) {
    return fail(totals.error().code, options_.directory + ": " + totals.error().detail);
  }
  set_totals(*totals);
  due_.opened();
  history_.opened();
  const std::scoped_lock lock(open_mutex_);
  database_ = std::move(*opened);
  is_open_.store(true, std::memory_order_release);
  return {};
}

void CommandThread::close_database() {
  is_open_.store(false, std::memory_order_release);
  const std::scoped_lock lock(open_mutex_);
  database_.reset();
}

void CommandThread::run() {
  name_this_thread("command-log");
  prefer_this_thread(); // Not given: commands then wait for the CPU as everybody does.
  if (starts_closed()) {
    reopen();
  }
  for (;;) {
    const bool stopping = queue_.stopping(); // Asked first: what came before stop() is taken.
    WaitingEntries entries = queue_.take(wake_at());
    if (auto error = take_background_error(); error && database_ != nullptr) {
      recover(*error, entries, 0);
      entries.clear();
    }
    if (database_ != nullptr && (!write_kept() || !answer(entries))) {
      continue;
    }
    if (database_ == nullptr) {
      refuse(entries, 0, stopping_refusal());
    }
    if (stopping) {
      break;
    }
    if (database_ != nullptr && tell_due()) {
      static_cast<void>(remove_history());
    }
  }
  if (database_ != nullptr) {
    sync_last(options_.durability,
              [this](rocksdb::WriteBatch& batch) { return database_->write(batch, true); });
  }
  close_database();
  queue_.close([this](const WaitingEntries& late) {
    Receipts receipts = refusals(late, 0, stopping_refusal());
    if (!receipts.empty()) {
      listener_.on_logged(std::move(receipts));
    }
  });
}

CommandQueue::Clock::time_point CommandThread::wake_at() const {
  const std::int64_t now_ms = now_ms_();
  const bool at_once = history_.due(totals_, now_ms) || (!kept_.empty() && database_ != nullptr);
  return wake_time(at_once ? 0 : std::min(due_.wake_ms(), history_.wake_ms()), now_ms);
}

bool CommandThread::answer(WaitingEntries& entries) {
  for (std::size_t begin = 0; begin < entries.size();) {
    if (entries[begin].late) {
      refuse(entries, begin, stopping_refusal());
      return true;
    }
    std::size_t end = begin;
    for (std::size_t bytes = 0; end < entries.size() && end - begin < kTurnEntriesMax &&
                                bytes < kTurnBytesMax && !entries[end].late;
         ++end) {
      bytes += weight_of(entries[end].entry);
    }
    if (!answer_turn(entries, begin, end)) {
      return false;
    }
    begin = end;
  }
  return true;
}

bool CommandThread::answer_turn(WaitingEntries& entries, std::size_t begin, std::size_t end) {
  CommandGroup group(*database_, options_, totals_, now_ms_());
  std::vector<CommandGroup::Outcome> outcomes(end - begin);
  std::size_t bytes = 0;
  for (std::size_t i = begin; i < end; ++i) {
    bytes += weight_of(entries[i].entry);
    if (const auto* creation = std::get_if<CommandCreation>(&entries[i].entry)) {
      outcomes[i - begin] = group.add(*creation);
    } else if (const auto* update = std::get_if<CommandUpdate>(&entries[i].entry)) {
      outcomes[i - begin] = group.add(*update);
    }
  }
  group.finish();
  if (const auto written = write(group); !written.ok()) {
    recover(written, entries, begin);
    return false;
  }
  settle(group);
  const std::int64_t now_ns = steady_ns();
  {
    const std::scoped_lock lock(status_mutex_);
    for (std::size_t i = begin; i < end && group.needs_sync(); ++i) {
      if (is_written(entries[i].entry)) {
        stats_.wait_us.record(static_cast<std::uint64_t>(now_ns - entries[i].submitted_ns) / 1000);
      }
    }
  }
  Receipts receipts;
  std::size_t receipt_bytes = 0;
  for (std::size_t i = begin; i < end; ++i) {
    CommandGroup::Outcome& outcome = outcomes[i - begin];
    if (outcome.status == CommandLogStatus::unavailable) {
      report_damage(outcome.detail);
    }
    if (!is_awaited(entries[i].entry)) {
      continue;
    }
    CommandReceipt receipt;
    receipt.ticket = entries[i].ticket;
    receipt.status = outcome.status;
    receipt.detail = std::move(outcome.detail);
    if (outcome.status == CommandLogStatus::replayed) {
      load({0, CommandLoad{outcome.device, outcome.id}, 0, false}, receipt);
    } else {
      load(entries[i], receipt);
    }
    receipt_bytes += weight_of(receipt);
    receipts.push_back(std::move(receipt));
    if (receipt_bytes >= kReceiptBytesMax) {
      listener_.on_logged(std::exchange(receipts, {}));
      receipt_bytes = 0;
    }
  }
  // Before the receipts, so that whoever hears them may submit as much again.
  queue_.done(end - begin, bytes, end < entries.size() ? entries[end].submitted_ns : 0);
  if (!receipts.empty()) {
    listener_.on_logged(std::move(receipts));
  }
  return true;
}

rocksdb::Status CommandThread::write(CommandGroup& group) {
  const bool sync = group.needs_sync() && options_.durability == Durability::fsync;
  if (!sync && group.batch().Count() == 0) {
    return rocksdb::Status::OK();
  }
  // Durability::memory is treated as os: the write to the kernel costs a hundredth of a sync.
  const std::int64_t start = steady_ns();
  auto status = database_->write(group.batch(), sync);
  const auto took_us = static_cast<std::uint64_t>(steady_ns() - start) / 1000;
  const std::scoped_lock lock(status_mutex_);
  ++stats_.groups;
  if (sync && status.ok()) {
    stats_.sync_us.record(took_us);
  }
  return status;
}

void CommandThread::settle(const CommandGroup& group) {
  set_totals(group.totals());
  for (const Uuid& id : group.ended()) {
    due_.ended(id);
  }
  if (!group.ended().empty()) {
    history_.ended(group.now_ms());
  }
  due_.created(group.first_due_ms());
}

void CommandThread::report_damage(const std::string& detail) {
  if (!detail.empty() && damage_lines_.allow(steady_ns())) {
    log::error("command-log-damaged", detail,
               {{"data_dir", std::string_view(options_.directory)},
                {"suppressed", damage_lines_.take_suppressed()}});
  }
}

/// Answers a load; other entries have no more to say.
void CommandThread::load(const WaitingEntry& waiting, CommandReceipt& receipt) {
  if (const auto* page = std::get_if<CommandPageLoad>(&waiting.entry)) {
    auto loaded = database_->open_page(*page);
    if (!loaded) {
      receipt.status = CommandLogStatus::unavailable;
      receipt.detail = std::move(loaded.error().detail);
      return;
    }
    receipt.page = std::move(loaded->commands);
    receipt.more = loaded->more;
    receipt.detail = std::move(loaded->damage);
    report_damage(receipt.detail);
  } else if (const auto* one = std::get_if<CommandLoad>(&waiting.entry)) {
    auto loaded = std::holds_alternative<Uuid>(one->id)
                      ? database_->record(one->device, std::get<Uuid>(one->id))
                      : database_->by_alias(one->device, std::get<std::uint32_t>(one->id));
    if (!loaded) {
      receipt.status = CommandLogStatus::unavailable;
      receipt.detail = std::move(loaded.error().detail);
      report_damage(receipt.detail);
      return;
    }
    receipt.record = std::move(*loaded);
  }
}

void CommandThread::refuse(WaitingEntries& entries, std::size_t begin, const Refusal& refusal) {
  std::size_t bytes = 0;
  for (std::size_t i = begin; i < entries.size(); ++i) {
    bytes += weight_of(entries[i].entry);
  }
  for (std::size_t i = begin; i < entries.size(); ++i) {
    if (!is_awaited(entries[i].entry) && kept_.size() < kKeptMax) {
      kept_.push_back(std::move(std::get<CommandUpdate>(entries[i].entry)));
    }
  }
  Receipts receipts = refusals(entries, begin, refusal);
  queue_.done(entries.size() - begin, bytes, 0);
  if (!receipts.empty()) {
    listener_.on_logged(std::move(receipts));
  }
}

/// States that were refused and that nobody was told of: that a command was sent must not be
/// forgotten.
bool CommandThread::write_kept() {
  if (kept_.empty()) {
    return true;
  }
  CommandGroup group(*database_, options_, totals_, now_ms_());
  for (const CommandUpdate& update : kept_) {
    static_cast<void>(group.add(update));
  }
  group.finish();
  if (const auto written = write(group); !written.ok()) {
    WaitingEntries none;
    recover(written, none, 0);
    return false;
  }
  settle(group);
  kept_ = {};
  return true;
}

CommandThread::Receipts CommandThread::refusals(const WaitingEntries& entries, std::size_t begin,
                                                const Refusal& refusal) {
  const auto status =
      refusal.disk_full ? CommandLogStatus::disk_full : CommandLogStatus::unavailable;
  Receipts receipts;
  for (std::size_t i = begin; i < entries.size(); ++i) {
    if (is_awaited(entries[i].entry)) {
      CommandReceipt receipt;
      receipt.ticket = entries[i].ticket;
      receipt.status = entries[i].late ? CommandLogStatus::unavailable : status;
      receipt.detail = refusal.why;
      receipts.push_back(std::move(receipt));
    }
  }
  return receipts;
}

bool CommandThread::tell_due() {
  const std::int64_t now_ms = now_ms_();
  if (due_.wake_ms() > now_ms) {
    return true;
  }
  auto due = due_.next(*database_, now_ms);
  if (!due) {
    WaitingEntries none;
    recover(rocksdb::Status::IOError(due.error().detail), none, 0);
    return false;
  }
  if (!due->empty()) {
    listener_.on_due(std::move(*due));
  }
  return true;
}

bool CommandThread::remove_history() {
  const std::int64_t now_ms = now_ms_();
  if (!history_.due(totals_, now_ms) || (!queue_.empty() && !history_.overdue(totals_))) {
    return true;
  }
  CommandTotals totals = totals_;
  rocksdb::WriteBatch batch;
  const auto found = history_.step(*database_, now_ms, totals, batch);
  // Not synced: what a power cut brings back is removed again.
  const auto written = !found               ? rocksdb::Status::IOError(found.error().detail)
                       : batch.Count() == 0 ? rocksdb::Status::OK()
                                            : database_->write(batch, false);
  if (!written.ok()) {
    WaitingEntries none;
    recover(written, none, 0);
    return false;
  }
  history_.stepped();
  set_totals(totals);
  return true;
}

void CommandThread::set_totals(const CommandTotals& totals) {
  totals_ = totals;
  open_.store(totals.open, std::memory_order_relaxed);
  history_count_.store(totals.history, std::memory_order_relaxed);
}

} // namespace spate::storage
