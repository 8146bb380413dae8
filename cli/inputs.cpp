#include "cli/inputs.hpp"

#include <charconv>
#include <cstring>
#include <fstream>
#include <optional>

#include "cli/json_object.hpp"
#include "engine/model/command.hpp"

namespace spate::cli {

namespace {

std::optional<std::int64_t> unit_ms(std::string_view unit) noexcept {
  if (unit == "ms") {
    return 1;
  }
  if (unit == "s") {
    return 1000;
  }
  if (unit == "m") {
    return 60'000;
  }
  if (unit == "h") {
    return 3'600'000;
  }
  return unit == "d" ? std::optional<std::int64_t>(86'400'000) : std::nullopt;
}

/// Reads one byte more than may come, so that too much is told from just enough.
bool read_all(std::istream& input, std::string& out) {
  char buffer[4096];
  while (out.size() <= model::kCommandArgsBytesMax + 1 &&
         (input.read(buffer, sizeof buffer) || input.gcount() > 0)) {
    out.append(buffer, static_cast<std::size_t>(input.gcount()));
  }
  return !input.bad();
}

void trim(std::string& text) {
  constexpr const char* kSpace = " \t\r\n";
  text.erase(text.find_last_not_of(kSpace) + 1);
  text.erase(0, text.find_first_not_of(kSpace));
}

} // namespace

Result<std::int64_t> parse_duration_ms(std::string_view text) {
  std::int64_t count = 0;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), count);
  const auto unit = unit_ms(text.substr(static_cast<std::size_t>(read.ptr - text.data())));
  if (read.ec != std::errc{} || !unit || count < 1) {
    return fail(Errc::usage, "'" + std::string(text) +
                                 "' is no duration; give one like 500ms, 30s, 15m, 24h or 7d");
  }
  if (count > model::kCommandTtlMsMax / *unit) {
    return fail(Errc::usage, std::string(text) + " is more than 30 days");
  }
  return count * *unit;
}

Result<std::int64_t> parse_wait_s(std::string_view text) {
  std::int64_t seconds = 0;
  const char* const end = text.data() + text.size();
  const auto read = std::from_chars(text.data(), end, seconds);
  if (read.ec != std::errc{} || read.ptr != end || seconds < 1 || seconds > 60) {
    return fail(Errc::usage,
                "--wait takes whole seconds from 1 to 60, not '" + std::string(text) + "'");
  }
  return seconds;
}

bool looks_like_time(std::string_view text) noexcept {
  const std::size_t digits = text.find_first_not_of("0123456789.");
  return !text.empty() && digits != 0 &&
         (digits == std::string_view::npos || unit_ms(text.substr(digits)));
}

Result<std::string> read_args(const std::string& text, std::istream& input) {
  std::string args;
  std::string where = "ARGS";
  if (text == "-") {
    where = "the standard input";
    if (!read_all(input, args)) {
      return fail(Errc::file_unreadable, "the standard input can not be read");
    }
  } else if (text.starts_with('@')) {
    where = text.substr(1);
    std::ifstream file(where, std::ios::binary);
    if (!file || !read_all(file, args)) {
      return fail(Errc::file_unreadable, where + ": " + std::strerror(errno));
    }
  } else {
    args = text;
  }
  trim(args);
  if (args.size() > model::kCommandArgsBytesMax) {
    return fail(Errc::usage, where + ": a command takes at most " +
                                 std::to_string(model::kCommandArgsBytesMax) + " bytes");
  }
  if (const auto fault = json_fault(args)) {
    return fail(Errc::usage, where + " must be JSON: " + *fault +
                                 "; a text needs its quotes twice: '\"text\"'");
  }
  return args;
}

} // namespace spate::cli
