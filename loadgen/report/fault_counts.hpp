// Spate - what the faults of a scenario did, in keys of the document and words for people.
#pragma once

#include <array>
#include <cstdint>

#include "loadgen/fleet/stats.hpp"

namespace spate::loadgen {

struct FaultCount {
  const char* key;   ///< In the JSON document.
  const char* words; ///< Of one of them.
  std::uint64_t Stats::*count;
};

inline constexpr std::array<FaultCount, 8> kFaultCounts{{
    {"connections_cut", "connection cut", &Stats::connections_cut},
    {"half_open", "half-open connection", &Stats::half_open},
    {"half_open_closed", "half-open connection closed by the server", &Stats::half_open_closed},
    {"refused_expired", "connection refused for expired credentials", &Stats::refused_expired},
    {"faulty_answered", "faulty message answered", &Stats::faulty_answered},
    {"faulty_unanswered", "faulty message never answered", &Stats::faulty_unanswered},
    {"cut_unknown", "message on its way when its connection was cut", &Stats::cut_unknown},
    {"withheld", "message due of a device that was cut for good", &Stats::withheld},
}};

} // namespace spate::loadgen
