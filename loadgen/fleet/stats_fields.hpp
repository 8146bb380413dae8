// Spate - the counts and times of Stats, listed once: for sums and for the reports of agents.
#pragma once

#include <cstdint>
#include <utility>

#include "loadgen/fleet/stats.hpp"

namespace spate::loadgen {

/// In any order.
inline constexpr std::pair<const char*, std::uint64_t Stats::*> kStatsCounts[] = {
    {"connects", &Stats::connects},
    {"connect_failures", &Stats::connect_failures},
    {"refused_expired", &Stats::refused_expired},
    {"connections_lost", &Stats::connections_lost},
    {"connections_cut", &Stats::connections_cut},
    {"half_open", &Stats::half_open},
    {"half_open_closed", &Stats::half_open_closed},
    {"sent", &Stats::sent},
    {"sent_bytes", &Stats::sent_bytes},
    {"resent", &Stats::resent},
    {"acked", &Stats::acked},
    {"refused", &Stats::refused},
    {"lost", &Stats::lost},
    {"unsent", &Stats::unsent},
    {"faulty_answered", &Stats::faulty_answered},
    {"faulty_unanswered", &Stats::faulty_unanswered},
    {"cut_unknown", &Stats::cut_unknown},
    {"withheld", &Stats::withheld},
    {"measured_sent", &Stats::measured_sent},
    {"measured_acked", &Stats::measured_acked},
    {"received", &Stats::received},
    {"received_bytes", &Stats::received_bytes},
    {"commands", &Stats::commands},
    {"commands_repeated", &Stats::commands_repeated},
    {"commands_unanswerable", &Stats::commands_unanswerable},
    {"answers", &Stats::answers},
    {"answers_resent", &Stats::answers_resent},
    {"answers_acked", &Stats::answers_acked},
    {"answers_refused", &Stats::answers_refused},
    {"answers_lost", &Stats::answers_lost},
};

inline constexpr std::pair<const char*, Histogram Stats::*> kStatsTimes[] = {
    {"answer_lag", &Stats::answer_lag}, {"latency", &Stats::latency}, {"service", &Stats::service},
    {"delivery", &Stats::delivery},     {"connect", &Stats::connect}, {"lag", &Stats::lag},
};

} // namespace spate::loadgen
