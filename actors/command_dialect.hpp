// Spate - the topics by which devices take commands and answer them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "engine/model/command.hpp"

namespace spate::actors {

/// Two sets of rules:
///   plain     subscribe to devices/{device}/commands/..., the device spelled out; commands come on
///             devices/{device}/commands/{name}, in 3.1.1 with /{command id} behind; answers go to
///             devices/{device}/responses/{command id}.
///   numbered  of ThingsBoard's RPC, where it is switched on: subscribe to
///             v1/devices/me/rpc/request/+; commands come on .../request/{number}, answers go to
///             v1/devices/me/rpc/response/{number}; the device is the client id.
/// Stateless; views borrow the arguments.
class CommandDialect {
public:
  explicit CommandDialect(bool thingsboard_rpc) : thingsboard_rpc_(thingsboard_rpc) {}

  struct Subscriber {
    std::string_view device;
    bool numbered = false;
  };
  /// The device that a client is after subscribing to `filter`. Nothing: none; a wildcard in the
  /// device's place makes an observer.
  [[nodiscard]] std::optional<Subscriber> subscriber(std::string_view filter,
                                                     std::string_view client_id) const noexcept;

  struct AnswerTopic {
    std::string_view device;
    std::string_view id; ///< Of the command, as it stands in the topic: not checked.
    bool numbered = false;
  };
  /// Nothing: `topic` is not one for answers.
  [[nodiscard]] std::optional<AnswerTopic> answer_topic(std::string_view topic,
                                                        std::string_view client_id) const noexcept;

  [[nodiscard]] static std::string command_topic(const model::Command& command, bool numbered,
                                                 bool with_id);
  [[nodiscard]] static std::string response_topic(const model::Command& command, bool numbered);
  /// What the device is sent: the arguments, or (numbered) {"method":...,"params":...}.
  [[nodiscard]] static std::string payload(const model::Command& command, bool numbered);

private:
  bool thingsboard_rpc_;
};

/// A number as dialects write it: decimal, 1 to 2^31 - 1. 0: it is none.
[[nodiscard]] std::uint32_t parse_alias(std::string_view text) noexcept;

} // namespace spate::actors
