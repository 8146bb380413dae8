// Spate - what the verbs of `spate store` share: answers of the node, and its operations.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "cli/http_client.hpp"
#include "cli/store_verbs.hpp"

namespace spate::cli {

inline constexpr long kStoreAnswerS = 30;

/// An operation as the API shows it.
struct OperationView {
  std::string state;
  std::uint64_t done = 0; ///< Steps, of
  std::optional<std::uint64_t> total;
  std::string result; ///< A JSON object; empty: none.
  std::string error;
  std::string id;
  [[nodiscard]] bool ended() const { return state != "QUEUED" && state != "RUNNING"; }
};
/// Nothing if the text is no operation.
[[nodiscard]] std::optional<OperationView> operation_of(std::string_view document);

// Each says on the standard error what is wrong and gives the exit code.
int store_failed(const Error& error);
int store_not_offered(const char* what);
int store_refused(const HttpAnswer& answer, const StoreVerbOptions& options);

// Each gives a document, or nothing after it said why: then `exit_code` is set.

/// GET /api/v1/store, or the same offline.
std::optional<std::string> store_document(const StoreVerbOptions& options,
                                          const OfflineStore& offline, int& exit_code);
/// Posts to `path` and waits for the end of the operation, also over a restart of the node.
std::optional<std::string> run_operation(HttpClient& client, const std::string& path,
                                         const std::string& label, const StoreVerbOptions& options,
                                         int& exit_code);

} // namespace spate::cli
