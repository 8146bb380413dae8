// Scenario -> TOML, by the same table of keys that reads it.
#include <charconv>

#include "loadgen/base/texts.hpp"
#include "loadgen/base/units.hpp"
#include "loadgen/scenario/keys.hpp"
#include "loadgen/scenario/read_scenario.hpp"

namespace spate::loadgen {

namespace {

std::string key_text(std::string_view name) {
  static constexpr std::string_view kBare =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";
  const bool bare = !name.empty() && name.find_first_not_of(kBare) == std::string_view::npos;
  return bare ? std::string(name) : quoted(name);
}

std::string number(double value) {
  char buffer[40];
  const auto end = std::to_chars(buffer, buffer + sizeof buffer, value).ptr;
  return {buffer, end};
}

std::string value_text(const Key& key, const KeyValue& value) {
  switch (key.type) {
  case KeyType::boolean:
    return std::get<bool>(value) ? "true" : "false";
  case KeyType::integer:
    return std::to_string(std::get<std::int64_t>(value));
  case KeyType::number:
    return number(std::get<double>(value));
  case KeyType::duration:
    return quoted(duration_text(std::get<std::int64_t>(value)));
  case KeyType::text:
    return quoted(std::get<std::string>(value));
  case KeyType::choice:
    return quoted(key.choices[static_cast<std::size_t>(std::get<std::int64_t>(value))]);
  case KeyType::level: {
    const auto& [from, to] = std::get<LevelRange>(value);
    return from == to ? number(from) : "[" + number(from) + ", " + number(to) + "]";
  }
  case KeyType::texts: {
    std::string list;
    for (const std::string& text : std::get<std::vector<std::string>>(value)) {
      list += (list.empty() ? "" : ", ") + quoted(text);
    }
    return "[" + list + "]";
  }
  }
  return {};
}

/// What differs from the defaults, each "name = value" followed by `between`.
std::string keys_text(const KeyTable& table, const void* object, std::string_view between) {
  std::string text;
  for (const Key& key : table.keys) {
    const KeyValue value = key.get(object);
    if (key.required || value != key.get(table.defaults)) {
      text.append(key.name).append(" = ").append(value_text(key, value)).append(between);
    }
  }
  return text;
}

void write_fields(std::string& out, const Section& section, const void* payload) {
  for (std::size_t i = 0; i < section.count(payload); ++i) {
    const auto& model = *static_cast<const SensorModel*>(section.at(payload, i));
    out += section.name;
    for (std::size_t from = 0; from != std::string::npos;) {
      const std::size_t dot = model.field.find('.', from);
      out += "." + key_text(std::string_view(model.field).substr(from, dot - from));
      from = dot == std::string::npos ? dot : dot + 1;
    }
    std::string keys = keys_text(section.table(), &model, ", ");
    keys.resize(keys.size() - 2); // `type` is always there.
    out += " = { " + keys + " }\n";
  }
}

void write_table(std::string& out, const KeyTable& table, const void* object,
                 const std::string& path) {
  out += keys_text(table, object, "\n");
  for (const Section& section : table.sections) {
    if (section.kind == Section::Kind::fields) {
      write_fields(out, section, object);
      continue;
    }
    const std::string at = (path.empty() ? "" : path + ".") + std::string(section.name);
    for (std::size_t i = 0; i < section.count(object); ++i) {
      const void* inner = section.at(object, i);
      std::string header = "[" + at + "]";
      if (section.kind == Section::Kind::list) {
        header = "[" + header + "]";
      } else if (section.kind == Section::Kind::named) {
        header = "[" + at + "." + key_text(static_cast<const NamedModels*>(inner)->name) + "]";
      }
      out += "\n" + header + "\n";
      write_table(out, section.table(), inner, at);
    }
  }
}

} // namespace

std::string write_scenario(const Scenario& scenario) {
  std::string out;
  write_table(out, scenario_keys(), &scenario, "");
  return out;
}

} // namespace spate::loadgen
