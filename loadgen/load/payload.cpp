#include "loadgen/load/payload.hpp"

#include <algorithm>
#include <cstdio>

#include "loadgen/base/json_text.hpp"
#include "loadgen/base/line_file.hpp"
#include "loadgen/base/units.hpp"
#include "loadgen/load/schedule.hpp"

namespace spate::loadgen {

namespace {

// Enough texts that no compressor sees one over and over, few enough bytes that they cost no time.
constexpr std::size_t kGenerated = 1024;
constexpr std::size_t kGeneratedBytes = std::size_t{4} << 20;
constexpr std::string_view kTsField = "{\"ts\":1000000000000";
constexpr std::uint32_t kTsOffset = 6;

std::string printed(const char* format, double value) {
  char buffer[40];
  const int size = std::snprintf(buffer, sizeof buffer, format, value);
  return std::string(buffer, static_cast<std::size_t>(size));
}

/// The shape of garystafford/aws-iot-analytics-demo: full-precision doubles and floats widened to
/// doubles.
std::string env_object(Random& random) {
  const auto between = [&random](double low, double high) {
    return low + (high - low) * random.unit();
  };
  // Tenths as floats, printed as doubles: 73.800003051757812.
  const float humidity = static_cast<float>(480 + random.next() % 300) / 10.0F;
  const float temp = static_cast<float>(180 + random.next() % 120) / 10.0F;
  std::string text = "{\"co\":" + printed("%.17g", between(0.0012, 0.0144));
  text += ",\"humidity\":" + printed("%.17g", humidity);
  text += random.next() % 4 == 0 ? ",\"light\":true" : ",\"light\":false";
  text += ",\"lpg\":" + printed("%.17g", between(0.0027, 0.0165));
  text += random.next() % 800 == 0 ? ",\"motion\":true" : ",\"motion\":false";
  text += ",\"smoke\":" + printed("%.17g", between(0.0067, 0.0465));
  text += ",\"temp\":" + printed("%.17g", temp) + "}";
  return text;
}

Result<std::vector<Template>> generated(const std::string& what, std::uint64_t seed) {
  Random random(seed);
  std::vector<Template> templates;
  std::size_t size = 0;
  if (what != "env" && what != "small") {
    auto parsed = parse_count(what);
    if (!parsed || *parsed < 32 || *parsed > kPayloadBytesMax) {
      return fail(Errc::usage,
                  "--payload " + what + " is neither env, small, a size from 32 to 1m, nor a file");
    }
    size = static_cast<std::size_t>(*parsed);
  }
  const std::size_t count =
      size == 0 ? kGenerated : std::clamp<std::size_t>(kGeneratedBytes / size, 16, kGenerated);
  for (std::size_t i = 0; i < count; ++i) {
    std::string object;
    if (what == "env") {
      object = env_object(random);
    } else if (what == "small") {
      object = "{\"v\":" + printed("%.1f", 15 + 20 * random.unit()) + "}";
    } else {
      constexpr std::size_t kAround = 29; // {"ts":<13 digits>,"pad":"..."} without the filling
      object = "{\"pad\":\"";
      for (std::size_t filled = kAround; filled < size; ++filled) {
        object.push_back("abcdefghijklmnopqrstuvwxyz0123456789"[random.next() % 36]);
      }
      object += "\"}";
    }
    auto made = make_template(object);
    if (!made) {
      return fail(std::move(made.error()));
    }
    templates.push_back(std::move(*made));
  }
  return templates;
}

Result<std::vector<Template>> from_file(const std::string& path) {
  auto file = LineFile::open(path);
  if (!file) {
    return fail(std::move(file.error()));
  }
  std::vector<Template> templates;
  std::vector<JsonSpan> spans;
  std::string line;
  std::size_t bytes = 0;
  while (templates.size() < kTemplatesMax && bytes < kTemplateBytesMax) {
    auto more = (*file)->next(line);
    if (!more) {
      return fail(std::move(more.error()));
    }
    if (!*more) {
      break;
    }
    if (line.find_first_not_of(" \t\r") == std::string::npos) {
      continue;
    }
    std::string_view object = line;
    if (json_members(line, spans)) {
      for (const JsonSpan& span : spans) {
        if (spans.size() == 3 && span.key == "p" && span.type == JsonType::object) {
          object = span.text;
        }
      }
    }
    auto made = make_template(object);
    if (!made) {
      return fail(made.error().code, (*file)->where() + ": " + made.error().detail);
    }
    bytes += made->text.size();
    templates.push_back(std::move(*made));
  }
  if (templates.empty()) {
    return fail(Errc::file_unreadable, path + " has no payload");
  }
  return templates;
}

} // namespace

Result<Template> make_template(std::string_view object) {
  std::vector<JsonSpan> spans;
  const auto start = object.find_first_not_of(" \t\r\n");
  if (start == std::string_view::npos || object[start] != '{') {
    return fail(Errc::malformed_payload, "not a JSON object");
  }
  if (auto read = json_members(object, spans); !read) {
    return fail(std::move(read.error()));
  }
  Template made;
  made.text = kTsField;
  made.ts_offset = kTsOffset;
  for (const JsonSpan& span : spans) {
    if (span.key != "ts") {
      made.text.append(",\"").append(span.key).append("\":").append(span.text);
    }
  }
  made.text.push_back('}');
  if (made.text.size() > kPayloadBytesMax) {
    return fail(Errc::malformed_payload, "larger than 1 MiB");
  }
  auto hash = values_hash(made.text, "ts");
  if (!hash) {
    return fail(std::move(hash.error()));
  }
  made.hash = *hash;
  return made;
}

bool is_template_file(std::string_view what) noexcept {
  return what.find_first_of("/.") != std::string_view::npos;
}

Result<std::vector<Template>> load_templates(const std::string& what, std::uint64_t seed) {
  return is_template_file(what) ? from_file(what) : generated(what, seed);
}

void write_ts(char* to, std::int64_t value) noexcept {
  static constexpr auto kPairs = [] {
    struct Pairs {
      char text[200];
    } pairs{};
    for (int i = 0; i < 100; ++i) {
      pairs.text[2 * i] = static_cast<char>('0' + i / 10);
      pairs.text[2 * i + 1] = static_cast<char>('0' + i % 10);
    }
    return pairs;
  }();
  auto rest = static_cast<std::uint64_t>(value);
  for (int at = 11; at > 0; at -= 2) {
    const char* pair = kPairs.text + 2 * (rest % 100);
    to[at] = pair[0];
    to[at + 1] = pair[1];
    rest /= 100;
  }
  to[0] = static_cast<char>('0' + rest % 10);
}

} // namespace spate::loadgen
