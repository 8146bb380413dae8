// Spate - one MQTT session: packets in, records to the shards, acknowledgements out. Logic only, no
// I/O.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "actors/command_port.hpp"
#include "actors/in_flight.hpp"
#include "actors/message_router.hpp"
#include "actors/presence.hpp"
#include "actors/session_hub.hpp"
#include "actors/shard_writer.hpp"
#include "actors/sys_topics.hpp"
#include "engine/base/clock.hpp"
#include "engine/base/counters.hpp"
#include "engine/base/log.hpp"
#include "engine/json/reader.hpp"
#include "engine/net/connection.hpp"
#include "engine/telemetry/parser.hpp"
#include "engine/telemetry/route.hpp"
#include "engine/wire/codec.hpp"

namespace spate::actors {

struct SessionLimits {
  std::size_t packet_bytes_max = 1u << 20; ///< Told to MQTT 5 clients as Maximum Packet Size.
  std::size_t connect_bytes_max =
      8u << 10; ///< Of the CONNECT packet: all that a stranger may make us hold.
  std::uint16_t receive_maximum = 1000; ///< Unacknowledged QoS 1 and 2 messages of one client.
  std::uint16_t topic_alias_maximum = 16;
  std::uint16_t keep_alive_s_max =
      3600; ///< A longer or absent keep-alive is set to this in MQTT 5.
  std::uint32_t connect_timeout_ms = 5000;          ///< From accept to CONNECT.
  std::uint32_t session_expiry_s_max = 30 * 86'400; ///< How long a session outlives its connection.
  std::size_t subscriptions_max = 100;
  std::size_t queue_messages_max = 1000;   ///< QoS 1 and 2 for one client, waiting for its window,
  std::size_t queue_bytes_max = 1u << 20;  ///< and their bytes; further ones are dropped.
  std::size_t unsent_bytes_max = 1u << 20; ///< Of its socket; then QoS 0 is dropped.
  bool thingsboard_rpc = false;            ///< Commands also by the topics of ThingsBoard's RPC.
};

/// What the MQTT sessions of one loop counted.
struct SessionCounters {
  Counter connections; ///< Now.
  Counter accepted;
  Counter connects;         ///< CONNECTs answered with success.
  Counter kept_connections; ///< Now, of sessions that are kept.
  Counter taken_over;
  Counter packets;
  Counter bytes;
  std::array<Counter, 3> publishes; ///< By QoS.
  Counter acknowledged;
  std::array<Counter, 256> refused; ///< By the reason code that we told or would have told.
  std::array<Counter, net::kCloseReasons> closed;
  Counter commands_sent;
  Counter commands_delivered;        ///< PUBACKs of commands with a reason code below 0x80.
  std::array<Counter, 4> answers;    ///< By SettleAnswer::Verdict.
  Counter unknown_acks;              ///< Of packet ids that wait for none.
  std::array<Counter, 3> deliveries; ///< Messages sent to subscribers, by QoS.
  Counter dropped_slow;              ///< QoS 0: the client does not read fast enough.
  Counter dropped_full;              ///< QoS 1, 2: as much waits for the client as may.
  Counter dropped_large;             ///< Larger than the client takes.
  Counter dropped_expired; ///< Their Message Expiry Interval was over before they could be sent.
  Counter dropped_refused; ///< The client answered with a reason code from 0x80 on.
};

/// The session's way to its connection and its actor. Loop thread.
class SessionPort {
public:
  virtual ~SessionPort() = default;
  /// Encode into it, then call sent().
  [[nodiscard]] virtual std::string& output() = 0;
  virtual void sent() = 0;
  virtual void pause_reading(bool paused) = 0;
  /// Bytes that the kernel has not taken yet.
  [[nodiscard]] virtual std::size_t unsent_bytes() const = 0;
  /// Largest packet that may be incomplete.
  virtual void set_packet_bytes_max(std::size_t bytes) = 0;
  /// From within on_bytes(): nothing can be done before so many bytes are there.
  virtual void expect(std::size_t bytes) = 0;
  /// Writes what is left, then closes. on_bytes() is not called again.
  virtual void close() = 0;
  /// Makes this session the holder of the client id; whoever held it is told that it is taken over.
  /// on_claimed() follows, maybe within the call, once that one has told the store of sessions.
  virtual void claim(std::string_view client_id) = 0;
  [[nodiscard]] virtual std::string remote_address() const = 0;
  /// The way to the command router. Null: there is none, and no client is a device for commands.
  [[nodiscard]] virtual CommandPort* commands() { return nullptr; }
};

/// What all sessions of a loop share. Everything is borrowed and belongs to the loop's thread, but
/// for the store and the presence, which any thread may use.
struct SessionContext {
  storage::Store& store;
  ShardWriter& writer;
  telemetry::Parser& parser;
  const telemetry::RouteTable& routes;
  Presence& presence;
  MessageRouter& messages;
  SessionDoor& door;
  const SysTopics& sys;
  net::Loop& loop;
  SessionLimits limits;
  std::string_view durability; ///< Told to MQTT 5 clients: "fsync", "os" or "memory".
  SessionCounters counters;
  log::RateLimit log_limit;
  std::vector<telemetry::RecordFault> faults; ///< Scratch of ingest(),
  std::string properties;                     ///< and of pass(),
  std::vector<storage::SessionTarget> kept;   ///< of which these are sessions that are kept.
  std::mt19937_64 random;                     ///< For client ids that we make up.
  std::uint32_t loop_number = 0;              ///< For CommandTarget.
  std::function<std::int64_t()> wall_now_ms = wall_ms; ///< Fresh, where the loop's is too old.
  json::Reader answer_reader = json::Reader();
};

/// Protocol state of one client: MQTT 3.1.1 and 5.0, server side.
///
/// Thread:   its loop's.
/// Acks:     PUBACK and PUBREC only after the record's commit, in the order of the PUBLISH packets
///           [MQTT-4.6.0-2], and also when the payload was refused, once its rejection is on disk.
/// Commands: a client that subscribes to devices/{id}/commands/... with QoS 1 or 2 takes the
///           device's commands, which are sent at QoS 1. Its answers are acknowledged once the
///           router has made them durable.
/// Limits:   SessionLimits; a 3.1.1 client with too much in flight is not read, a 5.0 client is
/// disconnected with
///           0x93, since it was told the limit.
/// Sessions: of Clean Start 0 or with a Session Expiry are kept by the store of sessions: all that
/// their clients were told (SUBACK, PUBREC, PUBCOMP, PUBACK of messages for them) is durable.
class MqttSession {
public:
  /// All borrowed; they outlive the session. `slot` and `generation` come back in receipts.
  MqttSession(SessionContext& context, SessionPort& port, std::uint32_t slot,
              std::uint32_t generation);
  ~MqttSession();
  MqttSession(const MqttSession&) = delete;
  MqttSession& operator=(const MqttSession&) = delete;

  /// Uses all complete packets and returns how many bytes they took.
  std::size_t on_bytes(std::string_view bytes);
  void on_receipt(const model::TelemetryBlock& block, const model::Message& message);

  // From the command router.
  void on_deliver(model::Command command);
  void on_settle(const SettleAnswer& settled);
  void on_forget(const ForgetCommand& message);

  // From the message router.
  void on_copy(Passing& passing, const Copy& copy);
  // From the store of sessions.
  void on_store_answer(StoreTask task, std::uint64_t argument, storage::SessionReceipt& receipt);
  void on_queued(storage::QueuedMessage& queued);

  void on_claimed();
  void on_taken_over();
  void on_shutdown();
  /// The server's clock: milliseconds until the next call is wanted. Closes what has been silent
  /// for too long.
  std::uint64_t on_timer(std::uint64_t now_ms);
  /// The connection is gone: once, and the last call. What is left may be destroyed by any thread,
  /// whenever the last that knows this session lets go of it.
  void on_closed();

  [[nodiscard]] const std::string& client_id() const noexcept { return client_id_; }
  [[nodiscard]] std::size_t in_flight() const noexcept;

private:
  enum class State : std::uint8_t {
    waiting, ///< For CONNECT.
    opening, ///< For whoever held the client id, and for the store; nothing is read.
    connected,
    closing,
  };
  struct Publishing;
  struct Commands;
  struct Deliveries;
  struct Opening;
  struct Kept;
  struct Asked;
  struct WantedRetained;

  bool on_frame(const wire::Frame& frame);
  void on_connect(const wire::Frame& frame);
  void say_goodbye(const wire::Disconnect& packet);
  void leave();
  void part();
  void welcome(bool session_present);
  bool on_publish(const wire::Frame& frame);
  void on_pubrel(const wire::Frame& frame);
  void on_subscribe(const wire::Frame& frame);
  void on_unsubscribe(const wire::Frame& frame);
  void on_answer(const wire::Frame& frame);
  void on_command_puback(const wire::Ack& packet);

  bool may_take_one_more();
  bool resolve_alias(wire::Publish& publish);
  void aim_at(std::string_view topic);
  void ingest(const wire::Publish& publish);
  void reject(model::TelemetryBlock& block, model::Message& message, const wire::Publish& publish,
              std::string_view topic);
  void settle(std::uint32_t sequence, model::RejectReason refused);
  void resume_if_room();
  void acknowledge(const InFlight::Entry& entry);

  struct Passed {
    bool taken = false; ///< Somebody gets it, or it is retained.
    bool asked = false; ///< The store of sessions is to write it, and will answer.
  };
  Passed pass(const wire::Publish& publish, std::uint32_t sequence);
  void settle_failed(std::uint32_t sequence, bool full);
  void send_pubcomp(std::uint16_t packet_id, wire::Reason reason);
  void keep_will(const wire::Will& will);

  void on_opened(storage::SessionReceipt& receipt, std::uint32_t expiry_s);
  void restore(storage::OpenedSession& opened);
  void resume(storage::OpenedSession& opened);
  void push_page(std::vector<storage::QueuedMessage>& page);
  void page_if_behind();
  void on_page(storage::SessionReceipt& receipt);
  void settle_queued(std::uint64_t sequence, bool received);
  void ask_to_change(storage::SessionSubscribing subscribing, const wire::SubscribeAck& answer,
                     std::vector<WantedRetained> wanted);
  void on_changed(storage::SessionReceipt& receipt);
  void apply_first_change();
  Asked& asked();
  void hold_back();
  void want_retained(std::vector<WantedRetained> wanted);
  void load_retained();
  void on_retained(storage::SessionReceipt& receipt);
  bool hold(Passing& passing, const Copy& copy);
  void release_held();
  void deliver_retained(const model::ApplicationMessage& message, std::uint32_t id,
                        std::uint8_t qos);
  void leave_store();

  Deliveries& deliveries();
  [[nodiscard]] const routing::Subscriber* subscriber() const noexcept;
  [[nodiscard]] std::uint64_t place() const noexcept;
  bool forget_filter(std::string_view filter);
  void answer_subscription(const wire::SubscribeAck& answer);
  void leave_index();
  void take_copy(Passing& passing, const Copy& copy);
  void deliver_plain(Passing& passing, const Copy& copy);
  wire::Delivery delivery_of(std::string_view topic, std::string_view payload,
                             std::string_view properties);
  bool send_delivery(const wire::Delivery& delivery);
  void send_waiting_messages();
  void send_pubrel(std::uint16_t packet_id, wire::Reason reason);

  Commands& commands();
  [[nodiscard]] CommandTarget target() const noexcept {
    return {context_.loop_number, slot_, generation_};
  }
  [[nodiscard]] model::Protocol protocol() const noexcept {
    return version_ == wire::Version::v5 ? model::Protocol::mqtt5 : model::Protocol::mqtt311;
  }
  bool note_subscription(std::string_view filter, std::uint8_t qos, std::uint32_t id);
  void note_unsubscription(std::string_view filter);
  void tell_changes();
  void tell_seen(std::string_view device);
  void send_suback(const wire::SubscribeAck& answer);
  void on_seen(const model::TelemetryBlock& block);
  void leave_commands();
  void send_command(const model::Command& command);
  void send_waiting();
  template <class Drops>
  bool drop_waiting(Drops&& drops);
  void heat();
  void cool(const Uuid& id);
  std::uint64_t on_hot_timer(std::uint64_t now_ms);
  bool take_answer(const wire::Publish& publish);
  void refuse_answer(model::RejectReason reason, std::uint32_t sequence, std::string_view device,
                     std::string_view topic, std::string_view detail, std::string sample);
  std::uint64_t on_silence_timer(std::uint64_t now_ms);

  /// Appends what `append(out)` encodes, unless it is larger than the client takes: then false.
  template <class Append>
  bool send_within(Append&& append);

  /// Ends the connection, telling why in the protocol's words.
  void refuse(wire::Reason reason, std::string_view detail);
  void refuse(const Error& error) { refuse(wire::reason_for(error.code), error.detail); }
  void refuse_connect(const wire::Frame& frame, const Error& error);
  bool say_why(wire::Reason reason, std::string_view words);
  void log_refusal(wire::Reason reason, std::string_view detail);

  SessionContext& context_;
  SessionPort& port_;
  const std::uint32_t slot_;
  const std::uint32_t generation_;
  wire::Version version_ = wire::Version::v311;
  State state_ = State::waiting;
  bool asked_for_expiry_ = false; ///< CONNECT had a Session Expiry Interval.
  bool paused_ = false;           ///< Not read, since too much is in flight.
  bool held_ = false;             ///< Not read, since retained messages are to come first.
  bool wants_problem_information_ = true;
  std::uint16_t keep_alive_s_ = 0;
  std::uint16_t client_receive_maximum_ = 65535;
  std::uint16_t client_aliases_ = 0; ///< Topic aliases that we use towards it.
  std::uint32_t packet_bytes_max_;   ///< That the client takes.
  std::uint64_t active_ms_ = 0; ///< When bytes last came; before CONNECT: when it was accepted.
  std::string client_id_;
  std::unique_ptr<Publishing> publishing_;     ///< From the first PUBLISH on.
  std::unique_ptr<Commands> commands_;         ///< From the first filter for commands on.
  std::unique_ptr<Deliveries> deliveries_;     ///< From the first SUBSCRIBE on.
  std::unique_ptr<storage::SessionWill> will_; ///< While it is ours to publish.
  std::unique_ptr<Opening> opening_;           ///< Until CONNACK.
  std::unique_ptr<Kept> kept_;                 ///< Of a session that outlives its connection.
  std::unique_ptr<Asked> asked_;               ///< From the first question to the store on.
};

template <class Append>
bool MqttSession::send_within(Append&& append) {
  std::string& out = port_.output();
  const std::size_t before = out.size();
  append(out);
  if (out.size() - before > packet_bytes_max_) {
    out.resize(before); // Not to be sent at all [MQTT5-3.1.2-24, MQTT5-3.1.2-25].
    return false;
  }
  port_.sent();
  return true;
}

} // namespace spate::actors
