#include "cli/table.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <ctime>

namespace spate::cli {

namespace {

bool starts_character(char c) noexcept {
  return (static_cast<unsigned char>(c) & 0xc0) != 0x80;
}

std::size_t characters(std::string_view text) noexcept {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), starts_character));
}

} // namespace

std::string Table::text() const {
  std::vector<std::size_t> widths(rows_.front().size());
  for (const auto& row : rows_) {
    for (std::size_t i = 0; i < row.size(); ++i) {
      widths[i] = std::max(widths[i], characters(row[i]));
    }
  }
  std::string out;
  for (const auto& row : rows_) {
    for (std::size_t i = 0; i < row.size(); ++i) {
      out.append(row[i]);
      if (i + 1 < row.size()) {
        out.append(widths[i] - characters(row[i]) + 2, ' ');
      }
    }
    out.erase(out.find_last_not_of(' ') + 1);
    out.push_back('\n');
  }
  return out;
}

std::string printable(std::string_view text, std::size_t characters_max) {
  std::string out;
  std::size_t count = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    if (starts_character(text[i]) && ++count > characters_max) {
      return out + "...";
    }
    const bool c1 = byte == 0xc2 && i + 1 < text.size() &&
                    static_cast<unsigned char>(text[i + 1]) < 0xa0;
    if (c1) {
      out.push_back('?');
      ++i;
    } else if (byte < 0x20 || byte == 0x7f) {
      out.push_back(byte == '\t' || byte == '\n' || byte == '\r' ? ' ' : '?');
    } else {
      out.push_back(text[i]);
    }
  }
  return out;
}

std::string time_text(std::int64_t wall_ms) {
  const std::time_t seconds = wall_ms / 1000;
  std::tm utc{};
  gmtime_r(&seconds, &utc);
  std::array<char, 32> day{};
  std::strftime(day.data(), day.size(), "%Y-%m-%dT%H:%M:%S", &utc);
  std::array<char, 48> text{};
  std::snprintf(text.data(), text.size(), "%s.%03dZ", day.data(),
                static_cast<int>(wall_ms % 1000));
  return text.data();
}

std::string duration_text(std::int64_t us) {
  std::array<char, 48> text{};
  const auto value = static_cast<double>(us);
  if (us < 1000) {
    std::snprintf(text.data(), text.size(), "%d us", static_cast<int>(us));
  } else if (us < 1'000'000) {
    std::snprintf(text.data(), text.size(), "%.1f ms", value * 1e-3);
  } else {
    std::snprintf(text.data(), text.size(), "%.2f s", value * 1e-6);
  }
  return text.data();
}

std::string bytes_text(std::uint64_t bytes) {
  constexpr std::array kUnits = {"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
  auto value = static_cast<double>(bytes);
  std::size_t unit = 0;
  while (value >= 999.5 && unit + 1 < kUnits.size()) {
    value /= 1024;
    ++unit;
  }
  std::array<char, 32> text{};
  const int digits = unit == 0 || value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2;
  std::snprintf(text.data(), text.size(), "%.*f %s", digits, value, kUnits[unit]);
  return text.data();
}

} // namespace spate::cli
