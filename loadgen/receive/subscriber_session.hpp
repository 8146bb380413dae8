// Spate - the client side of a subscriber's MQTT session, without I/O.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "engine/base/result.hpp"
#include "engine/wire/codec.hpp"
#include "engine/wire/packets.hpp"

namespace spate::loadgen {

struct SubscriberOptions {
  wire::Version version = wire::Version::v5;
  std::string client_id;
  std::string user, password; ///< Empty: none.
  std::vector<std::string> filters;
  bool keep_session = false; ///< The server keeps what comes while the connection is lost (MQTT 5).
  std::uint16_t keep_alive_s = 60;
};

class SubscriberEvents {
public:
  virtual ~SubscriberEvents() = default;
  /// All filters are granted at QoS 1.
  virtual void on_subscribed() = 0;
  /// Its PUBACK is written behind the call. The views are valid during the call.
  virtual void on_message(const wire::Publish& message) = 0;
};

/// CONNECT, SUBSCRIBE at QoS 1, and a PUBACK for each message.
///
/// Thread: its loop's.
/// Errors: receive() fails on what no server may send, and on refusals, with a short stable phrase;
///         the caller closes the connection, calls lost(), and may connect() again.
class SubscriberSession {
public:
  /// A payload of 1 MiB, its topic and properties.
  static constexpr std::size_t kPacketBytesMax = (std::size_t{1} << 20) + (std::size_t{192} << 10);
  static constexpr std::uint32_t kSessionExpiryS = 3600;

  explicit SubscriberSession(SubscriberOptions options) : options_(std::move(options)) {}

  void connect(std::string& out);
  void ping(std::string& out) const { wire::append_pingreq(out); }
  /// Leaves no session behind.
  void disconnect(std::string& out) const;
  /// Reads whole packets and gives the bytes used. `whole_bytes` becomes the size of the packet
  /// that is not whole yet (0: none, or unknown).
  Result<std::size_t> receive(std::string_view bytes, std::string& out, SubscriberEvents& events,
                              std::size_t& whole_bytes);
  void lost() noexcept { state_ = State::offline; }
  [[nodiscard]] bool subscribed() const noexcept { return state_ == State::subscribed; }

private:
  enum class State : std::uint8_t { offline, connecting, subscribing, subscribed };
  Result<void> on_packet(const wire::Frame& frame, std::string& out, SubscriberEvents& events);
  Result<void> on_connack(const wire::Frame& frame, std::string& out);
  Result<void> on_suback(const wire::Frame& frame, SubscriberEvents& events);
  Result<void> on_publish(const wire::Frame& frame, std::string& out, SubscriberEvents& events);

  const SubscriberOptions options_;
  State state_ = State::offline;
};

} // namespace spate::loadgen
