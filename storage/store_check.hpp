// Spate - reads every sealed block of a data directory and says what is wrong with it.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include <rocksdb/db.h>

#include "engine/base/result.hpp"
#include "engine/model/shape.hpp"
#include "storage/blocks_view.hpp"
#include "storage/quarantine.hpp"

namespace spate::storage {

/// What the register of devices says of who owns a block.
struct BlockOwner {
  std::string device;                  ///< Empty: no device has this number.
  const model::Shape* shape = nullptr; ///< Null: the series has none that is known.
  bool has_series = false;             ///< The device is known to have rows of the series.
};

struct CheckReport {
  std::uint64_t blocks = 0; ///< That were looked at, all copies.
  std::uint64_t rows = 0;
  std::uint64_t bytes = 0;
  std::vector<std::string> faults;   ///< One sentence each: where, what, and what is lost by it.
  std::uint64_t faults_unlisted = 0; ///< Beyond kCheckFaultsMax.

  void add(std::string fault);
  void add(CheckReport other);
  [[nodiscard]] bool good() const noexcept { return faults.empty(); }
};
inline constexpr std::size_t kCheckFaultsMax = 1000;

/// {"blocks":1,"rows":1,"bytes":1,"faults":["..."]}; of faults that are not listed a last sentence
/// says how many there are.
[[nodiscard]] std::string json_of(const CheckReport& report);
/// One report of two such texts of different data directories.
[[nodiscard]] std::string join_reports(std::string_view a, std::string_view b);

/// All borrowed.
struct CheckedDirectory {
  rocksdb::DB& db;
  const BlocksView& view;
  std::string name;       ///< Of the data directory, for people.
  std::string quarantine; ///< Where its damaged blocks are set aside.
  std::function<BlockOwner(std::uint32_t device, std::uint32_t series)> owner;
};

/// Steps done, of about how many. False ends the check.
using CheckWatch = std::function<bool(std::uint64_t done, std::uint64_t total)>;

/// Reads what the view shows and checks of each block: that it can be read, its checksum, its head,
/// all of its rows, that its key says what it holds, that device and series are known, that main
/// blocks of a series are disjoint in time over all sets; of each run that it holds what the
/// catalogue says; then every file of the database, past all caches; and lists what was set aside
/// before. Changes nothing.
///
/// Thread: the caller's, for as long as reading all of it takes; commits and folds go on beside it.
/// Memory: a block with its rows, and a read-ahead for each set.
/// Errors: storage_unavailable: `watch` has ended it. What can not be read is a fault.
Result<CheckReport> check_directory(const CheckedDirectory& directory, const CheckWatch& watch);

/// The same of the small databases in this data directory, which nobody has open; one that is not
/// there is no fault. May replay their write-ahead logs, as every opening does.
[[nodiscard]] CheckReport check_small_databases(const std::string& data_dir);

} // namespace spate::storage
