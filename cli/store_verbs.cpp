// The verbs of `spate store`: stats and compact. See store_check.cpp and store_export.cpp.
#include "cli/store_verbs.hpp"

#include <chrono>
#include <cstdio>
#include <utility>

#include "cli/command_door.hpp"
#include "cli/commands.hpp"
#include "cli/http_client.hpp"
#include "cli/json_object.hpp"
#include "cli/progress.hpp"
#include "cli/store_operation.hpp"
#include "cli/table.hpp"

namespace spate::cli {

namespace {

using Clock = std::chrono::steady_clock;

std::optional<std::uint64_t> used_bytes(std::string_view document) {
  const auto store = JsonObject::parse(document);
  const auto disk = store ? JsonObject::parse(store->raw("disk"))
                          : Result<JsonObject>(fail(Errc::malformed_payload));
  const auto bytes = disk ? disk->integer("used_bytes") : std::nullopt;
  return bytes && *bytes >= 0 ? std::optional(static_cast<std::uint64_t>(*bytes)) : std::nullopt;
}

/// Prints how it ended.
int show_end(const std::string& document, const StoreVerbOptions& options, Clock::time_point start,
             const std::optional<std::uint64_t>& before,
             const std::optional<std::uint64_t>& after) {
  const auto step = operation_of(document);
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
  const auto answer = client.call({"GET", "/api/v1/store", {}, {}, kStoreAnswerS});
  return answer && answer->status == 200 ? used_bytes(answer->body) : std::nullopt;
}

int compact_node(const StoreVerbOptions& options) {
  auto client = HttpClient::open(options.url);
  if (!client) {
    return store_failed(client.error());
  }
  const Clock::time_point start = Clock::now();
  const auto before = used_bytes_of_node(**client);
  int exit_code = kExitFailed;
  const auto document =
      run_operation(**client, "/api/v1/store:compact", "Compacting", options, exit_code);
  return document ? show_end(*document, options, start, before, used_bytes_of_node(**client))
                  : exit_code;
}

} // namespace

int show_store(const StoreVerbOptions& options, const OfflineStore& offline) {
  if (options.offline() && !offline.stats) {
    return store_not_offered("look into a store");
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
    return store_failed(table.error());
  }
  std::fputs(table->c_str(), stdout);
  return kExitOk;
}

int compact_store(const StoreVerbOptions& options, const OfflineStore& offline) {
  if (!options.offline()) {
    return compact_node(options);
  }
  if (!offline.compact) {
    return store_not_offered("compact a store");
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
                  : store_failed(document.error());
}

} // namespace spate::cli
