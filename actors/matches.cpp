#include "actors/matches.hpp"

#include <algorithm>

namespace spate::actors {

namespace {

Taker taker_of(const routing::Subscription& each) {
  Taker taker;
  taker.subscriber = each.subscriber;
  taker.qos = each.options.qos;
  taker.retain_as_published = each.options.retain_as_published;
  if (each.options.id != 0) {
    taker.subscription_ids.push_back(each.options.id);
  }
  return taker;
}

struct Collector final : routing::Visitor {
  Collector(std::vector<Taker>& to, std::vector<routing::Ref<const routing::ShareGroup>>& groups_to,
            const routing::Subscriber* own)
      : takers(to), groups(groups_to), publisher(own) {}

  void on_match(const routing::Subscription& each) override {
    if (!each.options.no_local || each.subscriber.get() != publisher) {
      takers.push_back(taker_of(each));
    }
  }
  void on_match(const routing::ShareGroup& group) override { groups.emplace_back(&group); }

  std::vector<Taker>& takers;
  std::vector<routing::Ref<const routing::ShareGroup>>& groups;
  const routing::Subscriber* const publisher;
};

/// Adds what another subscription of the same session asks for.
void merge(Taker& into, Taker&& other) {
  into.qos = std::max(into.qos, other.qos);
  into.retain_as_published = into.retain_as_published || other.retain_as_published;
  into.subscription_ids.insert(into.subscription_ids.end(), other.subscription_ids.begin(),
                               other.subscription_ids.end());
}

} // namespace

void Matches::find(const routing::Snapshot& snapshot, std::string_view topic,
                   const routing::Subscriber* publisher) {
  takers_.clear();
  groups_.clear();
  Collector collector(takers_, groups_, publisher);
  snapshot.match(topic, collector);
  if (takers_.size() < 2) {
    return;
  }
  std::sort(takers_.begin(), takers_.end(), [](const Taker& a, const Taker& b) {
    return a.subscriber->session() < b.subscriber->session();
  });
  std::size_t kept = 0;
  for (std::size_t i = 1; i < takers_.size(); ++i) {
    if (takers_[i].subscriber == takers_[kept].subscriber) {
      merge(takers_[kept], std::move(takers_[i]));
    } else if (++kept != i) {
      takers_[kept] = std::move(takers_[i]);
    }
  }
  takers_.resize(kept + 1);
}

const routing::Subscription& member_of(const routing::ShareGroup& group, std::size_t turn) {
  const std::size_t size = group.members.size();
  const std::size_t first = turn % size;
  for (std::size_t i = 0; i < size; ++i) {
    const routing::Subscription& each = *group.members[(first + i) % size];
    if (each.subscriber->place() != 0) {
      return each;
    }
  }
  return *group.members[first];
}

void Matches::choose(std::size_t turn) {
  for (const auto& group : groups_) {
    takers_.push_back(taker_of(member_of(*group, turn)));
  }
  groups_.clear();
}

} // namespace spate::actors
