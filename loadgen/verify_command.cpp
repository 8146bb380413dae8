#include <cstdio>

#include <nlohmann/json.hpp>

#include "engine/base/clock.hpp"
#include "loadgen/options.hpp"
#include "loadgen/progress.hpp"
#include "loadgen/run_fleet.hpp"
#include "loadgen/verify.hpp"
#include "loadgen/version.hpp"

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
  out += "  acknowledged " + grouped(result.lines) + " (" + grouped(result.records) +
         " different records of " + grouped(result.devices) + " devices), checked " +
         grouped(result.checked) + "\n";
  out += "  missing " + grouped(result.missing) + "   different " + grouped(result.differing) +
         "   doubled " + grouped(result.doubled) + "   stored without acknowledgement " +
         grouped(result.unacknowledged) + "\n";
  out += result.ok()           ? "  result ok\n"
         : result.interrupted  ? "  result FAILED: ended early\n"
         : result.checked == 0 ? "  result FAILED: nothing was acknowledged\n"
                               : "  result FAILED\n";
  return out;
}

nlohmann::json json_of(const Options& options, const VerifyResult& result) {
  nlohmann::json findings = nlohmann::json::array();
  for (const Finding& finding : result.findings) {
    findings.push_back(
        {{"kind", name_of(finding.kind)}, {"device", finding.device}, {"ts", finding.ts}});
  }
  return {{"generator_version", kVersion},
          {"command_line", options.command_line},
          {"ok", result.ok()},
          {"interrupted", result.interrupted},
          {"acknowledged", result.lines},
          {"records", result.records},
          {"checked", result.checked},
          {"devices", result.devices},
          {"missing", result.missing},
          {"different", result.differing},
          {"doubled", result.doubled},
          {"stored_unacknowledged", result.unacknowledged},
          {"pages", result.pages},
          {"findings", findings}};
}

} // namespace

int verify_command(const Options& options) {
  static std::atomic<bool> stop{false};
  const VerifyOptions& verify = options.verify;
  stop_on_signals(stop);
  auto source = HttpPageSource::open(verify.api, verify.patience_s, stop);
  if (!source) {
    return complain(source.error());
  }
  StatusLine status(verify.quiet);
  status.note("reading " + verify.acks);
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

  const AcksEnd end = verify.partial ? AcksEnd::optional : AcksEnd::required;
  Verifier verifier(**source, stop);
  Result<VerifyResult> result = VerifyResult{};
  if (verify.sample != 0) {
    std::vector<std::string> devices;
    auto sample = sample_acks(verify.acks, end, verify.sample, verify.seed, total, devices);
    if (!sample) {
      return complain(sample.error());
    }
    total = sample->size();
    result = verifier.some(*sample, devices, watch);
  } else {
    AcksSorter sorter;
    if (auto read = read_acks(verify.acks, end, sorter); !read) {
      return complain(read.error());
    }
    total = sorter.size();
    result = verifier.all(sorter, watch);
  }
  status.clear();
  if (!result) {
    return complain(result.error());
  }
  std::fputs(text_of(*result).c_str(), verify.json == "-" ? stderr : stdout);
  if (!verify.json.empty() && !write_json(verify.json, json_of(options, *result))) {
    return kExitFailed;
  }
  return result->ok() ? kExitOk : kExitFailed;
}

} // namespace spate::loadgen
