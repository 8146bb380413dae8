#include "cli/store_operation.hpp"

#include <chrono>
#include <thread>
#include <utility>

#include "cli/command_door.hpp"
#include "cli/commands.hpp"
#include "cli/json_object.hpp"
#include "cli/progress.hpp"
#include "engine/base/percent.hpp"

namespace spate::cli {

namespace {

constexpr int kOutageTriesMax = 60; ///< A second each.

using Clock = std::chrono::steady_clock;

int no_operation(const StoreVerbOptions& options) {
  return store_failed(
      {Errc::malformed_payload, options.url + " did not answer with an operation"});
}

} // namespace

std::optional<OperationView> operation_of(std::string_view document) {
  const auto operation = JsonObject::parse(document);
  if (!operation || operation->text("state").empty()) {
    return std::nullopt;
  }
  OperationView out;
  out.state = operation->text("state");
  out.id = operation->text("id");
  out.result = operation->raw("result");
  if (const auto progress = JsonObject::parse(operation->raw("progress"))) {
    out.done = static_cast<std::uint64_t>(progress->integer("done").value_or(0));
    if (const auto total = progress->integer("total")) {
      out.total = static_cast<std::uint64_t>(*total);
    }
  }
  if (const auto error = JsonObject::parse(operation->raw("error"))) {
    out.error = error->text("detail");
  }
  return out;
}

int store_failed(const Error& error) {
  complain(error);
  return exit_code_of(error);
}

int store_not_offered(const char* what) {
  return store_failed({Errc::usage, std::string("this program can not ") + what +
                                        " without a running node; give --url instead of "
                                        "--data-dir"});
}

int store_refused(const HttpAnswer& answer, const StoreVerbOptions& options) {
  CommandOptions about;
  about.url = options.url;
  return complain(answer, about);
}

std::optional<std::string> store_document(const StoreVerbOptions& options,
                                          const OfflineStore& offline, int& exit_code) {
  if (options.offline()) {
    auto document = offline.stats(options.data_dirs);
    if (!document) {
      exit_code = store_failed(document.error());
      return std::nullopt;
    }
    return std::move(*document);
  }
  auto client = HttpClient::open(options.url);
  if (!client) {
    exit_code = store_failed(client.error());
    return std::nullopt;
  }
  const auto answer = (*client)->call({"GET", "/api/v1/store", {}, {}, kStoreAnswerS});
  if (!answer || answer->status != 200) {
    exit_code = answer ? store_refused(*answer, options) : store_failed(answer.error());
    return std::nullopt;
  }
  return answer->body;
}

std::optional<std::string> run_operation(HttpClient& client, const std::string& path,
                                         const std::string& label, const StoreVerbOptions& options,
                                         int& exit_code) {
  const auto begun =
      client.call({"POST", path, {"Content-Type: application/json"}, "{}", kStoreAnswerS});
  if (!begun || begun->status != 202) {
    exit_code = begun ? store_refused(*begun, options) : store_failed(begun.error());
    return std::nullopt;
  }
  std::string document = begun->body;
  auto operation = operation_of(document);
  if (!operation || operation->id.empty()) {
    exit_code = no_operation(options);
    return std::nullopt;
  }
  const std::string place = "/api/v1/operations/" + percent_encode(operation->id);
  ProgressLine line(ProgressLine::on_terminal(), Clock::now());
  int outages = 0;
  while (!operation->ended()) {
    line.steps(label, operation->done, operation->total, Clock::now());
    const auto answer = client.call({"GET", place, {"Prefer: wait=1"}, {}, kStoreAnswerS});
    const bool busy = !answer || answer->status == 429 || answer->status == 503;
    if (busy && ++outages <= kOutageTriesMax) { // It goes on after a restart.
      std::this_thread::sleep_for(std::chrono::seconds(1));
      continue;
    }
    line.clear();
    if (!answer || answer->status != 200) {
      exit_code = answer ? store_refused(*answer, options) : store_failed(answer.error());
      return std::nullopt;
    }
    outages = 0;
    document = answer->body;
    operation = operation_of(document);
    if (!operation) {
      exit_code = no_operation(options);
      return std::nullopt;
    }
  }
  return document;
}

} // namespace spate::cli
