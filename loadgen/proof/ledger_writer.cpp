#include "loadgen/proof/ledger_writer.hpp"

#include <cerrno>
#include <csignal>
#include <cstring>
#include <utility>

#include <fcntl.h>
#include <unistd.h>

namespace spate::loadgen {

Result<std::unique_ptr<LedgerWriter>> LedgerWriter::create(const std::string& path) {
  const int file = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (file < 0) {
    return fail(Errc::file_unreadable, path + ": " + std::strerror(errno));
  }
  std::unique_ptr<LedgerWriter> writer(new LedgerWriter(path, file));
  writer->thread_ = std::thread([raw = writer.get()] { raw->run(); });
  return writer;
}

LedgerWriter::LedgerWriter(std::string path, int file) : path_(std::move(path)), file_(file) {}

LedgerWriter::~LedgerWriter() {
  if (thread_.joinable()) {
    stop(false);
  }
}

std::uint32_t LedgerWriter::add_cohort(std::string_view name, const DeviceNames& names) {
  std::unique_lock lock(mutex_);
  const std::uint32_t cohort = cohorts_++;
  std::string bytes;
  append_cohort_block(bytes, cohort, name);
  if (names.size() != 0) {
    append_names_blocks(bytes, cohort, names);
  }
  enqueue(lock, std::move(bytes));
  return cohort;
}

void LedgerWriter::add_devices(std::uint32_t cohort, const std::vector<std::string>& names) {
  std::string bytes;
  append_listed_blocks(bytes, cohort, names);
  std::unique_lock lock(mutex_);
  enqueue(lock, std::move(bytes));
}

void LedgerWriter::write_names(std::string blocks) {
  std::unique_lock lock(mutex_);
  enqueue(lock, std::move(blocks));
}

void LedgerWriter::write(LedgerBlock block) {
  std::unique_lock lock(mutex_);
  records_ += block.records;
  ++blocks_;
  enqueue(lock, std::move(block.bytes));
}

void LedgerWriter::enqueue(std::unique_lock<std::mutex>& lock, std::string bytes) {
  changed_.wait(lock, [this] { return failed() || queued_bytes_ < kQueuedBytesMax; });
  if (failed()) {
    return;
  }
  queued_bytes_ += bytes.size();
  queue_.push_back(std::move(bytes));
  changed_.notify_all();
}

void LedgerWriter::stop(bool whole) {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    whole_ = whole;
  }
  changed_.notify_all();
  thread_.join();
}

Result<void> LedgerWriter::finish() {
  stop(true);
  if (failed()) {
    return fail(Errc::file_unreadable, "the ledger could not be written: " + path_ + ": " + fault_);
  }
  return {};
}

void LedgerWriter::run() {
  // A file that grows above RLIMIT_FSIZE is a full disk (EFBIG), not the end of the process.
  sigset_t too_large;
  sigemptyset(&too_large);
  sigaddset(&too_large, SIGXFSZ);
  pthread_sigmask(SIG_BLOCK, &too_large, nullptr);

  write_now(kLedgerHead);
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [this] { return stopping_ || !queue_.empty(); });
    if (queue_.empty()) {
      break;
    }
    const std::string bytes = std::move(queue_.front());
    queue_.pop_front();
    lock.unlock();
    write_now(bytes);
    lock.lock();
    queued_bytes_ -= bytes.size();
    changed_.notify_all();
  }
  if (whole_) {
    std::string end;
    append_end_block(end, records_, blocks_);
    write_now(end);
  }
  if (::close(file_) != 0 && !failed()) {
    fault_ = std::strerror(errno);
    failed_ = true;
  }
}

void LedgerWriter::write_now(std::string_view bytes) {
  while (!bytes.empty() && !failed()) {
    const ssize_t written = ::write(file_, bytes.data(), bytes.size());
    if (written >= 0) {
      bytes.remove_prefix(static_cast<std::size_t>(written));
    } else if (errno != EINTR) {
      fault_ = std::strerror(errno);
      failed_ = true;
    }
  }
}

} // namespace spate::loadgen
