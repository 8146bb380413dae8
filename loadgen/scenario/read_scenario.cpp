#include "loadgen/scenario/read_scenario.hpp"

#include <algorithm>
#include <cmath>
#include <optional>
#include <sstream>

#include "engine/base/nearest.hpp"
#include "loadgen/base/units.hpp"
#include "loadgen/scenario/keys.hpp"

// What people write can reach its assertions ("[[[a]"); its error handling behind them is sound.
// With NDEBUG they would be promises to the optimizer.
#pragma push_macro("NDEBUG")
#undef NDEBUG
#define TOML_ASSERT(expr) static_assert(true)
#define TOML_EXCEPTIONS 0
#include <toml++/toml.h>
#pragma pop_macro("NDEBUG")

namespace spate::loadgen {

namespace {

Place place_of(const toml::source_region& where) {
  return {where.begin.line, where.begin.column};
}

std::string under(const std::string& path, std::string_view name) {
  return path.empty() ? std::string(name) : path + "." + std::string(name);
}

std::string numbered(const std::string& path, std::size_t index) {
  return path + "[" + std::to_string(index) + "]";
}

std::string number_text(double value) {
  std::ostringstream text;
  text.precision(15);
  text << value;
  return text.str();
}

std::string range_text(const Key& key) {
  return "from " + number_text(key.least) + " to " + number_text(key.most);
}

bool is_payload_name(std::string_view name) {
  return !name.empty() && name.size() <= kPayloadNameBytesMax &&
         std::all_of(name.begin(), name.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                  c == '_' || c == '-';
         });
}

/// Fills objects from tables as the table of keys says; all problems are noted, none ends it.
class Reader {
public:
  explicit Reader(Problems& problems) : problems_(problems) {}

  void read(const toml::table& from, const KeyTable& table, void* object, const std::string& path) {
    complain_of_unknown(from, table, path);
    for (const Key& key : table.keys) {
      const std::string at = under(path, key.name);
      if (const toml::node* node = from.get(key.name)) {
        problems_.mark(at, place_of(node->source()));
        if (auto value = value_of(key, *node, at)) {
          key.set(object, std::move(*value));
        }
      } else if (key.required) {
        problems_.add(at, std::string(key.name) + " is missing: " + std::string(key.about));
      }
    }
    for (const Section& section : table.sections) {
      if (const toml::node* node = from.get(section.name)) {
        const std::string at = under(path, section.name);
        problems_.mark(at, place_of(node->source()));
        read_section(*node, section, object, at);
      }
    }
  }

private:
  void complain_of_unknown(const toml::table& from, const KeyTable& table,
                           const std::string& path) {
    const auto names = table.names();
    for (auto&& [key, node] : from) {
      const std::string_view name = key.str();
      if (std::find(names.begin(), names.end(), name) == names.end()) {
        // By its place: a name may have any bytes.
        const Place place = place_of(key.source());
        const std::string at = under(path, "unknown " + std::string(name));
        problems_.mark(at, place);
        problems_.add(at, "unknown key '" + std::string(name) + "' of a " +
                              std::string(table.name) + meant_word(name, names));
      }
    }
  }

  void read_section(const toml::node& node, const Section& section, void* parent,
                    const std::string& path) {
    const std::string name(section.name);
    if (section.kind == Section::Kind::list) {
      const toml::array* list = node.as_array();
      if (list == nullptr || !list->is_array_of_tables()) {
        problems_.add(path, name + " is a list of tables: write [[" + name + "]] above each");
        return;
      }
      if (list->size() > section.count_max) {
        problems_.add(path,
                      name + " stands more than " + std::to_string(section.count_max) + " times");
        return;
      }
      for (std::size_t i = 0; i < list->size(); ++i) {
        const toml::table& table = *list->get(i)->as_table();
        const std::string at = numbered(path, i);
        problems_.mark(at, place_of(table.source()));
        read(table, section.table(), section.add(parent), at);
      }
      return;
    }
    const toml::table* table = node.as_table();
    if (table == nullptr) {
      problems_.add(path, name + " is a table: write [" + path + "] above its keys");
    } else if (section.kind == Section::Kind::one) {
      read(*table, section.table(), section.add(parent), path);
    } else if (table->size() > section.count_max) {
      problems_.add(path, name + " has more than " + std::to_string(section.count_max));
    } else if (section.kind == Section::Kind::named) {
      read_named(*table, section, parent, path);
    } else {
      read_fields(*table, section, *static_cast<NamedModels*>(parent), path, "", 1);
      sort_fields(*static_cast<NamedModels*>(parent));
    }
  }

  void read_named(const toml::table& tables, const Section& section, void* parent,
                  const std::string& path) {
    for (auto&& [key, node] : tables) {
      const std::string at = under(path, key.str());
      problems_.mark(at, place_of(key.source()));
      const toml::table* table = node.as_table();
      if (table == nullptr) {
        problems_.add(at, "is a table: write [" + path + "." + std::string(key.str()) +
                              "] above its keys");
      } else if (!is_payload_name(key.str())) {
        problems_.add(at, "a payload's name has letters, digits, _ and -, at most 64");
      } else {
        auto* payload = static_cast<NamedModels*>(section.add(parent));
        payload->name = key.str();
        read(*table, section.table(), payload, at);
      }
    }
    // toml++ sorts by name; people by sense.
    auto& payloads = static_cast<Scenario*>(parent)->payloads;
    std::stable_sort(payloads.begin(), payloads.end(), [&](const auto& a, const auto& b) {
      return place_in(tables, a.name) < place_in(tables, b.name);
    });
  }

  static Place place_in(const toml::table& tables, const std::string& name) {
    return place_of(tables.find(name)->first.source());
  }

  /// A table with the text `type` is a field, one without an object that holds more of them.
  void read_fields(const toml::table& tables, const Section& section, NamedModels& payload,
                   const std::string& path, const std::string& prefix, std::size_t depth) {
    for (auto&& [key, node] : tables) {
      const std::string at = under(path, key.str());
      const Place place = place_of(key.source());
      problems_.mark(at, place);
      const toml::table* table = node.as_table();
      if (table == nullptr) {
        problems_.add(at, "a field is a table: " + std::string(key.str()) +
                              " = { type = \"number\", mean = 20 }");
      } else if (key.str().find('.') != std::string_view::npos) {
        problems_.add(at, "the name of a field has no point: write it without quotes for an "
                          "object within an object");
      } else if (table->get("type") != nullptr && table->get("type")->is_string()) {
        if (payload.fields.size() == section.count_max) {
          problems_.add(at,
                        "a payload has more than " + std::to_string(section.count_max) + " fields");
          return;
        }
        auto* field = static_cast<SensorModel*>(section.add(&payload));
        field->field = under(prefix, key.str());
        places_.push_back(place);
        read(*table, section.table(), field, at);
      } else if (table->empty() || !table->begin()->second.is_table()) {
        problems_.add(under(at, "type"), "type is missing: what does the field measure?");
      } else if (depth == kSensorPathDepthMax) {
        problems_.add(at, "objects lie within each other more than " +
                              std::to_string(kSensorPathDepthMax) + " deep");
      } else {
        read_fields(*table, section, payload, at, under(prefix, key.str()), depth + 1);
      }
    }
  }

  void sort_fields(NamedModels& payload) {
    std::vector<std::size_t> order(payload.fields.size());
    for (std::size_t i = 0; i < order.size(); ++i) {
      order[i] = i;
    }
    std::stable_sort(order.begin(), order.end(),
                     [this](std::size_t a, std::size_t b) { return places_[a] < places_[b]; });
    std::vector<SensorModel> sorted;
    for (const std::size_t i : order) {
      sorted.push_back(std::move(payload.fields[i]));
    }
    payload.fields = std::move(sorted);
    places_.clear();
  }

  std::optional<KeyValue> value_of(const Key& key, const toml::node& node, const std::string& at) {
    const auto refuse = [&](const std::string& what) {
      problems_.add(at, std::string(key.name) + " " + what);
      return std::nullopt;
    };
    const bool number = node.is_integer() || node.is_floating_point();
    switch (key.type) {
    case KeyType::boolean:
      if (const auto value = node.value_exact<bool>()) {
        return *value;
      }
      return refuse("takes true or false");
    case KeyType::integer: {
      const auto value = node.value_exact<std::int64_t>();
      const auto as_number = static_cast<double>(value.value_or(0));
      if (!value || as_number < key.least || as_number > key.most) {
        return refuse("takes a whole number " + range_text(key));
      }
      return *value;
    }
    case KeyType::number: {
      const auto value = number ? node.value<double>() : std::nullopt;
      if (!value || !(*value >= key.least && *value <= key.most)) { // NaN is neither.
        return refuse("takes a number " + range_text(key));
      }
      return *value;
    }
    case KeyType::duration:
      return duration_of(key, node, at);
    case KeyType::text: {
      auto value = node.value_exact<std::string>();
      if (!value) {
        return refuse("takes a text in quotes");
      }
      if (value->size() > kScenarioTextBytesMax) {
        return refuse("has more than " + std::to_string(kScenarioTextBytesMax) + " bytes");
      }
      return std::move(*value);
    }
    case KeyType::texts:
      return texts_of(key, node, at);
    case KeyType::choice: {
      const auto value = node.value_exact<std::string>();
      if (!value) {
        return refuse("takes a text in quotes");
      }
      const auto found = std::find(key.choices.begin(), key.choices.end(), *value);
      if (found == key.choices.end()) {
        return refuse("does not know '" + *value + "'" + meant_word(*value, key.choices));
      }
      return std::int64_t{found - key.choices.begin()};
    }
    case KeyType::level:
      return level_of(key, node, at);
    }
    return std::nullopt;
  }

  std::optional<KeyValue> duration_of(const Key& key, const toml::node& node,
                                      const std::string& at) {
    const auto text = node.value_exact<std::string>();
    const auto refuse = [&](const std::string& what) {
      problems_.add(at, std::string(key.name) + " " + what);
      return std::nullopt;
    };
    if (!text) {
      return refuse("takes a duration in quotes, such as \"10s\", \"500ms\" or \"2m\"");
    }
    const bool minus = key.least < 0 && text->rfind('-', 0) == 0;
    auto ns = parse_duration_ns(std::string_view(*text).substr(minus ? 1 : 0));
    if (!ns) {
      return refuse("is no duration: " + ns.error().detail);
    }
    *ns = minus ? -*ns : *ns;
    const auto as_number = static_cast<double>(*ns);
    if (as_number < key.least || as_number > key.most) {
      return refuse("is from " + duration_text(std::llround(key.least)) + " to " +
                    duration_text(std::llround(key.most)));
    }
    if (*ns % key.unit_ns != 0) {
      return refuse("is a multiple of " + duration_text(key.unit_ns));
    }
    return *ns;
  }

  std::optional<KeyValue> texts_of(const Key& key, const toml::node& node, const std::string& at) {
    const toml::array* array = node.as_array();
    std::vector<std::string> texts;
    for (std::size_t i = 0; array != nullptr && i < array->size(); ++i) {
      problems_.mark(numbered(at, i), place_of(array->get(i)->source()));
      if (const auto text = array->get(i)->value_exact<std::string>()) {
        texts.push_back(*text);
      }
    }
    if (array == nullptr || texts.size() != array->size()) {
      problems_.add(at, std::string(key.name) + " takes a list of texts in quotes");
      return std::nullopt;
    }
    const bool long_one = std::any_of(texts.begin(), texts.end(), [](const std::string& text) {
      return text.size() > kScenarioTextBytesMax;
    });
    if (texts.size() > kScenarioTextsMax || long_one) {
      problems_.add(at, std::string(key.name) + " takes at most " +
                            std::to_string(kScenarioTextsMax) + " texts of at most " +
                            std::to_string(kScenarioTextBytesMax) + " bytes");
      return std::nullopt;
    }
    return texts;
  }

  std::optional<KeyValue> level_of(const Key& key, const toml::node& node, const std::string& at) {
    const auto number = [&](const toml::node* one) -> std::optional<double> {
      if (one == nullptr || !(one->is_integer() || one->is_floating_point())) {
        return std::nullopt;
      }
      const auto value = one->value<double>();
      return value && *value >= key.least && *value <= key.most ? value : std::nullopt;
    };
    std::optional<double> from, to;
    if (const toml::array* array = node.as_array(); array != nullptr && array->size() == 2) {
      from = number(array->get(0));
      to = number(array->get(1));
    } else {
      from = to = number(&node);
    }
    if (!from || !to) {
      problems_.add(at, std::string(key.name) + " takes a number " + range_text(key) +
                            ", or two: [from, to]");
      return std::nullopt;
    }
    return LevelRange(*from, *to);
  }

  Problems& problems_;
  std::vector<Place> places_; ///< Of the fields of the payload that is being read.
};

} // namespace

Result<Scenario> parse_scenario(std::string_view toml, const std::string& file_name) {
  if (toml.size() > kScenarioBytesMax) {
    return fail(Errc::config_invalid, file_name + ":1:1: larger than 4 MiB");
  }
  const toml::parse_result parsed = toml::parse(toml);
  if (!parsed) {
    const toml::parse_error& error = parsed.error();
    const auto where = error.source().begin;
    return fail(Errc::config_invalid, file_name + ":" + std::to_string(where.line) + ":" +
                                          std::to_string(where.column) + ": " +
                                          std::string(error.description()));
  }
  Problems problems(file_name);
  Scenario scenario;
  Reader(problems).read(parsed.table(), scenario_keys(), &scenario, "");
  check_rules(scenario, problems);
  if (!problems.empty()) {
    return fail(Errc::config_invalid, problems.text());
  }
  return scenario;
}

Result<void> check_scenario(const Scenario& scenario) {
  Problems problems("");
  check_rules(scenario, problems);
  if (!problems.empty()) {
    return fail(Errc::config_invalid, problems.text());
  }
  return {};
}

} // namespace spate::loadgen
