// Spate - operations on the store as answers show them. Background thread.
#pragma once

#include <string>

#include "api/queries.hpp"
#include "storage/operation.hpp"

namespace spate::api {

void write_operation(json::Writer& out, const storage::Operation& operation);
[[nodiscard]] std::string operation_location(const Uuid& id);
/// 202, or 200 with `found`.
[[nodiscard]] http::Response operation_response(const storage::Operation& operation, bool found);
[[nodiscard]] Problem operation_not_found(std::string_view id);

struct OperationsQuery {
  PageContext page;
  storage::OperationQuery query;
};
[[nodiscard]] http::Response read_operations(const Services& services,
                                             const OperationsQuery& query);

[[nodiscard]] http::Response start_erase(const Services& services,
                                         const storage::EraseRequest& request,
                                         const ProblemContext& context);
[[nodiscard]] http::Response start_compact(const Services& services, const Uuid& id,
                                           const ProblemContext& context);
[[nodiscard]] http::Response start_check(const Services& services, const Uuid& id,
                                         const ProblemContext& context);

/// What is on disk and in memory, what was written, and which shards serve.
[[nodiscard]] http::Response read_store(const Services& services);

} // namespace spate::api
