// Spate - what became of a command, as an HTTP answer.
#pragma once

#include <cstdint>
#include <string_view>

#include "actors/commands.hpp"
#include "api/prefer.hpp"
#include "api/problems.hpp"
#include "engine/http/response.hpp"

namespace spate::api {

/// 200 if it is final; else 202, or 504 if the end was waited for and that was not to be answered
/// asynchronously.
[[nodiscard]] http::Response answer_to_send(const actors::CommandReply& reply, const Prefer& prefer,
                                            const ProblemContext& context, std::int64_t now_ms);
/// 200 with the state of now. Not for `not_found`: which of the two is missing is the caller's.
[[nodiscard]] http::Response answer_to_get(const actors::CommandReply& reply, const Prefer& prefer,
                                           const ProblemContext& context, std::int64_t now_ms);
[[nodiscard]] http::Response answer_to_cancel(const actors::CommandReply& reply,
                                              const ProblemContext& context, std::int64_t now_ms);

[[nodiscard]] Problem body_too_large(std::string_view bytes);

} // namespace spate::api
