// What other threads ask of the command log, and what it does when it fails.
#include "storage/command_log.hpp"

#include <filesystem>
#include <utility>

#include "engine/base/clock.hpp"
#include "storage/command_thread.hpp"

namespace spate::storage {

Result<std::unique_ptr<CommandLog>> CommandLog::open(CommandLogOptions options,
                                                     CommandLogListener& listener) {
  std::error_code error;
  const auto parent = std::filesystem::absolute(options.directory).parent_path();
  if (options.directory.empty() || !std::filesystem::is_directory(parent, error)) {
    return fail(Errc::storage_io, parent.string() + ": there is no such directory");
  }
  auto made = std::make_unique<CommandThread>(std::move(options), listener);
  if (auto started = made->start(); !started) {
    return fail(std::move(started.error()));
  }
  return std::unique_ptr<CommandLog>(std::move(made));
}

bool CommandThread::submit(std::uint64_t ticket, CommandEntry entry) {
  const bool answered = is_awaited(entry);
  switch (queue_.submit(ticket, entry, steady_ns())) {
  case CommandQueue::Submitted::waits:
    return true;
  case CommandQueue::Submitted::full:
    return false;
  case CommandQueue::Submitted::closed:
    break;
  }
  if (answered) {
    CommandReceipt receipt;
    receipt.ticket = ticket;
    receipt.status = CommandLogStatus::unavailable;
    receipt.detail = "the node is stopping";
    std::vector<CommandReceipt> receipts;
    receipts.push_back(std::move(receipt));
    listener_.on_logged(std::move(receipts));
  }
  return true;
}

CommandLogStats CommandThread::stats() const {
  CommandLogStats out;
  {
    const std::scoped_lock lock(status_mutex_);
    out = stats_;
  }
  out.reopens = reopens();
  out.open = open_.load(std::memory_order_relaxed);
  out.history = history_count_.load(std::memory_order_relaxed);
  out.waiting = queue_.waiting();
  out.oldest_ns = queue_.oldest_ns();
  return out;
}

Result<std::optional<model::CommandRecord>> CommandThread::find(const std::string& device,
                                                                const Uuid& id) {
  const std::shared_lock lock(open_mutex_);
  if (database_ == nullptr || !is_open()) {
    return closed();
  }
  auto found = database_->find(device, id);
  if (!found && found.error().code != Errc::storage_corrupt) {
    return fail(Errc::storage_unavailable, options_.directory + ": " + found.error().detail);
  }
  return found;
}

Result<void> CommandThread::with_database(const DatabaseUser& use) {
  const std::shared_lock lock(open_mutex_);
  if (database_ == nullptr || !is_open()) {
    return closed();
  }
  return use(options_.directory, database_->database(), [this] { return !is_open(); });
}

Result<CommandPage> CommandThread::list(const CommandQuery& query) {
  const std::shared_lock lock(open_mutex_);
  if (database_ == nullptr || !is_open()) {
    return closed();
  }
  auto page = database_->list(query, [this] { return !is_open(); });
  if (!page && page.error().code != Errc::storage_corrupt) {
    return fail(Errc::storage_unavailable, options_.directory + ": " + page.error().detail);
  }
  return page;
}

void CommandThread::stop() {
  const std::scoped_lock lock(stop_mutex_);
  if (thread_.joinable()) {
    queue_.stop();
    thread_.join();
    set_fault("stopped");
  }
}

/// What was written may or may not be on disk, so everything that waits is told so.
void CommandThread::recover(const rocksdb::Status& status, WaitingEntries& entries,
                            std::size_t begin) {
  const Refusal refusal = refusal_of(status);
  failed(refusal);
  refuse(entries, begin, refusal);
  close_database();
  reopen_after_pause(refusal);
}

void CommandThread::refuse_until(Clock::time_point until, const Refusal& refusal) {
  do {
    WaitingEntries waiting = queue_.take(until);
    refuse(waiting, 0, refusal);
  } while (!queue_.stopping() && Clock::now() < until);
}

} // namespace spate::storage
