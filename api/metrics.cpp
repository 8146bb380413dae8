#include "api/metrics.hpp"

#include <dirent.h>
#include <sys/resource.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <map>
#include <span>
#include <sstream>

#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

#include "engine/base/clock.hpp"
#include "engine/base/histogram.hpp"
#include "engine/base/log.hpp"
#include "engine/base/process.hpp"

namespace spate::api {

namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;
using Labels = std::vector<std::pair<std::string, std::string>>;

/// Families in order of their first metric.
class Families {
public:
  void counter(const std::string& name, const std::string& help, double value,
               const Labels& labels = {}) {
    add(name, help, MetricType::Counter, labels).counter.value = value;
  }
  void gauge(const std::string& name, const std::string& help, double value,
             const Labels& labels = {}) {
    add(name, help, MetricType::Gauge, labels).gauge.value = value;
  }
  /// `bounds` and `values` are in the same unit, `per_unit` of which make one of the unit in the
  /// name.
  void histogram(const std::string& name, const std::string& help, const Histogram& values,
                 std::span<const std::uint64_t> bounds, double per_unit,
                 const Labels& labels = {}) {
    ClientMetric& metric = add(name, help, MetricType::Histogram, labels);
    std::vector<std::uint64_t> counts(bounds.size());
    values.for_each([&](std::uint64_t upper, std::uint64_t count) {
      for (std::size_t i = 0; i < bounds.size(); ++i) {
        counts[i] += upper <= bounds[i] ? count : 0;
      }
    });
    metric.histogram.sample_count = values.count();
    metric.histogram.sample_sum = values.mean() * static_cast<double>(values.count()) / per_unit;
    for (std::size_t i = 0; i < bounds.size(); ++i) {
      metric.histogram.bucket.push_back({counts[i], static_cast<double>(bounds[i]) / per_unit});
    }
  }
  [[nodiscard]] std::string text() const {
    std::ostringstream out;
    prometheus::TextSerializer().Serialize(out, families_);
    return std::move(out).str();
  }

private:
  ClientMetric& add(const std::string& name, const std::string& help, MetricType type,
                    const Labels& labels) {
    const auto [found, added] = by_name_.try_emplace(name, families_.size());
    if (added) {
      families_.push_back({name, help, type, {}});
    }
    ClientMetric& metric = families_[found->second].metric.emplace_back();
    for (const auto& [label, value] : labels) {
      metric.label.push_back({label, value});
    }
    return metric;
  }

  std::vector<MetricFamily> families_;
  std::map<std::string, std::size_t> by_name_;
};

double number(std::uint64_t value) noexcept {
  return static_cast<double>(value);
}

void add_ledger(Families& out, const model::LedgerCounts& counts) {
  out.counter("spate_records_received_total", "Records that arrived.", number(counts.received));
  // As commits counted them: a counter that falls is taken for a restart. The ledger moves what
  // folds found.
  out.counter("spate_records_stored_total",
              "Records stored; spate_store_fold_duplicates_total of them were repeats.",
              number(counts.stored));
  out.counter("spate_records_duplicate_total",
              "Records that were known to be stored when they came again.",
              number(counts.duplicate));
  for (std::size_t i = 1; i < counts.rejected.size(); ++i) {
    out.counter("spate_records_rejected_total", "Records refused, by reason.",
                number(counts.rejected[i]),
                {{"reason", std::string(model::name_of(static_cast<model::RejectReason>(i)))}});
  }
  out.gauge("spate_records_in_flight", "Records between arrival and commit.",
            number(counts.in_flight));
  out.gauge("spate_ledger_imbalance",
            "received - (stored + duplicate + rejected + in flight); anything but 0 is a bug.",
            static_cast<double>(counts.imbalance()));
}

/// What becomes of sealed blocks, stage by stage.
void add_store_stages(Families& out, const storage::StoreStats& stats) {
  struct Row {
    const char* name;
    const char* help;
    double value;
  };
  const Row gauges[] = {
      {"spate_store_disk_bytes", "Bytes that the data directories' databases take on disk.",
       number(stats.disk_used_bytes)},
      {"spate_store_generations", "Sets of sealed blocks that are not folded yet.",
       number(stats.generations)},
      {"spate_store_generation_bytes", "Bytes of sealed blocks that are not folded yet.",
       number(stats.generation_bytes)},
      {"spate_store_fold_lag_seconds", "Age of the oldest block that is not folded yet.",
       static_cast<double>(stats.fold_lag_ms) / 1e3},
      {"spate_store_runs", "Sorted sets of folded blocks.", number(stats.runs)},
      {"spate_store_run_bytes", "Bytes of folded blocks.", number(stats.run_bytes)},
      {"spate_store_run_records", "Records in folded blocks.", number(stats.run_rows)},
      {"spate_store_run_readings", "Values in folded blocks: records times their fields.",
       number(stats.run_readings)},
      {"spate_store_erasures", "Erasures whose bytes are not gone yet.", number(stats.erasures)},
      {"spate_store_erasures_blocked", "Erasures that damage keeps from ending; tried again.",
       number(stats.erasures_blocked)},
      {"spate_store_damaged_blocks", "Damaged blocks that are set aside on disk.",
       number(stats.damaged_blocks)}};
  for (const Row& row : gauges) {
    out.gauge(row.name, row.help, row.value);
  }
  for (std::size_t i = 0; i < stats.kept_logs.size(); ++i) {
    const Labels labels = {{"data_dir", std::to_string(i)}};
    const storage::KeptLogFigures& log = stats.kept_logs[i];
    out.gauge("spate_store_kept_log_bytes", "Write-ahead log that is kept, live files included.",
              number(log.bytes), labels);
    out.gauge("spate_store_kept_log_first_commit", "The oldest commit that is kept; 0: none.",
              number(log.first_commit), labels);
    out.gauge("spate_store_kept_log_first_timestamp_seconds", "When it was made.",
              static_cast<double>(log.first_ms) / 1e3, labels);
    out.gauge("spate_store_kept_log_last_commit", "The newest commit that can be read.",
              number(log.last_commit), labels);
  }
  const Row counters[] = {
      {"spate_store_wal_bytes_total", "Bytes written to write-ahead logs.",
       number(stats.wal_bytes)},
      {"spate_store_flush_bytes_total", "Bytes written by flushes of memory.",
       number(stats.flush_bytes)},
      {"spate_store_fold_bytes_total", "Bytes written by folds and merges.",
       number(stats.fold_bytes)},
      {"spate_store_sealed_bytes_total", "Bytes of blocks that were sealed.",
       number(stats.sealed_bytes)},
      {"spate_store_folds_total", "Generations that became runs.", number(stats.folds)},
      {"spate_store_merges_total", "Runs made of several.", number(stats.merges)},
      {"spate_store_fold_records_total", "Records written by folds and merges.",
       number(stats.folded_rows)},
      {"spate_store_fold_cpu_seconds_total", "CPU taken by folds and merges.",
       static_cast<double>(stats.fold_cpu_us) / 1e6},
      {"spate_store_fold_duplicates_total", "Stored records that a fold found to be repeats.",
       number(stats.fold_duplicates)},
      {"spate_store_expired_runs_total", "Runs dropped when their time was over.",
       number(stats.expired_runs)},
      {"spate_store_expired_records_total", "Records in them.", number(stats.expired_rows)}};
  for (const Row& row : counters) {
    out.counter(row.name, row.help, row.value);
  }
}

void add_store(Families& out, const Services& services) {
  static constexpr std::array<std::uint64_t, 14> kSyncUs = {
      50,     100,    250,    500,     1'000,   2'500,     5'000,
      10'000, 25'000, 50'000, 100'000, 250'000, 1'000'000, 5'000'000};
  static constexpr std::array<std::uint64_t, 11> kRows = {1,    4,    16,     64,     256,   1024,
                                                          4096, 8192, 16'384, 32'768, 65'536};
  const storage::StoreStats stats = services.store.stats();
  out.histogram("spate_wal_fsync_duration_seconds", "Time of a synced write of the commit log.",
                stats.sync_us, kSyncUs, 1e6);
  out.histogram("spate_wal_batch_records", "Records a commit.", stats.commit_rows, kRows, 1);
  out.counter("spate_commits_total", "Group commits.", number(stats.commits));
  out.counter("spate_wal_bytes_total", "Bytes written to the commit log.", number(stats.log_bytes));
  out.counter("spate_blocks_sealed_total", "Blocks sealed from tails.",
              number(stats.blocks_sealed));
  out.counter("spate_store_reopens_total", "Data directories reopened after an error.",
              number(stats.reopens));
  out.gauge("spate_commit_queue_bytes", "Blocks that wait for their commit.",
            number(stats.queue_bytes));
  out.gauge("spate_tail_bytes", "Rows in memory that are not sealed yet.",
            number(stats.tail_bytes));
  out.gauge("spate_tail_records", "Records in memory that are not sealed yet.",
            number(stats.tail_rows));
  out.gauge("spate_devices", "Devices that have records.", number(stats.devices));
  out.gauge("spate_shapes", "Different record shapes.", number(stats.shapes));
  out.gauge("spate_disk_free_bytes", "Free space of the fullest data directory.",
            number(stats.disk_free_bytes));
  add_store_stages(out, stats);
  for (const storage::ShardHealth& shard : services.store.health()) {
    out.gauge("spate_shard_up", "1 if the shard takes records.", shard.ok ? 1 : 0,
              {{"shard", std::to_string(static_cast<unsigned>(shard.shard))}});
  }
}

void add_http(Families& out, const http::HttpCounts& http) {
  for (const auto& [status, count] : http.responses) {
    out.counter("spate_http_requests_total", "HTTP requests answered, by status.", number(count),
                {{"code", std::to_string(status)}});
  }
  out.counter("spate_http_connections_total", "HTTP connections accepted.",
              number(http.connections_total));
  out.counter("spate_http_connections_refused_total", "HTTP connections above the limit.",
              number(http.connections_refused));
  out.gauge("spate_http_connections", "HTTP connections open.", number(http.connections));
  out.gauge("spate_http_buffered_bytes", "Bodies and answers held in memory.",
            number(http.bytes_buffered));
}

double open_files() {
  DIR* directory = opendir("/proc/self/fd");
  if (directory == nullptr) {
    return 0;
  }
  double count = -3; // ".", ".." and the directory itself.
  while (readdir(directory) != nullptr) {
    ++count;
  }
  closedir(directory);
  return count;
}

void add_process(Families& out, const Services& services) {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) * 1e-6;
  };
  out.gauge("spate_build_info", "1; the labels say what runs.", 1,
            {{"version", services.version.version}, {"commit", services.version.commit}});
  out.gauge("spate_uptime_seconds", "Since the start.",
            static_cast<double>(wall_ms() - services.started_ms) * 1e-3);
  out.counter("spate_log_lines_dropped_total", "Log lines lost to a full queue.",
              number(log::dropped()));
  out.counter("process_cpu_seconds_total", "CPU used, user and system.",
              seconds(usage.ru_utime) + seconds(usage.ru_stime));
  out.gauge("process_resident_memory_bytes", "Memory in RAM.",
            static_cast<double>(resident_bytes()));
  out.gauge("process_open_fds", "Open file descriptors.", open_files());
  out.gauge("process_start_time_seconds", "When the process started.",
            static_cast<double>(services.started_ms) * 1e-3);
}

} // namespace

http::Response read_metrics(const Services& services, const http::HttpCounts& http) {
  Families families;
  add_ledger(families, services.ledger());
  add_store(families, services);
  add_http(families, http);
  if (services.metrics) {
    std::vector<Metric> more;
    services.metrics(more);
    for (const Metric& metric : more) {
      if (metric.values) {
        families.histogram(metric.name, metric.help, *metric.values, metric.bounds, metric.per_unit,
                           metric.labels);
      } else if (metric.kind == Metric::Kind::counter) {
        families.counter(metric.name, metric.help, metric.value, metric.labels);
      } else {
        families.gauge(metric.name, metric.help, metric.value, metric.labels);
      }
    }
  }
  add_process(families, services);
  http::Response response;
  response.content_type = "text/plain; version=0.0.4; charset=utf-8";
  response.body = families.text();
  return response;
}

} // namespace spate::api
