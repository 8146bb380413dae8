// The options of commands that work on ledgers: verify and ledger.
#include "loadgen/option_words.hpp"

namespace spate::loadgen {

void add_verify(CLI::App& app, VerifyOptions& verify) {
  app.add_option("--ledger", verify.ledger, "What was acknowledged, as run or replay wrote it")
      ->required();
  auto* api = app.add_option("--api", verify.api, "Base URL of Spate's API, http://HOST:PORT");
  auto* received = app.add_option("--received", verify.received,
                                  "What a subscriber received, as run or replay wrote it");
  api->excludes(received);
  app.add_flag("--allow-doubled", verify.allow_doubled,
               "Records may have been received more than once, without DUP too: QoS 1 over "
               "connections that were lost")
      ->needs(received);
  add_parsed(app, "--sample", verify.sample, parse_count, "COUNT: check only so many, at random");
  app.add_flag("--partial", verify.partial,
               "The generator was killed: take a ledger that was cut off, up to its last whole "
               "block");
  app.add_option("--seed", verify.seed, "Seed of the sample")->capture_default_str();
  app.add_option("--patience", verify.patience_s, "Seconds to wait for an API that is not ready")
      ->check(CLI::Range(0, 86'400))
      ->capture_default_str();
  app.add_option("--json", verify.json, "Write a JSON report to this file (- = standard output)");
  app.add_flag("--quiet,-q", verify.quiet, "No progress");
  app.footer(
      "Examples:\n  spate-loadgen verify --ledger acked --api http://127.0.0.1:8080\n"
      "  spate-loadgen verify --ledger acked --received received\n\n"
      "Every acknowledged record must be stored, or received, once with its values. Records that\n"
      "are there without acknowledgement are allowed and counted. Sorts on disk (TMPDIR, or\n"
      "/var/tmp): 24 bytes a record above 4 million.");
}

void add_ledger(CLI::App& app, LedgerOptions& ledger) {
  app.add_option("FILE", ledger.file, "A ledger")->required();
  auto* text = app.add_flag("--text", ledger.text,
                            "Print its records: device TAB ts TAB hash, in the order of the file");
  app.add_flag("--partial", ledger.partial, "Take one that was cut off");
  app.add_option("--import", ledger.import,
                 "Make FILE of such lines (or .gz), for acknowledgements of other generators")
      ->excludes(text);
  app.footer("Examples:\n  spate-loadgen ledger acked\n  spate-loadgen ledger acked --text | head\n"
             "  spate-loadgen ledger other --import lines.txt");
}

const char* fault_of(const VerifyOptions& verify) {
  return verify.api.empty() && verify.received.empty()
             ? "say where the records must be: --api URL or --received FILE"
             : nullptr;
}

} // namespace spate::loadgen
