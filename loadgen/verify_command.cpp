#include <cstdio>

#include <nlohmann/json.hpp>

#include "engine/base/clock.hpp"
#include "loadgen/base/version.hpp"
#include "loadgen/options.hpp"
#include "loadgen/proof/received_source.hpp"
#include "loadgen/proof/verify.hpp"
#include "loadgen/report/progress.hpp"
#include "loadgen/report/report.hpp"
#include "loadgen/run_scenario.hpp"

namespace spate::loadgen {

namespace {

std::string text_of(const VerifyResult& result) {
  std::string out;
  for (const Finding& finding : result.findings) {
    out += "  " + std::string(name_of(finding.kind)) + "  " + finding.device + "  ts " +
           std::to_string(finding.ts) + "\n";
  }
  const std::uint64_t all = result.missing + result.differing + result.doubled;
  if (all > result.findings.size()) {
    out += "  ... and " + grouped(all - result.findings.size()) + " more\n";
  }
  out += "  acknowledged " + grouped(result.lines) +
         (result.sampled != 0 ? ", of them a sample of " + grouped(result.sampled) : "") + " (" +
         grouped(result.records) + " different records of " + grouped(result.devices) +
         " devices), checked " + grouped(result.checked) + "\n";
  out += "  missing " + grouped(result.missing) + "   different " + grouped(result.differing) +
         "   doubled " + grouped(result.doubled) + "   there without acknowledgement " +
         grouped(result.unacknowledged) +
         (result.repeated != 0 ? "   received again " + grouped(result.repeated) : "") + "\n";
  out += result.ok()           ? "  result ok\n"
         : result.interrupted  ? "  result FAILED: ended early\n"
         : result.checked == 0 ? "  result FAILED: nothing was acknowledged\n"
                               : "  result FAILED\n";
  return out;
}

nlohmann::json json_of(const VerifyResult& result) {
  return {{"ok", result.ok()},
          {"interrupted", result.interrupted},
          {"acknowledged", result.lines},
          {"sampled", result.sampled != 0 ? nlohmann::json(result.sampled) : nlohmann::json()},
          {"records", result.records},
          {"checked", result.checked},
          {"devices", result.devices},
          {"missing", result.missing},
          {"different", result.differing},
          {"doubled", result.doubled},
          {"stored_unacknowledged", result.unacknowledged},
          {"received_again", result.repeated},
          {"pages", result.pages}};
}

/// The document of --json; all calls do nothing without a path. Findings go out as they are found:
/// all of them may be more than memory holds.
class Document {
public:
  explicit Document(const std::string& path) : path_(path) {}
  ~Document() {
    if (file_ != nullptr && file_ != stdout) {
      std::fclose(file_);
    }
  }
  Document(const Document&) = delete;
  Document& operator=(const Document&) = delete;

  Result<void> begin() {
    if (path_.empty()) {
      return {};
    }
    file_ = path_ == "-" ? stdout : std::fopen(path_.c_str(), "we");
    if (file_ == nullptr) {
      return unwritten();
    }
    std::fputs("{\n  \"findings\": [", file_);
    return {};
  }

  void add(const Finding& finding) {
    if (file_ != nullptr) {
      const nlohmann::json item = {
          {"kind", name_of(finding.kind)}, {"device", finding.device}, {"ts", finding.ts}};
      std::fprintf(file_, "%s\n    %s", first_ ? "" : ",", text_of(item, -1).c_str());
      first_ = false;
    }
  }

  /// `rest` is an object with members.
  Result<void> finish(const nlohmann::json& rest) {
    if (file_ == nullptr) {
      return {};
    }
    std::fprintf(file_, "%s],%s\n", first_ ? "" : "\n  ", text_of(rest, 2).c_str() + 1);
    std::fflush(file_);
    return std::ferror(file_) == 0 ? Result<void>() : unwritten();
  }

private:
  static std::string text_of(const nlohmann::json& value, int indent) {
    return value.dump(indent, ' ', false, nlohmann::json::error_handler_t::replace);
  }
  [[nodiscard]] Result<void> unwritten() const {
    return fail(Errc::file_unreadable, path_ + " can not be written");
  }

  const std::string path_;
  std::FILE* file_ = nullptr;
  bool first_ = true;
};

/// Reads the ledger, then looks for its records. `total` is set when their number is known.
Result<VerifyResult> look_for(const VerifyOptions& verify, PageSource& source, DeviceIndex& devices,
                              const std::atomic<bool>& stop, const Verifier::Tell& tell,
                              std::uint64_t& total, const Verifier::Watch& watch,
                              const std::function<Result<void>()>& then) {
  const LedgerEnd end = verify.partial ? LedgerEnd::optional : LedgerEnd::required;
  Verifier verifier(source, devices, stop, tell);
  if (verify.sample != 0) {
    auto sample = sample_ledger(verify.ledger, end, verify.sample, verify.seed, devices, stop);
    if (!sample) {
      return fail(std::move(sample.error()));
    }
    total = sample->records.size();
    if (auto ready = then(); !ready) {
      return fail(std::move(ready.error()));
    }
    return verifier.some(*sample, watch);
  }
  RecordSorter sorter;
  if (auto read = read_ledger(verify.ledger, end, devices, sorter, stop); !read) {
    return fail(std::move(read.error()));
  }
  total = sorter.size();
  if (auto ready = then(); !ready) {
    return fail(std::move(ready.error()));
  }
  return verifier.all(sorter, watch);
}

/// Against an API.
Result<VerifyResult> verify_stored(const VerifyOptions& verify, const std::atomic<bool>& stop,
                                   const Verifier::Tell& tell, std::uint64_t& total,
                                   const Verifier::Watch& watch) {
  auto source = HttpPageSource::open(verify.api, verify.patience_s, stop);
  if (!source) {
    return fail(std::move(source.error()));
  }
  DeviceIndex devices;
  return look_for(verify, **source, devices, stop, tell, total, watch,
                  [] { return Result<void>(); });
}

/// Against the ledger of a subscriber, which is read second: devices then have their numbers.
Result<VerifyResult> verify_received(const VerifyOptions& verify, const std::atomic<bool>& stop,
                                     const Verifier::Tell& tell, std::uint64_t& total,
                                     const Verifier::Watch& watch) {
  DeviceIndex devices;
  RecordSorter received;
  ReceivedSource source(received, devices, verify.allow_doubled);
  auto result = look_for(verify, source, devices, stop, tell, total, watch, [&] {
    return read_ledger(verify.received, verify.partial ? LedgerEnd::optional : LedgerEnd::required,
                       devices, received, stop);
  });
  if (!result || stop) {
    return result;
  }
  if (auto rest = source.finish(); !rest) {
    return fail(std::move(rest.error()));
  }
  result->repeated = source.repeated();
  result->unacknowledged += verify.sample == 0 ? source.unasked() : 0;
  return result;
}

} // namespace

int verify_command(const Options& options) {
  static std::atomic<bool> stop{false};
  const VerifyOptions& verify = options.verify;
  stop_on_signals(stop);
  StatusLine status(verify.quiet);
  status.note("reading " + verify.ledger);
  const std::int64_t start_ns = steady_ns();
  std::uint64_t total = 0;
  const auto watch = [&](const VerifyResult& so_far) {
    const std::int64_t now_ns = steady_ns();
    if (!status.due(now_ns)) {
      return;
    }
    const double done =
        total == 0 ? 1 : static_cast<double>(so_far.checked) / static_cast<double>(total);
    const double spent_s = static_cast<double>(now_ns - start_ns) / 1e9;
    status.show("verify " + progress_bar(done, done > 0.01 ? spent_s / done * (1 - done) : -1) +
                    " | checked " + grouped(so_far.checked) + " of " + grouped(total) +
                    " | missing " + grouped(so_far.missing) + " different " +
                    grouped(so_far.differing) + " doubled " + grouped(so_far.doubled),
                now_ns);
  };

  Document document(verify.json);
  if (auto begun = document.begin(); !begun) {
    return complain(begun.error());
  }
  const auto tell = [&document](const Finding& found) { document.add(found); };
  const auto result = verify.received.empty() ? verify_stored(verify, stop, tell, total, watch)
                                              : verify_received(verify, stop, tell, total, watch);
  status.clear();
  nlohmann::json rest =
      result ? json_of(*result) : nlohmann::json{{"ok", false}, {"error", result.error().detail}};
  rest["generator_version"] = kVersion;
  rest["command_line"] = options.command_line;
  int code = kExitOk;
  if (!result) {
    code = complain(result.error());
  } else {
    std::fputs(text_of(*result).c_str(), verify.json == "-" ? stderr : stdout);
    code = result->ok() ? kExitOk : kExitFailed;
  }
  if (auto written = document.finish(rest); !written) {
    return complain(written.error());
  }
  return code;
}

} // namespace spate::loadgen
