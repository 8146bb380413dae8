// Spate - the keys of a scenario file: one table drives its reader, writer, schema and reference.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "loadgen/scenario/scenario.hpp"

namespace spate::loadgen {

/// From, to.
using LevelRange = std::pair<double, double>;
/// A whole number, the ns of a duration and the index of a choice are std::int64_t.
using KeyValue =
    std::variant<bool, std::int64_t, double, std::string, std::vector<std::string>, LevelRange>;

enum class KeyType : std::uint8_t {
  boolean,
  integer,
  number,
  duration,
  text,
  texts,
  choice,
  level
};

/// A key and where its value lies in the object of its table.
struct Key {
  std::string_view name;
  KeyType type;
  std::string_view about; ///< A phrase for people.
  KeyValue (*get)(const void* object);
  void (*set)(void* object, KeyValue value);
  double least = 0, most = 0; ///< integer, number, duration (ns), level.
  std::int64_t unit_ns = 1;   ///< A duration is a multiple of it.
  std::span<const std::string_view> choices{};
  bool required = false;
};

struct KeyTable;

/// A table within a table.
struct Section {
  enum class Kind : std::uint8_t {
    one,   ///< [parent.name], at most once.
    list,  ///< [[parent.name]]
    named, ///< [name.NAME], payloads.
    fields ///< fields.PATH = {...}
  };
  std::string_view name;
  Kind kind;
  std::string_view about;
  const KeyTable& (*table)();
  /// Makes one more and gives it.
  void* (*add)(void* parent);
  std::size_t (*count)(const void* parent);
  const void* (*at)(const void* parent, std::size_t index);
  std::size_t count_max = 1;
};

struct KeyTable {
  std::string_view name; ///< For people: "cohort".
  std::span<const Key> keys;
  std::span<const Section> sections;
  const void* defaults; ///< An object that nobody has set anything of.

  [[nodiscard]] std::vector<std::string_view> names() const;
};

/// The tables, from the file's top; the others hang below it.
[[nodiscard]] const KeyTable& scenario_keys();
[[nodiscard]] const KeyTable& cohort_keys();
[[nodiscard]] const KeyTable& payload_keys();
[[nodiscard]] const KeyTable& field_keys();
[[nodiscard]] const KeyTable& stage_keys();
[[nodiscard]] const KeyTable& fault_keys();
[[nodiscard]] const KeyTable& command_keys();

// The tables know how payloads are named.
inline constexpr std::size_t kPayloadNameBytesMax = 64;
inline constexpr std::size_t kScenarioTextBytesMax = 4096;
inline constexpr std::size_t kScenarioTextsMax = 1024;

} // namespace spate::loadgen
