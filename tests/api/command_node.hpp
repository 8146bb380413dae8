// The doors with commands that a test answers for; the device "d" is known.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <utility>

#include "tests/api/api_node.hpp"
#include "tests/api/fake_commands.hpp"

namespace spate::api {

struct CommandNode {
  FakeCommands commands;
  ApiNode node;

  explicit CommandNode(const std::function<void(Services&)>& change)
      : node([&](Services& services) {
          services.commands = &commands;
          change(services);
        }) {
    node.post("d", R"({"a":1})");
  }
  CommandNode() : CommandNode([](Services&) {}) {}

  static constexpr std::string_view kPath = "/api/v1/devices/d/commands";
  static std::string path_of(const model::CommandRecord& record) {
    return std::string(kPath) + "/" + text_of(record.command.id);
  }

  Answer send(std::string_view body, std::string_view headers = "",
              std::string_view type = "application/json", std::string_view path = kPath) {
    return node.ask("POST", path, with_type(headers, type), body);
  }
  /// Sends it without reading the answer, and waits until the command is held.
  void send_held(std::string_view method, std::string_view path, std::string_view headers,
                 std::string_view body) {
    node.client->send(ApiNode::request(method, path, with_type(headers, "application/json"), body));
    while (commands.held() == 0) {
      std::this_thread::yield();
    }
  }
  static std::string with_type(std::string_view headers, std::string_view type) {
    std::string all(headers);
    if (!type.empty()) {
      all.append("Content-Type: ").append(type).append("\r\n");
    }
    return all;
  }
  void finish(actors::CommandReply with) {
    node.loop.post([this, with = std::move(with)] { commands.finish(with); });
  }
};

} // namespace spate::api
