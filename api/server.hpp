// Spate - the HTTP doors of a node.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>

#include "api/background.hpp"
#include "api/command_doors.hpp"
#include "api/ingest.hpp"
#include "api/problems.hpp"
#include "api/queries.hpp"
#include "api/router.hpp"
#include "api/services.hpp"
#include "engine/base/log.hpp"
#include "engine/base/result.hpp"
#include "engine/base/uuid.hpp"
#include "engine/http/server.hpp"
#include "engine/net/listener.hpp"
#include "engine/net/loop.hpp"

namespace spate::api {

/// Serves the API on one loop, whose hooks it sets.
///
/// Thread: the loop's; open() before the loop runs, ledger() from any. Reads of the store run on a
/// thread of its
///         own and come back by Loop::post().
/// Order of a stop: drain(), wait for drained(), stop_reads(), then Loop::stop(), join, and only
/// then destroy
///         the server. What Services refers to, the store first, stops after stop_reads(). The
///         server must outlive Loop::run().
class Server final : public http::Handler, private net::LoopHooks {
public:
  /// `services` is copied; what it refers to is borrowed. The loop is borrowed; its hooks must be
  /// free.
  Server(net::Loop& loop, Services services);
  ~Server() override;

  /// Error: bind_failed.
  Result<void> open(const net::Address& address) { return http_.open(address); }
  /// With the port that was given.
  [[nodiscard]] net::Address address() const { return http_.address(); }

  void stop_accepting() { http_.stop_accepting(); }
  /// Accepts nothing more, answers what was asked, closes. Who waits for a command hears its state
  /// of now.
  void drain();
  /// All connections are closed, all records answered, and no command is on its way to the log.
  [[nodiscard]] bool drained() const noexcept;

  /// Ends the reads of clients that have hung up, and waits for the one at hand. Not the loop's
  /// thread.
  void stop_reads() {
    read_stop_.set(std::chrono::steady_clock::now());
    background_.stop();
  }
  /// What reads that are under way have when drain() is called.
  static constexpr std::chrono::milliseconds kDrainReads{2000};

  /// The records that came in here; part of Services::ledger().
  [[nodiscard]] const model::LedgerCell& ledger() const noexcept { return ingest_.ledger(); }
  /// Loop thread.
  [[nodiscard]] const http::HttpCounts& counts() noexcept { return http_.exchanges().counts(); }

private:
  std::optional<http::Response> on_head(const http::Request& request) override;
  void on_request(const http::Request& request, http::Responder responder) override;
  http::Response on_refusal(const http::Refusal& refusal, const http::Request& request) override;
  bool before_poll() override;
  void after_poll() override;
  void between_reads() override;

  std::optional<Problem> refuse_post(const http::Request& request, const Routed& routed) const;
  std::optional<Problem> refuse_phase() const;
  void post_telemetry(const http::Request& request, std::string_view device,
                      http::Responder responder);
  void get(const http::Request& request, const Routed& routed, http::Responder responder);
  void get_telemetry(const http::Request& request, std::string_view device,
                     http::Responder responder);
  void get_records(const http::Request& request, std::string_view device,
                   http::Responder responder);
  void get_buckets(const http::Request& request, std::string_view device,
                   http::Responder responder);
  void get_export(const http::Request& request, std::string_view device, http::Responder responder);
  void get_lasts(const http::Request& request, http::Responder responder);
  void get_operations(const http::Request& request, http::Responder responder);
  // In backup_routes.cpp.
  void post_backup(const http::Request& request, http::Responder responder);
  void get_backups(const http::Request& request, http::Responder responder);
  void get_backup(const http::Request& request, std::string_view id, http::Responder responder);
  void get_operation(const http::Request& request, std::string_view id, http::Responder responder);
  void erase_telemetry(const http::Request& request, std::string_view device,
                       http::Responder responder);
  /// Work on all of the store, which takes no parameters.
  using StoreWork = http::Response (*)(const Services& services, const Uuid& id,
                                       const ProblemContext& context);
  void work_on_store(const http::Request& request, http::Responder responder, StoreWork start);
  void get_last(const http::Request& request, std::string_view device, http::Responder responder);
  void get_devices(const http::Request& request, http::Responder responder);
  void get_rejections(const http::Request& request, http::Responder responder);
  void get_commands(const http::Request& request, std::string_view device,
                    http::Responder responder);

  [[nodiscard]] PageContext page_context(const http::Request& request,
                                         const http::Responder& responder) const;
  /// Runs `read` on the background thread and answers with what it returns.
  void in_background(const ProblemContext& context, http::Responder responder,
                     std::function<http::Response()> read,
                     Background::Queue queue = Background::Queue::normal);
  /// The same with what `read` makes of `query`; or answers with the problem, if there is one.
  template <class Query, class Read>
  void answer_query(const std::optional<Problem>& problem, Query query, http::Responder responder,
                    Read read) {
    const ProblemContext context = query.page.problem;
    if (problem) {
      responder.respond(problem_response(*problem, context));
      return;
    }
    in_background(context, responder,
                  [this, read, query = std::move(query)] { return read(services_, query); });
  }
  /// Asks for the operation until it has ended or the wait is over.
  struct OperationWait;
  void wait_for_operation(std::shared_ptr<OperationWait> wait);
  class ExportSource;

  net::Loop& loop_;
  const Services services_;
  http::Server http_;
  Ingest ingest_;
  CommandDoors commands_;
  log::RateLimit refusals_logged_;
  UuidSource operation_ids_;
  std::shared_ptr<std::atomic<std::size_t>> exports_ =
      std::make_shared<std::atomic<std::size_t>>(0); ///< Under way.
  std::size_t operation_waits_ = 0;
  ReadStop read_stop_;
  std::atomic<bool> buffers_full_{false}; ///< For reads that were queued before: they are refused.
  Background background_;                 ///< Last: its thread ends before what it uses.
};

} // namespace spate::api
