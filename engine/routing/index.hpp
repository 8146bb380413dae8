// Spate - which sessions take a message: the filters of all of them, read without locks.
//
// A tree of topic levels whose versions stay as they were (persistent_set.hpp). Readers hold the
// newest version they know of; a change makes the next one and costs what lies on its path.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string_view>
#include <vector>

#include "engine/routing/subscriber.hpp"

namespace spate::routing {

struct TopicNode;

/// A filter of one session. `filter` is checked (wire::topic_filter_fault) and without
/// `$share/{name}/`; `share` is that name, empty for a subscription of its own.
struct Change {
  std::string_view filter;
  std::string_view share;
  Ref<Subscriber> subscriber;
  Options options;
  bool remove = false;
};

/// What is called for each subscription that takes a message. A session comes as often as it has
/// subscriptions that match (MQTT-3.3.5): who delivers sees to it that it gets one copy.
class Visitor {
public:
  virtual void on_match(const Subscription& subscription) = 0;
  /// To be given to one of its members.
  virtual void on_match(const ShareGroup& group) = 0;

protected:
  ~Visitor() = default;
};

/// One version. Any thread; whoever holds it keeps it alive.
class Snapshot {
public:
  explicit Snapshot(Ref<const TopicNode> root) noexcept;
  ~Snapshot();
  Snapshot(const Snapshot&) = delete;
  Snapshot& operator=(const Snapshot&) = delete;

  /// `topic` is checked (wire::topic_name_fault). MQTT-4.7: `+` one level, `#` the rest and its
  /// parent, neither of them a first level that starts with `$` (MQTT-4.7.2-1).
  void match(std::string_view topic, Visitor& visitor) const;
  [[nodiscard]] bool empty() const noexcept;

private:
  const Ref<const TopicNode> root_;
};

/// Thread: all of it from any; changes exclude each other, readers never wait for one but for the
/// moment of taking a newer version.
class Index {
public:
  Index();
  ~Index();
  Index(const Index&) = delete;
  Index& operator=(const Index&) = delete;

  /// Makes all changes visible at once. `existed` (may be null) hears of each, in order, whether
  /// the session had that filter before.
  void apply(const std::vector<Change>& changes, std::vector<bool>* existed = nullptr);

  /// Grows with each apply().
  [[nodiscard]] std::uint64_t version() const noexcept {
    return version_.load(std::memory_order_acquire);
  }
  [[nodiscard]] std::shared_ptr<const Snapshot> snapshot() const;
  /// How many subscriptions it holds.
  [[nodiscard]] std::size_t size() const noexcept { return size_.load(std::memory_order_relaxed); }

private:
  mutable std::mutex published_;
  std::shared_ptr<const Snapshot> snapshot_; ///< Under published_.
  std::atomic<std::uint64_t> version_{0};
  std::atomic<std::size_t> size_{0};

  std::mutex writing_; ///< Taken before published_.
  Ref<TopicNode> root_;
  std::uint64_t edit_ = 1;
};

/// The newest version, for one thread: a look at a number unless there is a newer one.
class Reader {
public:
  /// Borrowed; outlives the reader.
  explicit Reader(const Index& index) : index_(index) { refresh(); }

  [[nodiscard]] const Snapshot& newest() {
    if (index_.version() != version_) {
      refresh();
    }
    return *snapshot_;
  }
  /// Of what newest() gave last.
  [[nodiscard]] std::uint64_t version() const noexcept { return version_; }

private:
  void refresh() {
    version_ = index_.version(); // First: what is taken is at least that.
    snapshot_ = index_.snapshot();
  }

  const Index& index_;
  std::uint64_t version_ = 0;
  std::shared_ptr<const Snapshot> snapshot_;
};

} // namespace spate::routing
