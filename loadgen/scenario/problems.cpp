#include "loadgen/scenario/problems.hpp"

#include <algorithm>

namespace spate::loadgen {

Place Problems::place_of(std::string_view path) const {
  while (!path.empty()) {
    if (const auto found = places_.find(path); found != places_.end()) {
      return found->second;
    }
    const std::size_t end = path.find_last_of(".[");
    path = path.substr(0, end == std::string_view::npos ? 0 : end);
  }
  return {1, 1};
}

void Problems::add(const std::string& path, std::string text) {
  problems_.try_emplace(path, Problem{place_of(path), path, std::move(text)});
}

bool Problems::about(std::string_view path) const {
  const auto found = problems_.lower_bound(path);
  return found != problems_.end() && std::string_view(found->first).substr(0, path.size()) == path;
}

std::string Problems::text() const {
  std::vector<const Problem*> sorted;
  for (const auto& [path, problem] : problems_) {
    sorted.push_back(&problem);
  }
  std::stable_sort(sorted.begin(), sorted.end(),
                   [](const Problem* a, const Problem* b) { return a->place < b->place; });
  std::string text;
  for (std::size_t i = 0; i < std::min(sorted.size(), kShownMax); ++i) {
    const Problem& problem = *sorted[i];
    text += i == 0 ? "" : "\n";
    if (!has_file()) {
      text += (problem.path.empty() ? "" : problem.path + ": ") + problem.text;
      continue;
    }
    text += file_ + ":" + std::to_string(problem.place.line) + ":" +
            std::to_string(problem.place.column) + ": " + problem.text;
  }
  if (sorted.size() > kShownMax) {
    text += "\nand " + std::to_string(sorted.size() - kShownMax) + " more";
  }
  return text;
}

} // namespace spate::loadgen
