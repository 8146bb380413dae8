#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>

#include "loadgen/base/line_file.hpp"
#include "loadgen/options.hpp"
#include "loadgen/proof/ledger_reader.hpp"
#include "loadgen/proof/ledger_text.hpp"
#include "loadgen/proof/named_lines.hpp"
#include "loadgen/report/report.hpp"
#include "loadgen/run_scenario.hpp"

namespace spate::loadgen {

namespace {

constexpr std::size_t kTextBytes = std::size_t{64} << 10;

bool print(std::string& text) {
  const bool written = std::fwrite(text.data(), 1, text.size(), stdout) == text.size();
  text.clear();
  return written;
}

std::string totals_text(const LedgerReader& reader, const std::vector<std::uint64_t>& by_cohort) {
  const LedgerNames& names = reader.names();
  std::string out = grouped(reader.records()) + " records of " + grouped(names.devices()) +
                    " devices in " + grouped(reader.bytes()) + " bytes";
  if (reader.records() != 0) {
    out += formatted(" (%.2f a record)",
                     static_cast<double>(reader.bytes()) / static_cast<double>(reader.records()));
  }
  out += reader.whole() ? "\n" : ", cut off\n";
  for (std::uint32_t i = 0; i < names.cohorts(); ++i) {
    out += "  " + names.cohort(i) + ": " + grouped(i < by_cohort.size() ? by_cohort[i] : 0) +
           " records of " + grouped(names.devices(i)) + " devices\n";
  }
  return out;
}

int read(const LedgerOptions& options) {
  LedgerReader reader(options.file, options.partial ? LedgerEnd::optional : LedgerEnd::required);
  if (auto opened = reader.open(); !opened) {
    return complain(opened.error());
  }
  std::vector<std::uint64_t> by_cohort;
  std::string text;
  LedgerRecord record;
  char buffer[DeviceNames::kNameBytesMax];
  for (;;) {
    auto more = reader.next(record);
    if (!more) {
      (void)print(text);
      return complain(more.error());
    }
    if (!*more) {
      break;
    }
    if (by_cohort.size() <= record.cohort) {
      by_cohort.resize(record.cohort + std::size_t{1});
    }
    ++by_cohort[record.cohort];
    if (options.text) {
      append_ledger_line(text, {reader.names().name(record.cohort, record.device, buffer),
                                record.ts, record.hash, record.repeated});
      if (text.size() >= kTextBytes && !print(text)) {
        return kExitFailed; // Whoever read it has gone.
      }
    }
  }
  text += options.text ? "" : totals_text(reader, by_cohort);
  return print(text) && std::fflush(stdout) == 0 ? kExitOk : kExitFailed;
}

int import(const LedgerOptions& options) {
  auto lines = LineFile::open(options.import);
  if (!lines) {
    return complain(lines.error());
  }
  auto writer = LedgerWriter::create(options.file);
  if (!writer) {
    return complain(writer.error());
  }
  NamedLines to(**writer, "imported");
  std::string text;
  for (;;) {
    auto more = (*lines)->next(text);
    if (!more) {
      return complain(more.error());
    }
    if (!*more) {
      break;
    }
    const auto line = parse_ledger_line(text);
    if (!line) {
      return complain({line.error().code, (*lines)->where() + ": " + line.error().detail});
    }
    if (to.add(line->device, line->ts, line->hash, line->repeated) == NamedLines::kNone) {
      return complain({Errc::file_unreadable, (*lines)->where() + ": one device more than the " +
                                                  grouped(kLedgerDevicesMax) +
                                                  " that a ledger can name"});
    }
  }
  to.flush();
  const auto finished = (*writer)->finish();
  return finished ? kExitOk : complain(finished.error());
}

} // namespace

int ledger_command(const Options& options) {
  return options.ledger.import.empty() ? read(options.ledger) : import(options.ledger);
}

} // namespace spate::loadgen
