#include "loadgen/base/line_file.hpp"

#include <cerrno>
#include <cstring>

#include <zlib.h>

namespace spate::loadgen {

namespace {

gzFile handle(void* file) noexcept {
  return static_cast<gzFile>(file);
}

} // namespace

LineFile::LineFile(std::string path, void* file) : path_(std::move(path)), file_(file) {}

LineFile::~LineFile() {
  gzclose(handle(file_));
}

Result<std::unique_ptr<LineFile>> LineFile::open(const std::string& path) {
  errno = 0;
  gzFile file = gzopen(path.c_str(), "rbe");
  if (file == nullptr) {
    return fail(Errc::file_unreadable, path + ": " + std::strerror(errno));
  }
  gzbuffer(file, 256u << 10);
  return std::unique_ptr<LineFile>(new LineFile(path, file));
}

Result<bool> LineFile::next(std::string& line) {
  line.clear();
  for (;;) {
    const std::string_view rest = std::string_view(buffer_).substr(at_);
    const std::size_t end = rest.find('\n');
    line.append(rest.substr(0, end));
    if (line.size() > kLineBytesMax) {
      return fail(Errc::malformed_payload,
                  path_ + ":" + std::to_string(number_ + 1) + ": a line above 4 MiB");
    }
    if (end != std::string_view::npos) {
      at_ += end + 1;
      ++number_;
      return true;
    }
    auto more = fill();
    if (!more) {
      return more;
    }
    if (!*more) {
      number_ += line.empty() ? 0 : 1;
      return !line.empty();
    }
  }
}

Result<bool> LineFile::fill() {
  buffer_.resize(kBufferBytes);
  at_ = 0;
  const int got = gzread(handle(file_), buffer_.data(), static_cast<unsigned>(kBufferBytes));
  buffer_.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
  int code = Z_OK;
  const char* text = gzerror(handle(file_), &code);
  if (got < 0 || (got == 0 && code != Z_OK && code != Z_STREAM_END)) {
    return fail(Errc::file_unreadable,
                path_ + ": " + (code == Z_ERRNO ? std::strerror(errno) : text));
  }
  return got > 0;
}

std::string LineFile::where() const {
  return path_ + ":" + std::to_string(number_);
}

} // namespace spate::loadgen
