// The command line of `spate store`.
#include <cstdlib>
#include <memory>
#include <utility>

#include <CLI/CLI.hpp>

#include "cli/commands.hpp"
#include "cli/store_verbs.hpp"

namespace spate::cli {

namespace {

constexpr const char* kStatsFooter = R"(
Examples:
  spate store stats
      What the store of the node on this machine holds: devices, bytes by stage, bytes a reading.
  spate store stats --data-dir /var/lib/spate -o json
      The same of a stopped node, as the document of GET /api/v1/store.

Exit status: 0 it is shown; 1 no node answered, or the directory can not be opened; 2 the command line
is wrong.)";

constexpr const char* kCompactFooter = R"(
Examples:
  spate store compact
      Waits until all is folded. If it is interrupted, the node goes on.
  spate store compact --data-dir /mnt/a/spate --data-dir /mnt/b/spate

Exit status: 0 it is done; 1 it failed, no node answered, or the directory can not be opened; 2 the
command line is wrong.)";

constexpr const char* kExportFooter = R"(
Examples:
  spate store export lamp-1 > lamp-1.csv
      All records, one line a value.
  spate store export lamp-1 --fields temp,humidity --from=-24h -O lamp-1.csv
      One line a record, with these columns.
  spate store export lamp-1 --format ndjson --names path -O lamp-1.ndjson
      Records that can be posted again exactly so.
  spate store export lamp-1 --agg avg,max --step 1h --data-dir /var/lib/spate

FILE is written as FILE.part and gets its name when it is whole. Times are epoch milliseconds, RFC
3339, or before now like --from=-24h.

Exit status: 0 the file is whole; 1 it is not, the device is not known, or no node answered; 2 the
command line is wrong.)";

constexpr const char* kLogFooter = R"(
Examples:
  spate store log --data-dir /var/lib/spate
      All records that are kept, one line each, in the order of their commits:
      {"position":"0.4711.3","device":"lamp-1","data":{"ts":..,"received_ts":..,"ts_source":..,"values":{..}}}
  spate store log --data-dir /var/lib/spate --from 0.4711.3 --device lamp-1
      Those of a device behind that position.

A position is the number of the data directory, of the commit and of the record in it. Records that were
asked for and are gone are a line {"gap":{"after":..,"first":..,"reason":"removed"|"damaged"}}. At the end
the positions to go on from are said on standard error.

Exit status: 0 it is shown; 1 the directory can not be opened, keeps no log, or a position is not reached
yet; 2 the command line is wrong.)";

constexpr const char* kCheckFooter = R"(
Examples:
  spate store check
      Reads every block that the node has stored and checks it, beside its work. If it is interrupted,
      the node goes on.
  spate store check --data-dir /var/lib/spate
      The same of a stopped node, with its command log.
  spate store check -o json
      {"blocks":..,"rows":..,"bytes":..,"faults":["..."]}

One line for each fault: where, what, and what is lost by it. Damaged blocks that were set aside
before are among them until somebody takes them out of the directory "quarantine".

Exit status: 0 all is good; 1 no node answered, or the directory can not be opened; 2 the command line
is wrong; 3 there are faults.)";

CLI::App* add_verb(CLI::App& store, StoreVerbOptions& o, const char* name, const char* description,
                   const char* footer) {
  CLI::App* verb = store.add_subcommand(name, description);
  CLI::Option* url =
      verb->add_option("--url", o.url,
                       "where the node's API is (default " + std::string(kDefaultUrl) +
                           ", or SPATE_URL)")
          ->type_name("URL");
  verb->add_option("--data-dir", o.data_dirs,
                   "instead of a running node: the directories of a stopped one; repeated for each")
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
      ->excludes(url)
      ->type_name("DIRECTORY");
  verb->footer(footer);
  return verb;
}

void add_output(CLI::App& verb, StoreVerbOptions& o, const char* description) {
  verb.add_option_function<std::string>(
          "-o,--output", [&o](const std::string& format) { o.json = format == "json"; },
          description)
      ->check(CLI::IsMember({"table", "json"}))
      ->type_name("WORD");
}

void add_export(CLI::App& verb, StoreVerbOptions& o) {
  verb.add_option("device", o.device, "the device")->required()->type_name("DEVICE");
  verb.add_option("-O,--file", o.file, "where to write (default - , the standard output)")
      ->type_name("FILE");
  verb.add_option("--format", o.format, "csv or ndjson (default csv)")
      ->check(CLI::IsMember({"csv", "ndjson"}))
      ->type_name("WORD");
  verb.add_option("--from", o.from, "start, inclusive (default the oldest)")->type_name("TIME");
  verb.add_option("--to", o.to, "end, exclusive (default the newest)")->type_name("TIME");
  verb.add_option("--fields", o.fields,
                  "only these, as columns; separated by commas, or repeated when a name holds one")
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
      ->type_name("NAMES");
  verb.add_option("--names", o.names, "raw or path: how fields are named (default raw)")
      ->check(CLI::IsMember({"raw", "path"}))
      ->type_name("WORD");
  verb.add_option("--agg", o.agg, "avg, min, max, sum, count, first, last, p50, p99")
      ->type_name("FUNCTIONS");
  verb.add_option("--step", o.step, "width of a bucket, like 15m (default the whole range)")
      ->needs("--agg")
      ->type_name("DURATION");
}

void add_log(CLI::App& verb, StoreVerbOptions& o) {
  verb.add_option("--data-dir", o.data_dirs,
                  "the directories of a stopped node; repeated for each")
      ->required()
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
      ->type_name("DIRECTORY");
  verb.add_option("--from", o.positions,
                  "behind this position (default all that is kept); repeated for each directory")
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
      ->type_name("POSITION");
  verb.add_option("--device", o.device, "only records of this device")->type_name("DEVICE");
  verb.add_option("--limit", o.limit, "at most so many records (default all)")->type_name("N");
  verb.add_option_function<std::string>(
          "--format", [](const std::string&) {}, "ndjson, one line a record (default ndjson)")
      ->check(CLI::IsMember({"ndjson"}))
      ->type_name("WORD");
  verb.footer(kLogFooter);
}

} // namespace

void add_store_verbs(CLI::App& app, OfflineStore offline, std::function<int()>& run) {
  CLI::App* store =
      app.add_subcommand("store", "look into the store, and work on it, running or offline");
  store->require_subcommand(1);
  const auto options = std::make_shared<StoreVerbOptions>();
  const auto doors = std::make_shared<const OfflineStore>(std::move(offline));
  const auto runs = [&run, options, doors](
                        CLI::App* verb,
                        int (*function)(const StoreVerbOptions&, const OfflineStore&)) {
    verb->callback([&run, options, doors, function] {
      if (options->url.empty()) {
        options->url = default_url();
      }
      run = [options, doors, function] { return function(*options, *doors); };
    });
  };
  CLI::App* stats = add_verb(*store, *options, "stats", "bytes, blocks and figures", kStatsFooter);
  add_output(*stats, *options, "table, or json: the API's own document (default table)");
  runs(stats, show_store);

  CLI::App* compact = add_verb(*store, *options, "compact",
                               "seal and fold everything, so that it takes the least space",
                               kCompactFooter);
  add_output(*compact, *options, "table, or json: the operation's document (default table)");
  runs(compact, compact_store);

  CLI::App* export_verb =
      add_verb(*store, *options, "export", "a device's records as a file", kExportFooter);
  add_export(*export_verb, *options);
  runs(export_verb, export_store);

  CLI::App* log = store->add_subcommand("log", "records in the order in which they were stored");
  add_log(*log, *options);
  runs(log, print_log);

  CLI::App* check =
      add_verb(*store, *options, "check", "look for damage in what is stored", kCheckFooter);
  add_output(*check, *options, "table, or json: the operation's result (default table)");
  runs(check, check_store);
}

} // namespace spate::cli
