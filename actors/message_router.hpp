// Spate - passes messages from the clients of one loop to those of all loops.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "actors/matches.hpp"
#include "engine/base/counters.hpp"
#include "engine/model/application_message.hpp"
#include "engine/net/loop.hpp"
#include "engine/routing/index.hpp"
#include "engine/wire/codec.hpp"
#include "storage/session_store.hpp"

namespace spate::actors {

/// Where a session's connection is, as routing::Subscriber::place() has it.
struct Place {
  std::uint32_t loop = 0;
  std::uint32_t slot = 0;
  std::uint32_t generation = 0;

  [[nodiscard]] std::uint64_t packed() const noexcept {
    return std::uint64_t{loop + 1} << 56 | std::uint64_t{slot & 0xff'ffffu} << 32 | generation;
  }
  static Place of(std::uint64_t packed) noexcept {
    return {static_cast<std::uint32_t>(packed >> 56) - 1,
            static_cast<std::uint32_t>(packed >> 32) & 0xff'ffffu,
            static_cast<std::uint32_t>(packed)};
  }
};
inline constexpr std::uint32_t kRouterLoopsMax = 254;

/// A message on its way to sessions of this loop. What most of them need the same is made once.
class Passing {
public:
  /// `properties`: as ApplicationMessage's. All borrowed, for the time of the passing.
  Passing(std::string_view topic, std::string_view payload, std::string_view properties,
          std::uint8_t qos, bool retain, std::int64_t expires_ms) noexcept
      : topic_(topic), payload_(payload), properties_(properties), expires_ms_(expires_ms),
        qos_(qos), retain_(retain) {}
  Passing(const Passing&) = delete;
  Passing& operator=(const Passing&) = delete;

  [[nodiscard]] std::string_view topic() const noexcept { return topic_; }
  [[nodiscard]] std::string_view payload() const noexcept { return payload_; }
  [[nodiscard]] std::string_view properties() const noexcept { return properties_; }
  [[nodiscard]] std::uint8_t qos() const noexcept { return qos_; }
  [[nodiscard]] bool retain() const noexcept { return retain_; }
  [[nodiscard]] std::int64_t expires_ms() const noexcept { return expires_ms_; }

  /// A copy that stays.
  [[nodiscard]] const model::SharedMessage& shared();
  /// A PUBLISH of QoS 0 without anything of its own.
  [[nodiscard]] std::string_view plain_packet(wire::Version version, std::int64_t now_ms);

private:
  const std::string_view topic_;
  const std::string_view payload_;
  const std::string_view properties_;
  const std::int64_t expires_ms_;
  const std::uint8_t qos_;
  const bool retain_;
  model::SharedMessage shared_;
  std::string packets_[2]; ///< Of 3.1.1 and 5.
};

/// What one session is to get of it.
struct Copy {
  std::uint32_t slot = 0;
  std::uint32_t generation = 0;
  std::uint8_t qos = 0; ///< The smaller of the message's and the subscription's.
  bool retain = false;
  std::vector<std::uint32_t> subscription_ids;
};

/// The sessions of a loop, as the router sees them. Loop thread.
class CopyTaker {
public:
  virtual void on_copy(Passing& passing, const Copy& copy) = 0;

protected:
  ~CopyTaker() = default;
};

/// What the routers of all loops share. Thread-safe.
class MessageHub {
public:
  [[nodiscard]] routing::Index& index() noexcept { return index_; }
  /// A session that ends with its connection. Kept ones have smaller numbers.
  [[nodiscard]] std::uint64_t next_session() noexcept {
    return kFirstBrief + sessions_.fetch_add(1, std::memory_order_relaxed);
  }
  [[nodiscard]] static bool is_kept(std::uint64_t session) noexcept {
    return session < kFirstBrief;
  }

private:
  friend class MessageRouter;
  static constexpr std::uint64_t kFirstBrief = 1ull << 63;
  routing::Index index_;
  std::atomic<std::uint64_t> sessions_{0};
  std::vector<class MessageRouter*> routers_; ///< By loop; complete before the first starts.
};

/// Flow:   session -> match(), pass() -> sessions of this loop at once; those of others with
///         hand_over(), one parcel a loop and iteration -> their routers -> sessions.
/// Order:  messages of one publisher to one session keep their order (MQTT-4.6.0-5, 6).
/// Thread: its loop's, but for the arrival of parcels.
/// Limits: over_limit() while other loops have not taken kUntakenBytesMax of what this one gave
///         them: then its sockets are not read.
class MessageRouter {
public:
  static constexpr std::size_t kUntakenBytesMax = 16u << 20;

  struct Counters {
    Counter passed;  ///< Messages that somebody took.
    Counter copies;  ///< To sessions with a connection.
    Counter nowhere; ///< Copies for sessions that had just lost theirs.
  };

  /// Before any loop runs. All borrowed; the hub outlives the routers, and those outlive all loops.
  MessageRouter(MessageHub& hub, net::Loop& loop, std::uint32_t number, CopyTaker& taker);
  MessageRouter(const MessageRouter&) = delete;
  MessageRouter& operator=(const MessageRouter&) = delete;

  [[nodiscard]] MessageHub& hub() noexcept { return hub_; }
  [[nodiscard]] std::uint32_t number() const noexcept { return number_; }
  /// Changes with every subscription anywhere.
  [[nodiscard]] std::uint64_t version() const noexcept { return hub_.index_.version(); }
  /// Fills `out` for the topic; gives the version that it is good for.
  std::uint64_t match(std::string_view topic, const routing::Subscriber* publisher, Matches& out);
  /// Gives the message to all of them that are connected, but for QoS 1 and 2 to sessions that are
  /// kept: those are added to `kept`, since they get it from their queue on disk.
  void pass(Passing& passing, const Matches& matches, std::vector<storage::SessionTarget>& kept);
  /// Sends other loops what was gathered for them. At the end of each iteration.
  void hand_over();
  [[nodiscard]] bool over_limit() const noexcept {
    return untaken_.load(std::memory_order_relaxed) > kUntakenBytesMax;
  }
  [[nodiscard]] const Counters& counters() const noexcept { return counters_; }

private:
  struct Parcel;
  void send(Passing& passing, const routing::Subscriber& to, std::uint8_t qos, bool retain,
            const std::vector<std::uint32_t>& ids, std::vector<storage::SessionTarget>& kept);
  void take(const Parcel& parcel);

  MessageHub& hub_;
  net::Loop& loop_;
  const std::uint32_t number_;
  CopyTaker& taker_;
  routing::Reader reader_;
  Counters counters_;
  std::vector<std::shared_ptr<Parcel>> parcels_; ///< By loop.
  std::atomic<std::size_t> untaken_{0};
  std::size_t turn_ = 0; ///< Of shared subscriptions.
  Copy copy_;            ///< Scratch.
};

} // namespace spate::actors
