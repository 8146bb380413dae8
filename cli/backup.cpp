#include "cli/backup.hpp"

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <thread>
#include <utility>

#include <CLI/CLI.hpp>

#include "cli/command_door.hpp"
#include "cli/commands.hpp"
#include "cli/http_client.hpp"
#include "cli/json_object.hpp"
#include "cli/progress.hpp"
#include "cli/table.hpp"
#include "engine/json/writer.hpp"

namespace spate::cli {

namespace {

using Clock = std::chrono::steady_clock;

constexpr auto kPollPause = std::chrono::milliseconds(200);
constexpr int kMissesMax = 50; ///< Polls in a row that no node answers.

constexpr const char* kCreateFooter = R"(
Examples:
  spate backup create --to /backup/spate/nightly --keep 7
      Of the running node, which goes on. The directory must lie below its [backup] directory. The
      first one copies everything, the next ones what is new.
  spate backup create --to /backup/spate --data-dir /var/lib/spate
      Of a node that does not run; --data-dir for each of its directories, in their order.

Exit status: 0 it is complete and on the disk; 1 it was not made, or no node answered; 2 the command
line is wrong.)";

constexpr const char* kVerifyFooter = R"(
Examples:
  spate backup verify /backup/spate/nightly
      Reads the newest backup: compares the checksums of all its files, restores it into a temporary
      directory beside it (which takes its size once more), and reads every record.
  spate backup verify /backup/spate/nightly 01977f2e-6d5b-7c3a-9f10-3b2f6a1d9e44 --quick
      Compares checksums only.

Exit status: 0 it is whole; 1 it is damaged or can not be read; 2 the command line is wrong.)";

constexpr const char* kRestoreFooter = R"(
Examples:
  spate backup restore /backup/spate/nightly --data-dir /var/lib/spate-new
      The newest one, into a directory that is new or empty. Then: spate serve --data-dir ...
  spate backup restore /backup/spate/nightly ID --data-dir /disk1/spate --data-dir /disk2/spate

Exit status: 0 it is restored and on the disk; 1 it is not; 2 the command line is wrong.)";

constexpr const char* kListFooter = R"(
Exit status: 0 they are listed, also if there are none; 1 the directory can not be read, or holds a
damaged one; 2 the command line is wrong.)";

struct Options {
  std::string target;
  std::string id;
  std::string url;
  std::vector<std::string> data_dirs;
  std::size_t keep = 0;
  bool quick = false;
  bool json = false;
};

void write_row(json::Writer& out, const BackupRow& row) {
  out.begin_object().member("id", row.id).member("created_ts", row.created_ms);
  out.member("size_bytes", row.size_bytes).member("new_bytes", row.new_bytes);
  out.member("incremental", row.incremental).end_object();
}

void print_row(const Options& options, const char* what, const BackupRow& row) {
  if (options.json) {
    std::string text;
    json::Writer out(text);
    write_row(out, row);
    std::printf("%s\n", text.c_str());
    return;
  }
  std::printf("%s %s: %s, of that %s new\n", what, row.id.c_str(),
              bytes_text(row.size_bytes).c_str(), bytes_text(row.new_bytes).c_str());
}

int refused(const Error& error) {
  complain(error);
  return exit_code_of(error);
}

int refused(const HttpAnswer& answer) {
  CommandOptions plain;
  return complain(answer, plain);
}

BackupSteps shown_on(ProgressLine& line) {
  return [&line](std::string_view step, std::uint64_t done, std::uint64_t total_bytes) {
    line.part(std::string(step), done, total_bytes, Clock::now());
  };
}

/// Until the node says how it ended.
Result<JsonObject> follow(HttpClient& client, const std::string& id, ProgressLine& line) {
  HttpRequest request;
  request.path = "/api/v1/backups/" + id;
  int misses = 0;
  for (;;) {
    std::this_thread::sleep_for(kPollPause);
    const auto answer = client.call(request);
    auto backup = answer && answer->status == 200
                      ? JsonObject::parse(answer->body)
                      : Result<JsonObject>(fail(Errc::connect_failed));
    if (!backup) {
      if (++misses == kMissesMax || (answer && answer->status == 404)) {
        return fail(Errc::connect_failed,
                    "The node does not answer for backup " + id +
                        " any more; see spate backup ls whether it was completed.");
      }
      continue;
    }
    misses = 0;
    if (backup->text("state") != "RUNNING") {
      return backup;
    }
    if (const auto progress = JsonObject::parse(backup->raw("progress"))) {
      line.part("copy", static_cast<std::uint64_t>(progress->integer("done").value_or(0)),
                static_cast<std::uint64_t>(progress->integer("total").value_or(0)), Clock::now());
    }
  }
}

int create_at_node(const Options& options) {
  auto client = HttpClient::open(options.url);
  if (!client) {
    return refused(client.error());
  }
  HttpRequest request;
  request.method = "POST";
  request.path = "/api/v1/backups";
  request.headers = {"Content-Type: application/json"};
  {
    json::Writer out(request.body);
    out.begin_object().member("destination", options.target);
    out.member("keep", std::uint64_t{options.keep}).end_object();
  }
  const auto answer = (*client)->call(request);
  if (!answer) {
    return refused(answer.error());
  }
  if (answer->status != 202) {
    return refused(*answer);
  }
  const auto operation = JsonObject::parse(answer->body);
  if (!operation) {
    return refused(operation.error());
  }
  ProgressLine line(ProgressLine::on_terminal(), Clock::now());
  const auto ended = follow(**client, operation->text("id"), line);
  line.clear();
  if (!ended) {
    return refused(ended.error());
  }
  if (ended->text("state") == "FAILED") {
    return refused(Error{Errc::storage_io, "No backup was made: " + ended->text("error")});
  }
  BackupRow row;
  row.id = ended->text("id");
  row.created_ms = ended->integer("created_ts").value_or(0);
  row.size_bytes = static_cast<std::uint64_t>(ended->integer("size_bytes").value_or(0));
  row.new_bytes = static_cast<std::uint64_t>(ended->integer("new_bytes").value_or(0));
  row.incremental = ended->is_true("incremental");
  print_row(options, "backup", row);
  return kExitOk;
}

int create(const Options& options, const BackupWork& work) {
  if (options.data_dirs.empty()) {
    return create_at_node(options);
  }
  ProgressLine line(ProgressLine::on_terminal(), Clock::now());
  const auto made =
      work.create(options.target, options.keep, options.data_dirs,
                  shown_on(line));
  line.clear();
  if (!made) {
    return refused(made.error());
  }
  print_row(options, "backup", *made);
  return kExitOk;
}

int list(const Options& options, const BackupWork& work) {
  std::vector<std::string> damaged;
  const auto rows = work.list(options.target, damaged);
  if (!rows) {
    return refused(rows.error());
  }
  if (options.json) {
    std::string text;
    json::Writer out(text);
    out.begin_object().key("items").begin_array();
    for (const BackupRow& row : *rows) {
      write_row(out, row);
    }
    out.end_array().end_object();
    std::printf("%s\n", text.c_str());
  } else {
    Table table({"ID", "CREATED", "SIZE", "NEW"});
    for (const BackupRow& row : *rows) {
      table.add({row.id, time_text(row.created_ms), bytes_text(row.size_bytes),
                 bytes_text(row.new_bytes)});
    }
    std::fputs(table.text().c_str(), stdout);
  }
  for (const std::string& each : damaged) {
    complain(Error{Errc::storage_corrupt, each});
  }
  return damaged.empty() ? kExitOk : kExitFailed;
}

int verify(const Options& options, const BackupWork& work) {
  ProgressLine line(ProgressLine::on_terminal(), Clock::now());
  const auto checked =
      work.verify(options.target, options.id, options.quick,
                  shown_on(line));
  line.clear();
  if (!checked) {
    return refused(checked.error());
  }
  if (options.json) {
    std::string text;
    json::Writer out(text);
    out.begin_object().member("files", checked->files).member("bytes", checked->bytes);
    out.member("devices", checked->devices).member("records", checked->records);
    out.member("quick", options.quick).end_object();
    std::printf("%s\n", text.c_str());
  } else if (options.quick) {
    std::printf("whole: %llu files, %s\n", static_cast<unsigned long long>(checked->files),
                bytes_text(checked->bytes).c_str());
  } else {
    std::printf("whole: %llu files, %s; %llu devices, %llu records\n",
                static_cast<unsigned long long>(checked->files),
                bytes_text(checked->bytes).c_str(),
                static_cast<unsigned long long>(checked->devices),
                static_cast<unsigned long long>(checked->records));
  }
  return kExitOk;
}

int restore(const Options& options, const BackupWork& work) {
  ProgressLine line(ProgressLine::on_terminal(), Clock::now());
  const auto restored =
      work.restore(options.target, options.id, options.data_dirs,
                   shown_on(line));
  line.clear();
  if (!restored) {
    return refused(restored.error());
  }
  print_row(options, "restored", *restored);
  return kExitOk;
}

} // namespace

void add_backup_verbs(CLI::App& app, std::function<int()>& run, BackupWork work) {
  CLI::App* backup = app.add_subcommand("backup", "make, check and restore backups");
  backup->require_subcommand(1);
  const auto options = std::make_shared<Options>();
  const auto shared = std::make_shared<BackupWork>(std::move(work));
  const auto add = [&](const char* name, const char* description, const char* footer,
                       int (*function)(const Options&, const BackupWork&)) {
    CLI::App* verb = backup->add_subcommand(name, description);
    verb->add_option_function<std::string>(
            "-o,--output",
            [options](const std::string& format) { options->json = format == "json"; },
            "table, or json (default table)")
        ->check(CLI::IsMember({"table", "json"}))
        ->type_name("WORD");
    verb->footer(footer);
    verb->callback([&run, options, shared, function] {
      if (options->url.empty()) {
        const char* const url = std::getenv("SPATE_URL");
        options->url = url != nullptr && *url != '\0' ? url : kDefaultUrl;
      }
      run = [options, shared, function] { return function(*options, *shared); };
    });
    return verb;
  };
  const auto take_target = [&options](CLI::App* verb) {
    verb->add_option("target", options->target, "the directory with the backups")
        ->required()
        ->type_name("DIR");
  };
  const auto take_id = [&options](CLI::App* verb) {
    verb->add_option("id", options->id, "the backup; without it the newest")->type_name("[ID]");
  };

  CLI::App* made = add("create", "make a backup while the node works", kCreateFooter, create);
  made->add_option("--to", options->target, "the directory for backups of this store")
      ->required()
      ->type_name("DIR");
  made->add_option("--keep", options->keep, "remove older ones, so that so many stay (default all)")
      ->check(CLI::Range(1, 10'000))
      ->type_name("N");
  CLI::Option* url = made->add_option("--url", options->url,
                                      "where the node's API is (default " +
                                          std::string(kDefaultUrl) + ", or SPATE_URL)")
                         ->type_name("URL");
  made->add_option("--data-dir", options->data_dirs, "of a node that does not run; again for each")
      ->type_name("DIR")
      ->excludes(url);

  CLI::App* checked = add("verify", "read a backup and compare its checksums", kVerifyFooter, verify);
  take_target(checked);
  take_id(checked);
  checked->add_flag("--quick", options->quick, "checksums only");

  CLI::App* restored =
      add("restore", "put a backup into new data directories", kRestoreFooter, restore);
  take_target(restored);
  take_id(restored);
  restored->add_option("--data-dir", options->data_dirs, "new or empty; again for each")
      ->required()
      ->type_name("DIR");

  take_target(add("ls", "list backups, newest first", kListFooter, list));
}

} // namespace spate::cli
