#include "loadgen/proof/ledger_names.hpp"

#include <algorithm>
#include <cassert>
#include <iterator>

namespace spate::loadgen {

void LedgerNames::add(std::uint32_t cohort, DeviceNames names) {
  Cohort& to = cohorts_[cohort];
  const std::uint32_t count = names.size();
  to.parts.push_back({to.devices, std::move(names)});
  to.devices += count;
  devices_ += count;
}

std::string_view LedgerNames::name(std::uint32_t cohort, std::uint32_t device,
                                   char (&buffer)[DeviceNames::kNameBytesMax]) const {
  const std::vector<Part>& parts = cohorts_[cohort].parts;
  auto after =
      std::upper_bound(parts.begin(), parts.end(), device,
                       [](std::uint32_t number, const Part& part) { return number < part.from; });
  assert(after != parts.begin() && device < cohorts_[cohort].devices);
  const Part& part = *std::prev(after);
  return part.names.name(device - part.from, buffer);
}

} // namespace spate::loadgen
