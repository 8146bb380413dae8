#include <doctest/doctest.h>

#include <random>
#include <set>
#include <string>
#include <vector>

#include "storage/retained_filter.hpp"
#include "storage/session_keys.hpp"

using namespace spate::storage;

namespace {

std::vector<std::string> levels_of(const std::string& text) {
  std::vector<std::string> out(1);
  for (const char c : text) {
    if (c == '/') {
      out.emplace_back();
    } else {
      out.back().push_back(c);
    }
  }
  return out;
}

/// As the specification words it, one level after the other.
bool matches(const std::string& filter, const std::string& topic) {
  if ((filter[0] == '+' || filter[0] == '#') && topic[0] == '$') {
    return false;
  }
  const auto wanted = levels_of(filter);
  const auto given = levels_of(topic);
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    if (wanted[i] == "#") {
      return true;
    }
    if (i >= given.size() || (wanted[i] != "+" && wanted[i] != given[i])) {
      return false;
    }
  }
  return wanted.size() == given.size();
}

struct Walk {
  std::vector<std::string> found;
  std::size_t looked_at = 0;
};

Walk walk(const std::set<std::string>& topics, const std::string& text) {
  const RetainedFilter filter(text);
  Walk out;
  auto at = topics.lower_bound(filter.start());
  while (at != topics.end()) {
    ++out.looked_at;
    std::string target;
    switch (filter.look_at(*at, target)) {
    case RetainedFilter::Step::match:
      out.found.push_back(session_keys::topic_of(*at++));
      break;
    case RetainedFilter::Step::next:
      ++at;
      break;
    case RetainedFilter::Step::seek:
      REQUIRE(target > *at);
      at = topics.lower_bound(target);
      break;
    case RetainedFilter::Step::end:
      return out;
    }
  }
  return out;
}

} // namespace

TEST_SUITE("retained filter") {
  TEST_CASE("a walk finds what matching one by one finds, in its order") {
    std::mt19937 random(7);
    const std::vector<std::string> words{"", "a", "b", "ab", "a!", "$s", "$", "z", "a\x01", "\x7f"};
    const auto level = [&] { return words[random() % words.size()]; };
    const auto path = [&](bool filter) {
      std::string out;
      const auto count = 1 + random() % 4;
      for (std::size_t i = 0; i < count; ++i) {
        const bool last = i + 1 == count;
        const auto kind = random() % 4;
        out += (i == 0 ? "" : "/");
        out += filter && kind == 0 ? "+" : filter && kind == 1 && last ? "#" : level();
      }
      return out;
    };
    std::size_t found = 0;
    for (int round = 0; round < 300; ++round) {
      std::set<std::string> topics;
      for (int i = 0; i < 60; ++i) {
        if (const auto topic = path(false); !topic.empty()) {
          topics.insert(session_keys::levels_of(topic));
        }
      }
      for (int i = 0; i < 30; ++i) {
        const auto filter = path(true);
        if (filter.empty()) {
          continue;
        }
        CAPTURE(filter);
        std::vector<std::string> wanted;
        for (const auto& each : topics) {
          if (const auto topic = session_keys::topic_of(each); matches(filter, topic)) {
            wanted.push_back(topic);
          }
        }
        found += wanted.size();
        CHECK(walk(topics, filter).found == wanted);
      }
    }
    CHECK(found > 5000);
  }

  TEST_CASE("a filter with U+0000 takes nothing and does not go round in circles [MQTT-4.7.3-2]") {
    const std::set<std::string> topics{std::string("\0\0z", 3), "a"};
    CHECK(walk(topics, std::string("\0/b", 3)).found.empty());
    CHECK(walk(topics, std::string("+/\0", 3)).found.empty());
  }

  TEST_CASE("what can not match is skipped") {
    std::set<std::string> topics;
    for (int device = 0; device < 100; ++device) {
      for (int field = 0; field < 100; ++field) {
        topics.insert(
            session_keys::levels_of("d/" + std::to_string(device) + "/f/" + std::to_string(field)));
      }
    }
    CHECK(walk(topics, "d/7/f/7").looked_at <= 2);
    CHECK(walk(topics, "d/+/f/7").looked_at <= 400);
    CHECK(walk(topics, "d/+/f/7").found.size() == 100);
    CHECK(walk(topics, "d/+/f").looked_at <= 200);
    CHECK(walk(topics, "d/7/#").looked_at <= 101);
  }
}
