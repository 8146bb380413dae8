// Spate - commands over HTTP: send, read, wait for, cancel.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "api/prefer.hpp"
#include "api/problems.hpp"
#include "api/services.hpp"
#include "engine/base/uuid.hpp"
#include "engine/http/exchange.hpp"
#include "engine/json/reader.hpp"

namespace spate::api {

/// Flow:       request -> actors::Commands -> reply -> status, headers, body
/// Thread:     the API loop's.
/// Durability: a command that an answer shows is in the command log; what a problem says was not
///             created is not there.
/// Waiting:    holds a Responder, no thread; the client may hang up meanwhile.
class CommandDoors {
public:
  /// Borrowed; outlives this.
  explicit CommandDoors(const Services& services) : services_(services) {}

  /// What can be refused without the body.
  [[nodiscard]] std::optional<Problem> refuse(const http::Request& request) const;

  void send(const http::Request& request, std::string_view device, http::Responder responder);
  void get(const http::Request& request, std::string_view device, std::string_view id,
           http::Responder responder);
  void cancel(const http::Request& request, std::string_view device, std::string_view id,
              http::Responder responder);

  /// `device-not-found`, or `shard-unavailable` if that can not be told; nullopt: it is known.
  [[nodiscard]] std::optional<Problem> unknown(std::string_view device) const;

private:
  [[nodiscard]] Problem not_found(std::string_view device) const;

  const Services& services_;
  json::Reader reader_;
};

} // namespace spate::api
