// Spate - what simulated sensors measure.
//
// A value is a function of (seed, device, time): no state is kept for a device, and a message that
// is sent again is the same to the byte.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "engine/base/result.hpp"
#include "loadgen/load/payload.hpp"

namespace spate::loadgen {

/// One field of a payload.
struct SensorModel {
  enum class Type : std::uint8_t { number, counter, flag, choice, text };
  std::string field; ///< A path of names joined by '.': objects within objects.
  Type type = Type::number;

  // number: mean + device's offset + wave + drift + step + noise, within [min, max].
  double mean = 0;
  double spread = 0;    ///< Devices differ by up to this.
  double amplitude = 0; ///< Of a sine wave, the same for all devices.
  std::int64_t period_ms = 86'400'000;
  double drift_per_h = 0;          ///< Since the device's last calibration; each week has one.
  double noise = 0;                ///< Standard deviation.
  double step = 0;                 ///< Another level within +-step,
  std::int64_t hold_ms = 60'000;   ///< held so long. Also of flag and choice.
  double stuck_share = 0;          ///< Of the time, a device repeats one value,
  std::int64_t stuck_ms = 600'000; ///< so long.
  double min = -1e15, max = 1e15;
  int decimals = 2;

  double per_s = 1;                ///< counter; devices differ by up to a fifth.
  double on_share = 0.5;           ///< flag
  std::vector<std::string> values; ///< choice; text has one.
  bool operator==(const SensorModel&) const = default;
};

struct NamedModels {
  std::string name;
  std::vector<SensorModel> fields;
  bool operator==(const NamedModels&) const = default;
};

inline constexpr std::size_t kSensorFieldsMax = 256;
inline constexpr std::size_t kSensorFieldBytesMax = 256;
inline constexpr std::size_t kSensorPathDepthMax = 16;
inline constexpr std::size_t kSensorTextBytesMax = 4096;
inline constexpr int kSensorDecimalsMax = 9;
inline constexpr double kSensorValueMax = 1e15;

/// Empty if `model` can be measured, else what is wrong with it, as a phrase that begins with its
/// key ("noise is below 0").
[[nodiscard]] std::string sensor_fault(const SensorModel& model);

/// What devices with these fields send: {"ts":<13 digits>,<fields>}, fields that share an object
/// next to each other.
///
/// Flow:   Message (device, ts) -> append() -> PUBLISH; made again for a message that is sent
/// again. Thread: any; immutable. Deterministic: the same seed, device and time give the same
/// bytes.
class SensorPayload {
public:
  /// Error: usage: no field, too many, a path that stands twice or is also an object, or
  /// sensor_fault() of one.
  static Result<SensorPayload> make(const std::vector<SensorModel>& fields, std::uint64_t seed);

  /// Appends the payload of device number `device` at `ts` (epoch ms, 10^12 <= ts < 10^13).
  void append(std::string& out, std::uint64_t device, std::int64_t ts) const;
  /// values_hash() of that payload without its time.
  [[nodiscard]] std::uint64_t hash(std::uint64_t device, std::int64_t ts) const;
  /// No payload has more bytes.
  [[nodiscard]] std::size_t bytes_max() const noexcept { return bytes_max_; }

private:
  /// A model with all that does not depend on device and time worked out.
  struct Field {
    SensorModel model;
    std::uint64_t salt = 0;      ///< Of the field and the seed.
    std::uint64_t hash_seed = 0; ///< Of the path and the type, for values_hash().
    double scale = 1;            ///< 10^decimals: values are printed as whole numbers of 1/scale.
    std::int64_t least = 0, most = 0;
    std::string before;              ///< Text between the last value and this one.
    std::vector<std::string> quoted; ///< Of choice and text: as JSON.

    [[nodiscard]] std::int64_t whole(std::uint64_t device, std::int64_t ts) const noexcept;
    [[nodiscard]] std::int64_t counted(std::uint64_t device, std::int64_t ts) const noexcept;
    [[nodiscard]] std::uint64_t held(std::uint64_t device, std::int64_t ts) const noexcept;
    /// Writes a number or a word; at most kValueBytesMax.
    char* print(char* to, std::uint64_t device, std::int64_t ts) const noexcept;
    [[nodiscard]] std::size_t choice(std::uint64_t device, std::int64_t ts) const noexcept;
    [[nodiscard]] bool is_text() const noexcept {
      return model.type == SensorModel::Type::choice || model.type == SensorModel::Type::text;
    }
  };
  static constexpr std::size_t kValueBytesMax = 24;

  SensorPayload() = default;
  Result<void> lay_out();

  std::vector<Field> fields_; ///< In the order of the text.
  std::string after_;         ///< What closes the objects.
  std::size_t bytes_max_ = 0;
};

/// Payloads of sensors; Message::text is the number of the device.
/// Thread: one. Borrows `sensors`.
class SensorPayloads final : public Payloads {
public:
  explicit SensorPayloads(const SensorPayload& sensors) noexcept : sensors_(sensors) {}

  [[nodiscard]] std::string_view text(const Message& message) override {
    text_.clear();
    sensors_.append(text_, message.text, message.ts);
    return text_;
  }
  [[nodiscard]] std::uint64_t hash(const Message& message) override {
    return sensors_.hash(message.text, message.ts);
  }

private:
  const SensorPayload& sensors_;
  std::string text_;
};

} // namespace spate::loadgen
