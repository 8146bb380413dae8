// Spate - backups over HTTP: one is made at a time, on a thread of its own, and followed as an
// operation.
#pragma once

#include <atomic>
#include <deque>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>

#include "api/problems.hpp"
#include "engine/base/uuid.hpp"
#include "engine/http/response.hpp"
#include "engine/json/reader.hpp"
#include "storage/backup.hpp"
#include "storage/operation.hpp"

namespace spate::api {

struct Services;
struct PageContext;

struct BackupOptions {
  std::string directory; ///< All targets lie in it; empty: no backups over HTTP.
  std::string version;   ///< Of the node.
  storage::BackupDatabases databases;
  std::function<std::int64_t()> now_ms; ///< Wall clock; empty: the real one.
};

/// What a request asks for.
struct BackupOrder {
  std::string target;
  std::size_t keep = 0;
  std::string idempotency_key;
  std::uint64_t request_hash = 0;
};

/// Thread: any. start() does not wait for the disk; lists do.
/// Lifetime: what the databases' hooks refer to outlives stop().
class Backups {
public:
  explicit Backups(BackupOptions options);
  ~Backups();
  Backups(const Backups&) = delete;
  Backups& operator=(const Backups&) = delete;

  [[nodiscard]] bool allowed() const noexcept { return !options_.directory.empty(); }
  /// Reads the body of a POST. An absolute `destination` must lie in the directory that the
  /// configuration allows, a relative one is taken from there. API loop.
  std::optional<Problem> read_order(std::string_view body, BackupOrder& out);

  struct Started {
    std::optional<storage::Operation> operation;
    bool replayed = false; ///< By its idempotency key.
    std::optional<Problem> problem;
  };
  /// The operation's id is the backup's.
  Started start(const BackupOrder& order, const Uuid& id);

  /// Of this process, since those of an earlier one ended with it.
  [[nodiscard]] std::optional<storage::Operation> operation(const Uuid& id) const;
  /// Adds those that fit the query to a page of others.
  void add_to(const storage::OperationQuery& query, storage::OperationPage& page) const;

  struct Entry {
    storage::BackupInfo info; ///< Of one that is not complete: id and time.
    std::string destination;  ///< Below the directory; empty: itself.
    std::string error;        ///< Empty: none.
    std::optional<storage::Operation> running;
  };
  /// Complete, running and failed ones in the directory and one level below, newest first.
  [[nodiscard]] Result<std::vector<Entry>> list() const;

  /// Gives up what is under way, and waits for that. Nothing starts any more.
  void stop();

private:
  struct Job {
    storage::Operation operation;
    std::string target;
  };
  void run(const BackupOrder& order, const Uuid& id);
  void update(const Uuid& id, const std::function<void(storage::Operation&)>& change);
  [[nodiscard]] std::int64_t now() const;
  [[nodiscard]] std::string destination_of(const std::string& target) const;

  static constexpr std::size_t kJobsMax = 1000;
  const BackupOptions options_;
  json::Reader reader_;
  std::atomic<bool> stopping_{false};
  mutable std::mutex mutex_;
  std::deque<Job> jobs_; ///< Oldest first.
  bool busy_ = false;
  std::thread thread_;
};

/// Background thread.
[[nodiscard]] http::Response read_backup(const Services& services, std::string_view id,
                                         const ProblemContext& context);
[[nodiscard]] http::Response read_backups(const Services& services, const PageContext& page,
                                          std::size_t limit, const std::optional<Uuid>& before);
/// Where there are none: what the configuration lacks.
[[nodiscard]] Problem no_backups();

} // namespace spate::api
