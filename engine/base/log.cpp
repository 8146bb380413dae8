#include "engine/base/log.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdio>
#include <memory>
#include <utility>

#include <spdlog/async.h>
#include <spdlog/async_logger.h>
#include <spdlog/sinks/ansicolor_sink.h>

namespace spate::log {

namespace {

constexpr std::size_t kQueueLines = 8192;

struct State {
  std::shared_ptr<spdlog::details::thread_pool> pool;
  std::shared_ptr<spdlog::logger> logger;
  Level level = Level::info;
  Format format = Format::human;
};

State& state() {
  static State instance;
  return instance;
}

spdlog::level::level_enum to_spdlog(Level level) {
  constexpr std::array kLevels = {spdlog::level::debug, spdlog::level::info, spdlog::level::warn,
                                  spdlog::level::err, spdlog::level::off};
  return kLevels[static_cast<std::size_t>(level)];
}

void append_escaped(std::string& out, std::string_view text) {
  constexpr char kHex[] = "0123456789abcdef";
  unsigned char before = 0;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    const bool c1 = before == 0xc2 && byte >= 0x80 && byte < 0xa0; // U+0080 to U+009F: also CSI.
    before = byte;
    if (c == '"' || c == '\\') {
      out.push_back('\\');
      out.push_back(c);
    } else if (byte < 0x20 || byte == 0x7f || c1) {
      if (c1) {
        out.pop_back(); // Its first byte.
      }
      out.append("\\u00").push_back(kHex[byte >> 4]);
      out.push_back(kHex[byte & 15]);
    } else {
      out.push_back(c);
    }
  }
}

void append_value(std::string& out, const Field& field, bool always_quoted) {
  if (const auto* text = std::get_if<std::string_view>(&field.value)) {
    const bool quoted =
        always_quoted || text->empty() || text->find_first_of(" =\"") != std::string_view::npos;
    out.append(quoted ? "\"" : "");
    append_escaped(out, *text);
    out.append(quoted ? "\"" : "");
    return;
  }
  char buffer[32];
  char* end = buffer;
  if (const auto* i = std::get_if<std::int64_t>(&field.value)) {
    end = std::to_chars(buffer, buffer + sizeof buffer, *i).ptr;
  } else if (const auto* u = std::get_if<std::uint64_t>(&field.value)) {
    end = std::to_chars(buffer, buffer + sizeof buffer, *u).ptr;
  } else if (const auto* d = std::get_if<double>(&field.value)) {
    end = std::to_chars(buffer, buffer + sizeof buffer, *d).ptr;
  } else {
    out.append(std::get<bool>(field.value) ? "true" : "false");
    return;
  }
  out.append(buffer, static_cast<std::size_t>(end - buffer));
}

std::string human_line(std::string_view event, std::string_view text,
                       std::initializer_list<Field> fields) {
  std::string line;
  append_escaped(line, text);
  for (const Field& field : fields) {
    line.append("  ").append(field.name).push_back('=');
    append_value(line, field, false);
  }
  line.append("  [").append(event).push_back(']');
  return line;
}

/// Everything behind the time and level, which the pattern writes.
std::string json_line(std::string_view event, std::string_view text,
                      std::initializer_list<Field> fields) {
  std::string line = "\"event_code\":\"";
  line.append(event).append("\",\"message\":\"");
  append_escaped(line, text);
  line.push_back('"');
  for (const Field& field : fields) {
    line.append(",\"").append(field.name).append("\":");
    append_value(line, field, true);
  }
  return line;
}

} // namespace

void start(Level level, Format format) {
  State& s = state();
  s.level = level;
  s.format = format;
  s.pool = std::make_shared<spdlog::details::thread_pool>(kQueueLines, 1);
  auto sink = std::make_shared<spdlog::sinks::ansicolor_stderr_sink_mt>();
  s.logger = std::make_shared<spdlog::async_logger>("spate", std::move(sink), s.pool,
                                                    spdlog::async_overflow_policy::overrun_oldest);
  s.logger->set_level(to_spdlog(level));
  s.logger->set_pattern(
      format == Format::json ? R"({"time":"%Y-%m-%dT%H:%M:%S.%eZ","level":"%l",%v})"
                             : "%H:%M:%S.%e %^%-7l%$ %v",
      format == Format::json ? spdlog::pattern_time_type::utc : spdlog::pattern_time_type::local);
  s.logger->flush_on(spdlog::level::debug);
}

void stop() {
  State& s = state();
  s.logger.reset();
  s.pool.reset(); // Joins its thread after the queue is written.
}

void write(Level level, std::string_view event, std::string_view text,
           std::initializer_list<Field> fields) {
  const State& s = state();
  if (level < s.level) {
    return;
  }
  if (!s.logger) {
    std::fprintf(stderr, "%s\n", human_line(event, text, fields).c_str());
    return;
  }
  s.logger->log(to_spdlog(level),
                spdlog::string_view_t(s.format == Format::json ? json_line(event, text, fields)
                                                               : human_line(event, text, fields)));
}

std::uint64_t dropped() {
  const State& s = state();
  return s.pool ? s.pool->overrun_counter() : 0;
}

bool RateLimit::allow(std::int64_t now_ns) noexcept {
  const double elapsed_s = static_cast<double>(std::max<std::int64_t>(0, now_ns - last_ns_)) * 1e-9;
  last_ns_ = now_ns;
  tokens_ = std::min(burst_, tokens_ + elapsed_s * per_second_);
  if (tokens_ < 1) {
    ++suppressed_;
    return false;
  }
  tokens_ -= 1;
  return true;
}

std::uint64_t RateLimit::take_suppressed() noexcept {
  return std::exchange(suppressed_, 0);
}

} // namespace spate::log
