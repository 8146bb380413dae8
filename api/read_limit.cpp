#include "api/read_limit.hpp"

namespace spate::api {

bool ReadLimit::over(SteadyTime now) {
  if (peer_->ended && !half_closed_) {
    half_closed_ = now;
  }
  if (stop_.over(now)) {
    why_ = Why::stop;
  } else if (peer_->gone || (half_closed_ && now > *half_closed_ + kHalfClosedGrace)) {
    why_ = Why::peer;
  } else if (now > deadline_) {
    why_ = Why::deadline;
  } else {
    return false;
  }
  return true;
}

Problem ReadLimit::problem() const {
  constexpr std::uint32_t kRetryAfterS = 2;
  switch (why_) {
  case Why::stop:
    return {"draining", "The node stops; ask again.", {}, kRetryAfterS};
  case Why::peer:
    return {"query-timeout",
            "The client sends no more and may have hung up, so this was not read to its end.",
            {},
            {}};
  default:
    return {"query-timeout",
            "The time limit of a query was not enough; ask for a shorter range, a larger step or "
            "fewer fields.",
            {},
            {}};
  }
}

} // namespace spate::api
