// Spate bench - what programs that measure the store share: a directory, clocks, a simulated fleet,
// medians, and the line that says what was run where.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <random>
#include <string>
#include <vector>

#include "engine/model/row.hpp"
#include "storage/store.hpp"

namespace spate::bench {

inline constexpr std::int64_t kMsNs = 1'000'000;
inline constexpr std::int64_t kStartMs = 1'700'000'000'000;

/// User and system time of all threads of the process.
[[nodiscard]] double cpu_us();
/// Of this thread alone: the committer works on while a block is filled.
[[nodiscard]] double thread_cpu_us();

/// A fresh directory, removed at the end. `base` empty: TMPDIR, or /tmp.
class TempDir {
public:
  explicit TempDir(const std::string& base = {});
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;
  ~TempDir();
  [[nodiscard]] const std::string& path() const noexcept { return path_; }

private:
  std::string path_;
};

/// Gives the one block back that goes round.
class Turnstile final : public model::ReceiptSink {
public:
  void on_receipt(std::unique_ptr<model::TelemetryBlock> block) override;
  std::unique_ptr<model::TelemetryBlock> wait();

private:
  std::mutex mutex_;
  std::condition_variable back_;
  std::unique_ptr<model::TelemetryBlock> block_;
};

/// Takes the blocks back of which several are on their way at once.
class Receipts final : public model::ReceiptSink {
public:
  using Blocks = std::vector<std::unique_ptr<model::TelemetryBlock>>;

  void on_receipt(std::unique_ptr<model::TelemetryBlock> block) override;
  /// Sleeps until `count` are back, and appends all that are, in the order of their submission.
  void wait(std::size_t count, Blocks& out);

private:
  std::mutex mutex_;
  std::condition_variable enough_;
  std::size_t wanted_ = 0;
  Blocks back_;
};

/// Readings in random device order: four numbers with few decimals, a walk of its own for each
/// device.
class Fleet {
public:
  Fleet(model::ShapeTable& shapes, std::uint32_t devices);

  void fill(model::TelemetryBlock& block, std::size_t rows);
  /// After the receipt: devices are known by their numbers from now on.
  void learn(const model::TelemetryBlock& block) { learn(block, order_); }
  void learn(const model::TelemetryBlock& block, const std::vector<std::uint32_t>& order);
  [[nodiscard]] const std::string& name(std::uint32_t device) const { return names_[device]; }
  [[nodiscard]] std::uint32_t devices() const noexcept {
    return static_cast<std::uint32_t>(names_.size());
  }
  /// Of the rows of the last fill(), by message.
  [[nodiscard]] const std::vector<std::uint32_t>& order() const noexcept { return order_; }
  [[nodiscard]] std::int64_t now_ms() const noexcept { return now_ms_; }

private:
  const model::Shape* shape_;
  std::vector<model::DeviceNumber> numbers_;
  std::vector<std::string> names_;
  std::vector<std::int16_t> walk_;
  std::vector<std::uint32_t> order_;
  std::int64_t now_ms_ = kStartMs;
  std::minstd_rand random_{42};
};

/// All records of the fleet, read back.
[[nodiscard]] std::uint64_t count_all(storage::Store& store, const Fleet& fleet);

/// Submits a block and waits for its receipt. Error: storage_unavailable.
[[nodiscard]] Result<std::unique_ptr<model::TelemetryBlock>>
commit(storage::Store& store, Turnstile& turnstile, std::unique_ptr<model::TelemetryBlock> block);

/// Seals and folds everything, and waits until that is done. Errors as Store::compact(), and what
/// the operation says.
[[nodiscard]] Result<storage::Operation> compact(storage::Store& store);

[[nodiscard]] double median(std::vector<double> numbers);
/// "0.41 (0.40-0.45)": median and range.
[[nodiscard]] std::string spread(const std::vector<double>& numbers, int digits);

/// The command as it was given, and the machine: cores, processor, kernel, file system.
void print_heading(int argc, char** argv, const std::string& directory);
/// A figure beside its goal. Returns whether it was met; nothing is promised of a short run.
bool print_goal(const char* what, double measured, double at_most, const char* unit);

} // namespace spate::bench
