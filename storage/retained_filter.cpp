#include "storage/retained_filter.hpp"

#include <cstddef>

namespace spate::storage {

namespace {

/// Behind all topics that begin with the levels in front of it, and before all others behind them.
constexpr char kBehind = '\1';
constexpr std::size_t kNone = std::string_view::npos;

} // namespace

RetainedFilter::RetainedFilter(std::string_view filter)
    : is_valid_(filter.find('\0') == std::string_view::npos) {
  for (std::size_t begin = 0;;) {
    const std::size_t end = filter.find('/', begin);
    levels_.emplace_back(filter.substr(begin, end == kNone ? kNone : end - begin));
    if (end == kNone) {
      break;
    }
    begin = end + 1;
  }
  for (std::size_t i = 0; i < levels_.size() && levels_[i] != "+" && levels_[i] != "#"; ++i) {
    start_.append(i == 0 ? 0 : 1, '\0').append(levels_[i]);
  }
}

RetainedFilter::Step RetainedFilter::look_at(std::string_view topic, std::string& target) const {
  if (!is_valid_) {
    return Step::end;
  }
  if ((levels_[0] == "+" || levels_[0] == "#") && !topic.empty() && topic[0] == '$') {
    target = std::string(1, '$' + 1); // MQTT-4.7.2-1.
    return Step::seek;
  }
  // Behind the last level that may be another one; there is none: behind all.
  std::size_t wild_end = kNone;
  const auto past_wild = [&] {
    if (wild_end == kNone) {
      return Step::end;
    }
    target = std::string(topic.substr(0, wild_end)) + kBehind;
    return Step::seek;
  };
  std::size_t begin = 0; // Of the level of `topic`; behind its end if there are no more.
  for (const std::string& level : levels_) {
    if (level == "#") {
      return Step::match; // Also of the parent itself.
    }
    if (begin > topic.size()) {
      return Step::next; // What lies below it follows.
    }
    std::size_t end = topic.find('\0', begin);
    end = end == kNone ? topic.size() : end;
    if (level == "+") {
      wild_end = end;
    } else if (const int order = topic.substr(begin, end - begin).compare(level); order < 0) {
      target = std::string(topic.substr(0, begin)) + level;
      return Step::seek;
    } else if (order > 0) {
      return past_wild();
    }
    begin = end + 1;
  }
  if (begin > topic.size()) {
    return Step::match;
  }
  // It is deeper than the filter: all of its kind are skipped.
  return past_wild();
}

} // namespace spate::storage
