#include "engine/columnar/floats.hpp"

#include <charconv>
#include <string>

namespace spate::columnar {

namespace {

constexpr bool same(model::Decimal a, model::Decimal b) noexcept {
  return a.mantissa == b.mantissa && a.scale == b.scale;
}

template <class Real>
bool real_of(model::Decimal value, Real& out) {
  std::string text; // Short enough to need no memory of its own, mostly.
  model::append_text(text, value);
  const auto result = std::from_chars(text.data(), text.data() + text.size(), out);
  return result.ec == std::errc();
}

/// The shortest text that gives `value` back, with at least `decimals` decimals.
template <class Real>
bool shortest_of(Real value, unsigned decimals, model::Decimal& out) {
  char text[32];
  const auto end =
      std::to_chars(text, text + sizeof text, value, std::chars_format::scientific).ptr;
  std::int64_t mantissa = 0;
  int scale = 0;
  const char* at = text + (text[0] == '-' ? 1 : 0);
  for (bool point = false; at != end && *at != 'e'; ++at) { // At most 17 digits.
    if (*at == '.') {
      point = true;
      continue;
    }
    mantissa = mantissa * 10 + (*at - '0');
    scale += point ? 1 : 0;
  }
  if (at == end) {
    return false; // Not finite.
  }
  int exponent = 0;
  at += at[1] == '+' ? 2 : 1; // from_chars takes a minus only.
  if (std::from_chars(at, end, exponent).ec != std::errc()) {
    return false;
  }
  for (scale -= exponent; scale < static_cast<int>(decimals); ++scale) {
    if (__builtin_mul_overflow(mantissa, 10, &mantissa)) {
      return false;
    }
  }
  if (scale > model::kScaleMax || (text[0] == '-' && mantissa == 0)) {
    return false;
  }
  out = {text[0] == '-' ? -mantissa : mantissa, static_cast<std::uint8_t>(scale)};
  return true;
}

} // namespace

bool WidenedFloats::shorten(model::Decimal value, model::Decimal& out) {
  Known& known = place(shortened_, value.mantissa);
  if (!known.used || !same(known.from, value)) {
    double wide = 0;
    if (!real_of(value, wide)) {
      return false;
    }
    const auto narrow = static_cast<float>(wide);
    model::Decimal back;
    if (static_cast<double>(narrow) != wide || !shortest_of(narrow, 0, known.to) ||
        !widen(known.to, back) || !same(back, value)) {
      known.used = false;
      return false;
    }
    known.used = true;
    known.from = value;
  }
  out = known.to;
  return true;
}

bool WidenedFloats::widen(model::Decimal value, model::Decimal& out) {
  Known& known = place(widened_, value.mantissa);
  if (!known.used || !same(known.from, value)) {
    float narrow = 0;
    known.used =
        real_of(value, narrow) && shortest_of(static_cast<double>(narrow), decimals_, known.to);
    known.from = value;
    if (!known.used) {
      return false;
    }
  }
  out = known.to;
  return true;
}

} // namespace spate::columnar
