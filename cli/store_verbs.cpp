// The verbs of `spate store`: stats, compact, check. See store_export.cpp for export.
#include "cli/store_verbs.hpp"

#include <chrono>
#include <cstdio>
#include <thread>
#include <utility>

#include "cli/command_door.hpp"
#include "cli/commands.hpp"
#include "cli/http_client.hpp"
#include "cli/json_object.hpp"
#include "cli/progress.hpp"
#include "cli/table.hpp"
#include "engine/base/percent.hpp"

namespace spate::cli {

namespace {

constexpr long kAnswerS = 30;
constexpr int kOutageTriesMax = 60; ///< A second each.

using Clock = std::chrono::steady_clock;

int failed(const Error& error) {
  complain(error);
  return exit_code_of(error);
}

int not_offered(const char* what) {
  complain({Errc::usage, std::string("this program can not ") + what +
                             " without a running node; give --url instead of --data-dir"});
  return kExitUsage;
}

int refused(const HttpAnswer& answer, const StoreVerbOptions& options) {
  CommandOptions about;
  about.url = options.url;
  return complain(answer, about);
}

/// 200 or nothing; then `exit_code` says how it failed.
std::optional<std::string> document_at(HttpClient& client, const std::string& path,
                                       const StoreVerbOptions& options, int& exit_code) {
  const auto answer = client.call({"GET", path, {}, {}, kAnswerS});
  if (!answer) {
    exit_code = failed(answer.error());
    return std::nullopt;
  }
  if (answer->status != 200) {
    exit_code = refused(*answer, options);
    return std::nullopt;
  }
  return answer->body;
}

std::optional<std::string> store_document(const StoreVerbOptions& options,
                                          const OfflineStore& offline, int& exit_code) {
  if (options.offline()) {
    auto document = offline.stats(options.data_dirs);
    if (!document) {
      exit_code = failed(document.error());
      return std::nullopt;
    }
    return std::move(*document);
  }
  auto client = HttpClient::open(options.url);
  if (!client) {
    exit_code = failed(client.error());
    return std::nullopt;
  }
  return document_at(**client, "/api/v1/store", options, exit_code);
}

std::optional<std::uint64_t> used_bytes(std::string_view document) {
  const auto store = JsonObject::parse(document);
  const auto disk = store ? JsonObject::parse(store->raw("disk"))
                          : Result<JsonObject>(fail(Errc::malformed_payload));
  const auto bytes = disk ? disk->integer("used_bytes") : std::nullopt;
  return bytes && *bytes >= 0 ? std::optional(static_cast<std::uint64_t>(*bytes)) : std::nullopt;
}

/// Of an operation.
struct Step {
  std::string state;
  std::uint64_t done = 0;
  std::optional<std::uint64_t> total;
  std::string error;
  std::string id;
  [[nodiscard]] bool ended() const { return state != "QUEUED" && state != "RUNNING"; }
};

std::optional<Step> step_of(std::string_view document) {
  const auto operation = JsonObject::parse(document);
  if (!operation || operation->text("state").empty()) {
    return std::nullopt;
  }
  Step step;
  step.state = operation->text("state");
  step.id = operation->text("id");
  if (const auto progress = JsonObject::parse(operation->raw("progress"))) {
    step.done = static_cast<std::uint64_t>(progress->integer("done").value_or(0));
    if (const auto total = progress->integer("total")) {
      step.total = static_cast<std::uint64_t>(*total);
    }
  }
  if (const auto error = JsonObject::parse(operation->raw("error"))) {
    step.error = error->text("detail");
  }
  return step;
}

/// Prints how it ended.
int show_end(const std::string& document, const StoreVerbOptions& options, Clock::time_point start,
             const std::optional<std::uint64_t>& before,
             const std::optional<std::uint64_t>& after) {
  const auto step = step_of(document);
  if (options.json) {
    std::printf("%s\n", document.c_str());
  }
  if (!step || step->state != "SUCCEEDED") {
    complain({Errc::storage_io, "compacting ended " + (step ? step->state : "without a state") +
                                    (step && !step->error.empty() ? ": " + step->error : "")});
    return kExitFailed;
  }
  if (!options.json) {
    const auto us = std::chrono::duration_cast<std::chrono::microseconds>(Clock::now() - start);
    std::printf("Compacted in %s.", duration_text(us.count()).c_str());
    if (before && after) {
      std::printf(" On disk: %s, before %s.", bytes_text(*after).c_str(),
                  bytes_text(*before).c_str());
    }
    std::printf("\n");
  }
  return kExitOk;
}

std::optional<std::uint64_t> used_bytes_of_node(HttpClient& client) {
  const auto answer = client.call({"GET", "/api/v1/store", {}, {}, kAnswerS});
  return answer && answer->status == 200 ? used_bytes(answer->body) : std::nullopt;
}

int compact_node(const StoreVerbOptions& options) {
  auto client = HttpClient::open(options.url);
  if (!client) {
    return failed(client.error());
  }
  const Clock::time_point start = Clock::now();
  const auto before = used_bytes_of_node(**client);
  const auto begun = (*client)->call({"POST", "/api/v1/store:compact",
                                      {"Content-Type: application/json"}, "{}", kAnswerS});
  if (!begun) {
    return failed(begun.error());
  }
  if (begun->status != 202) {
    return refused(*begun, options);
  }
  std::string document = begun->body;
  auto step = step_of(document);
  if (!step || step->id.empty()) {
    complain({Errc::malformed_payload, options.url + " did not answer with an operation"});
    return kExitFailed;
  }
  {
    ProgressLine line(ProgressLine::on_terminal(), start);
    int outages = 0;
    while (!step->ended()) {
      line.steps("Compacting", step->done, step->total, Clock::now());
      const auto answer = (*client)->call({"GET", "/api/v1/operations/" + percent_encode(step->id),
                                           {"Prefer: wait=1"}, {}, kAnswerS});
      const bool busy = !answer || answer->status == 429 || answer->status == 503;
      if (busy && ++outages <= kOutageTriesMax) { // It goes on after a restart.
        std::this_thread::sleep_for(std::chrono::seconds(1));
        continue;
      }
      line.clear();
      if (!answer) {
        return failed(answer.error());
      }
      if (answer->status != 200) {
        return refused(*answer, options);
      }
      outages = 0;
      document = answer->body;
      step = step_of(document);
      if (!step) {
        complain({Errc::malformed_payload, options.url + " did not answer with an operation"});
        return kExitFailed;
      }
    }
  }
  return show_end(document, options, start, before, used_bytes_of_node(**client));
}

int check_node(const StoreVerbOptions& options) {
  int exit_code = kExitFailed;
  const auto document = store_document(options, {}, exit_code);
  if (!document) {
    return exit_code;
  }
  const auto store = JsonObject::parse(*document);
  const auto damaged = store ? store->integer("damaged_blocks") : std::nullopt;
  if (!damaged) {
    complain({Errc::malformed_payload, options.url + " did not answer with a store"});
    return kExitFailed;
  }
  bool good = *damaged == 0;
  for (const std::string& element : store->elements("shards")) {
    const auto shard = JsonObject::parse(element);
    if (shard && shard->text("status") != "ok") {
      good = false;
      std::printf("Shard %s does not serve: %s\n", printable(shard->raw("shard"), 16).c_str(),
                  printable(shard->text("detail"), 400).c_str());
    }
  }
  if (*damaged != 0) {
    std::printf("%lld damaged blocks were found and set aside.\n",
                static_cast<long long>(*damaged));
  }
  std::printf("%s A running node checks what it reads and folds; to read every block, stop it and "
              "give --data-dir.\n",
              good ? "No faults so far." : "There are faults.");
  return good ? kExitOk : kExitFailed;
}

} // namespace

int show_store(const StoreVerbOptions& options, const OfflineStore& offline) {
  if (options.offline() && !offline.stats) {
    return not_offered("look into a store");
  }
  int exit_code = kExitFailed;
  const auto document = store_document(options, offline, exit_code);
  if (!document) {
    return exit_code;
  }
  if (options.json) {
    std::printf("%s\n", document->c_str());
    return kExitOk;
  }
  const auto table = store_table(*document);
  if (!table) {
    return failed(table.error());
  }
  std::fputs(table->c_str(), stdout);
  return kExitOk;
}

int compact_store(const StoreVerbOptions& options, const OfflineStore& offline) {
  if (!options.offline()) {
    return compact_node(options);
  }
  if (!offline.compact) {
    return not_offered("compact a store");
  }
  const Clock::time_point start = Clock::now();
  Result<std::string> document = fail(Errc::storage_io);
  {
    ProgressLine line(ProgressLine::on_terminal(), start);
    document = offline.compact(
        options.data_dirs,
        [&line](std::uint64_t done, const std::optional<std::uint64_t>& total) {
          line.steps("Compacting", done, total, Clock::now());
        });
  }
  return document ? show_end(*document, options, start, std::nullopt, std::nullopt)
                  : failed(document.error());
}

int check_store(const StoreVerbOptions& options, const OfflineStore& offline) {
  if (!options.offline()) {
    return check_node(options);
  }
  if (!offline.check) {
    return not_offered("check a store");
  }
  Result<StoreCheck> check = fail(Errc::storage_io);
  {
    ProgressLine line(ProgressLine::on_terminal(), Clock::now());
    check = offline.check(
        options.data_dirs,
        [&line](std::uint64_t done, const std::optional<std::uint64_t>& total) {
          line.steps("Checking", done, total, Clock::now());
        });
  }
  if (!check) {
    return failed(check.error());
  }
  for (const std::string& fault : check->faults) {
    std::printf("%s\n", printable(fault).c_str());
  }
  std::printf("%llu blocks with %llu rows, %s: %s\n",
              static_cast<unsigned long long>(check->blocks),
              static_cast<unsigned long long>(check->rows), bytes_text(check->bytes).c_str(),
              check->faults.empty() ? "all good."
                                    : (std::to_string(check->faults.size()) + " faults.").c_str());
  return check->faults.empty() ? kExitOk : kExitFailed;
}

} // namespace spate::cli
