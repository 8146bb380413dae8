#include "tests/api/api_node.hpp"

using namespace spate;
using namespace spate::api;

TEST_CASE("metrics tell of each stage that sealed blocks go through, in base units") {
  ApiNode node;
  storage::StoreStats& stats = node.store.more_stats;
  stats.disk_used_bytes = 101;
  stats.generations = 2;
  stats.generation_bytes = 103;
  stats.fold_lag_ms = 1500;
  stats.runs = 4;
  stats.run_bytes = 105;
  stats.run_rows = 106;
  stats.run_readings = 107;
  stats.folds = 8;
  stats.merges = 9;
  stats.folded_rows = 110;
  stats.fold_bytes = 111;
  stats.fold_cpu_us = 2'500'000;
  stats.fold_duplicates = 13;
  stats.sealed_bytes = 114;
  stats.wal_bytes = 115;
  stats.flush_bytes = 116;
  stats.expired_runs = 17;
  stats.expired_rows = 118;
  stats.erasures = 19;
  stats.damaged_blocks = 20;
  stats.erasures_blocked = 3;
  const std::string body = node.get("/metrics").body;
  for (const std::string line : {
           "# TYPE spate_store_disk_bytes gauge\nspate_store_disk_bytes 101\n",
           "# TYPE spate_store_generations gauge\nspate_store_generations 2\n",
           "# TYPE spate_store_generation_bytes gauge\nspate_store_generation_bytes 103\n",
           "# TYPE spate_store_fold_lag_seconds gauge\nspate_store_fold_lag_seconds 1.5\n",
           "# TYPE spate_store_runs gauge\nspate_store_runs 4\n",
           "# TYPE spate_store_run_bytes gauge\nspate_store_run_bytes 105\n",
           "# TYPE spate_store_run_records gauge\nspate_store_run_records 106\n",
           "# TYPE spate_store_run_readings gauge\nspate_store_run_readings 107\n",
           "# TYPE spate_store_folds_total counter\nspate_store_folds_total 8\n",
           "# TYPE spate_store_merges_total counter\nspate_store_merges_total 9\n",
           "# TYPE spate_store_fold_records_total counter\nspate_store_fold_records_total 110\n",
           "# TYPE spate_store_fold_bytes_total counter\nspate_store_fold_bytes_total 111\n",
           "# TYPE spate_store_fold_cpu_seconds_total counter\nspate_store_fold_cpu_seconds_total "
           "2.5\n",
           "# TYPE spate_store_fold_duplicates_total counter\nspate_store_fold_duplicates_total "
           "13\n",
           "# TYPE spate_store_sealed_bytes_total counter\nspate_store_sealed_bytes_total 114\n",
           "# TYPE spate_store_wal_bytes_total counter\nspate_store_wal_bytes_total 115\n",
           "# TYPE spate_store_flush_bytes_total counter\nspate_store_flush_bytes_total 116\n",
           "# TYPE spate_store_expired_runs_total counter\nspate_store_expired_runs_total 17\n",
           "# TYPE spate_store_expired_records_total counter\nspate_store_expired_records_total "
           "118\n",
           "# TYPE spate_store_erasures gauge\nspate_store_erasures 19\n",
           "# TYPE spate_store_erasures_blocked gauge\nspate_store_erasures_blocked 3\n",
           "# TYPE spate_store_damaged_blocks gauge\nspate_store_damaged_blocks 20\n",
       }) {
    CAPTURE(line);
    CHECK(body.find(line) != std::string::npos);
  }
}

TEST_CASE("repeats that a fold found move from stored to duplicate, and no counter falls") {
  ApiNode node;
  node.post("d", R"([{"ts":1000,"values":{"a":1}},{"ts":2000,"values":{"a":1}}])");
  const auto records = [&node] { return node.get("/api/v1/ledger").json()["records"]; };
  CHECK(records()["stored"] == 2);
  CHECK(records()["duplicate"] == 0);
  node.store.more_stats.fold_duplicates = 1;
  CHECK(records()["received"] == 2);
  CHECK(records()["stored"] == 1);
  CHECK(records()["duplicate"] == 1);
  CHECK(records()["imbalance"] == 0);
  const std::string body = node.get("/metrics").body;
  CHECK(body.find("spate_records_stored_total 2\n") != std::string::npos);
  CHECK(body.find("spate_store_fold_duplicates_total 1\n") != std::string::npos);

  // Those beyond were stored, and counted, by the process before.
  node.store.more_stats.fold_duplicates = 7;
  CHECK(records()["stored"] == 0);
  CHECK(records()["duplicate"] == 2);
  CHECK(records()["imbalance"] == 0);
}

TEST_CASE("records that come over HTTP are kept as long as their route says") {
  ApiNode forever;
  forever.post("d", R"({"a":1})");
  CHECK(forever.store.last_retention_s == 0);

  ApiNode node([](Services& services) { services.route.retention_s = 3600; });
  for (const std::string names : {"", "?names=path"}) {
    CAPTURE(names);
    node.store.last_retention_s = 0;
    CHECK(node.post("d", R"({"ts":1000,"values":{"a":1}})", names).status == 200);
    CHECK(node.store.last_retention_s == 3600);
  }
  node.store.last_retention_s = 0;
  CHECK(node.post("d", "{\"a\":2}\n{\"a\":3}\n", "", "application/x-ndjson").status == 200);
  CHECK(node.store.last_retention_s == 3600);
}
