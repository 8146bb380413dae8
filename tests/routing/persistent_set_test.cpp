#include <algorithm>
#include <map>
#include <random>
#include <set>
#include <vector>

#include <doctest/doctest.h>

#include "engine/routing/persistent_set.hpp"
#include "engine/routing/subscriber.hpp"

using namespace spate::routing;

namespace {

int alive = 0;

struct Item final : Counted<Item> {
  Item(std::uint64_t k, int v, std::uint64_t h) : key(k), value(v), hashed(h) { ++alive; }
  ~Item() { --alive; }
  [[nodiscard]] std::uint64_t hash() const noexcept { return hashed; }

  const std::uint64_t key;
  const int value;
  const std::uint64_t hashed;
};

using Set = PersistentSet<Item>;
using Model = std::map<std::uint64_t, int>;

auto same(std::uint64_t key) {
  return [key](const Item& item) { return item.key == key; };
}

Model content(const Set& set) {
  Model out;
  set.for_each([&](const Item& item) { CHECK(out.emplace(item.key, item.value).second); });
  return out;
}

/// Random changes beside a map, with versions kept and looked at again later.
void compare(std::uint64_t hash_mask, std::uint64_t keys, unsigned seed) {
  const auto hash_of = [&](std::uint64_t key) {
    return (key * 0x9e3779b97f4a7c15u ^ key << 61) & hash_mask;
  };
  std::mt19937_64 random(seed);
  Set set;
  Model model;
  std::vector<std::pair<Set, Model>> kept;
  std::uint64_t edit = 1;
  for (int i = 0; i < 4000; ++i) {
    const std::uint64_t key = random() % keys;
    if (random() % 100 < (i / 500 % 2 == 0 ? 70u : 30u)) {
      set.put(new Item(key, i, hash_of(key)), same(key), Edit{edit});
      model[key] = i;
    } else {
      CHECK(set.erase(hash_of(key), same(key), Edit{edit}) == (model.erase(key) == 1));
    }
    if (random() % 7 == 0) {
      kept.emplace_back(set, model);
      ++edit;
    }
    const std::uint64_t asked = random() % keys;
    const Item* found = set.find(hash_of(asked), same(asked));
    REQUIRE((found != nullptr) == model.contains(asked));
    if (found != nullptr) {
      CHECK(found->value == model[asked]);
    }
    CHECK(set.empty() == model.empty());
  }
  CHECK(content(set) == model);
  for (const auto& [version, then] : kept) {
    CHECK(content(version) == then);
  }
}

} // namespace

TEST_SUITE("persistent set") {
  TEST_CASE("it holds what a map holds, and each version stays as it was") {
    for (unsigned seed = 0; seed < 4; ++seed) {
      compare(~0ull, 300, seed);
      compare(~0ull, 6, seed);
    }
    CHECK(alive == 0);
  }

  TEST_CASE("items whose hashes are equal, in part or whole, are told apart by their keys") {
    for (const std::uint64_t mask : {0ull, 0x3ull, 0xfull << 60, 0x8000000000000001ull}) {
      compare(mask, 40, 7);
    }
    CHECK(alive == 0);
  }

  TEST_CASE("what an edit made itself is changed in place") {
    Set set;
    for (std::uint64_t key = 0; key < 1000; ++key) {
      set.put(new Item(key, 1, key * 0x9e3779b97f4a7c15u), same(key), Edit{1});
    }
    const Set version = set;
    set.put(new Item(5, 2, 5 * 0x9e3779b97f4a7c15u), same(5), Edit{2});
    CHECK(version.find(5 * 0x9e3779b97f4a7c15u, same(5))->value == 1);
    CHECK(set.find(5 * 0x9e3779b97f4a7c15u, same(5))->value == 2);
    CHECK(alive == 1001); // Only one item is there twice.
  }
}
