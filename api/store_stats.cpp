// GET /api/v1/store.
#include <array>
#include <charconv>

#include "api/json_parts.hpp"
#include "api/operations.hpp"

namespace spate::api {

namespace {

/// With three decimals; null if there is nothing to divide by.
void write_ratio(json::Writer& out, std::string_view name, std::uint64_t value, std::uint64_t by) {
  out.key(name);
  if (by == 0) {
    out.null();
    return;
  }
  std::array<char, 64> text;
  const auto end = std::to_chars(text.data(), text.data() + text.size(),
                                 static_cast<double>(value) / static_cast<double>(by),
                                 std::chars_format::fixed, 3)
                       .ptr;
  out.number_text({text.data(), static_cast<std::size_t>(end - text.data())});
}

} // namespace

http::Response read_store(const Services& services) {
  const storage::StoreStats stats = services.store.stats();
  http::Response response = json_response();
  json::Writer out(response.body);
  out.begin_object();
  out.member("devices", stats.devices).member("shapes", stats.shapes);
  out.key("disk").begin_object().member("used_bytes", stats.disk_used_bytes);
  out.member("free_bytes", stats.disk_free_bytes).end_object();

  out.key("tails").begin_object().member("rows", stats.tail_rows);
  out.member("bytes", stats.tail_bytes).end_object();
  out.key("generations").begin_object().member("count", stats.generations);
  out.member("bytes", stats.generation_bytes);
  out.member("fold_lag_ms", stats.fold_lag_ms).end_object();
  out.key("runs").begin_object().member("count", stats.runs);
  out.member("bytes", stats.run_bytes).member("rows", stats.run_rows);
  out.member("readings", stats.run_readings);
  write_ratio(out, "bytes_per_reading", stats.run_bytes, stats.run_readings);
  out.end_object();
  out.member("damaged_blocks", stats.damaged_blocks).member("erasures", stats.erasures);

  out.key("kept_log").begin_array();
  for (std::size_t i = 0; i < stats.kept_logs.size(); ++i) {
    const storage::KeptLogFigures& log = stats.kept_logs[i];
    out.begin_object().member("data_dir", static_cast<std::uint64_t>(i));
    out.member("bytes", log.bytes).member("first_commit", log.first_commit);
    out.member("first_ts", log.first_ms).member("last_commit", log.last_commit).end_object();
  }
  out.end_array();

  const std::uint64_t written = stats.wal_bytes + stats.flush_bytes + stats.fold_bytes;
  out.key("since_start").begin_object().member("since_ts", services.started_ms);
  out.member("commits", stats.commits).member("rows_stored", stats.rows_stored);
  out.member("rows_duplicate", stats.rows_duplicate).member("log_bytes", stats.log_bytes);
  out.member("wal_bytes", stats.wal_bytes).member("flush_bytes", stats.flush_bytes);
  out.member("sealed_blocks", stats.blocks_sealed).member("sealed_bytes", stats.sealed_bytes);
  out.member("folds", stats.folds).member("merges", stats.merges);
  out.member("fold_rows", stats.folded_rows).member("fold_bytes", stats.fold_bytes);
  out.member("fold_duplicates", stats.fold_duplicates).member("fold_cpu_us", stats.fold_cpu_us);
  out.member("expired_runs", stats.expired_runs).member("expired_rows", stats.expired_rows);
  out.member("reopens", stats.reopens);
  write_ratio(out, "write_amplification", written, stats.log_bytes);
  write_ratio(out, "written_bytes_per_row", written, stats.rows_stored);
  out.end_object();

  out.key("shards").begin_array();
  for (const storage::ShardHealth& shard : services.store.health()) {
    out.begin_object().member("shard", static_cast<std::uint64_t>(shard.shard));
    out.member("status", shard.ok ? "ok" : "failed");
    if (!shard.ok) {
      out.member("detail", shard.detail);
    }
    out.end_object();
  }
  out.end_array().end_object();
  return response;
}

} // namespace spate::api
