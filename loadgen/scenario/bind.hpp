// Spate - binds keys to members, for the files that hold the tables.
#pragma once

#include <limits>
#include <optional>
#include <type_traits>

#include "loadgen/scenario/keys.hpp"

namespace spate::loadgen::bind {

template <class>
struct MemberOf;
template <class T, class M>
struct MemberOf<M T::*> {
  using Object = T;
  using Value = M;
};

/// A member that holds what a KeyValue of its kind does, in units of `Unit`.
template <auto Member, std::int64_t Unit = 1>
struct Plain {
  using Object = typename MemberOf<decltype(Member)>::Object;
  using Value = typename MemberOf<decltype(Member)>::Value;

  static KeyValue get(const void* object) {
    const Value& value = static_cast<const Object*>(object)->*Member;
    if constexpr (std::is_same_v<Value, bool> || std::is_floating_point_v<Value>) {
      return value;
    } else if constexpr (std::is_enum_v<Value> || std::is_integral_v<Value>) {
      return static_cast<std::int64_t>(value) * Unit;
    } else {
      return value;
    }
  }
  static void set(void* object, KeyValue value) {
    Value& to = static_cast<Object*>(object)->*Member;
    if constexpr (std::is_same_v<Value, bool>) {
      to = std::get<bool>(value);
    } else if constexpr (std::is_floating_point_v<Value>) {
      to = std::get<double>(value);
    } else if constexpr (std::is_enum_v<Value> || std::is_integral_v<Value>) {
      to = static_cast<Value>(std::get<std::int64_t>(value) / Unit);
    } else {
      to = std::get<Value>(std::move(value));
    }
  }
};

/// The same of a cohort's pace.
template <auto Member>
struct OfPace {
  static KeyValue get(const void* object) {
    return Plain<Member>::get(&static_cast<const Cohort*>(object)->pace);
  }
  static void set(void* object, KeyValue value) {
    Plain<Member>::set(&static_cast<Cohort*>(object)->pace, std::move(value));
  }
};

template <class At>
constexpr Key boolean(std::string_view name, std::string_view about) {
  return {name, KeyType::boolean, about, &At::get, &At::set};
}
template <class At>
constexpr Key integer(std::string_view name, std::string_view about, double least, double most) {
  return {name, KeyType::integer, about, &At::get, &At::set, least, most};
}
template <class At>
constexpr Key number(std::string_view name, std::string_view about, double least, double most) {
  return {name, KeyType::number, about, &At::get, &At::set, least, most};
}
/// Ten years are enough for all of them.
inline constexpr double kDurationMost = 3650 * 86'400e9;
template <class At>
constexpr Key duration(std::string_view name, std::string_view about, std::int64_t unit_ns = 1,
                       double most = kDurationMost, double least = 0) {
  return {name, KeyType::duration, about, &At::get, &At::set, least, most, unit_ns};
}
template <class At>
constexpr Key text(std::string_view name, std::string_view about) {
  return {name, KeyType::text, about, &At::get, &At::set};
}
template <class At>
constexpr Key texts(std::string_view name, std::string_view about) {
  return {name, KeyType::texts, about, &At::get, &At::set};
}
template <class At>
constexpr Key choice(std::string_view name, std::string_view about,
                     std::span<const std::string_view> choices) {
  return {name, KeyType::choice, about, &At::get, &At::set, 0, 0, 1, choices};
}
constexpr Key required(Key key) {
  key.required = true;
  return key;
}

/// A list that is a vector.
template <auto Member>
struct List {
  using Object = typename MemberOf<decltype(Member)>::Object;
  static void* add(void* parent) {
    auto& list = static_cast<Object*>(parent)->*Member;
    return &list.emplace_back();
  }
  static std::size_t count(const void* parent) {
    return (static_cast<const Object*>(parent)->*Member).size();
  }
  static const void* at(const void* parent, std::size_t index) {
    return &(static_cast<const Object*>(parent)->*Member)[index];
  }
};

/// One that is an optional.
template <auto Member>
struct Maybe {
  using Object = typename MemberOf<decltype(Member)>::Object;
  static void* add(void* parent) { return &(static_cast<Object*>(parent)->*Member).emplace(); }
  static std::size_t count(const void* parent) {
    return (static_cast<const Object*>(parent)->*Member).has_value() ? 1 : 0;
  }
  static const void* at(const void* parent, std::size_t) {
    return &*(static_cast<const Object*>(parent)->*Member);
  }
};

template <class At>
constexpr Section section(std::string_view name, Section::Kind kind, std::string_view about,
                          const KeyTable& (*table)(), std::size_t count_max = 1) {
  return {name, kind, about, table, &At::add, &At::count, &At::at, count_max};
}

} // namespace spate::loadgen::bind
