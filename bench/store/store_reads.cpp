// Spate bench - spate-bench-store-reads: what reads take in the store, folded and warm: a day of a
// device, a month of hourly means, the last values of many devices. Each answer is checked.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include "bench/store/parts.hpp"
#include "engine/base/clock.hpp"
#include "storage/store_internals.hpp"

namespace spate::bench {
namespace {

constexpr double kDayMsMax = 0.15;
constexpr double kMonthMsMax = 1.5;
constexpr double kLastsMsMax = 50;
constexpr std::int64_t kMinuteMs = 60'000;
constexpr std::int64_t kDayMinutes = 1440;
constexpr std::size_t kFields = 6;
constexpr std::size_t kLastsPage = 10'000; ///< The largest page that the HTTP API gives.
/// Midnight, so that a day is a calendar day.
constexpr std::int64_t kFirstMs = kStartMs / 86'400'000 * 86'400'000;

struct Setup {
  std::uint32_t devices = 50;
  std::int64_t days = 30;
  std::uint32_t last_devices = 100'000;
  int repeats = 200;
  std::string base;
  bool gate = false;
};

[[noreturn]] void give_up(const std::string& why) {
  std::fprintf(stderr, "spate-bench-store-reads: %s\n", why.c_str());
  std::_Exit(1);
}

std::string name_of(std::uint32_t device) {
  return "device-" + std::to_string(100'000 + device);
}

/// Tenths of a degree: a daily curve and some noise, the same in each run.
std::int64_t reading(std::uint32_t device, std::int64_t minute, std::size_t field) {
  const std::int64_t of_day = minute % kDayMinutes;
  const std::int64_t curve = of_day < 720 ? of_day : kDayMinutes - of_day;
  const std::uint64_t noise =
      (static_cast<std::uint64_t>(minute) * 2654435761u + device * 40503u + field * 97u) >> 7;
  return 2000 + static_cast<std::int64_t>(field) * 300 + curve / 4 +
         static_cast<std::int64_t>(noise % 9);
}

class Loader {
public:
  Loader(storage::Store& store, model::ShapeTable& shapes)
      : store_(store), block_(std::make_unique<model::TelemetryBlock>()) {
    std::vector<std::string> names(kFields);
    std::vector<model::FieldView> fields;
    for (std::size_t i = 0; i < kFields; ++i) {
      names[i] = "field-" + std::to_string(i);
      fields.push_back({names[i], model::ValueClass::number});
    }
    shape_ = shapes.intern(fields);
  }
  void add(std::uint32_t device, std::int64_t minute) {
    model::TelemetryBlock& block = *block_;
    model::Message message;
    const std::string name = name_of(device);
    message.name_begin = static_cast<std::uint32_t>(block.names.size());
    message.name_bytes = static_cast<std::uint32_t>(name.size());
    block.names += name;
    message.rows_begin = static_cast<std::uint32_t>(block.rows.size());
    message.rows = 1;
    message.received_ms = kFirstMs + minute * kMinuteMs + 40;
    model::Row row;
    row.shape = shape_;
    row.time_ns = (kFirstMs + minute * kMinuteMs) * kMsNs;
    row.source = model::TsSource::device;
    row.values_begin = static_cast<std::uint32_t>(block.values.size());
    for (std::size_t field = 0; field < kFields; ++field) {
      model::append_decimal(block.values, {reading(device, minute, field), 1});
    }
    row.values_bytes = static_cast<std::uint32_t>(block.values.size()) - row.values_begin;
    block.rows.push_back(row);
    block.messages.push_back(message);
    if (block.rows.size() == 1000) {
      flush();
    }
  }
  void flush() {
    if (block_->rows.empty()) {
      return;
    }
    auto back = commit(store_, turnstile_, std::move(block_));
    if (!back) {
      give_up(back.error().detail);
    }
    block_ = std::move(*back);
    block_->clear();
  }

private:
  storage::Store& store_;
  const model::Shape* shape_;
  Turnstile turnstile_;
  std::unique_ptr<model::TelemetryBlock> block_;
};

std::unique_ptr<storage::Store> open(const std::string& path, model::ShapeTable& shapes) {
  storage::StoreOptions options;
  options.data_dirs = {path};
  options.durability = storage::Durability::os;
  options.disk_free_min_bytes = 1;
  options.commit_interval_us = 0;
  options.log_retention_bytes = 0;
  storage::StoreInternals internals;
  internals.now_ms = [] { return kFirstMs; }; // The rows' time, or they were old when they came.
  auto store = storage::open_store(options, shapes, internals);
  if (!store) {
    give_up(store.error().detail);
  }
  return std::move(*store);
}

void fold(storage::Store& store) {
  if (const auto done = compact(store); !done) {
    give_up("compact: " + done.error().detail);
  }
}

/// Milliseconds of each run but the first ones, which warm the caches.
template <class Read>
std::vector<double> timed(int repeats, Read&& read) {
  std::vector<double> times;
  for (int i = -std::max(1, repeats / 10); i < repeats; ++i) {
    const std::int64_t start_ns = steady_ns();
    read(i);
    if (i >= 0) {
      times.push_back(static_cast<double>(steady_ns() - start_ns) / 1e6);
    }
  }
  std::sort(times.begin(), times.end());
  return times;
}

void print_times(const char* what, const std::vector<double>& times) {
  std::printf("%-44s median %8.3f ms, p99 %8.3f ms, %zu times\n", what, median(times),
              times[times.size() * 99 / 100], times.size());
}

/// One device, one day, all fields.
std::vector<double> read_days(storage::Store& store, const Setup& setup) {
  return timed(setup.repeats, [&](int i) {
    const auto n = static_cast<std::uint32_t>(std::abs(i)) * 7;
    const std::uint32_t device = n % setup.devices;
    const std::int64_t day = n % setup.days;
    storage::ScanRequest request;
    request.device = name_of(device);
    request.from_ns = (kFirstMs + day * kDayMinutes * kMinuteMs) * kMsNs;
    request.to_ns = request.from_ns + kDayMinutes * kMinuteMs * kMsNs;
    request.limit = 10'000;
    const auto page = store.scan(request);
    if (!page || page->records.size() != kDayMinutes) {
      give_up("a day of a device is not whole");
    }
    std::string wanted;
    for (std::size_t field = 0; field < kFields; ++field) {
      model::append_decimal(wanted, {reading(device, day * kDayMinutes + 700, field), 1});
    }
    if (page->records[700].values != wanted) {
      give_up("a record is not what was stored");
    }
  });
}

/// Hourly means of one field of one device over all days.
std::vector<double> read_means(storage::Store& store, const Setup& setup) {
  return timed(setup.repeats, [&](int i) {
    const auto n = static_cast<std::uint32_t>(std::abs(i)) * 7;
    const std::uint32_t device = n % setup.devices;
    const std::size_t field = n % kFields;
    const std::string path = "field-" + std::to_string(field);
    storage::AggregateRequest request;
    request.device = name_of(device);
    request.from_ns = kFirstMs * kMsNs;
    request.to_ns = request.from_ns + setup.days * kDayMinutes * kMinuteMs * kMsNs;
    request.step_ns = 60 * kMinuteMs * kMsNs;
    request.functions = 1u << static_cast<unsigned>(storage::Function::avg);
    request.limit = 10'000;
    request.selects = [&path](const model::Shape& shape) {
      std::vector<bool> wanted;
      for (const model::Field& each : shape.fields()) {
        wanted.push_back(each.path == path);
      }
      return wanted;
    };
    const auto page = store.aggregate(request);
    if (!page) {
      give_up("aggregate: " + page.error().detail);
    }
    const std::size_t buckets = static_cast<std::size_t>(setup.days) * 24;
    if (page->buckets.size() != buckets || page->buckets[5].fields.size() != 1) {
      give_up("an aggregate is not whole");
    }
    double sum = 0;
    for (std::int64_t minute = 300; minute < 360; ++minute) {
      sum += static_cast<double>(reading(device, minute, field)) / 10;
    }
    const auto& mean = page->buckets[5].fields[0].values[0];
    if (std::abs(std::strtod(mean.text.c_str(), nullptr) - sum / 60) > 1e-6) {
      give_up("a mean is wrong: " + mean.text);
    }
  });
}

std::vector<double> read_lasts(storage::Store& store, const Setup& setup) {
  return timed(std::max(5, setup.repeats / 10), [&](int) {
    storage::LastRequest request;
    request.limit = kLastsPage;
    std::size_t found = 0;
    for (bool more = true; more;) {
      const auto page = store.lasts(request);
      if (!page) {
        give_up("lasts: " + page.error().detail);
      }
      for (const auto& device : page->devices) {
        found += device.records.size() == 1 ? 1 : 0;
      }
      more = page->more;
      request.after = page->position;
    }
    if (found != setup.last_devices) {
      give_up("last values of " + std::to_string(found) + " devices");
    }
  });
}

bool measure_history(const Setup& setup) {
  const TempDir directory(setup.base);
  model::ShapeTable shapes;
  const auto store = open(directory.path() + "/history", shapes);
  Loader loader(*store, shapes);
  for (std::int64_t minute = 0; minute < setup.days * kDayMinutes; ++minute) {
    for (std::uint32_t device = 0; device < setup.devices; ++device) {
      loader.add(device, minute);
    }
  }
  loader.flush();
  fold(*store);
  const auto days = read_days(*store, setup);
  print_times("one device, one day, all fields", days);
  bool met = print_goal("one device, one day, all fields", median(days), kDayMsMax, "ms");
  const auto means = read_means(*store, setup);
  print_times("hourly means of one field, all days", means);
  met = print_goal("hourly means of one field", median(means), kMonthMsMax, "ms") && met;
  store->stop();
  return met;
}

bool measure_lasts(const Setup& setup) {
  const TempDir directory(setup.base);
  model::ShapeTable shapes;
  const auto store = open(directory.path() + "/lasts", shapes);
  Loader loader(*store, shapes);
  for (std::uint32_t device = 0; device < setup.last_devices; ++device) {
    loader.add(device, 0);
  }
  loader.flush();
  fold(*store);
  for (std::uint32_t device = 0; device < setup.last_devices; device += 2) {
    loader.add(device, 1); // The newest of every second device lies in a tail, else in a block.
  }
  loader.flush();
  const auto lasts = read_lasts(*store, setup);
  print_times("last values of all devices", lasts);
  store->stop();
  return print_goal("last values of all devices", median(lasts), kLastsMsMax, "ms");
}

int run(int argc, char** argv) {
  Setup setup;
  CLI::App app{"What reads take in the store, folded and warm."};
  app.add_option("--devices", setup.devices)->capture_default_str()->check(CLI::Range(1, 10'000));
  app.add_option("--days", setup.days)->capture_default_str()->check(CLI::Range(1, 365));
  app.add_option("--last-devices", setup.last_devices, "Devices whose last values are read")
      ->capture_default_str();
  app.add_option("--repeats", setup.repeats)->capture_default_str()->check(CLI::Range(1, 100'000));
  app.add_option("--work-dir", setup.base, "Where the data lies (default TMPDIR)");
  app.add_flag("--gate", setup.gate, "Exit 1 if a goal is missed");
  CLI11_PARSE(app, argc, argv);
  print_heading(argc, argv,
                setup.base.empty() ? std::filesystem::temp_directory_path().string() : setup.base);
  std::printf("%u devices x %lld days x 1 a minute x %zu fields; last values of %u devices\n\n",
              setup.devices, static_cast<long long>(setup.days), kFields, setup.last_devices);
  const bool history_met = measure_history(setup);
  const bool lasts_met = measure_lasts(setup);
  return setup.gate && !(history_met && lasts_met) ? 1 : 0;
}

} // namespace
} // namespace spate::bench

int main(int argc, char** argv) {
  return spate::bench::run(argc, argv);
}
