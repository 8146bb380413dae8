// Spate - what simulated sensors measure.
//
// A value is a function of (seed, device, time): no state is kept for a device, and a message that
// is sent again is the same to the byte.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace spate::loadgen {

/// One field of a payload.
struct SensorModel {
  enum class Type : std::uint8_t { number, counter, flag, choice, text };
  std::string field; ///< A path of names joined by '.': objects within objects.
  Type type = Type::number;

  // number: mean + device's offset + wave + drift + step + noise, within [min, max].
  double mean = 0;
  double spread = 0;    ///< Devices differ by up to this.
  double amplitude = 0; ///< Of a sine wave
  std::int64_t period_ms = 86'400'000;
  double drift_per_h = 0;
  double noise = 0;                ///< Standard deviation.
  double step = 0;                 ///< Another level within +-step,
  std::int64_t hold_ms = 60'000;   ///< held so long. Also of flag and choice.
  double stuck_share = 0;          ///< Of the time, a device repeats one value,
  std::int64_t stuck_ms = 600'000; ///< so long.
  double min = -1e15, max = 1e15;
  int decimals = 2;

  double per_s = 1;                ///< counter
  double on_share = 0.5;           ///< flag
  std::vector<std::string> values; ///< choice; text has one.
  bool operator==(const SensorModel&) const = default;
};

struct NamedModels {
  std::string name;
  std::vector<SensorModel> fields;
  bool operator==(const NamedModels&) const = default;
};

} // namespace spate::loadgen
