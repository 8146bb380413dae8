#include "actors/session_hub.hpp"
#include "tests/actors/clients_fixture.hpp"

namespace spate::actors {
namespace {

std::size_t takers_of(MessageHub& messages, std::string_view topic) {
  Matches matches;
  matches.find(*messages.index().snapshot(), topic, nullptr);
  return matches.takers().size() + matches.groups().size();
}

TEST_SUITE("actors.session_hub") {
  TEST_CASE("kept subscriptions are there before the first connection, shared ones too") {
    MessageHub messages;
    SessionHub hub(messages);
    for (storage::SessionNumber session = 1; session <= 25'000; ++session) {
      hub.restore(session, {"devices/" + std::to_string(session) + "/#", 0, 1, false, false});
    }
    hub.restore(7, {"$share/g/jobs", 0, 1, false, false});
    hub.restored();
    CHECK(messages.index().size() == 25'001);
    CHECK(takers_of(messages, "devices/1/x") == 1);
    CHECK(takers_of(messages, "devices/25000") == 1);
    CHECK(takers_of(messages, "jobs") == 1);
  }

  TEST_CASE("a session that ends while the node starts leaves nothing in the index") {
    MessageHub messages;
    SessionHub hub(messages);
    hub.restore(1, {"a", 0, 1, false, false});
    hub.on_ended({{1, {"a"}}}); // The store is ahead of us.
    hub.restored();
    CHECK(takers_of(messages, "a") == 1);
    hub.begin();
    CHECK(takers_of(messages, "a") == 0);
    CHECK(messages.index().size() == 0);
  }
}

} // namespace
} // namespace spate::actors
