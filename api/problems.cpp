#include "api/problems.hpp"

#include <algorithm>
#include <array>
#include <cassert>
#include <random>

#include "api/json_parts.hpp"
#include "engine/json/writer.hpp"

namespace spate::api {

namespace {

constexpr std::size_t kInstanceBytesMax = 1024;

bool is_hex(std::string_view text) noexcept {
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

/// W3C Trace Context: `00-<32 hex>-<16 hex>-<2 hex>`; an id of zeros is none.
std::string_view trace_id_of(std::string_view traceparent) noexcept {
  if (traceparent.size() < 55 || traceparent[2] != '-' || traceparent[35] != '-') {
    return {};
  }
  const std::string_view id = traceparent.substr(3, 32);
  return is_hex(id) && id.find_first_not_of('0') != std::string_view::npos ? id
                                                                           : std::string_view{};
}

/// Only tells requests apart in a log; not a secret.
std::string random_trace_id() {
  thread_local std::mt19937_64 random{std::random_device{}()};
  constexpr char kHex[] = "0123456789abcdef";
  std::string id;
  for (int half = 0; half < 2; ++half) {
    std::uint64_t bits = random();
    for (int i = 0; i < 16; ++i, bits >>= 4) {
      id.push_back(kHex[bits & 15]);
    }
  }
  return id;
}

} // namespace

ProblemContext problem_context(const http::Request& request) {
  ProblemContext context;
  const std::string_view target = request.target();
  context.instance = target.size() <= kInstanceBytesMax ? target : request.path();
  if (context.instance.size() > kInstanceBytesMax) {
    context.instance.clear();
  }
  context.trace_id = trace_id_of(request.header("traceparent").value_or(std::string_view{}));
  if (context.trace_id.empty()) {
    context.trace_id = random_trace_id();
  }
  return context;
}

const ProblemCode* find_problem_code(std::string_view code) noexcept {
  const auto codes = problem_codes();
  const auto found = std::find_if(codes.begin(), codes.end(),
                                  [&](const ProblemCode& entry) { return entry.code == code; });
  return found == codes.end() ? nullptr : &*found;
}

http::Response problem_response(const Problem& problem, const ProblemContext& context) {
  const ProblemCode* entry = find_problem_code(problem.code);
  assert(entry != nullptr);
  http::Response response;
  response.status = entry->status;
  response.content_type = "application/problem+json";
  json::Writer out(response.body);
  out.begin_object();
  out.member("type", "/api/v1/problems/" + std::string(entry->code));
  out.member("title", entry->title);
  out.member("status", std::uint64_t{entry->status});
  if (!problem.detail.empty()) {
    out.member("detail", problem.detail);
  }
  if (!context.instance.empty()) {
    out.member("instance", context.instance);
  }
  out.member("code", entry->code);
  out.member("trace_id", context.trace_id);
  if (!problem.errors.empty()) {
    write_errors(out, problem.errors);
  }
  if (!problem.command.empty()) {
    out.key("command").raw(problem.command);
  }
  if (problem.retry_after_s) {
    out.member("retry_after_s", std::uint64_t{*problem.retry_after_s});
    response.headers.emplace_back("Retry-After", std::to_string(*problem.retry_after_s));
  }
  out.end_object();
  return response;
}

} // namespace spate::api
