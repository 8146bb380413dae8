// Spate - what simulated devices send: JSON objects with a device time, made by patching templates.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "engine/base/result.hpp"
#include "loadgen/load/message.hpp"

namespace spate::loadgen {

/// Where the texts of a thread's messages come from. A text follows from its message, so that one
/// that waits for its acknowledgement needs a few bytes, and can be sent again exactly as it was.
/// Thread: one.
class Payloads {
public:
  virtual ~Payloads() = default;
  /// The payload; the view lives until the next call.
  [[nodiscard]] virtual std::string_view text(const Message& message) = 0;
  /// values_hash() of the payload without its time.
  [[nodiscard]] virtual std::uint64_t hash(const Message& message) = 0;
  /// The message is answered or given up: it is not asked for again.
  virtual void release(const Message&) {}
};

/// One payload with room for a time of 13 digits (epoch ms from 2001 to 2286).
struct Template {
  std::string text;
  std::uint32_t ts_offset = 0;
  std::uint64_t hash = 0;
};

inline constexpr std::size_t kTemplatesMax = 65'536;
inline constexpr std::size_t kTemplateBytesMax = std::size_t{64} << 20;
inline constexpr std::size_t kPayloadBytesMax = std::size_t{1} << 20;

/// Makes a payload of the members of `object` behind the time: {"ts":1000000000000,...}. A
/// top-level "ts" that the object has is left out. Error: malformed_payload if `object` is no JSON
/// object.
Result<Template> make_template(std::string_view object);

/// Whether a word of --payload names a file.
[[nodiscard]] bool is_template_file(std::string_view what) noexcept;

/// Payloads by the word of --payload: `env`, `small`, a SIZE in bytes ("256", "4k"), or
/// FILE.ndjson[.gz] whose lines are objects, or {"d","t","p"} of which p is taken. Shared read-only
/// by all threads. Errors: usage, file_unreadable, malformed_payload with the line.
Result<std::vector<Template>> load_templates(const std::string& what, std::uint64_t seed);

/// Writes `value` (0 <= value < 10^13) as 13 digits.
void write_ts(char* to, std::int64_t value) noexcept;

/// Payloads of shared templates; Message::text is the number of one.
class TemplatePayloads final : public Payloads {
public:
  /// Borrows `templates` (not empty).
  explicit TemplatePayloads(const std::vector<Template>& templates) noexcept
      : templates_(templates) {}

  /// The text of the next message: templates in turn.
  std::uint32_t next() noexcept {
    const std::uint32_t text = next_;
    next_ = next_ + 1 == templates_.size() ? 0 : next_ + 1;
    return text;
  }

  [[nodiscard]] std::string_view text(const Message& message) override {
    const Template& from = templates_[message.text];
    text_ = from.text;
    write_ts(text_.data() + from.ts_offset, message.ts);
    return text_;
  }
  [[nodiscard]] std::uint64_t hash(const Message& message) override {
    return templates_[message.text].hash;
  }

private:
  const std::vector<Template>& templates_;
  std::uint32_t next_ = 0;
  std::string text_;
};

} // namespace spate::loadgen
