// Spate - the acks file: one line for each record that the server has acknowledged.
//
// Text, UTF-8. The first line is "# spate acks 1", the last one "# end <lines>" with the number of
// those between them: what has none was cut off. Each line between them is
//   device TAB ts TAB hash LF
// device: the device id (no control characters, so no tab); ts: its time, integer epoch
// milliseconds; hash: 16 hex digits, values_hash() of the record's fields without the time: the sum
// over all fields, modulo 2^64, of XXH3(value, seed = XXH3(path, seed = type)), with type 1
// boolean, 2 number, 3 string, path and value as json_flatten() gives them (numbers as the text
// that was sent). A line is written only after the acknowledgement came; the order is that of the
// acknowledgements.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>

#include "engine/base/result.hpp"
#include "loadgen/base/line_file.hpp"

namespace spate::loadgen {

struct AckRecord {
  std::string_view device;
  std::int64_t ts = 0;
  std::uint64_t hash = 0;
};

/// Appends the line of `record`.
void append_ack_line(std::string& out, const AckRecord& record);

/// Reads a line back; views borrow it. Error: malformed_payload.
Result<AckRecord> parse_ack_line(std::string_view line);

inline constexpr std::string_view kAcksHeader = "# spate acks 1";

/// "# end 17" for 17 lines.
[[nodiscard]] std::string acks_end_line(std::uint64_t lines);

/// Writes the blocks of lines that threads hand over, on a thread of its own, so that a slow disk
/// does not disturb the schedule (until kQueuedBytesMax are waiting; then write() waits).
class AcksWriter {
public:
  static constexpr std::size_t kQueuedBytesMax = std::size_t{256} << 20;

  /// Creates or truncates the file. Error: file_unreadable.
  static Result<std::unique_ptr<AcksWriter>> create(const std::string& path);
  ~AcksWriter();
  AcksWriter(const AcksWriter&) = delete;
  AcksWriter& operator=(const AcksWriter&) = delete;

  /// Whole lines. Thread-safe.
  void write(std::string lines);
  /// Writes what is queued and the end line, closes, and tells whether all of it reached the file.
  /// A writer that is not finish()ed leaves no end line. Error: file_unreadable.
  Result<void> finish();

private:
  AcksWriter(std::string path, int file);
  void run();
  void write_now(std::string_view text);
  void join();

  const std::string path_;
  int file_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::string> queue_;
  std::size_t queued_bytes_ = 0;
  std::uint64_t lines_ = 0;
  bool stopping_ = false;
  std::string fault_; ///< Of the thread while it runs.
  std::thread thread_;
};

/// A generator that was killed leaves a file without its end line, and maybe a torn last one.
enum class AcksEnd : std::uint8_t { required, optional };

/// Reads the lines of an acks file, one after the other.
class AcksReader {
public:
  AcksReader(std::string path, AcksEnd end) : path_(std::move(path)), end_(end) {}

  /// Errors: file_unreadable, malformed_payload (no acks file).
  Result<void> open();
  /// Views in `ack` live until the next call. False at the end. Errors: file_unreadable,
  /// malformed_payload with the place (also a file that is cut off).
  Result<bool> next(AckRecord& ack);

private:
  [[nodiscard]] tl::unexpected<Error> bad(const std::string& what) const;
  /// What is no record may only be the last line: the end line, or one that a kill has torn.
  Result<bool> last(const std::string& fault);

  const std::string path_;
  const AcksEnd end_;
  std::unique_ptr<LineFile> file_;
  std::string line_;
  std::uint64_t lines_ = 0;
};

} // namespace spate::loadgen
