// Spate - what simulated devices send: JSON objects with a device time, made by patching templates.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "engine/base/result.hpp"

namespace spate::loadgen {

/// Where the texts of a thread's messages come from. A text is named by a number so that a message
/// that waits for its acknowledgement needs a few bytes, and can be sent again exactly as it was.
/// Thread: one.
class Payloads {
public:
  virtual ~Payloads() = default;
  /// Bytes of the payload.
  [[nodiscard]] virtual std::size_t size(std::uint32_t text) const noexcept = 0;
  /// Writes size(text) bytes at `to`, with the device time `ts` (epoch ms) where the text has one
  /// to patch.
  virtual void write(char* to, std::uint32_t text, std::int64_t ts) const noexcept = 0;
  /// values_hash() of the payload without its time.
  [[nodiscard]] virtual std::uint64_t hash(std::uint32_t text) const noexcept = 0;
  /// The message is answered or given up: its text is not asked for again.
  virtual void release(std::uint32_t) {}
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

/// Payloads by the word of --payload: `env`, `small`, a SIZE in bytes ("256", "4k"), or
/// FILE.ndjson[.gz] whose lines are objects, or {"d","t","p"} of which p is taken. Shared read-only
/// by all threads. Errors: usage, file_unreadable, malformed_payload with the line.
Result<std::vector<Template>> load_templates(const std::string& what, std::uint64_t seed);

/// Writes `value` (0 <= value < 10^13) as 13 digits.
void write_ts(char* to, std::int64_t value) noexcept;

/// Payloads that a thread takes from shared templates.
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

  [[nodiscard]] std::size_t size(std::uint32_t text) const noexcept override {
    return templates_[text].text.size();
  }
  void write(char* to, std::uint32_t text, std::int64_t ts) const noexcept override {
    const Template& from = templates_[text];
    from.text.copy(to, from.text.size());
    write_ts(to + from.ts_offset, ts);
  }
  [[nodiscard]] std::uint64_t hash(std::uint32_t text) const noexcept override {
    return templates_[text].hash;
  }

private:
  const std::vector<Template>& templates_;
  std::uint32_t next_ = 0;
};

} // namespace spate::loadgen
