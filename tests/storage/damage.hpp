// Bytes changed on the disk on purpose, and hearing what is said of it.
#pragma once

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include <doctest/doctest.h>
#include <fcntl.h>
#include <unistd.h>

#include "tests/storage/store_fixture.hpp"

namespace spate::storage::test {

inline std::string read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return (std::ostringstream() << file.rdbuf()).str();
}

/// What is written to stderr meanwhile: the log, as it was not started.
class StderrCapture {
public:
  StderrCapture() : saved_(::dup(2)) {
    std::fflush(stderr);
    const int fd = ::open(path_.c_str(), O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600);
    REQUIRE(::dup2(fd, 2) == 2);
    ::close(fd);
  }
  ~StderrCapture() {
    std::fflush(stderr);
    ::dup2(saved_, 2);
    ::close(saved_);
  }
  [[nodiscard]] bool holds(const std::string& word) const {
    std::fflush(stderr);
    return read_file(path_).find(word) != std::string::npos;
  }

private:
  TempDir dir_;
  const std::string path_ = dir_.sub("stderr");
  const int saved_;
};

/// Changes the bits of `mask` in one byte.
inline void flip(const std::filesystem::path& file, std::uintmax_t at, int mask) {
  std::fstream bytes(file, std::ios::in | std::ios::out | std::ios::binary);
  bytes.seekg(static_cast<std::streamoff>(at));
  const int old = bytes.get();
  bytes.seekp(static_cast<std::streamoff>(at));
  bytes.put(static_cast<char>(old ^ mask));
}

/// Where the records of a log of RocksDB's begin.
inline std::vector<std::size_t> headers_of(const std::string& path) {
  const std::string bytes = read_file(path);
  std::vector<std::size_t> out;
  for (std::size_t at = 0; at + 7 <= bytes.size();) {
    if ((32u << 10) - at % (32u << 10) < 7) {
      at += (32u << 10) - at % (32u << 10);
      continue;
    }
    out.push_back(at);
    at += 7 + (static_cast<unsigned char>(bytes[at + 4]) |
               static_cast<std::size_t>(static_cast<unsigned char>(bytes[at + 5])) << 8);
  }
  return out;
}

} // namespace spate::storage::test
