// The store of sessions against a model of what MQTT says of sessions: random openings, closings,
// subscriptions, messages, acknowledgements, wills, hours that pass and restarts.
#include <algorithm>
#include <map>
#include <optional>
#include <random>
#include <set>

#include "tests/storage/fault_times.hpp"
#include "tests/storage/session_fixture.hpp"

using namespace spate;
using namespace spate::storage;
using namespace spate::storage::test;

namespace {

struct ModelMessage {
  std::string topic;
  std::int64_t expires_ms = 0;
  bool received = false;
};

struct ModelSession {
  std::string client;
  bool connected = true;
  std::int64_t since_ms = 0;
  std::uint32_t expiry_s = 0;
  std::optional<std::pair<std::uint32_t, std::string>> will; ///< Delay and topic.
  std::map<std::string, std::uint32_t> subscriptions;
  std::set<std::uint16_t> ids;
  std::map<std::uint64_t, ModelMessage> queue;
  std::uint64_t last = 0;
  std::uint64_t sent_through = 0;
};

class Model {
public:
  std::map<SessionNumber, ModelSession> sessions;
  std::map<std::string, std::pair<std::string, std::int64_t>> retained; ///< Payload, expiry.
  std::multiset<std::string> wills;
  std::multiset<SessionNumber> ended;
  std::int64_t now_ms = 0;
  SessionNumber last_number = 0;

  ModelSession* of(const std::string& client) {
    for (auto& [number, session] : sessions) {
      if (session.client == client) {
        last_found = number;
        return &session;
      }
    }
    return nullptr;
  }
  void disconnect(ModelSession& session) {
    session.connected = false;
    session.since_ms = now_ms;
  }
  void end(SessionNumber number) {
    auto& session = sessions.at(number);
    if (session.will) {
      wills.insert(session.will->second);
    }
    ended.insert(number);
    sessions.erase(number);
  }
  void pass(std::int64_t to_ms) {
    now_ms = to_ms;
    std::vector<SessionNumber> over;
    for (auto& [number, session] : sessions) {
      if (session.connected) {
        continue;
      }
      if (session.will && session.since_ms + 1000ll * session.will->first <= now_ms) {
        wills.insert(session.will->second);
        session.will.reset();
      }
      if (session.expiry_s != kNeverExpires &&
          session.since_ms + 1000ll * session.expiry_s <= now_ms) {
        over.push_back(number);
      }
    }
    for (const auto number : over) {
      end(number);
    }
    std::erase_if(retained, [&](const auto& each) {
      return each.second.second != 0 && each.second.second <= now_ms;
    });
  }
  void restart() {
    for (auto& [number, session] : sessions) {
      if (session.connected) {
        disconnect(session);
        session.sent_through = session.last;
      }
    }
    pass(now_ms);
  }
  SessionNumber last_found = 0;
};

class Player {
public:
  explicit Player(std::uint32_t seed) : random_(seed) {
    f_.options.queue_messages_max = 12;
    f_.options.sessions_max = 6;
    f_.open();
    model_.now_ms = f_.clock_ms;
  }

  void play(int moves) {
    for (int i = 0; i < moves; ++i) {
      move();
      compare();
    }
  }

private:
  std::uint32_t upto(std::uint32_t bound) { return static_cast<std::uint32_t>(random_()) % bound; }
  std::string client() { return "c" + std::to_string(upto(8)); }
  std::string topic() { return "t/" + std::to_string(upto(6)); }
  /// Of one that is connected, or 0.
  SessionNumber connected() {
    std::vector<SessionNumber> all;
    for (const auto& [number, session] : model_.sessions) {
      if (session.connected) {
        all.push_back(number);
      }
    }
    return all.empty() ? 0 : all[upto(static_cast<std::uint32_t>(all.size()))];
  }

  void move() {
    switch (upto(12)) {
    case 0:
    case 1:
      return open_one();
    case 2:
      return close_one();
    case 3:
      return subscribe();
    case 4:
    case 5:
    case 6:
      return publish();
    case 7:
      return release();
    case 8:
    case 9:
      return acknowledge();
    case 10:
      f_.clock_ms += upto(8) * 1000;
      return model_.pass(f_.clock_ms);
    default:
      if (upto(4) == 0) {
        f_.open();
        model_.restart();
        compare_visits();
      }
    }
  }

  void open_one() {
    const std::string name = client();
    auto opening = f_.opening(name, upto(3) == 0 ? kNeverExpires : upto(12), upto(4) == 0);
    if (upto(2) == 0) {
      opening = f_.with_will(opening, upto(6), "will/" + std::to_string(++wills_));
    }
    opening.page_messages = 1 + upto(20);
    auto* known = model_.of(name);
    SessionNumber number = model_.last_found;
    if (known != nullptr && known->connected) {
      const auto expiry_s = upto(6); // The old connection goes first, as a session does it.
      close(number, expiry_s, false, known->last);
      known = model_.of(name);
    }
    if (known != nullptr && opening.clean_start) {
      model_.end(number);
      known = nullptr;
    }
    const auto receipt = f_.ask(opening);
    if (opening.clean_start && opening.expiry_s == 0) {
      CHECK(receipt.opened.number == 0);
      return;
    }
    if (known == nullptr && model_.sessions.size() >= f_.options.sessions_max) {
      CHECK(receipt.status == SessionStatus::full);
      return;
    }
    REQUIRE(receipt.status == SessionStatus::done);
    const auto& opened = receipt.opened;
    CHECK(opened.present == (known != nullptr));
    if (known == nullptr) {
      CHECK(opened.number > model_.last_number);
      number = model_.last_number = opened.number;
      known = &model_.sessions[number];
      known->client = name;
    }
    CHECK(opened.number == number);
    check_opened(*known, opened, opening.page_messages);
    known->connected = true;
    known->since_ms = model_.now_ms;
    known->expiry_s = opening.expiry_s;
    known->will.reset();
    if (opening.will) {
      known->will = {opening.will->delay_s, opening.will->message->topic};
    }
  }

  void check_opened(ModelSession& session, const OpenedSession& opened, std::size_t page_max) {
    std::map<std::string, std::uint32_t> subscriptions;
    for (const auto& each : opened.subscriptions) {
      subscriptions[each.filter] = each.id;
    }
    CHECK(subscriptions == session.subscriptions);
    CHECK(std::set<std::uint16_t>(opened.received_ids.begin(), opened.received_ids.end()) ==
          session.ids);
    CHECK(opened.sent_through == session.sent_through);
    check_page(session, opened.page, opened.more, 0, page_max);
  }

  /// What has expired goes as far as the page was looked for.
  void check_page(ModelSession& session, const std::vector<QueuedMessage>& page, bool more,
                  std::uint64_t after, std::size_t page_max) {
    std::vector<std::string> wanted;
    bool wanted_more = false;
    for (auto at = session.queue.upper_bound(after); at != session.queue.end();) {
      const auto& [sequence, message] = *at;
      if (!message.received && message.expires_ms != 0 && message.expires_ms <= model_.now_ms &&
          sequence > session.sent_through) {
        at = session.queue.erase(at);
        continue;
      }
      if (wanted.size() == page_max) {
        wanted_more = true;
        break;
      }
      wanted.push_back(std::to_string(sequence) + ":" + (message.received ? "" : message.topic));
      ++at;
    }
    CHECK(SessionFixture::words(page) == wanted);
    CHECK(more == wanted_more);
  }

  void close_one() {
    if (const auto number = connected(); number != 0) {
      const auto& session = model_.sessions.at(number);
      close(number, upto(3) == 0 ? session.expiry_s : upto(10), upto(2) == 0,
            upto(static_cast<std::uint32_t>(session.last) + 1));
    }
  }
  void close(SessionNumber number, std::uint32_t expiry_s, bool forget_will, std::uint64_t sent) {
    f_.disconnect(number, expiry_s, forget_will, sent);
    auto& session = model_.sessions.at(number);
    model_.disconnect(session);
    session.expiry_s = expiry_s;
    session.sent_through = std::max(session.sent_through, sent);
    if (forget_will) {
      session.will.reset();
    }
    model_.pass(model_.now_ms);
  }

  void subscribe() {
    const auto number = connected();
    if (number == 0) {
      return;
    }
    SessionSubscribing subscribing{number, {}, {}};
    auto& kept = model_.sessions.at(number).subscriptions;
    for (auto i = upto(3); i != 0; --i) {
      subscribing.added.push_back(f_.subscription(topic(), upto(100)));
      kept[subscribing.added.back().filter] = subscribing.added.back().id;
    }
    for (auto i = upto(2); i != 0; --i) {
      subscribing.removed.push_back(topic());
      kept.erase(subscribing.removed.back());
    }
    f_.done(subscribing);
  }

  void publish() {
    model::ApplicationMessage message;
    message.topic = "m/" + std::to_string(++messages_);
    message.payload = std::string(upto(3) == 0 ? 0 : 1 + upto(600), 'x');
    message.qos = 2;
    message.expires_ms = upto(3) == 0 ? f_.clock_ms + 1000 * upto(6) : 0;
    message.retain = upto(4) == 0;
    if (message.retain) {
      message.topic = topic();
    }
    SessionPublishing publishing;
    publishing.message = std::make_shared<const model::ApplicationMessage>(message);
    for (const auto& [number, session] : model_.sessions) {
      if (upto(2) == 0) {
        publishing.targets.push_back({number, 2, false, {}});
      }
    }
    bool again = false;
    if (const auto sender = connected(); sender != 0 && upto(2) == 0) {
      publishing.sender = sender;
      publishing.packet_id = static_cast<std::uint16_t>(1 + upto(4));
      again = !model_.sessions.at(sender).ids.insert(publishing.packet_id).second;
    }
    f_.done(publishing);
    if (again) {
      return;
    }
    const bool expired = message.expires_ms != 0 && message.expires_ms <= model_.now_ms;
    if (message.retain && (message.payload.empty() || expired)) {
      model_.retained.erase(message.topic);
    } else if (message.retain) {
      model_.retained[message.topic] = {message.payload, message.expires_ms};
    }
    for (const auto& target : publishing.targets) {
      auto& session = model_.sessions.at(target.session);
      if (!expired && session.queue.size() < f_.options.queue_messages_max) {
        session.queue[++session.last] = {message.topic, message.expires_ms, false};
      }
    }
  }

  void release() {
    if (const auto number = connected(); number != 0) {
      const auto id = static_cast<std::uint16_t>(1 + upto(4));
      f_.done(SessionReleasing{number, id});
      model_.sessions.at(number).ids.erase(id);
    }
  }

  void acknowledge() {
    const auto number = connected();
    if (number == 0) {
      return;
    }
    auto& session = model_.sessions.at(number);
    const std::uint64_t sequence = 1 + upto(static_cast<std::uint32_t>(session.last) + 2);
    if (upto(3) == 0) {
      f_.done(SessionSettling{number, sequence, true});
      if (const auto found = session.queue.find(sequence); found != session.queue.end()) {
        found->second.received = true;
      }
    } else {
      f_.submit(SessionSettling{number, sequence, false});
      session.queue.erase(sequence);
    }
    const auto after = upto(static_cast<std::uint32_t>(session.last) + 1);
    const auto page = f_.ask(SessionPageLoad{number, after, 5, 1u << 20});
    check_page(session, page.page, page.more, after, 5);
  }

  void compare() {
    f_.settle_clock();
    std::multiset<std::string> wills;
    for (const auto& each : f_.ears.take_wills()) {
      wills.insert(each.second->topic);
    }
    CHECK(wills == std::exchange(model_.wills, {}));
    std::multiset<SessionNumber> ended;
    for (const auto& each : f_.ears.take_ended()) {
      ended.insert(each.first);
    }
    CHECK(ended == std::exchange(model_.ended, {}));
    std::map<std::string, std::string> retained;
    for (const auto& each : f_.ask(RetainedLoad{"#", {}, 1000, 1u << 20}).page) {
      retained[each.message->topic] = each.message->payload;
    }
    std::map<std::string, std::string> wanted;
    for (const auto& [topic, kept] : model_.retained) {
      wanted[topic] = kept.first;
    }
    CHECK(retained == wanted);
    std::uint64_t queued = 0;
    std::uint64_t subscriptions = 0;
    for (const auto& [number, session] : model_.sessions) {
      queued += session.queue.size();
      subscriptions += session.subscriptions.size();
    }
    const auto stats = f_.store->stats();
    CHECK(stats.sessions == model_.sessions.size());
    CHECK(stats.queued == queued);
    CHECK(stats.subscriptions == subscriptions);
    CHECK(stats.retained == retained.size());
    CHECK((stats.queued_bytes == 0 || queued != 0));
  }

  void compare_visits() {
    std::set<std::pair<SessionNumber, std::string>> wanted;
    for (const auto& [number, session] : model_.sessions) {
      for (const auto& each : session.subscriptions) {
        wanted.emplace(number, each.first);
      }
    }
    std::set<std::pair<SessionNumber, std::string>> visited;
    for (const auto& [number, subscription] : f_.visited) {
      visited.emplace(number, subscription.filter);
    }
    // Those that end with the start are visited, and told as ended then.
    for (const auto number : model_.ended) {
      std::erase_if(visited, [&](const auto& each) { return each.first == number; });
    }
    CHECK(visited == wanted);
    CHECK(std::is_sorted(f_.visited.begin(), f_.visited.end(),
                         [](const auto& a, const auto& b) { return a.first < b.first; }));
  }

  std::mt19937 random_;
  SessionFixture f_;
  Model model_;
  int wills_ = 0;
  int messages_ = 0;
};

} // namespace

TEST_SUITE("session model") {
  TEST_CASE("whatever comes in whatever order, the store gives what the model expects") {
    for (int round = 0; round < rounds(12); ++round) {
      const auto seed = seed_or(1) + static_cast<unsigned>(round);
      CAPTURE(seed);
      Player(seed).play(400);
    }
  }
}
