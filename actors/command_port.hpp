// Spate - a session's way to the command router and to the front of its socket.
#pragma once

#include <cstdint>
#include <string_view>

#include "actors/command_messages.hpp"

namespace spate::actors {

/// Loop thread.
class CommandPort {
public:
  virtual ~CommandPort() = default;

  /// Sends a whole packet now, ahead of what is gathered for the end of the iteration.
  virtual void send_first(std::string_view packet) = 0;
  /// Writes what is gathered, so that nothing of it comes behind a later send_first().
  virtual void flush() = 0;
  /// While set, the client's bytes are looked for between the reads of other sockets.
  virtual void set_hot(bool hot) = 0;
  /// The session's on_timer() is wanted within `ms`.
  virtual void wake_within(std::uint64_t ms) = 0;

  // To the router, which gets them in this order.
  virtual void tell(DeviceReady message) = 0;
  virtual void tell(CommandSent message) = 0;
  virtual void tell(CommandDelivered message) = 0;
  virtual void tell(CommandAnswer message) = 0;
  virtual void tell(DeviceGone message) = 0;
};

} // namespace spate::actors
