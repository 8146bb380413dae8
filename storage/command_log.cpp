// What other threads ask of the command log, and how it comes back from a failure.
#include "storage/command_log.hpp"

#include <filesystem>
#include <utility>

#include "engine/base/clock.hpp"
#include "engine/base/log.hpp"
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
  const bool answered =
      !std::holds_alternative<CommandUpdate>(entry) || std::get<CommandUpdate>(entry).sync;
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

std::optional<std::string> CommandThread::fault() const {
  const std::scoped_lock lock(status_mutex_);
  return fault_;
}

void CommandThread::set_fault(std::optional<std::string> fault) {
  const std::scoped_lock lock(status_mutex_);
  fault_ = std::move(fault);
}

CommandLogStats CommandThread::stats() const {
  CommandLogStats out;
  {
    const std::scoped_lock lock(status_mutex_);
    out = stats_;
  }
  out.open = open_.load(std::memory_order_relaxed);
  out.history = history_count_.load(std::memory_order_relaxed);
  out.waiting = queue_.waiting();
  out.oldest_ns = queue_.oldest_ns();
  return out;
}

tl::unexpected<Error> CommandThread::closed() const {
  return fail(Errc::storage_unavailable,
              options_.directory + ": " + fault().value_or("the command log is closed"));
}

Result<std::optional<model::CommandRecord>> CommandThread::find(const std::string& device,
                                                                const Uuid& id) {
  const std::shared_lock lock(open_mutex_);
  if (database_ == nullptr || !is_open_.load(std::memory_order_acquire)) {
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
  if (database_ == nullptr || !is_open_.load(std::memory_order_acquire)) {
    return closed();
  }
  return use(options_.directory, database_->database(),
             [this] { return !is_open_.load(std::memory_order_acquire); });
}

Result<CommandPage> CommandThread::list(const CommandQuery& query) {
  const std::shared_lock lock(open_mutex_);
  if (database_ == nullptr || !is_open_.load(std::memory_order_acquire)) {
    return closed();
  }
  auto page = database_->list(query, [this] { return !is_open_.load(std::memory_order_acquire); });
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

void CommandThread::on_background_error(const rocksdb::Status& status) {
  {
    const std::scoped_lock lock(status_mutex_);
    if (!background_error_) {
      background_error_ = status;
    }
  }
  queue_.poke();
}

std::optional<rocksdb::Status> CommandThread::take_background_error() {
  const std::scoped_lock lock(status_mutex_);
  return std::exchange(background_error_, std::nullopt);
}

/// What was written may or may not be on disk, so everything that waits is told so. Nothing is
/// tried again on the open database: a second fdatasync may report success for what the first one
/// lost.
void CommandThread::recover(const rocksdb::Status& status, WaitingEntries& entries,
                            std::size_t begin) {
  const std::string why = describe(status);
  const auto refusal =
      is_no_space(status) ? CommandLogStatus::disk_full : CommandLogStatus::unavailable;
  set_fault(why + "; reopening");
  log::error(
      "command-log-failed", "the command log failed and is reopened",
      {{"data_dir", std::string_view(options_.directory)}, {"reason", std::string_view(why)}});
  refuse(entries, begin, refusal, why);
  close_database();
  const auto until = CommandQueue::Clock::now() + pause_.failed(CommandQueue::Clock::now());
  do {
    WaitingEntries waiting = queue_.take(until);
    refuse(waiting, 0, refusal, why);
  } while (!queue_.stopping() && CommandQueue::Clock::now() < until);
  reopen(refusal);
}

/// Tries until it works or the node stops.
void CommandThread::reopen(CommandLogStatus refusal) {
  while (!queue_.stopping()) {
    const auto pause = pause_.attempt();
    static_cast<void>(take_background_error()); // What the closed database said.
    auto opened = open_database(false);
    if (opened) {
      pause_.opened(CommandQueue::Clock::now());
      set_fault(std::nullopt);
      {
        const std::scoped_lock lock(status_mutex_);
        ++stats_.reopens;
      }
      log::info("command-log-reopened", "the command log works again",
                {{"data_dir", std::string_view(options_.directory)}});
      return;
    }
    const std::string why = opened.error().detail;
    refusal = opened.error().code == Errc::storage_full ? CommandLogStatus::disk_full
                                                        : CommandLogStatus::unavailable;
    set_fault(why + "; reopening");
    log::error("command-log-reopen-failed", why,
               {{"data_dir", std::string_view(options_.directory)}});
    const auto until = CommandQueue::Clock::now() + pause;
    do {
      WaitingEntries waiting = queue_.take(until);
      refuse(waiting, 0, refusal, why);
    } while (!queue_.stopping() && CommandQueue::Clock::now() < until);
  }
}

} // namespace spate::storage
