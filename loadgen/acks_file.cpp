#include "loadgen/acks_file.hpp"

#include <cerrno>
#include <charconv>
#include <cstring>

#include <fcntl.h>
#include <unistd.h>

namespace spate::loadgen {

void append_ack_line(std::string& out, const AckRecord& record) {
  char number[24];
  out.append(record.device).push_back('\t');
  out.append(number, std::to_chars(number, number + sizeof number, record.ts).ptr);
  out.push_back('\t');
  static constexpr char kHex[] = "0123456789abcdef";
  for (int shift = 60; shift >= 0; shift -= 4) {
    out.push_back(kHex[(record.hash >> shift) & 0xf]);
  }
  out.push_back('\n');
}

Result<AckRecord> parse_ack_line(std::string_view line) {
  const auto bad = [] { return fail(Errc::malformed_payload, "not \"device TAB ts TAB hash\""); };
  const std::size_t first = line.find('\t');
  const std::size_t second = first == std::string_view::npos ? first : line.find('\t', first + 1);
  if (second == std::string_view::npos || first == 0 || line.size() - second != 17) {
    return bad();
  }
  AckRecord record;
  record.device = line.substr(0, first);
  const char* end = line.data() + second;
  const auto ts = std::from_chars(line.data() + first + 1, end, record.ts);
  const auto hash = std::from_chars(end + 1, line.data() + line.size(), record.hash, 16);
  if (ts.ec != std::errc{} || ts.ptr != end || hash.ec != std::errc{} ||
      hash.ptr != line.data() + line.size()) {
    return bad();
  }
  return record;
}

Result<std::unique_ptr<AcksWriter>> AcksWriter::create(const std::string& path) {
  const int file = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (file < 0) {
    return fail(Errc::file_unreadable, path + ": " + std::strerror(errno));
  }
  std::unique_ptr<AcksWriter> writer(new AcksWriter(path, file));
  writer->write("# spate acks 1\n");
  return writer;
}

AcksWriter::AcksWriter(std::string path, int file)
    : path_(std::move(path)), file_(file), thread_([this] { run(); }) {}

AcksWriter::~AcksWriter() {
  if (thread_.joinable()) {
    (void)finish();
  }
}

void AcksWriter::write(std::string lines) {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return queued_bytes_ < kQueuedBytesMax; });
  queued_bytes_ += lines.size();
  queue_.push_back(std::move(lines));
  changed_.notify_all();
}

Result<void> AcksWriter::finish() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  thread_.join();
  if (::close(file_) != 0 && fault_.empty()) {
    fault_ = std::strerror(errno);
  }
  if (!fault_.empty()) {
    return fail(Errc::file_unreadable, path_ + ": " + fault_);
  }
  return {};
}

void AcksWriter::run() {
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [this] { return stopping_ || !queue_.empty(); });
    if (queue_.empty()) {
      return;
    }
    const std::string lines = std::move(queue_.front());
    queue_.pop_front();
    lock.unlock();
    std::string fault;
    for (std::string_view rest = lines; !rest.empty() && fault.empty();) {
      const ssize_t written = ::write(file_, rest.data(), rest.size());
      if (written >= 0) {
        rest.remove_prefix(static_cast<std::size_t>(written));
      } else if (errno != EINTR) {
        fault = std::strerror(errno);
      }
    }
    lock.lock();
    queued_bytes_ -= lines.size();
    if (fault_.empty()) {
      fault_ = fault;
    }
    changed_.notify_all();
  }
}

} // namespace spate::loadgen
