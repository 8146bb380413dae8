#include "bench/store/parts.hpp"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <thread>

#include <stdlib.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <sys/vfs.h>
#include <time.h>

#include "engine/base/clock.hpp"

namespace spate::bench {

double cpu_us() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1e6 +
         static_cast<double>(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

double thread_cpu_us() {
  timespec used{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
  return static_cast<double>(used.tv_sec) * 1e6 + static_cast<double>(used.tv_nsec) / 1e3;
}

TempDir::TempDir(const std::string& base) {
  const char* temporary = ::getenv("TMPDIR");
  path_ = (!base.empty()          ? base
           : temporary != nullptr ? temporary
                                  : "/tmp") +
          "/spate-bench-XXXXXX";
  std::error_code ignored;
  if (!base.empty()) {
    std::filesystem::create_directories(base, ignored);
  }
  if (::mkdtemp(path_.data()) == nullptr) {
    std::perror(path_.c_str());
    std::exit(1);
  }
}

TempDir::~TempDir() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

void Turnstile::on_receipt(std::unique_ptr<model::TelemetryBlock> block) {
  const std::scoped_lock lock(mutex_);
  block_ = std::move(block);
  back_.notify_one();
}

std::unique_ptr<model::TelemetryBlock> Turnstile::wait() {
  std::unique_lock lock(mutex_);
  back_.wait(lock, [this] { return block_ != nullptr; });
  return std::move(block_);
}

void Receipts::on_receipt(std::unique_ptr<model::TelemetryBlock> block) {
  const std::scoped_lock lock(mutex_);
  back_.push_back(std::move(block));
  if (wanted_ != 0 && back_.size() >= wanted_) {
    wanted_ = 0;
    enough_.notify_one();
  }
}

void Receipts::wait(std::size_t count, Blocks& out) {
  std::unique_lock lock(mutex_);
  wanted_ = count;
  enough_.wait(lock, [&] { return back_.size() >= count; });
  wanted_ = 0;
  std::move(back_.begin(), back_.end(), std::back_inserter(out));
  back_.clear();
}

Fleet::Fleet(model::ShapeTable& shapes, std::uint32_t devices)
    : shape_(shapes.intern({{"hum", model::ValueClass::number},
                            {"lux", model::ValueClass::number},
                            {"temp", model::ValueClass::number},
                            {"volt", model::ValueClass::number}})),
      numbers_(devices), names_(devices), walk_(devices) {
  for (std::uint32_t i = 0; i < devices; ++i) {
    names_[i] = "device-" + std::to_string(100'000 + i);
  }
}

void Fleet::fill(model::TelemetryBlock& block, std::size_t rows) {
  block.clear();
  order_.clear();
  for (std::size_t i = 0; i < rows; ++i) {
    now_ms_ += 1;
    const std::uint32_t device = static_cast<std::uint32_t>(random_() % numbers_.size());
    order_.push_back(device);
    model::Message message;
    message.device = numbers_[device];
    if (message.device == model::DeviceNumber::unknown) {
      message.name_begin = static_cast<std::uint32_t>(block.names.size());
      message.name_bytes = static_cast<std::uint32_t>(names_[device].size());
      block.names += names_[device];
    }
    message.rows_begin = static_cast<std::uint32_t>(i);
    message.rows = 1;
    message.received_ms = now_ms_ + 40;
    model::Row row;
    row.shape = shape_;
    row.time_ns = now_ms_ * kMsNs;
    row.source = model::TsSource::device;
    row.values_begin = static_cast<std::uint32_t>(block.values.size());
    auto& walk = walk_[device];
    walk = static_cast<std::int16_t>(walk + static_cast<int>(random_() % 7) - 3);
    model::append_decimal(block.values, {450 + walk, 1});
    model::append_decimal(block.values, {1200 + 3 * walk, 0});
    model::append_decimal(block.values, {2150 + walk, 2});
    model::append_decimal(block.values, {367 + walk % 5, 2});
    row.values_bytes = static_cast<std::uint32_t>(block.values.size()) - row.values_begin;
    block.rows.push_back(row);
    block.messages.push_back(message);
  }
}

void Fleet::learn(const model::TelemetryBlock& block, const std::vector<std::uint32_t>& order) {
  for (std::size_t i = 0; i < block.messages.size(); ++i) {
    numbers_[order[i]] = block.messages[i].device;
  }
}

std::uint64_t count_all(storage::Store& store, const Fleet& fleet) {
  std::uint64_t rows = 0;
  for (std::uint32_t i = 0; i < fleet.devices(); ++i) {
    storage::ScanRequest request;
    request.device = fleet.name(i);
    request.limit = 100'000;
    for (bool more = true; more;) {
      const auto page = store.scan(request);
      if (!page) {
        break;
      }
      rows += page->records.size();
      more = page->more;
      if (more) {
        request.after = {{page->records.back().time_ns, page->records.back().tie}};
      }
    }
  }
  return rows;
}

Result<std::unique_ptr<model::TelemetryBlock>>
commit(storage::Store& store, Turnstile& turnstile, std::unique_ptr<model::TelemetryBlock> block) {
  block->sink = &turnstile;
  store.submit(std::move(block));
  block = turnstile.wait();
  if (block->status != model::CommitStatus::committed) {
    return fail(Errc::storage_unavailable, "a block was refused: " + block->status_detail);
  }
  return block;
}

Result<storage::Operation> compact(storage::Store& store) {
  static UuidSource ids(1);
  auto operation = store.compact(ids.next(wall_ms()));
  while (operation && !operation->ended()) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
    auto now = store.operation(operation->id);
    if (!now) {
      return fail(std::move(now.error()));
    }
    if (!*now) {
      return fail(Errc::storage_io, "the operation is gone");
    }
    operation = std::move(**now);
  }
  if (operation && operation->state != storage::OperationState::succeeded) {
    return fail(Errc::storage_io, "the compaction failed: " + operation->error);
  }
  return operation;
}

double median(std::vector<double> numbers) {
  if (numbers.empty()) {
    return 0;
  }
  std::sort(numbers.begin(), numbers.end());
  const std::size_t half = numbers.size() / 2;
  return numbers.size() % 2 != 0 ? numbers[half] : (numbers[half - 1] + numbers[half]) / 2;
}

std::string spread(const std::vector<double>& numbers, int digits) {
  if (numbers.empty()) {
    return "-";
  }
  const auto [least, most] = std::minmax_element(numbers.begin(), numbers.end());
  char text[96];
  if (numbers.size() == 1) {
    std::snprintf(text, sizeof text, "%.*f", digits, numbers[0]);
  } else {
    std::snprintf(text, sizeof text, "%.*f (%.*f-%.*f)", digits, median(numbers), digits, *least,
                  digits, *most);
  }
  return text;
}

namespace {

std::string processor() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("model name")) {
      return line.substr(line.find(": ") + 2);
    }
  }
  return "unknown processor";
}

const char* file_system(const std::string& directory) {
  struct statfs info {};
  if (::statfs(directory.c_str(), &info) != 0) {
    return "unknown file system";
  }
  switch (static_cast<unsigned long>(info.f_type)) {
  case 0xef53:
    return "ext4";
  case 0x58465342:
    return "xfs";
  case 0x9123683e:
    return "btrfs";
  case 0x01021994:
    return "tmpfs (writes cost nothing here)";
  case 0x794c7630:
    return "overlayfs";
  default:
    return "another file system";
  }
}

} // namespace

void print_heading(int argc, char** argv, const std::string& directory) {
  for (int i = 0; i < argc; ++i) {
    std::printf("%s%s", i == 0 ? "" : " ", argv[i]);
  }
  utsname kernel{};
  ::uname(&kernel);
  std::printf("\n%u cores, %s, %s %s, %s\n", std::thread::hardware_concurrency(),
              processor().c_str(), kernel.sysname, kernel.release, file_system(directory));
}

bool print_goal(const char* what, double measured, double at_most, const char* unit) {
  const bool met = measured <= at_most;
  std::printf("  %-52s %10.3f %-6s goal <= %-8g %s\n", what, measured, unit, at_most,
              met ? "pass" : "MISS");
  return met;
}

} // namespace spate::bench
