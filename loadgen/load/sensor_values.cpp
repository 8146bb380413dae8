// The values of sensors: arithmetic on hashes, so that no device needs memory.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <numbers>

#include "engine/base/hash.hpp"
#include "loadgen/load/payload.hpp"
#include "loadgen/load/sensor_models.hpp"

namespace spate::loadgen {

namespace {

/// What a hash is drawn for. Different draws of one field, device and time do not depend on each
/// other.
enum Draw : std::uint64_t { kOffset = 1, kNoise, kLevel, kStuck, kPhase, kPace };

constexpr std::int64_t kCalibrationMs = std::int64_t{7} * 86'400'000;
/// Counters count from here (2020-01-01), so that they look like those of devices of some age.
constexpr std::int64_t kInstalledMs = 1'577'836'800'000;

constexpr std::uint64_t mixed(std::uint64_t z) noexcept { // The finish of SplitMix64.
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

constexpr std::uint64_t drawn(std::uint64_t salt, Draw draw, std::uint64_t device,
                              std::uint64_t at = 0) noexcept {
  return mixed(mixed(salt + draw * 0x9e3779b97f4a7c15u + device) + at * 0xd1b54a32d192ed03u);
}

/// In (0, 1].
double unit(std::uint64_t hash) noexcept {
  return static_cast<double>((hash >> 11) + 1) * 0x1p-53;
}

/// In (-1, 1].
double around_zero(std::uint64_t hash) noexcept {
  return 2 * unit(hash) - 1;
}

/// Normal with deviation 1 (Box-Muller). The angle has 32 bits, the radius the others.
double normal(std::uint64_t hash) noexcept {
  const double angle = static_cast<double>(hash & 0xffff'ffffu) * (0x1p-32 * 2 * std::numbers::pi);
  const double radius = std::sqrt(-2 * std::log(unit(mixed(hash))));
  return radius * std::cos(angle);
}

/// Time in slots of `length_ms`, whose edges are different for each device.
struct Slots {
  std::int64_t shift_ms, length_ms;

  Slots(std::uint64_t salt, Draw draw, std::uint64_t device, std::int64_t length) noexcept
      : shift_ms(static_cast<std::int64_t>(drawn(salt, kPhase, device, draw) %
                                           static_cast<std::uint64_t>(length))),
        length_ms(length) {}
  [[nodiscard]] std::int64_t number(std::int64_t ts) const noexcept {
    return (ts + shift_ms) / length_ms;
  }
  [[nodiscard]] std::int64_t begin(std::int64_t ts) const noexcept {
    return std::max<std::int64_t>(number(ts) * length_ms - shift_ms, 0);
  }
};

char* print_digits(char* to, std::uint64_t value, int digits_min) noexcept {
  char reversed[20];
  int count = 0;
  do {
    reversed[count++] = static_cast<char>('0' + value % 10);
    value /= 10;
  } while (value != 0 || count < digits_min);
  while (count > 0) {
    *to++ = reversed[--count];
  }
  return to;
}

} // namespace

std::uint64_t SensorPayload::Field::held(std::uint64_t device, std::int64_t ts) const noexcept {
  const Slots slots(salt, kLevel, device, model.hold_ms);
  return drawn(salt, kLevel, device, static_cast<std::uint64_t>(slots.number(ts)));
}

std::int64_t SensorPayload::Field::whole(std::uint64_t device, std::int64_t ts) const noexcept {
  if (model.stuck_share > 0) {
    const Slots slots(salt, kStuck, device, model.stuck_ms);
    const auto slot = static_cast<std::uint64_t>(slots.number(ts));
    if (unit(drawn(salt, kStuck, device, slot)) <= model.stuck_share) {
      ts = slots.begin(ts);
    }
  }
  double value = model.mean;
  if (model.spread != 0) {
    value += model.spread * around_zero(drawn(salt, kOffset, device));
  }
  if (model.amplitude != 0) {
    const double turn =
        static_cast<double>(ts % model.period_ms) / static_cast<double>(model.period_ms);
    value += model.amplitude * std::sin(2 * std::numbers::pi * turn);
  }
  if (model.drift_per_h != 0) {
    const Slots weeks(salt, kOffset, device, kCalibrationMs);
    value += model.drift_per_h * static_cast<double>(ts - weeks.begin(ts)) / 3'600'000;
  }
  if (model.step != 0) {
    value += model.step * around_zero(held(device, ts));
  }
  if (model.noise != 0) {
    value += model.noise * normal(drawn(salt, kNoise, device, static_cast<std::uint64_t>(ts)));
  }
  // Clamped before it becomes a whole number, which has no room for all doubles.
  const double scaled =
      std::clamp(value * scale, static_cast<double>(least) - 1, static_cast<double>(most) + 1);
  return std::clamp(static_cast<std::int64_t>(std::llround(scaled)), least, most);
}

std::int64_t SensorPayload::Field::counted(std::uint64_t device, std::int64_t ts) const noexcept {
  const double pace =
      model.per_s * scale / 1000 * (1 + 0.2 * around_zero(drawn(salt, kPace, device)));
  const auto age_ms = static_cast<double>(std::max<std::int64_t>(ts - kInstalledMs, 0));
  return static_cast<std::int64_t>(pace * age_ms); // Products and truncation keep the order.
}

std::size_t SensorPayload::Field::choice(std::uint64_t device, std::int64_t ts) const noexcept {
  return quoted.size() == 1 ? 0 : held(device, ts) % quoted.size();
}

char* SensorPayload::Field::print(char* to, std::uint64_t device, std::int64_t ts) const noexcept {
  if (model.type == SensorModel::Type::flag) {
    const bool on = unit(held(device, ts)) <= model.on_share;
    const std::string_view word = on ? "true" : "false";
    return to + word.copy(to, word.size());
  }
  const std::int64_t value =
      model.type == SensorModel::Type::counter ? counted(device, ts) : whole(device, ts);
  if (value < 0) {
    *to++ = '-';
  }
  to = print_digits(to, static_cast<std::uint64_t>(value < 0 ? -value : value), model.decimals + 1);
  if (model.decimals > 0) {
    char* const point = to - model.decimals;
    std::memmove(point + 1, point, static_cast<std::size_t>(model.decimals));
    *point = '.';
    ++to;
  }
  return to;
}

void SensorPayload::append(std::string& out, std::uint64_t device, std::int64_t ts) const {
  static constexpr std::string_view kHead = "{\"ts\":";
  const std::size_t begin = out.size();
  out.resize(begin + bytes_max_); // Of its own size afterwards: one growth, then plain writes.
  char* to = out.data() + begin;
  to += kHead.copy(to, kHead.size());
  write_ts(to, ts);
  to += 13;
  for (const Field& field : fields_) {
    to += field.before.copy(to, field.before.size());
    if (field.is_text()) {
      const std::string& text = field.quoted[field.choice(device, ts)];
      to += text.copy(to, text.size());
    } else {
      to = field.print(to, device, ts);
    }
  }
  to += after_.copy(to, after_.size());
  out.resize(static_cast<std::size_t>(to - out.data()));
}

std::uint64_t SensorPayload::hash(std::uint64_t device, std::int64_t ts) const {
  std::uint64_t sum = 0;
  char printed[kValueBytesMax];
  for (const Field& field : fields_) {
    if (field.is_text()) {
      sum += hash_bytes(field.model.values[field.choice(device, ts)], field.hash_seed);
    } else {
      const char* const end = field.print(printed, device, ts);
      sum += hash_bytes({printed, static_cast<std::size_t>(end - printed)}, field.hash_seed);
    }
  }
  return sum;
}

} // namespace spate::loadgen
