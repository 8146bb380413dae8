#include "loadgen/proof/acks_file.hpp"

#include <algorithm>
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

std::string acks_end_line(std::uint64_t lines) {
  return "# end " + std::to_string(lines);
}

Result<std::unique_ptr<AcksWriter>> AcksWriter::create(const std::string& path) {
  const int file = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (file < 0) {
    return fail(Errc::file_unreadable, path + ": " + std::strerror(errno));
  }
  std::unique_ptr<AcksWriter> writer(new AcksWriter(path, file));
  writer->write_now(std::string(kAcksHeader) + "\n");
  writer->thread_ = std::thread([raw = writer.get()] { raw->run(); });
  return writer;
}

AcksWriter::AcksWriter(std::string path, int file) : path_(std::move(path)), file_(file) {}

AcksWriter::~AcksWriter() {
  if (thread_.joinable()) {
    join();
    ::close(file_);
  }
}

void AcksWriter::write(std::string lines) {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return queued_bytes_ < kQueuedBytesMax; });
  queued_bytes_ += lines.size();
  lines_ += static_cast<std::uint64_t>(std::count(lines.begin(), lines.end(), '\n'));
  queue_.push_back(std::move(lines));
  changed_.notify_all();
}

void AcksWriter::join() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

Result<void> AcksWriter::finish() {
  join();
  write_now(acks_end_line(lines_) + "\n");
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
    write_now(lines);
    lock.lock();
    queued_bytes_ -= lines.size();
    changed_.notify_all();
  }
}

// Nothing follows after a fault: lines that are missing in the middle would not be noticed.
void AcksWriter::write_now(std::string_view text) {
  while (!text.empty() && fault_.empty()) {
    const ssize_t written = ::write(file_, text.data(), text.size());
    if (written >= 0) {
      text.remove_prefix(static_cast<std::size_t>(written));
    } else if (errno != EINTR) {
      fault_ = std::strerror(errno);
    }
  }
}

Result<void> AcksReader::open() {
  auto file = LineFile::open(path_);
  if (!file) {
    return fail(std::move(file.error()));
  }
  file_ = std::move(*file);
  auto first = file_->next(line_);
  if (!first) {
    return fail(std::move(first.error()));
  }
  if (!*first || line_ != kAcksHeader) {
    return bad("no acks file: the first line is not \"" + std::string(kAcksHeader) + "\"");
  }
  return {};
}

Result<bool> AcksReader::next(AckRecord& ack) {
  auto more = file_->next(line_);
  if (!more) {
    return more;
  }
  if (!*more && end_ == AcksEnd::required) {
    return bad("the end line is missing: the file was cut off, or its generator killed "
               "(--partial checks what is there)");
  }
  if (!*more) {
    return false;
  }
  auto read = parse_ack_line(line_);
  if (!read) {
    return last(read.error().detail);
  }
  ++lines_;
  ack = *read;
  return true;
}

Result<bool> AcksReader::last(const std::string& fault) {
  const bool is_end = line_ == acks_end_line(lines_);
  if (!is_end && end_ == AcksEnd::required) {
    return bad(line_.starts_with("# end ")
                   ? '"' + line_ + "\" after " + std::to_string(lines_) + " records"
                   : fault);
  }
  auto unjust = bad(is_end ? "not the last line" : fault); // Names this line, not the next.
  auto more = file_->next(line_);
  if (more && *more) {
    return unjust;
  }
  return more;
}

tl::unexpected<Error> AcksReader::bad(const std::string& what) const {
  return fail(Errc::malformed_payload, file_->where() + ": " + what);
}

} // namespace spate::loadgen
