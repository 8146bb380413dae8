// The operations of api::Server on what is stored: buckets, files, last values of all, erasing, and
// the operations that follow.
#include <algorithm>
#include <utility>

#include "api/backups.hpp"
#include "api/bucket_reader.hpp"
#include "api/export.hpp"
#include "api/operations.hpp"
#include "api/parameters.hpp"
#include "api/prefer.hpp"
#include "api/range_parameters.hpp"
#include "api/request_parts.hpp"
#include "api/server.hpp"
#include "api/store_problem.hpp"
#include "engine/base/clock.hpp"

namespace spate::api {

namespace {

using http::Response;

constexpr std::size_t kListLimit = 1000;
constexpr std::uint64_t kOperationPollMs = 200;
constexpr std::uint32_t kRetryAfterS = 2;

template <class Kind, class Parse>
std::optional<Kind> one_of(Parameters& parameters, std::string_view name, const std::string& word,
                           Parse&& parse, std::string_view all) {
  const std::optional<Kind> kind = parse(word);
  if (!kind) {
    parameters.refuse(
        name, "'" + word.substr(0, 64) + "' is not known; there are " + std::string(all) + ".",
        "unknown");
  }
  return kind;
}

} // namespace

void Server::get_buckets(const http::Request& request, std::string_view device,
                         http::Responder responder) {
  Parameters parameters(request, wall_ms());
  parameters.allow({"from", "to", "fields", "order", "agg", "step", "offset", "fill", "limit",
                    "cursor", "names", "numbers"});
  BucketsQuery query;
  query.page = page_context(request, responder);
  query.buckets = read_buckets_parameters(parameters, device);
  storage::AggregateRequest& range = query.buckets.request;
  const auto offset_ns = parameters.span_ns("offset", true);
  if (range.step_ns != 0) {
    range.offset_ns = offset_ns.value_or(0) % range.step_ns;
  } else if (offset_ns.value_or(0) != 0) {
    parameters.refuse("offset", "offset shifts the edges of buckets; it needs a step.",
                      "only with step");
  }
  range.descending = parameters.choice("order", {"asc", "desc"}) == 1;
  range.limit = parameters.limit(kListLimit);
  query.fill = parameters.choice("fill", {"none", "null"}) == 1;
  query.numbers_as_text = parameters.choice("numbers", {"json", "text"}) == 1;
  const auto take_cursor = [&](std::string& position) {
    return read_buckets_position(position, range);
  };
  const auto problem = page_problem(parameters, query.page.list, take_cursor);
  answer_query(problem, std::move(query), responder, &read_buckets);
}

/// Asks the background thread for one part after the other.
class Server::ExportSource final : public http::PartSource {
public:
  ExportSource(Server& server, std::shared_ptr<Export> file, ExportPart first)
      : server_(server), file_(std::move(file)), first_(std::move(first)) {}

  void pull(http::PartWriter writer) override {
    if (first_) {
      const ExportPart part = std::move(*std::exchange(first_, std::nullopt));
      writer.write(part.bytes, part.then);
      return;
    }
    auto job = [&loop = server_.loop_, writer, file = file_] {
      if (file->unheard()) {
        return;
      }
      auto part = std::make_shared<ExportPart>(file->next());
      loop.post([writer, part] { writer.write(part->bytes, part->then); });
    };
    if (!server_.background_.submit(std::move(job), Background::Queue::part)) {
      writer.write({}, http::PartWriter::Then::abort); // The node stops.
    }
  }

private:
  Server& server_;
  std::shared_ptr<Export> file_;
  std::optional<ExportPart> first_;
};

void Server::get_export(const http::Request& request, std::string_view device,
                        http::Responder responder) {
  ExportQuery query;
  query.page = page_context(request, responder);
  if (const auto problem = read_export_query(request, device, query)) {
    responder.respond(problem_response(*problem, query.page.problem));
    return;
  }
  const ProblemContext context = query.page.problem;
  if (*exports_ >= services_.limits.exports_max) {
    responder.respond(
        problem_response({"overloaded",
                          std::to_string(*exports_) + " exports are under way, which is the limit.",
                          {},
                          kRetryAfterS},
                         context));
    return;
  }
  ++*exports_;
  const std::shared_ptr<Export> file(new Export(services_, std::move(query)),
                                     [exports = exports_](Export* done) {
                                       delete done;
                                       --*exports;
                                     });
  in_background(context, responder, [this, file] {
    ExportPart first = file->next();
    if (first.refusal) {
      return std::move(*first.refusal);
    }
    Response response = file->header();
    response.parts = std::make_unique<ExportSource>(*this, file, std::move(first));
    return response;
  });
}

void Server::get_lasts(const http::Request& request, http::Responder responder) {
  Parameters parameters(request, wall_ms());
  parameters.allow({"fields", "names", "limit", "cursor"}, {"filter"});
  LastsQuery query;
  query.page = page_context(request, responder);
  query.fields = parameters.fields();
  query.names = names_of(parameters);
  query.last.limit = parameters.limit(kListLimit);
  const auto take_cursor = [&](std::string& position) {
    query.last.after = std::move(position);
    return true;
  };
  const auto problem = page_problem(parameters, query.page.list, take_cursor);
  answer_query(problem, std::move(query), responder, &read_lasts);
}

void Server::erase_telemetry(const http::Request& request, std::string_view device,
                             http::Responder responder) {
  Parameters parameters(request, wall_ms());
  parameters.allow({"from", "to"});
  const ProblemContext context = problem_context(request);
  storage::EraseRequest erase;
  erase.device = device;
  erase.from_ns = parameters.instant_ns("from").value_or(0);
  erase.to_ns = parameters.instant_ns("to").value_or(INT64_MAX);
  std::optional<Problem> problem = read_key(request, erase.idempotency_key);
  if (parameters.failed()) {
    problem = parameters.problem();
  } else if (!problem && erase.from_ns >= erase.to_ns) {
    problem = Problem{"validation-failed", "from must lie before to: nothing is erased.", {}, {}};
  }
  if (problem) {
    responder.respond(problem_response(*problem, context));
    return;
  }
  erase.operation = operation_ids_.next(wall_ms());
  in_background(context, responder, [this, erase = std::move(erase), context] {
    return start_erase(services_, erase, context);
  });
}

void Server::work_on_store(const http::Request& request, http::Responder responder,
                           StoreWork start) {
  Parameters parameters(request, wall_ms());
  parameters.allow({});
  const ProblemContext context = problem_context(request);
  if (parameters.failed()) {
    responder.respond(problem_response(parameters.problem(), context));
    return;
  }
  if (const std::string_view body = request.body();
      body.find_first_not_of(" \t\r\n{}") != std::string_view::npos) {
    responder.respond(problem_response(
        {"validation-failed", "This takes no parameters: send {} or nothing.", {}, {}}, context));
    return;
  }
  const Uuid id = operation_ids_.next(wall_ms());
  in_background(context, responder,
                [this, id, context, start] { return start(services_, id, context); });
}

void Server::get_operations(const http::Request& request, http::Responder responder) {
  Parameters parameters(request, wall_ms());
  parameters.allow({"state", "type", "limit", "cursor"});
  OperationsQuery query;
  query.page = page_context(request, responder);
  for (const std::string& word : parameters.words("state")) {
    const auto state =
        one_of<storage::OperationState>(parameters, "state", word, storage::operation_state,
                                        "QUEUED, RUNNING, SUCCEEDED, FAILED and CANCELED");
    if (!state) {
      break;
    }
    query.query.states.push_back(*state);
  }
  if (const auto type = parameters.text("type")) {
    query.query.type = one_of<storage::OperationType>(
        parameters, "type", *type, storage::operation_type,
        "telemetry.erase, store.compact, store.check and backup.create");
  }
  query.query.limit = parameters.limit(kListLimit);
  const auto take_cursor = [&](std::string& position) {
    query.query.before = uuid_from_bytes(position);
    return query.query.before.has_value();
  };
  const auto problem = page_problem(parameters, query.page.list, take_cursor);
  answer_query(problem, std::move(query), responder, &read_operations);
}

/// Of one GET; looked at on the background thread and on the loop in turn.
struct Server::OperationWait {
  http::Responder responder;
  PageContext page;
  Uuid id;
  Prefer prefer;
  std::uint64_t until_ms = 0; ///< Loop::now_ms().
  bool counted = false;       ///< In operation_waits_.
};

void Server::get_operation(const http::Request& request, std::string_view id,
                           http::Responder responder) {
  Parameters parameters(request, wall_ms());
  parameters.allow({});
  auto wait = std::make_shared<OperationWait>();
  wait->responder = responder;
  wait->page = page_context(request, responder);
  std::optional<Problem> problem = read_prefer(request, wait->prefer);
  if (parameters.failed()) {
    problem = parameters.problem();
  }
  const auto uuid = parse_uuid(id);
  if (!problem && !uuid) {
    problem = operation_not_found(id);
  }
  if (problem) {
    responder.respond(problem_response(*problem, wait->page.problem));
    return;
  }
  wait->id = *uuid;
  wait->until_ms = loop_.now_ms();
  if (wait->prefer.wait_ms() > 0 && operation_waits_ < services_.limits.operation_waits_max) {
    ++operation_waits_;
    wait->counted = true;
    wait->until_ms += static_cast<std::uint64_t>(wait->prefer.wait_ms());
  }
  wait_for_operation(std::move(wait));
}

void Server::wait_for_operation(std::shared_ptr<OperationWait> wait) {
  const auto answer = [this](const std::shared_ptr<OperationWait>& waited, Response response) {
    if (std::string applied = applied_text(waited->prefer, false);
        !applied.empty() && response.status == 200) {
      response.headers.emplace_back("Preference-Applied", std::move(applied));
    }
    operation_waits_ -= waited->counted ? 1 : 0;
    waited->responder.respond(std::move(response));
  };
  auto look = [this, wait, answer] {
    auto made = services_.backups != nullptr ? services_.backups->operation(wait->id)
                                             : std::optional<storage::Operation>();
    auto found = made ? Result<std::optional<storage::Operation>>(std::move(made))
                      : services_.store.operation(wait->id);
    const bool ended = !found || !*found || (*found)->ended();
    auto response = std::make_shared<Response>(
        !found    ? read_problem(found.error(), wait->page, {})
        : !*found ? problem_response(operation_not_found(text_of(wait->id)), wait->page.problem)
                  : operation_response(**found, true));
    loop_.post([this, wait, answer, ended, response] {
      const bool over = loop_.now_ms() >= wait->until_ms || services_.phase() == Phase::draining;
      if (ended || over || wait->page.limit->unheard()) {
        answer(wait, std::move(*response));
      } else {
        loop_.after(kOperationPollMs, [this, wait] { wait_for_operation(wait); });
      }
    });
  };
  if (!background_.submit(std::move(look))) {
    answer(wait, problem_response(
                     {"overloaded", "Too many reads wait for their answer.", {}, kRetryAfterS},
                     wait->page.problem));
  }
}

} // namespace spate::api
