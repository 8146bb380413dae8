// The store's document as a table.
#include <array>
#include <cstdio>

#include "cli/json_object.hpp"
#include "cli/store_verbs.hpp"
#include "cli/table.hpp"

namespace spate::cli {

namespace {

JsonObject part_of(const JsonObject& document, std::string_view name) {
  auto part = JsonObject::parse(document.raw(name));
  return part ? std::move(*part) : JsonObject();
}

std::string count(const JsonObject& object, std::string_view name) {
  const std::string raw = object.raw(name);
  return raw.empty() ? "-" : printable(raw, 64);
}

std::string bytes(const JsonObject& object, std::string_view name) {
  const auto value = object.integer(name);
  return value && *value >= 0 ? bytes_text(static_cast<std::uint64_t>(*value)) : "-";
}

std::string age(const JsonObject& object, std::string_view name) {
  const auto value = object.integer(name);
  if (!value) {
    return "-";
  }
  return *value < 60'000 ? duration_text(*value * 1000)
                         : std::to_string(*value / 60'000) + " min";
}

} // namespace

Result<std::string> store_table(std::string_view document) {
  const auto store = JsonObject::parse(document);
  if (!store) {
    return fail(store.error());
  }
  const JsonObject disk = part_of(*store, "disk");
  const JsonObject tails = part_of(*store, "tails");
  const JsonObject generations = part_of(*store, "generations");
  const JsonObject runs = part_of(*store, "runs");
  const JsonObject since = part_of(*store, "since_start");
  if (disk.raw("used_bytes").empty() || runs.raw("count").empty()) {
    return fail(Errc::malformed_payload, "the answer is no document of a store");
  }
  Table stages({"STAGE", "BYTES", "PARTS", "ROWS"});
  stages.add({"in memory", bytes(tails, "bytes"), "-", count(tails, "rows")});
  stages.add({"sealed", bytes(generations, "bytes"), count(generations, "count") + " generations",
              "-"});
  stages.add({"folded", bytes(runs, "bytes"), count(runs, "count") + " runs", count(runs, "rows")});
  stages.add({"on disk, log included", bytes(disk, "used_bytes"), "-", "-"});
  std::uint64_t kept = 0;
  for (const std::string& element : store->elements("kept_log")) {
    const auto log = JsonObject::parse(element);
    const auto of_one = log ? log->integer("bytes") : std::nullopt;
    kept += of_one && *of_one > 0 ? static_cast<std::uint64_t>(*of_one) : 0;
  }
  stages.add({"of that the kept log", bytes_text(kept), "-", "-"});
  stages.add({"free on the disk", bytes(disk, "free_bytes"), "-", "-"});

  Table figures({"FIGURE", "VALUE"});
  figures.add({"devices", count(*store, "devices")});
  figures.add({"shapes", count(*store, "shapes")});
  figures.add({"readings folded", count(runs, "readings")});
  figures.add({"bytes a reading", count(runs, "bytes_per_reading")});
  figures.add({"fold lag", age(generations, "fold_lag_ms")});
  figures.add({"damaged blocks", count(*store, "damaged_blocks")});
  figures.add({"erasures under way", count(*store, "erasures")});
  for (const std::string& element : store->elements("kept_log")) {
    const auto log = JsonObject::parse(element);
    if (log) {
      const auto first_ms = log->integer("first_ts");
      figures.add({"kept log of directory " + count(*log, "data_dir"),
                   "commits " + count(*log, "first_commit") + " to " + count(*log, "last_commit") +
                       (first_ms && *first_ms > 0 ? ", since " + time_text(*first_ms) : "")});
    }
  }
  if (const auto started = since.integer("since_ts"); started && *started > 0) {
    figures.add({"since", time_text(*started)});
  }
  figures.add({"  rows stored", count(since, "rows_stored")});
  figures.add({"  written to the log", bytes(since, "wal_bytes")});
  figures.add({"  written by flushes", bytes(since, "flush_bytes")});
  figures.add({"  written by folds", bytes(since, "fold_bytes")});
  figures.add({"  write amplification", count(since, "write_amplification")});
  figures.add({"  bytes written a row", count(since, "written_bytes_per_row")});
  figures.add({"  folds, merges", count(since, "folds") + ", " + count(since, "merges")});
  figures.add({"  expired runs", count(since, "expired_runs")});
  figures.add({"  reopens after faults", count(since, "reopens")});

  std::string text = stages.text() + "\n" + figures.text();
  for (const std::string& element : store->elements("shards")) {
    const auto shard = JsonObject::parse(element);
    if (shard && shard->text("status") != "ok") {
      text += "\nShard " + printable(shard->raw("shard"), 16) +
              " does not serve: " + printable(shard->text("detail"), 400) + "\n";
    }
  }
  return text;
}

} // namespace spate::cli
