#include "api/field_names.hpp"

#include <algorithm>
#include <unordered_map>
#include <unordered_set>

#include "engine/base/hash.hpp"

namespace spate::api {

namespace {

template <class Visit>
void for_each_part(std::string_view list, Visit&& visit) {
  while (true) {
    const std::size_t comma = list.find(',');
    visit(list.substr(0, comma));
    if (comma == std::string_view::npos) {
      return;
    }
    list.remove_prefix(comma + 1);
  }
}

} // namespace

std::string raw_name(std::string_view path) {
  std::string name;
  name.reserve(path.size());
  for (std::size_t i = 0; i < path.size(); ++i) {
    if (path[i] == '\\' && i + 1 < path.size()) {
      ++i;
    }
    name.push_back(path[i]);
  }
  return name;
}

std::vector<std::string> field_names(const std::vector<std::string_view>& paths, Names names) {
  std::vector<std::string> out;
  out.reserve(paths.size());
  bool escapes = false;
  for (const std::string_view path : paths) {
    const bool escaped = path.find('\\') != std::string_view::npos;
    escapes = escapes || escaped;
    out.push_back(names == Names::raw && escaped ? raw_name(path) : std::string(path));
  }
  if (names == Names::path || !escapes) {
    return out; // Paths are all different, and so are names without escapes.
  }
  // A name is taken if another field has it as its raw name or as its path. Views of `paths` and
  // copies, since names change below.
  std::unordered_map<std::string, std::size_t> raw_uses;
  std::unordered_map<std::string_view, std::size_t, TextHash> path_owner;
  for (std::size_t i = 0; i < paths.size(); ++i) {
    ++raw_uses[out[i]];
    path_owner.emplace(paths[i], i);
  }
  for (std::size_t i = 0; i < paths.size(); ++i) {
    if (out[i] == paths[i]) {
      continue;
    }
    const auto owner = path_owner.find(out[i]);
    if (raw_uses[out[i]] > 1 || (owner != path_owner.end() && owner->second != i)) {
      out[i] = paths[i];
    }
  }
  return out;
}

void FieldFilter::add(std::string_view value) {
  if (value.empty()) {
    whole_ = true;
  } else {
    given_.emplace_back(value);
  }
}

std::vector<bool> FieldFilter::select(const std::vector<std::string_view>& paths) const {
  std::vector<bool> selected(paths.size(), given_.empty());
  const auto take = [&](std::string_view name) {
    bool found = false;
    for (std::size_t i = 0; i < paths.size(); ++i) {
      if (paths[i] == name || raw_name(paths[i]) == name) {
        selected[i] = found = true;
      }
    }
    return found;
  };
  for (const std::string& value : given_) {
    // Repeated values are names first, so that a name may hold a comma.
    const bool found = (whole_ || given_.size() > 1) && take(value);
    if (!found && !whole_) {
      for_each_part(value, take);
    }
  }
  return selected;
}

std::vector<std::string> FieldFilter::columns() const {
  std::vector<std::string> out;
  const auto add = [&](std::string_view name) {
    if (!name.empty() && std::find(out.begin(), out.end(), name) == out.end()) {
      out.emplace_back(name);
    }
  };
  for (const std::string& value : given_) {
    whole_ ? add(value) : for_each_part(value, add);
  }
  return out;
}

std::optional<std::size_t> field_of_column(std::string_view column,
                                           const std::vector<std::string_view>& paths,
                                           const std::vector<std::string>& names) {
  std::optional<std::size_t> by_raw_name;
  for (std::size_t i = 0; i < paths.size(); ++i) {
    if (paths[i] == column || names[i] == column) {
      return i;
    }
    if (!by_raw_name && raw_name(paths[i]) == column) {
      by_raw_name = i;
    }
  }
  return by_raw_name;
}

} // namespace spate::api
