#include "api/prefer.hpp"

#include <algorithm>
#include <charconv>

#include "api/digits.hpp"
#include "engine/http/request.hpp"

namespace spate::api {

namespace {

std::string_view trimmed(std::string_view text) noexcept {
  const std::size_t begin = text.find_first_not_of(" \t");
  if (begin == std::string_view::npos) {
    return {};
  }
  return text.substr(begin, text.find_last_not_of(" \t") - begin + 1);
}

/// Cuts the next element off a list, at a separator that stands outside quotes.
std::string_view cut(std::string_view& list, char separator) noexcept {
  bool quoted = false;
  std::size_t at = 0;
  for (; at < list.size() && (quoted || list[at] != separator); ++at) {
    if (list[at] == '"') {
      quoted = !quoted;
    } else if (quoted && list[at] == '\\') {
      ++at;
    }
  }
  at = std::min(at, list.size());
  const std::string_view element = list.substr(0, at);
  list.remove_prefix(std::min(at + 1, list.size()));
  return element;
}

std::optional<std::int64_t> seconds_of(std::string_view text) noexcept {
  if (text.size() >= 2 && text.front() == '"' && text.back() == '"') {
    text = text.substr(1, text.size() - 2);
  }
  if (!all_digits(text)) {
    return std::nullopt;
  }
  std::int64_t seconds = kWaitSMax; // Also of what does not fit.
  std::from_chars(text.data(), text.data() + text.size(), seconds);
  return std::min(seconds, kWaitSMax);
}

} // namespace

std::optional<Prefer> parse_prefer(std::string_view field) {
  Prefer prefer;
  while (!field.empty()) {
    std::string_view preference = cut(field, ',');
    const std::string_view word = cut(preference, ';'); // Behind it are parameters: none is known.
    const std::size_t equals = word.find('=');
    const std::string_view name = trimmed(word.substr(0, equals));
    if (http::same_token(name, "respond-async")) {
      prefer.respond_async = true;
    } else if (http::same_token(name, "wait") && !prefer.wait_s) {
      prefer.wait_s = seconds_of(
          equals == std::string_view::npos ? std::string_view{} : trimmed(word.substr(equals + 1)));
      if (!prefer.wait_s) {
        return std::nullopt;
      }
    }
  }
  return prefer;
}

std::string applied_text(const Prefer& prefer, bool answered_async) {
  std::string text;
  if (prefer.respond_async && answered_async) {
    text = "respond-async";
  }
  if (prefer.wait_s) {
    text.append(text.empty() ? "wait=" : ", wait=").append(std::to_string(*prefer.wait_s));
  }
  return text;
}

} // namespace spate::api
