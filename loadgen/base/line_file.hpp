// Spate - lines of a text file, plain or gzip.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "engine/base/result.hpp"

namespace spate::loadgen {

/// Reads a file line by line in a fixed buffer; whether it is gzip is seen from its first bytes.
class LineFile {
public:
  static constexpr std::size_t kLineBytesMax = std::size_t{4} << 20;

  /// Error: file_unreadable.
  static Result<std::unique_ptr<LineFile>> open(const std::string& path);
  ~LineFile();
  LineFile(const LineFile&) = delete;
  LineFile& operator=(const LineFile&) = delete;

  /// Puts the next line without its end into `line`; false at the end of the file.
  /// Errors: file_unreadable (also a truncated gzip), malformed_payload for a line above
  /// kLineBytesMax.
  Result<bool> next(std::string& line);
  /// "data.ndjson:17" of the last line.
  [[nodiscard]] std::string where() const;

private:
  static constexpr std::size_t kBufferBytes = std::size_t{256} << 10;
  LineFile(std::string path, void* file);
  /// Reads on into the buffer; false at the end.
  Result<bool> fill();

  std::string path_;
  std::string buffer_;
  std::size_t at_ = 0; ///< What of the buffer is used.
  void* file_;         ///< gzFile: zlib stays in the .cpp.
  std::uint64_t number_ = 0;
};

} // namespace spate::loadgen
