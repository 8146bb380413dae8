#include <algorithm>
#include <utility>

#include "api/command_json.hpp"
#include "api/json_parts.hpp"
#include "api/queries.hpp"
#include "api/store_problem.hpp"

namespace spate::api {

namespace {

/// So many are read at a time: each may have 64 KiB of arguments and as much of a result.
constexpr std::size_t kCommandsARead = 32;

} // namespace

http::Response read_commands(const Services& services, CommandsQuery query) {
  http::Response response = json_response();
  json::Writer out(response.body);
  out.begin_object().key("items").begin_array();
  std::size_t listed = 0;
  const std::size_t limit = query.query.limit;
  std::optional<std::string> position;
  for (bool more = true; more;) {
    query.query.limit = std::min(limit - listed, kCommandsARead);
    auto part = services.commands->log().list(query.query);
    if (!part) {
      return store_problem(part.error(), query.page.problem, query.query.device);
    }
    std::optional<Uuid> last = part->position;
    bool full = false;
    for (std::size_t i = 0; i < part->commands.size() && !full; ++i) {
      write_command(out, part->commands[i]);
      ++listed;
      full = listed == limit || out.size() > services.limits.page_bytes_max;
      if (full && i + 1 < part->commands.size()) {
        last = part->commands[i].command.id;
        part->more = true;
      }
    }
    full = full || query.page.limit->over();
    more = part->more && last && !full;
    query.query.before = last;
    position = part->more && last ? std::optional<std::string>(last->view()) : std::nullopt;
  }
  if (listed == 0 && !position && query.unknown) {
    return problem_response(*query.unknown, query.page.problem);
  }
  out.end_array();
  finish_page(out, response, query.page, position);
  out.end_object();
  return response;
}

} // namespace spate::api
