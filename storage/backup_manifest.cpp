// The text that says what a backup consists of.
#include <algorithm>
#include <charconv>
#include <cstdio>

#include "engine/base/hash.hpp"
#include "storage/backup.hpp"
#include "storage/directory_format.hpp"

namespace spate::storage {

namespace {

constexpr std::string_view kFirstLine = "spate backup";
constexpr std::string_view kChecksum = "checksum=";

std::string checksum_of(std::string_view text) {
  char out[17];
  std::snprintf(out, sizeof out, "%016llx", static_cast<unsigned long long>(hash_bytes(text)));
  return out;
}

bool read_number(std::string_view& text, auto& out) {
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), out);
  text.remove_prefix(static_cast<std::size_t>(parsed.ptr - text.data()));
  if (!text.empty() && text.front() == ' ') {
    text.remove_prefix(1);
  }
  return parsed.ec == std::errc();
}

/// `name number sequence files bytes`
bool read_part(std::string_view text, BackupPart& part) {
  const std::size_t end = text.find(' ');
  if (end == std::string_view::npos) {
    return false;
  }
  part.name = text.substr(0, end);
  text.remove_prefix(end + 1);
  const bool known =
      is_small_database(part.name) || (part.name.rfind("data", 0) == 0 && part.name.size() > 4 &&
                                       std::all_of(part.name.begin() + 4, part.name.end(),
                                                   [](char c) { return c >= '0' && c <= '9'; }));
  return known && read_number(text, part.number) && read_number(text, part.sequence) &&
         read_number(text, part.files) && read_number(text, part.bytes) && text.empty();
}

/// The only new lines of a manifest are its own.
std::string one_line(std::string text) {
  std::replace(text.begin(), text.end(), '\n', ';');
  return text;
}

bool read_line(std::string_view key, std::string_view value, BackupInfo& info) {
  const auto number = [value](auto& out) {
    std::string_view rest = value;
    return read_number(rest, out) && rest.empty();
  };
  if (key == "id") {
    const auto id = parse_uuid(value);
    info.id = id.value_or(Uuid{});
    return id.has_value();
  }
  if (key == "version") {
    info.version = value;
    return true;
  }
  if (key == "incremental") {
    info.incremental = value == "1";
    return true;
  }
  if (key == "part") {
    return read_part(value, info.parts.emplace_back());
  }
  if (key == "format_file") {
    std::string& text = info.formats.emplace_back(value);
    std::replace(text.begin(), text.end(), ';', '\n');
    return true;
  }
  return key == "created_ms"  ? number(info.created_ms)
         : key == "store"     ? number(info.store)
         : key == "shards"    ? number(info.shards)
         : key == "new_bytes" ? number(info.new_bytes)
                              : false;
}

} // namespace

std::uint64_t BackupInfo::size_bytes() const noexcept {
  std::uint64_t sum = 0;
  for (const BackupPart& part : parts) {
    sum += part.bytes;
  }
  return sum;
}

std::string encode_manifest(const BackupInfo& info) {
  std::string out(kFirstLine);
  const auto line = [&out](std::string_view key, const std::string& value) {
    out.append("\n").append(key).append("=").append(value);
  };
  line("format", std::to_string(kBackupFormat));
  line("id", text_of(info.id));
  line("created_ms", std::to_string(info.created_ms));
  line("version", one_line(info.version));
  line("store", std::to_string(info.store));
  line("shards", std::to_string(info.shards));
  line("new_bytes", std::to_string(info.new_bytes));
  line("incremental", info.incremental ? "1" : "0");
  for (const BackupPart& part : info.parts) {
    line("part", part.name + " " + std::to_string(part.number) + " " +
                     std::to_string(part.sequence) + " " + std::to_string(part.files) + " " +
                     std::to_string(part.bytes));
  }
  for (const std::string& format : info.formats) {
    line("format_file", one_line(format));
  }
  out += '\n';
  const std::string checksum = checksum_of(out);
  return out.append(kChecksum).append(checksum).append(1, '\n');
}

Result<BackupInfo> decode_manifest(std::string_view text) {
  const auto damaged = [] { return fail(Errc::storage_corrupt, "the manifest is damaged"); };
  const std::size_t end = text.rfind(kChecksum);
  if (end == std::string_view::npos ||
      text.substr(end + kChecksum.size()) != checksum_of(text.substr(0, end)) + "\n") {
    return damaged();
  }
  text = text.substr(0, end);
  BackupInfo info;
  for (bool first = true; !text.empty(); first = false) {
    const std::size_t line_end = std::min(text.find('\n'), text.size() - 1);
    const std::string_view line = text.substr(0, line_end);
    text.remove_prefix(line_end + 1);
    if (first) {
      if (line != kFirstLine) {
        return damaged();
      }
      continue;
    }
    const std::size_t equals = line.find('=');
    if (equals == std::string_view::npos) {
      return damaged();
    }
    const std::string_view key = line.substr(0, equals);
    const std::string_view value = line.substr(equals + 1);
    if (key == "format") {
      if (value != std::to_string(kBackupFormat)) {
        return fail(Errc::storage_format, "the backup has format " + std::string(value) +
                                              " and this version reads format " +
                                              std::to_string(kBackupFormat) +
                                              ": use the version that wrote it");
      }
    } else if (!read_line(key, value, info)) {
      return damaged();
    }
  }
  const auto data = std::count_if(info.parts.begin(), info.parts.end(), [](const BackupPart& part) {
    return !is_small_database(part.name);
  });
  if (info.formats.empty() || static_cast<std::size_t>(data) != info.formats.size()) {
    return damaged();
  }
  return info;
}

} // namespace spate::storage
