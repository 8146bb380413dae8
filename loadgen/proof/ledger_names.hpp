// Spate - the cohorts and device names that a ledger has told so far.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "loadgen/load/device_names.hpp"
#include "loadgen/proof/ledger_format.hpp"

namespace spate::loadgen {

/// Names by cohort and number. Those by a rule take no memory for each device.
/// Thread: its reader's.
class LedgerNames {
public:
  void add_cohort(std::string_view name) { cohorts_.push_back({std::string(name), {}, 0}); }
  /// Adds devices behind those that the cohort has.
  void add(std::uint32_t cohort, DeviceNames names);

  [[nodiscard]] std::uint32_t cohorts() const noexcept {
    return static_cast<std::uint32_t>(cohorts_.size());
  }
  [[nodiscard]] const std::string& cohort(std::uint32_t cohort) const {
    return cohorts_[cohort].name;
  }
  /// Of a cohort, and of all.
  [[nodiscard]] std::uint32_t devices(std::uint32_t cohort) const {
    return cohorts_[cohort].devices;
  }
  [[nodiscard]] std::uint64_t devices() const noexcept { return devices_; }
  /// A device that the cohort has. The view lives as long as `buffer` and this.
  [[nodiscard]] std::string_view name(std::uint32_t cohort, std::uint32_t device,
                                      char (&buffer)[DeviceNames::kNameBytesMax]) const;

private:
  struct Part {
    std::uint32_t from; ///< Number of its first device.
    DeviceNames names;
  };
  struct Cohort {
    std::string name;
    std::vector<Part> parts;
    std::uint32_t devices;
  };
  std::vector<Cohort> cohorts_;
  std::uint64_t devices_ = 0;
};

} // namespace spate::loadgen
