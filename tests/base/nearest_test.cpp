#include "engine/base/nearest.hpp"

#include <string>
#include <vector>

#include <doctest/doctest.h>

using namespace spate;

TEST_CASE("a slip finds the word that was meant, and another word finds none") {
  const std::vector<std::string_view> known = {"devices", "device", "qos", "keep_alive", "topic"};
  CHECK(nearest_word("devcies", known) == "devices");
  CHECK(nearest_word("device", known) == "device");
  CHECK(nearest_word("keepalive", known) == "keep_alive");
  CHECK(nearest_word("tpoic", known) == "topic");
  CHECK(nearest_word("qso", known) == "qos");
  CHECK(nearest_word("colour", known).empty());
  CHECK(nearest_word("", known).empty());
  CHECK(nearest_word("x", {}).empty());
  CHECK(nearest_word(std::string(100'000, 'x'), known).empty());
  const std::string long_word(70, 'a');
  CHECK(nearest_word(long_word + "b", std::vector<std::string_view>{long_word}) == long_word);
}

TEST_CASE("an unknown word is answered with the nearest one, or with all") {
  const std::vector<std::string_view> known = {"rate", "flood"};
  CHECK(meant_word("rat", known) == "; did you mean 'rate'?");
  CHECK(meant_word("speed", known) == "; known are: rate, flood");
}
