#include "loadgen/scenario/schema.hpp"

#include <cmath>
#include <sstream>

#include <nlohmann/json.hpp>

#include "loadgen/base/units.hpp"
#include "loadgen/scenario/keys.hpp"

namespace spate::loadgen {

namespace {

using Json = nlohmann::ordered_json;

constexpr const char* kDuration = R"(^[0-9]+(\.[0-9]+)?(h|m|min|s|ms|us|ns)?$)";
constexpr const char* kSignedDuration = R"(^-?[0-9]+(\.[0-9]+)?(h|m|min|s|ms|us|ns)?$)";

/// A double that is whole becomes an integer, which is how people write it.
Json number(double value) {
  if (value == std::floor(value) && std::abs(value) < 9e15) {
    return static_cast<std::int64_t>(value);
  }
  return value;
}

Json value_json(const Key& key, const KeyValue& value) {
  switch (key.type) {
  case KeyType::boolean:
    return std::get<bool>(value);
  case KeyType::integer:
    return std::get<std::int64_t>(value);
  case KeyType::number:
    return number(std::get<double>(value));
  case KeyType::duration:
    return duration_text(std::get<std::int64_t>(value));
  case KeyType::text:
    return std::get<std::string>(value);
  case KeyType::texts:
    return std::get<std::vector<std::string>>(value);
  case KeyType::choice:
    return key.choices[static_cast<std::size_t>(std::get<std::int64_t>(value))];
  case KeyType::level: {
    const auto& [from, to] = std::get<LevelRange>(value);
    return from == to ? number(from) : Json{number(from), number(to)};
  }
  }
  return {};
}

Json key_schema(const KeyTable& table, const Key& key) {
  Json schema = {{"description", key.about}};
  const auto range = [&key](const char* type) {
    return Json{{"type", type}, {"minimum", number(key.least)}, {"maximum", number(key.most)}};
  };
  switch (key.type) {
  case KeyType::boolean:
    schema["type"] = "boolean";
    break;
  case KeyType::integer:
    schema.update(range("integer"));
    break;
  case KeyType::number:
    schema.update(range("number"));
    break;
  case KeyType::duration:
    schema["type"] = "string";
    schema["pattern"] = key.least < 0 ? kSignedDuration : kDuration;
    break;
  case KeyType::text:
    schema["type"] = "string";
    schema["maxLength"] = kScenarioTextBytesMax;
    break;
  case KeyType::texts:
    schema["type"] = "array";
    schema["maxItems"] = kScenarioTextsMax;
    schema["items"] = {{"type", "string"}, {"maxLength", kScenarioTextBytesMax}};
    break;
  case KeyType::choice:
    schema["enum"] = key.choices;
    break;
  case KeyType::level:
    schema["oneOf"] = {
        range("number"),
        {{"type", "array"}, {"items", range("number")}, {"minItems", 2}, {"maxItems", 2}}};
    break;
  }
  if (!key.required) {
    schema["default"] = value_json(key, key.get(table.defaults));
  }
  return schema;
}

Json table_schema(const KeyTable& table) {
  Json properties = Json::object();
  Json required = Json::array();
  for (const Key& key : table.keys) {
    properties[std::string(key.name)] = key_schema(table, key);
    if (key.required) {
      required.push_back(key.name);
    }
  }
  for (const Section& section : table.sections) {
    Json inner = table_schema(section.table());
    Json schema = {{"description", section.about}};
    switch (section.kind) {
    case Section::Kind::one:
      inner["description"] = section.about;
      schema = std::move(inner);
      break;
    case Section::Kind::list:
      schema["type"] = "array";
      schema["maxItems"] = section.count_max;
      schema["items"] = std::move(inner);
      break;
    case Section::Kind::named:
      schema["type"] = "object";
      schema["maxProperties"] = section.count_max;
      schema["additionalProperties"] = false;
      schema["patternProperties"] = {
          {"^[A-Za-z0-9_-]{1," + std::to_string(kPayloadNameBytesMax) + "}$", std::move(inner)}};
      break;
    case Section::Kind::fields:
      schema["$ref"] = "#/$defs/fields";
      break;
    }
    properties[std::string(section.name)] = std::move(schema);
  }
  Json schema = {{"type", "object"}, {"additionalProperties", false}, {"properties", properties}};
  if (!required.empty()) {
    schema["required"] = std::move(required);
  }
  return schema;
}

std::string cell(const Json& value) {
  return "`" + value.dump() + "`";
}

std::string type_text(const Key& key) {
  const auto range = [&key] { return number(key.least).dump() + " to " + number(key.most).dump(); };
  switch (key.type) {
  case KeyType::boolean:
    return "true, false";
  case KeyType::integer:
    return "whole, " + range();
  case KeyType::number:
    return "number, " + range();
  case KeyType::duration:
    return "duration";
  case KeyType::text:
    return "text";
  case KeyType::texts:
    return "list of texts";
  case KeyType::choice: {
    std::string all;
    for (const std::string_view choice : key.choices) {
      all.append(all.empty() ? "`" : ", `").append(choice).append("`");
    }
    return all;
  }
  case KeyType::level:
    return "number or [from, to], " + range();
  }
  return {};
}

std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    out.append(c == '|' ? "\\|" : std::string(1, c));
  }
  return out;
}

void refer(std::ostringstream& out, const KeyTable& table, const std::string& heading,
           std::string_view about, const std::string& path) {
  out << "### " << heading << "\n" << about << "\n";
  if (!table.keys.empty()) {
    out << "\n| key | takes | default | what it is |\n|---|---|---|---|\n";
  }
  for (const Key& key : table.keys) {
    const std::string fallback =
        key.required ? "required" : cell(value_json(key, key.get(table.defaults)));
    out << "| `" << key.name << "` | " << type_text(key) << " | " << escaped(fallback) << " | "
        << escaped(key.about) << " |\n";
  }
  out << "\n";
  for (const Section& section : table.sections) {
    const std::string name(section.name);
    const std::string at = path.empty() ? name : path + "." + name;
    switch (section.kind) {
    case Section::Kind::one:
      refer(out, section.table(), "`[" + at + "]`", section.about, at);
      break;
    case Section::Kind::list:
      refer(out, section.table(), "`[[" + at + "]]`", section.about, at);
      break;
    case Section::Kind::named:
      refer(out, section.table(), "`[" + at + ".NAME]`", section.about, at + ".NAME");
      break;
    case Section::Kind::fields:
      refer(out, section.table(), "`" + name + ".PATH = {...}`", section.about, at);
      break;
    }
  }
}

} // namespace

Json scenario_schema() {
  Json schema = {{"$schema", "https://json-schema.org/draft/2020-12/schema"},
                 {"title", "Scenario of spate-loadgen"},
                 {"description", "A load test as TOML. Durations are texts: \"10s\", \"500ms\"."}};
  schema.update(table_schema(scenario_keys()));
  // A table with the text `type` is a field; any other is an object with more of them.
  Json field = table_schema(field_keys());
  schema["$defs"] = {
      {"fields",
       {{"type", "object"},
        {"minProperties", 1},
        {"additionalProperties",
         {{"if", {{"properties", {{"type", {{"type", "string"}}}}}, {"required", {"type"}}}},
          {"then", std::move(field)},
          {"else", {{"$ref", "#/$defs/fields"}}}}}}}};
  return schema;
}

std::string scenario_reference() {
  std::ostringstream out;
  refer(out, scenario_keys(), "At the top", "What holds for the whole run.", "");
  return out.str();
}

} // namespace spate::loadgen
