// Spate - parts of the command line that several commands have, for options*.cpp.
#pragma once

#include <limits>
#include <map>
#include <string>
#include <type_traits>
#include <utility>

#include <CLI/CLI.hpp>

#include "loadgen/base/units.hpp"
#include "loadgen/options.hpp"

namespace spate::loadgen {

extern const char* const kExamples;

/// Takes what a unit parser understands, or explains.
template <class T, class Parse>
CLI::Option* add_parsed(CLI::App& app, const std::string& name, T& target, Parse parse,
                        const std::string& text) {
  return app
      .add_option_function<std::string>(
          name,
          [&target, parse, name](const std::string& word) {
            auto value = parse(word);
            if (!value) {
              throw CLI::ValidationError(name, value.error().detail);
            }
            if constexpr (std::is_integral_v<T>) {
              if (std::cmp_greater(*value, std::numeric_limits<T>::max())) {
                throw CLI::ValidationError(name, word + " is too large");
              }
            }
            target = static_cast<T>(*value);
          },
          text)
      ->type_name("");
}

/// An option that takes one of a few words.
template <class T>
CLI::Option* add_word(CLI::App& app, const std::string& name, T& target,
                      const std::map<std::string, T>& words, const std::string& text) {
  std::string names;
  for (const auto& [word, value] : words) {
    names += (names.empty() ? "" : "|") + word;
  }
  return app
      .add_option_function<std::string>(
          name,
          [&target, words, names, name](const std::string& word) {
            const auto found = words.find(word);
            if (found == words.end()) {
              throw CLI::ValidationError(name, word + " is none of " + names);
            }
            target = found->second;
          },
          text)
      ->type_name(names);
}

void add_fleet_options(CLI::App& app, FleetOptions& to);
/// Reports, objectives and the watch on the server.
void add_report_options(CLI::App& app, FleetOptions& to);
void add_compare(CLI::App& app, CompareOptions& compare);
void add_compare_servers(CLI::App& app, CompareServersOptions& compare);
void add_run(CLI::App& app, RunOptions& run);
void add_commands(CLI::App& app, CommandsOptions& commands);
void add_verify(CLI::App& app, VerifyOptions& verify);
void add_ledger(CLI::App& app, LedgerOptions& ledger);
void add_agent(CLI::App& app, AgentOptions& agent);
void add_agents(CLI::App& app, FleetOptions& fleet);

/// Null, or what is wrong with options that are each right.
const char* fault_of(const VerifyOptions& verify);

struct ScenarioApps {
  CLI::App* check = nullptr;
  CLI::App* list = nullptr;
  CLI::App* schema = nullptr;
};
ScenarioApps add_scenario_commands(CLI::App& app, ScenarioOptions& scenarios);
/// After add_run(): the scenario that `run` takes instead of options.
void add_run_scenario(CLI::App& run, RunOptions& to);

} // namespace spate::loadgen
