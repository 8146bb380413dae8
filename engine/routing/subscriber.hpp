// Spate - who takes messages, and what one of its subscriptions asks for.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include <boost/smart_ptr/intrusive_ptr.hpp>
#include <boost/smart_ptr/intrusive_ref_counter.hpp>

namespace spate::routing {

template <class T>
using Ref = boost::intrusive_ptr<T>;
template <class T>
using Counted = boost::intrusive_ref_counter<T, boost::thread_safe_counter>;

/// One for each session, shared by all its subscriptions, so that coming and going of its
/// connection changes nothing in the index. Any thread.
class Subscriber final : public Counted<Subscriber> {
public:
  explicit Subscriber(std::uint64_t session) noexcept : session_(session) {}

  /// Of the session, never used again for another.
  [[nodiscard]] std::uint64_t session() const noexcept { return session_; }
  /// Where its connection is, in the words of who routes; 0: it has none.
  [[nodiscard]] std::uint64_t place() const noexcept {
    return place_.load(std::memory_order_acquire);
  }
  void move_to(std::uint64_t place) noexcept { place_.store(place, std::memory_order_release); }
  /// Only if it still is at `expected`: a connection that goes does not take away its successor.
  bool leave(std::uint64_t expected) noexcept {
    return place_.compare_exchange_strong(expected, 0);
  }

private:
  const std::uint64_t session_;
  std::atomic<std::uint64_t> place_{0};
};

/// Subscription Options and Identifier (MQTT5-3.8.3.1, MQTT5-3.8.2.1.2).
struct Options {
  std::uint32_t id = 0; ///< Subscription Identifier, 0: none.
  std::uint8_t qos = 0; ///< Maximum QoS.
  bool no_local = false;
  bool retain_as_published = false;

  bool operator==(const Options&) const = default;
};

/// Immutable once it is in the index.
struct Subscription final : Counted<Subscription> {
  Subscription(Ref<Subscriber> who, Options what) noexcept
      : subscriber(std::move(who)), options(what) {}

  [[nodiscard]] std::uint64_t hash() const noexcept {
    // Session numbers are dense; a multiplication by an odd number keeps them distinct.
    return subscriber->session() * 0x9e3779b97f4a7c15u;
  }

  const Ref<Subscriber> subscriber;
  const Options options;
};

/// The sessions that share one subscription: each message goes to one of them (MQTT5-4.8.2).
struct ShareGroup final : Counted<ShareGroup> {
  std::uint64_t hash_of_name = 0;
  std::string name;
  std::vector<Ref<Subscription>> members; ///< Never empty in the index, in the order they came.

  [[nodiscard]] std::uint64_t hash() const noexcept { return hash_of_name; }
};

} // namespace spate::routing
