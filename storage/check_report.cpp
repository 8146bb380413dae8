// What a check has found, as text and back.
#include <charconv>
#include <utility>

#include "engine/base/utf8.hpp"
#include "storage/store_check.hpp"

namespace spate::storage {

namespace {

constexpr std::string_view kFaults = R"("faults":[)";

void append_json(std::string& out, std::string_view text) {
  const bool sound = is_utf8(text); // Paths may be anything.
  out.push_back('"');
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7f || (!sound && byte >= 0x80)) {
      out.push_back('?');
      continue;
    }
    if (c == '"' || c == '\\') {
      out.push_back('\\');
    }
    out.push_back(c);
  }
  out.push_back('"');
}

/// The number behind `"name":` in a text of json_of().
std::uint64_t number_in(std::string_view text, std::string_view name) {
  std::uint64_t number = 0;
  const std::size_t at = text.find(std::string("\"").append(name).append("\":"));
  if (at != std::string_view::npos) {
    std::from_chars(text.data() + at + name.size() + 3, text.data() + text.size(), number);
  }
  return number;
}

/// What stands between the brackets of the faults.
std::string_view faults_in(std::string_view text) {
  const std::size_t at = text.find(kFaults);
  if (at == std::string_view::npos || !text.ends_with("]}")) {
    return {};
  }
  return text.substr(at + kFaults.size(), text.size() - 2 - at - kFaults.size());
}

std::string document(std::uint64_t blocks, std::uint64_t rows, std::uint64_t bytes,
                     std::string_view faults) {
  std::string out = "{\"blocks\":" + std::to_string(blocks) + ",\"rows\":" + std::to_string(rows) +
                    ",\"bytes\":" + std::to_string(bytes) + ",";
  return out.append(kFaults).append(faults).append("]}");
}

} // namespace

void CheckReport::add(std::string fault) {
  if (faults.size() < kCheckFaultsMax) {
    faults.push_back(std::move(fault));
  } else {
    ++faults_unlisted;
  }
}

void CheckReport::add(CheckReport other) {
  blocks += other.blocks;
  rows += other.rows;
  bytes += other.bytes;
  faults_unlisted += other.faults_unlisted;
  for (std::string& fault : other.faults) {
    add(std::move(fault));
  }
}

std::string json_of(const CheckReport& report) {
  std::string faults;
  for (const std::string& fault : report.faults) {
    faults.append(faults.empty() ? "" : ",");
    append_json(faults, fault);
  }
  if (report.faults_unlisted != 0) {
    faults.push_back(',');
    append_json(faults, std::to_string(report.faults_unlisted) + " more faults are not listed.");
  }
  return document(report.blocks, report.rows, report.bytes, faults);
}

std::string join_reports(std::string_view a, std::string_view b) {
  std::string faults(faults_in(a));
  const std::string_view more = faults_in(b);
  faults.append(faults.empty() || more.empty() ? "" : ",").append(more);
  const auto sum = [&](std::string_view name) { return number_in(a, name) + number_in(b, name); };
  return document(sum("blocks"), sum("rows"), sum("bytes"), faults);
}

} // namespace spate::storage
