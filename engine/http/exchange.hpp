// Spate - one connection's conversation: requests in, responses out in their order. No sockets, no
// routes.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/http/request.hpp"
#include "engine/http/request_reader.hpp"
#include "engine/http/response.hpp"

namespace spate::http {

struct Limits {
  RequestLimits request;
  std::size_t connections_max = 4096;
  std::size_t pipelined_max = 16; ///< Requests of one connection that wait for their answer.
  /// Of one connection; no further request of it is begun until the peer has taken them.
  std::size_t unsent_bytes_max = 256u << 10;
  /// The next part of a body is asked for when no more than this of it is not taken.
  std::size_t part_unsent_bytes_max = 64u << 10;
  std::size_t buffered_bytes_max = 128u
                                   << 20; ///< Bodies and answers held, all connections together.
  std::uint64_t head_ms_max = 10'000;     ///< From a request's first byte to the end of its header.
  std::uint64_t idle_ms_max = 75'000;     ///< Between two requests.
  std::uint64_t body_grace_ms = 10'000;   ///< A body has this, and 1 ms a byte_per_ms_min bytes.
  std::size_t body_bytes_per_ms_min = 1;  ///< 1 KB/s.
  /// A handler that takes longer is answered for (503). Above the 60 s that a client may wait for
  /// the end of a command.
  std::uint64_t answer_ms_max = 75'000;
  /// While a body in parts waits for its reader, that one has this, and 1 ms a
  /// part_bytes_per_ms_min bytes: then the connection is cut, since its maker is needed for others.
  std::uint64_t part_grace_ms = 60'000;
  std::size_t part_bytes_per_ms_min = 1;   ///< 1 KB/s.
  std::uint64_t part_drain_ms_max = 2'000; ///< A stop cuts bodies in parts after this.
};

/// What is known of the peer of a connection, for work in its name on another thread.
struct Peer {
  /// It sends no more. It may still read, or be gone: only writing to it would tell.
  std::atomic<bool> ended{false};
  std::atomic<bool> gone{false}; ///< Nobody hears an answer any more.
};

/// Answers one request, now or later, on the loop's thread. Copyable; may outlive its connection,
/// then respond() does nothing. The Exchanges that made it must be alive.
class Responder {
public:
  Responder() = default;
  /// The first answer counts; further ones are ignored.
  void respond(Response response) const;
  /// Of its connection; to be read on any thread. Never null, also if the connection is gone.
  [[nodiscard]] std::shared_ptr<const Peer> peer() const;

private:
  friend class Exchange;
  Responder(Exchanges& table, std::uint32_t slot, std::uint32_t generation, std::uint64_t sequence)
      : table_(&table), slot_(slot), generation_(generation), sequence_(sequence) {}

  Exchanges* table_ = nullptr;
  std::uint32_t slot_ = 0;
  std::uint32_t generation_ = 0;
  std::uint64_t sequence_ = 0;
};

/// The upper side: the routes. Loop thread.
class Handler {
public:
  virtual ~Handler() = default;
  /// The header is here, the body is not: an answer refuses the request, whose body is then not
  /// kept.
  virtual std::optional<Response> on_head(const Request& request) = 0;
  /// `request` is valid during the call only.
  virtual void on_request(const Request& request, Responder responder) = 0;
  /// The answer to a request that could not be read; `request` holds what was read of it.
  virtual Response on_refusal(const Refusal& refusal, const Request& request) = 0;
};

/// The lower side: a socket, or a test.
class Transport {
public:
  virtual ~Transport() = default;
  /// The buffer of what goes out; sent() follows.
  virtual std::string& output() = 0;
  virtual void sent() = 0;
  virtual void pause_reading(bool paused) = 0;
  /// Writes what is left, then closes; on_bytes is not called any more.
  virtual void close() = 0;
  /// Drops what is left and closes so that the peer can not take it for a regular end.
  virtual void abort() = 0;
  [[nodiscard]] virtual std::size_t unsent_bytes() const = 0;
};

struct HttpCounts {
  std::uint64_t connections_total = 0;
  std::uint64_t connections_refused = 0;
  std::uint64_t bytes_buffered = 0;                 ///< Now.
  std::uint64_t connections = 0;                    ///< Now.
  std::map<std::uint16_t, std::uint64_t> responses; ///< By status.
};

/// All conversations of a loop: finds them for late answers, and holds what they share.
class Exchanges {
public:
  /// `handler` is borrowed.
  Exchanges(Handler& handler, Limits limits) : handler_(handler), limits_(limits) {}
  Exchanges(const Exchanges&) = delete;
  Exchanges& operator=(const Exchanges&) = delete;

  /// Once an iteration, before anything else is called in it: the clocks of now.
  void set_now(std::uint64_t now_ms, std::int64_t wall_ms);
  /// Once a second: time-outs.
  void tick();
  /// No further requests: idle conversations close, others answer what they have with Connection:
  /// close. A request that is not whole yet is refused: its peer may take any time to send the
  /// rest.
  void drain();

  [[nodiscard]] const Limits& limits() const noexcept { return limits_; }
  [[nodiscard]] std::size_t connections() const noexcept { return counts_.connections; }
  /// buffered_bytes_max is reached.
  [[nodiscard]] bool over_limit();
  [[nodiscard]] const HttpCounts& counts() const noexcept { return counts_; }
  HttpCounts& counts() noexcept { return counts_; }

private:
  friend class Exchange;
  friend class Responder;
  friend class PartWriter;
  struct Slot {
    Exchange* exchange = nullptr;
    std::uint32_t generation = 0;
  };
  std::uint32_t enter(Exchange& exchange);
  void leave(std::uint32_t slot);
  [[nodiscard]] Exchange* find(std::uint32_t slot, std::uint32_t generation) const noexcept;

  Handler& handler_;
  const Limits limits_;
  std::vector<Slot> slots_;
  std::vector<std::uint32_t> free_;
  HttpCounts counts_;
  static constexpr std::uint64_t kRecountMs = 20;
  std::uint64_t now_ms_ = 0;
  std::uint64_t recounted_ms_ = 0;
  std::int64_t date_second_ = -1;
  std::string date_;
  bool draining_ = false;
  std::uint64_t draining_since_ms_ = 0;
};

/// Flow:   on_bytes -> RequestReader -> Handler -> Responder -> answers in the order of their
/// requests Limits: pipelined_max requests wait or unsent_bytes_max are not taken, then reading
/// pauses; all buffers are counted in Exchanges. A body in parts is pulled as its reader takes it,
/// and no further request is begun before its end. End:    what can not be read is answered as a
/// problem with Connection: close, since the place where the
///         next request would start is not known.
class Exchange {
public:
  /// Both borrowed; both outlive it.
  Exchange(Exchanges& table, Transport& transport);
  ~Exchange();
  Exchange(const Exchange&) = delete;
  Exchange& operator=(const Exchange&) = delete;

  /// Returns how many bytes it used; the rest is to be shown again with more behind it.
  std::size_t on_bytes(std::string_view bytes);
  /// The peer sends no more: what was asked is answered, then the conversation ends.
  void on_end();
  /// The peer has taken what was unsent, or most of it.
  void on_room();

private:
  friend class Exchanges;
  friend class Responder;
  friend class PartWriter;
  struct Pending {
    std::optional<Response> response;
    std::uint64_t since_ms = 0;
    ResponseFraming framing;
  };
  /// The body in parts of the first pending answer, whose header is out.
  struct Parts {
    Parts(std::unique_ptr<PartSource> from, std::uint64_t now_ms)
        : source(std::move(from)), since_ms(now_ms) {}

    std::unique_ptr<PartSource> source;
    std::uint64_t number = 0; ///< Of the part that is asked for.
    bool asked = false;
    std::optional<PartWriter::Then> ended;
    std::uint64_t bytes = 0;     ///< Handed over.
    std::uint64_t waited_ms = 0; ///< For its reader.
    std::uint64_t since_ms;      ///< The last look at it.
  };
  enum class Go : std::uint8_t { on, stop };
  void on_tick();
  void drain();
  void answer(std::uint64_t sequence, Response response);
  Go on_head();
  void on_complete();
  void refuse(const Refusal& refusal);
  std::uint64_t expect_answer(bool keep_alive);
  void flush();
  void begin_parts(std::unique_ptr<PartSource> source);
  void pull_parts();
  void write_part(std::uint64_t number, std::string_view bytes, PartWriter::Then then);
  void end_parts();
  void tick_parts();
  void cut();
  [[nodiscard]] bool full() const;
  void resume();
  void end();
  void account();

  Exchanges& table_;
  Transport& transport_;
  RequestReader reader_;
  std::vector<Pending> pending_; ///< In the order of their requests.
  std::optional<Parts> parts_;
  std::shared_ptr<Peer> peer_;       ///< Made when it is asked for.
  std::optional<Response> refusing_; ///< The answer to the request whose body is being dropped.
  std::uint64_t first_sequence_ = 0; ///< Of pending_.front().
  std::uint64_t since_ms_;           ///< Start of the header, the body or the idleness.
  std::size_t accounted_bytes_ = 0;
  std::uint32_t slot_;
  bool pulling_ = false;
  bool continue_wanted_ = false; ///< 100 Continue, once all earlier answers are out.
  bool no_more_ = false;         ///< No further request is read; closes after the last answer.
  bool input_ended_ = false;     ///< The peer sends no more.
  bool paused_ = false;
  bool ended_ = false;
};

} // namespace spate::http
