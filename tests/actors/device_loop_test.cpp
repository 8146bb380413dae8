#include "actors/device_loop.hpp"

#include <condition_variable>
#include <mutex>
#include <string>
#include <thread>
#include <variant>
#include <vector>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <caf/actor_system_config.hpp>
#include <caf/event_based_actor.hpp>
#include <caf/scoped_actor.hpp>
#include <caf/send.hpp>
#include <doctest/doctest.h>

#include "tests/actors/fake_store.hpp"

namespace spate::actors {
namespace {

using wire::PacketType;
using wire::Version;

/// An MQTT client on a blocking socket.
class Client {
public:
  explicit Client(std::uint16_t port) : fd_(socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    REQUIRE(::connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
    wire::Connect packet;
    packet.version = Version::v5;
    packet.client_id = "d1";
    packet.clean_start = true;
    wire::append_connect(out, packet);
    send_out();
    CHECK(next() == PacketType::connack);
  }
  ~Client() { ::close(fd_); }

  void send_out() {
    for (std::size_t sent = 0; sent < out.size();) {
      const ssize_t n = ::send(fd_, out.data() + sent, out.size() - sent, MSG_NOSIGNAL);
      REQUIRE(n > 0);
      sent += static_cast<std::size_t>(n);
    }
    out.clear();
  }
  /// The next packet, which `frame` then shows.
  PacketType next() {
    in_.erase(0, used_);
    for (;;) {
      const auto result = wire::next_frame(in_, 1u << 20);
      if (result.status == wire::FrameStatus::complete) {
        used_ = result.bytes;
        frame = result.frame;
        return frame.type;
      }
      pollfd ready{fd_, POLLIN, 0};
      REQUIRE(poll(&ready, 1, 20'000) == 1);
      char bytes[65536];
      const ssize_t n = recv(fd_, bytes, sizeof bytes, 0);
      REQUIRE(n > 0);
      in_.append(bytes, static_cast<std::size_t>(n));
    }
  }

  std::string out;
  wire::Frame frame;

private:
  int fd_;
  std::string in_;
  std::size_t used_ = 0;
};

/// What sessions told the router, and who they are.
struct Heard {
  using Message =
      std::variant<DeviceReady, CommandSent, CommandDelivered, CommandAnswer, DeviceGone>;
  std::mutex mutex;
  std::condition_variable changed;
  std::vector<Message> messages;
  std::vector<bool> urgent;
  caf::actor session;
  std::size_t taken = 0;

  template <class T>
  T next() {
    std::unique_lock lock(mutex);
    REQUIRE(changed.wait_for(lock, std::chrono::seconds(20),
                             [this] { return taken < messages.size(); }));
    auto* message = std::get_if<T>(&messages[taken++]);
    REQUIRE(message != nullptr);
    return *message;
  }
};

caf::behavior router(caf::event_based_actor* self, Heard* heard) {
  const auto note = [self, heard](auto& message) {
    const std::scoped_lock lock(heard->mutex);
    heard->messages.emplace_back(std::move(message));
    heard->urgent.push_back(self->current_message_id().is_urgent_message());
    heard->session = caf::actor_cast<caf::actor>(self->current_sender());
    heard->changed.notify_all();
  };
  return {[note](DeviceReady& m) { note(m); }, [note](CommandSent& m) { note(m); },
          [note](CommandDelivered& m) { note(m); }, [note](CommandAnswer& m) { note(m); },
          [note](DeviceGone& m) { note(m); }};
}

/// A device loop with a store that the test answers for, on the loop's thread.
struct Fixture {
  explicit Fixture(bool priorities) {
    config.set("scheduler.max-threads", 1u);
    system = std::make_unique<caf::actor_system>(config);
    router_actor = system->spawn(router, &heard);
    DeviceLoopOptions options;
    options.durability = "fsync";
    options.number = 7;
    options.priorities = priorities;
    loop = std::make_unique<DeviceLoop>(DeviceLoopServices{*system, store, shapes, routes, registry,
                                                           presence, messages, sessions, sys,
                                                           router_actor},
                                        options);
    auto address = loop->listen({"127.0.0.1", 0}, false);
    REQUIRE(address);
    port = address->port;
    loop->start(7);
  }
  ~Fixture() {
    on_loop([this] { store.answer_all(); });
    loop->stop();
    caf::anon_send_exit(router_actor, caf::exit_reason::kill);
    caf::scoped_actor(*system)->wait_for(router_actor);
    router_actor = nullptr;
    loop.reset();
    heard.session = nullptr; // The router may know a session for longer than its loop lives.
  }
  void on_loop(std::function<void()> function) {
    std::mutex mutex;
    std::condition_variable changed;
    bool done = false;
    loop->loop().post([&] {
      function();
      const std::scoped_lock lock(mutex);
      done = true;
      changed.notify_all();
    });
    std::unique_lock lock(mutex);
    changed.wait(lock, [&] { return done; });
  }
  void subscribe(Client& client) {
    wire::Subscribe packet;
    packet.packet_id = 1;
    packet.subscriptions = {{"devices/d1/commands/#", 1}};
    wire::append_subscribe(client.out, packet, Version::v5);
    client.send_out();
    for (bool seen = false; !seen;) { // The SUBACK waits for the store.
      on_loop([&] {
        seen = !store.waiting.empty();
        store.answer_all();
      });
    }
    CHECK(client.next() == PacketType::suback);
  }
  static DeliverCommand command() {
    DeliverCommand deliver;
    deliver.command.id = *parse_uuid("01977f2e-6d5b-7c3a-9f10-3b2f6a1d9e44");
    deliver.command.device = "d1";
    deliver.command.name = "reboot";
    deliver.command.expires_ms = wall_ms() + 600'000;
    return deliver;
  }

  Heard heard;
  caf::actor_system_config config;
  std::unique_ptr<caf::actor_system> system;
  FakeStore store{1};
  model::ShapeTable shapes;
  telemetry::RouteTable routes;
  SessionRegistry registry;
  Presence presence;
  MessageHub messages;
  SessionHub sessions{messages};
  SysTopics sys;
  caf::actor router_actor;
  std::unique_ptr<DeviceLoop> loop;
  std::uint16_t port = 0;
};

#ifdef __SANITIZE_THREAD__
// Messages go through CAF's mailboxes, whose synchronisation TSan does not see.
constexpr bool kThreadSanitizer = true;
#else
constexpr bool kThreadSanitizer = false;
#endif

TEST_SUITE("actors.device_loop" * doctest::skip(kThreadSanitizer)) {
  TEST_CASE("a command goes from the router to the device's socket, and its answer back") {
    for (const bool priorities : {true, false}) {
      CAPTURE(priorities);
      Fixture f(priorities);
      CommandTarget target;
      {
        Client client(f.port);
        f.subscribe(client);
        const auto ready = f.heard.next<DeviceReady>();
        target = ready.target;
        CHECK(f.presence.find("d1"));
        CHECK(ready.device == "d1");
        CHECK(ready.target.loop == 7);
        REQUIRE(f.heard.session);

        caf::anon_send<caf::message_priority::high>(f.heard.session, Fixture::command());
        REQUIRE(client.next() == PacketType::publish);
        const auto publish = wire::decode_publish(client.frame, Version::v5);
        REQUIRE(publish);
        CHECK(publish->topic == "devices/d1/commands/reboot");
        CHECK(f.heard.next<CommandSent>().sent);

        wire::Ack ack;
        ack.packet_id = publish->packet_id;
        wire::append_ack(client.out, ack, Version::v5);
        client.send_out();
        CHECK(f.heard.next<CommandDelivered>().id == Fixture::command().command.id);

        wire::Publish answer;
        const std::string topic(publish->response_topic);
        answer.topic = topic;
        answer.payload = R"({"status":"ok","result":5})";
        answer.packet_id = 9;
        answer.qos = 1;
        wire::append_publish(client.out, answer, Version::v5);
        client.send_out();
        const auto told = f.heard.next<CommandAnswer>();
        CHECK(told.result == "5");
        caf::anon_send<caf::message_priority::high>(
            f.heard.session, SettleAnswer{told.token, SettleAnswer::Verdict::taken});
        CHECK(client.next() == PacketType::puback);
        caf::anon_send<caf::message_priority::high>(f.heard.session, ForgetCommand{told.id});
      }
      const auto gone = f.heard.next<DeviceGone>();
      CHECK(gone.devices == std::vector<std::string>{"d1"});
      CHECK(gone.target == target);
      f.on_loop([] {}); // The router hears of it from within the closing, whose end this is.
      CHECK_FALSE(f.presence.find("d1"));
      for (const bool urgent : f.heard.urgent) {
        CHECK(urgent == priorities);
      }
      CHECK(f.loop->counters().commands_delivered.get() == 1);
    }
  }

  TEST_CASE("a command does not wait for all receipts of a large commit") {
    for (const bool priorities : {true, false}) {
      CAPTURE(priorities);
      Fixture f(priorities);
      Client client(f.port);
      f.subscribe(client);
      f.heard.next<DeviceReady>();
      constexpr int kMessages = 900; // More than a step, fewer than the client may have in flight.
      for (std::uint16_t id = 1; id <= kMessages; ++id) {
        wire::Publish packet;
        packet.topic = "devices/d1/telemetry";
        packet.payload = R"({"temp":1})";
        packet.packet_id = id;
        packet.qos = 1;
        wire::append_publish(client.out, packet, Version::v5);
      }
      client.send_out();
      std::size_t waiting = 0;
      while (waiting < kMessages) {
        f.on_loop([&] {
          waiting = 0;
          for (const auto& block : f.store.waiting) {
            waiting += block->rows.size();
          }
        });
      }
      f.on_loop([&] { // Both are there when the loop comes to its receipts.
        caf::anon_send<caf::message_priority::high>(f.heard.session, Fixture::command());
        f.store.answer_all();
      });
      int before = 0;
      while (client.next() == PacketType::puback) {
        ++before;
      }
      CHECK(client.frame.type == PacketType::publish);
      CHECK(before == (priorities ? 0 : kMessages));
    }
  }

  TEST_CASE("what a session that ended is sent is lost without harm") {
    Fixture f(true);
    {
      Client client(f.port);
      f.subscribe(client);
      f.heard.next<DeviceReady>();
      caf::anon_send<caf::message_priority::high>(f.heard.session, Fixture::command());
      REQUIRE(client.next() == PacketType::publish);
      f.heard.next<CommandSent>();
    } // Gone between PUBLISH and PUBACK.
    f.heard.next<DeviceGone>();
    const caf::actor ended = f.heard.session;
    caf::anon_send<caf::message_priority::high>(ended, Fixture::command());
    caf::anon_send<caf::message_priority::high>(ended,
                                                SettleAnswer{1, SettleAnswer::Verdict::taken});
    caf::anon_send<caf::message_priority::high>(ended, ForgetCommand{});
    Client again(f.port);
    f.subscribe(again);
    CHECK(f.heard.next<DeviceReady>().device == "d1");
  }

  TEST_CASE("a client that takes its id over is the device from then on") {
    Fixture f(true);
    Client first(f.port);
    f.subscribe(first);
    const auto before = f.heard.next<DeviceReady>();
    Client second(f.port);
    CHECK(first.next() == PacketType::disconnect);
    CHECK(f.heard.next<DeviceGone>().target == before.target);
    f.subscribe(second);
    CHECK_FALSE(f.heard.next<DeviceReady>().target == before.target);
  }
}

} // namespace
} // namespace spate::actors
