// `spate store check`: every block is read, of a running node or offline.
#include <chrono>
#include <cstdio>
#include <utility>

#include "cli/command_door.hpp"
#include "cli/commands.hpp"
#include "cli/json_object.hpp"
#include "cli/progress.hpp"
#include "cli/store_operation.hpp"
#include "cli/table.hpp"
#include "engine/json/writer.hpp"

namespace spate::cli {

namespace {

using Clock = std::chrono::steady_clock;

int show_check(const StoreCheck& check, const StoreVerbOptions& options) {
  if (options.json) {
    std::string document;
    json::Writer out(document);
    out.begin_object().member("blocks", check.blocks).member("rows", check.rows);
    out.member("bytes", check.bytes).key("faults").begin_array();
    for (const std::string& fault : check.faults) {
      out.string(fault);
    }
    out.end_array().end_object();
    std::printf("%s\n", document.c_str());
  } else {
    for (const std::string& fault : check.faults) {
      std::printf("%s\n", printable(fault).c_str());
    }
    std::printf("%llu blocks with %llu records, %s: %s\n",
                static_cast<unsigned long long>(check.blocks),
                static_cast<unsigned long long>(check.rows), bytes_text(check.bytes).c_str(),
                check.faults.empty()
                    ? "all good."
                    : (std::to_string(check.faults.size()) +
                       (check.faults.size() == 1 ? " fault." : " faults."))
                          .c_str());
  }
  return check.faults.empty() ? kExitOk : kExitFaults;
}

/// Shards that do not serve are not looked into by the operation.
bool add_closed_shards(std::string_view document, StoreCheck& check) {
  const auto store = JsonObject::parse(document);
  if (!store || store->raw("shards").empty()) {
    return false;
  }
  for (const std::string& element : store->elements("shards")) {
    const auto shard = JsonObject::parse(element);
    if (shard && shard->text("status") != "ok") {
      check.faults.push_back("Shard " + shard->raw("shard") +
                             " does not serve and was not checked: " + shard->text("detail"));
    }
  }
  return true;
}

int check_node(const StoreVerbOptions& options) {
  int exit_code = kExitFailed;
  const auto store = store_document(options, {}, exit_code);
  if (!store) {
    return exit_code;
  }
  StoreCheck check;
  if (!add_closed_shards(*store, check)) {
    return store_failed({Errc::malformed_payload, options.url + " did not answer with a store"});
  }
  auto client = HttpClient::open(options.url);
  if (!client) {
    return store_failed(client.error());
  }
  const auto document =
      run_operation(**client, "/api/v1/store:check", "Checking", options, exit_code);
  if (!document) {
    return exit_code;
  }
  const auto operation = operation_of(*document);
  if (!operation || operation->state != "SUCCEEDED") {
    return store_failed(
        {Errc::storage_io, "checking ended " + (operation ? operation->state : "without a state") +
                               (operation && !operation->error.empty() ? ": " + operation->error
                                                                       : "")});
  }
  if (!read_check(operation->result, check)) {
    return store_failed(
        {Errc::malformed_payload, options.url + " did not answer with the result of a check"});
  }
  return show_check(check, options);
}

} // namespace

bool read_check(std::string_view result, StoreCheck& check) {
  const auto object = JsonObject::parse(result);
  if (!object) {
    return false;
  }
  const auto blocks = object->integer("blocks");
  const auto rows = object->integer("rows");
  const auto bytes = object->integer("bytes");
  if (!blocks || !rows || !bytes || object->raw("faults").empty()) {
    return false;
  }
  check.blocks += static_cast<std::uint64_t>(*blocks);
  check.rows += static_cast<std::uint64_t>(*rows);
  check.bytes += static_cast<std::uint64_t>(*bytes);
  for (const std::string& fault : object->elements("faults")) {
    const auto text = JsonObject::parse("{\"text\":" + fault + "}");
    check.faults.push_back(text ? text->text("text") : fault);
  }
  return true;
}

int check_store(const StoreVerbOptions& options, const OfflineStore& offline) {
  if (!options.offline()) {
    return check_node(options);
  }
  if (!offline.check) {
    return store_not_offered("check a store");
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
  return check ? show_check(*check, options) : store_failed(check.error());
}

} // namespace spate::cli
