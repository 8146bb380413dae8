// Spate - the API's operations on the commands of one device.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "cli/commands.hpp"
#include "cli/http_client.hpp"

namespace spate::cli {

class CommandDoor {
public:
  /// Error: usage.
  static Result<CommandDoor> open(const CommandOptions& options);

  // Any status is an answer. Error: connect_failed.
  Result<HttpAnswer> send(const CommandOptions& options, const std::string& body,
                          std::int64_t wait_s);
  Result<HttpAnswer> get(std::string_view id, std::int64_t wait_s);
  Result<HttpAnswer> cancel(std::string_view id);
  Result<HttpAnswer> list(const std::vector<std::string>& states, std::size_t limit,
                          std::string_view cursor);

private:
  CommandDoor(std::unique_ptr<HttpClient> client, std::string path)
      : client_(std::move(client)), path_(std::move(path)) {}

  std::unique_ptr<HttpClient> client_;
  std::string path_; ///< Of the device's commands.
};

/// The body of a POST. Errors: usage, file_unreadable.
Result<std::string> command_body(const CommandOptions& options);

/// Says on the standard error, in one sentence, what is wrong and what to do next.
void complain(const Error& error);
/// Says what a problem of the API says; gives the exit code.
int complain(const HttpAnswer& answer, const CommandOptions& options);
[[nodiscard]] int exit_code_of(const Error& error) noexcept;

} // namespace spate::cli
