#include "api/health.hpp"

#include <algorithm>

#include "api/json_parts.hpp"

namespace spate::api {

namespace {

void write_code(json::Writer& out, const ProblemCode& entry) {
  out.begin_object().member("code", entry.code);
  out.member("status", std::uint64_t{entry.status});
  out.member("title", entry.title).member("retry", entry.retry).end_object();
}

std::string_view status_of(Phase phase, const std::vector<storage::ShardHealth>& shards) {
  if (phase != Phase::running) {
    return phase == Phase::starting ? "starting" : "draining";
  }
  const auto works = [](const storage::ShardHealth& shard) { return shard.ok; };
  if (std::all_of(shards.begin(), shards.end(), works)) {
    return "ok";
  }
  return std::any_of(shards.begin(), shards.end(), works) ? "degraded" : "unavailable";
}

} // namespace

http::Response livez(const Services& services) {
  http::Response response;
  response.content_type = "text/plain; charset=utf-8";
  if (const auto stuck = services.stuck ? services.stuck() : std::nullopt) {
    response.status = 503;
    response.body = *stuck + "\n";
  } else {
    response.static_body = "ok\n";
  }
  return response;
}

http::Response readyz(const Services& services, bool verbose) {
  const std::vector<storage::ShardHealth> shards = services.store.health();
  const std::string_view status = status_of(services.phase(), shards);
  http::Response response = json_response();
  const bool ready = status == "ok" || status == "degraded";
  response.status = ready ? 200 : 503;
  if (!ready) {
    response.headers.emplace_back("Retry-After", "2");
  }
  json::Writer out(response.body);
  out.begin_object().member("status", status);
  if (verbose) {
    out.key("checks").begin_array();
    for (const storage::ShardHealth& shard : shards) {
      out.begin_object();
      out.member("name", "shard-" + std::to_string(static_cast<unsigned>(shard.shard)));
      out.member("status", shard.ok ? "ok" : "failed");
      if (!shard.detail.empty()) {
        out.member("detail", shard.detail);
      }
      out.end_object();
    }
    out.end_array();
  }
  out.end_object();
  return response;
}

http::Response version(const Services& services) {
  http::Response response = json_response();
  json::Writer out(response.body);
  out.begin_object().member("name", "spate").member("version", services.version.version);
  if (!services.version.commit.empty()) {
    out.member("commit", services.version.commit);
  }
  if (services.version.built_ms) {
    out.member("built_ts", *services.version.built_ms);
  }
  out.key("api").begin_array().string("v1").end_array();
  out.member("store_format", std::int64_t{services.version.store_format});
  out.end_object();
  return response;
}

http::Response openapi() {
  http::Response response = json_response();
  response.static_body = openapi_json();
  return response;
}

http::Response problems() {
  http::Response response = json_response();
  json::Writer out(response.body);
  out.begin_object().key("items").begin_array();
  for (const ProblemCode& entry : problem_codes()) {
    write_code(out, entry);
  }
  out.end_array().end_object();
  return response;
}

http::Response problem(std::string_view code, const ProblemContext& context) {
  const ProblemCode* entry = find_problem_code(code);
  if (entry == nullptr) {
    return problem_response(
        {"not-found", "There is no such problem code; /api/v1/problems lists all.", {}, {}},
        context);
  }
  http::Response response = json_response();
  json::Writer out(response.body);
  write_code(out, *entry);
  return response;
}

} // namespace spate::api
