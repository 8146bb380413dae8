#include "actors/command_dialect.hpp"

#include <charconv>
#include <limits>

#include "engine/model/device_id.hpp"

namespace spate::actors {

namespace {

constexpr std::string_view kDevices = "devices/";
constexpr std::string_view kCommands = "/commands/";
constexpr std::string_view kResponses = "/responses/";
constexpr std::string_view kRpcRequest = "v1/devices/me/rpc/request/";
constexpr std::string_view kRpcResponse = "v1/devices/me/rpc/response/";

struct Split {
  std::string_view device;
  std::string_view rest;
};

/// devices/{device}{middle}{rest}
std::optional<Split> split(std::string_view topic, std::string_view middle) noexcept {
  if (!topic.starts_with(kDevices)) {
    return std::nullopt;
  }
  topic.remove_prefix(kDevices.size());
  const std::size_t end = topic.find('/');
  if (end == std::string_view::npos || !topic.substr(end).starts_with(middle)) {
    return std::nullopt;
  }
  return Split{topic.substr(0, end), topic.substr(end + middle.size())};
}

} // namespace

std::optional<CommandDialect::Subscriber>
CommandDialect::subscriber(std::string_view filter, std::string_view client_id) const noexcept {
  if (const auto parts = split(filter, kCommands)) {
    if (parts->rest.empty() || model::device_id_fault(parts->device) != nullptr) {
      return std::nullopt; // A device id has no wildcard.
    }
    return Subscriber{parts->device, false};
  }
  if (thingsboard_rpc_ && filter.starts_with(kRpcRequest) &&
      filter.substr(kRpcRequest.size()) == "+" && model::device_id_fault(client_id) == nullptr) {
    return Subscriber{client_id, true};
  }
  return std::nullopt;
}

std::optional<CommandDialect::AnswerTopic>
CommandDialect::answer_topic(std::string_view topic, std::string_view client_id) const noexcept {
  if (const auto parts = split(topic, kResponses)) {
    return AnswerTopic{parts->device, parts->rest, false};
  }
  if (thingsboard_rpc_ && topic.starts_with(kRpcResponse)) {
    return AnswerTopic{client_id, topic.substr(kRpcResponse.size()), true};
  }
  return std::nullopt;
}

std::string CommandDialect::command_topic(const model::Command& command, bool numbered,
                                          bool with_id) {
  std::string topic;
  if (numbered) {
    return topic.append(kRpcRequest).append(std::to_string(model::alias_of(command.id)));
  }
  topic.append(kDevices).append(command.device).append(kCommands).append(command.name);
  if (with_id) {
    topic.append("/").append(text_of(command.id));
  }
  return topic;
}

std::string CommandDialect::response_topic(const model::Command& command, bool numbered) {
  std::string topic;
  if (numbered) {
    return topic.append(kRpcResponse).append(std::to_string(model::alias_of(command.id)));
  }
  return topic.append(kDevices)
      .append(command.device)
      .append(kResponses)
      .append(text_of(command.id));
}

std::string CommandDialect::payload(const model::Command& command, bool numbered) {
  if (!numbered) {
    return command.args;
  }
  // A command's name has no character that JSON escapes.
  std::string json = R"({"method":")";
  json.append(command.name).append(R"(","params":)");
  return json.append(command.args.empty() ? "{}" : command.args).append("}");
}

std::uint32_t parse_alias(std::string_view text) noexcept {
  std::uint32_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  constexpr auto kMax = static_cast<std::uint32_t>(std::numeric_limits<std::int32_t>::max());
  return error == std::errc() && end == text.data() + text.size() && number <= kMax ? number : 0;
}

} // namespace spate::actors
