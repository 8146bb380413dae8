#include "api/backups.hpp"

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <utility>

#include "api/json_parts.hpp"
#include "api/operations.hpp"
#include "api/services.hpp"
#include "engine/base/clock.hpp"
#include "engine/base/hash.hpp"
#include "engine/base/log.hpp"
#include "engine/json/raw.hpp"
#include "storage/directory_format.hpp"

namespace spate::api {

namespace {

namespace fs = std::filesystem;
using json::Token;
using storage::Operation;
using storage::OperationState;

constexpr std::size_t kKeepMax = 10'000;
constexpr std::uint32_t kBusyRetryAfterS = 30;

Problem invalid(std::string pointer, std::string detail) {
  Problem problem{"validation-failed", detail, {}, {}};
  problem.errors.push_back(
      {{}, {}, {}, "validation-failed", std::move(detail), std::move(pointer)});
  return problem;
}

std::string normal(const fs::path& path) {
  std::string text = path.lexically_normal().string();
  while (text.size() > 1 && text.back() == '/') {
    text.pop_back();
  }
  return text;
}

void write_backup(json::Writer& out, const Backups::Entry& entry) {
  const storage::BackupInfo& info = entry.info;
  const bool complete = !info.parts.empty();
  out.begin_object().member("id", text_of(info.id)).member("created_ts", info.created_ms);
  out.member("state", complete ? "COMPLETE" : entry.error.empty() ? "RUNNING" : "FAILED");
  out.member("destination", entry.destination);
  if (complete) {
    out.member("size_bytes", info.size_bytes()).member("new_bytes", info.new_bytes);
    out.member("incremental", info.incremental);
  }
  if (entry.running) {
    out.key("progress").begin_object().member("done", entry.running->done).key("total");
    entry.running->total ? out.unsigned_integer(*entry.running->total) : out.null();
    out.end_object();
  }
  if (!entry.error.empty()) {
    out.member("error", entry.error);
  }
  out.end_object();
}

http::Response unreadable(const Error& error, const ProblemContext& context) {
  log::error("backups-unreadable", error.detail);
  return problem_response({"internal-error", error.detail, {}, {}}, context);
}

} // namespace

Problem no_backups() {
  return invalid("", "This node makes no backups over HTTP: set [backup] directory in its "
                     "configuration and start it again.");
}

Backups::Backups(BackupOptions options) : options_(std::move(options)) {}

Backups::~Backups() {
  stop();
}

std::int64_t Backups::now() const {
  return options_.now_ms ? options_.now_ms() : wall_ms();
}

std::optional<Problem> Backups::read_order(std::string_view body, BackupOrder& out) {
  if (options_.directory.empty()) {
    return no_backups();
  }
  const auto unreadable_body = [this] {
    return Problem{"invalid-body",
                   "The body is no JSON that is taken here: " + reader_.fault_detail() + ".",
                   {},
                   {}};
  };
  std::string destination;
  Token token = reader_.open(body);
  if (token == Token::fault) {
    return unreadable_body();
  }
  if (token != Token::object_begin) {
    return Problem{"invalid-body", "The body is no JSON object; send {}.", {}, {}};
  }
  while ((token = reader_.next()) == Token::key) {
    const std::string key(reader_.text().substr(0, 64));
    const Token first = reader_.next();
    const std::string text(first == Token::string ? reader_.text() : std::string_view());
    const auto raw = json::take_raw(reader_, first, body);
    if (!raw) {
      return unreadable_body();
    }
    if (key == "destination") {
      if (first != Token::string || text.find('\0') != std::string::npos || text.size() > 1024) {
        return invalid("/destination", "destination must be the path of a directory.");
      }
      destination = text;
    } else if (key == "keep") {
      const auto parsed = std::from_chars(raw->data(), raw->data() + raw->size(), out.keep);
      if (parsed.ec != std::errc() || parsed.ptr != raw->data() + raw->size() ||
          out.keep > kKeepMax) {
        return invalid("/keep", "keep must be a whole number from 0 (all) to 10000.");
      }
    } else if (key == "incremental") {
      if (first != Token::true_value) {
        return invalid("/incremental", "Backups of one destination share their files; give a new "
                                       "destination for one that stands alone.");
      }
    } else {
      return invalid("/" + key, "'" + key +
                                    "' is no member of this; there are destination, keep "
                                    "and incremental.");
    }
  }
  if (token == Token::fault || reader_.next() != Token::end) {
    return unreadable_body();
  }
  const std::string root = normal(fs::absolute(options_.directory));
  out.target = normal(fs::path(root) / destination); // An absolute one replaces it.
  if (out.target != root && out.target.compare(0, root.size() + (root == "/" ? 0 : 1),
                                               root == "/" ? "/" : root + "/") != 0) {
    return invalid("/destination", "'" + destination + "' is not below " + root +
                                       ", where the configuration lets backups go.");
  }
  const std::string below = destination_of(out.target);
  if (below.find('/') != std::string::npos || below == "manifests" ||
      below.rfind("verify-", 0) == 0 || below.rfind("data", 0) == 0 ||
      storage::is_small_database(below)) {
    return invalid("/destination",
                   "destination must be a directory right below " + root +
                       ", and not data..., commands, sessions, manifests or verify-...");
  }
  out.request_hash = hash_bytes(body, hash_bytes("POST /api/v1/backups"));
  return std::nullopt;
}

std::string Backups::destination_of(const std::string& target) const {
  const std::string root = normal(fs::absolute(options_.directory));
  return target == root ? "" : target.substr(root == "/" ? 1 : root.size() + 1);
}

Backups::Started Backups::start(const BackupOrder& order, const Uuid& id) {
  const std::scoped_lock lock(mutex_);
  if (!order.idempotency_key.empty()) {
    for (const Job& job : jobs_) {
      if (job.operation.idempotency_key != order.idempotency_key) {
        continue;
      }
      if (job.operation.request_hash == order.request_hash) {
        return {job.operation, true, {}};
      }
      return {{},
              false,
              Problem{"idempotency-key-reused",
                      "This key was used for another request; take a new one.",
                      {},
                      {}}};
    }
  }
  if (stopping_) {
    return {{}, false, Problem{"draining", {}, {}, {}}};
  }
  if (busy_) {
    return {{},
            false,
            Problem{"state-conflict",
                    "A backup is being made (" + text_of(jobs_.back().operation.id) +
                        "); one is made at a time.",
                    {},
                    kBusyRetryAfterS}};
  }
  if (thread_.joinable()) {
    thread_.join(); // It has ended: busy_ is its last word.
  }
  Operation operation;
  operation.id = id;
  operation.type = storage::OperationType::backup_create;
  operation.state = OperationState::running;
  operation.created_ms = operation.started_ms = now();
  operation.idempotency_key = order.idempotency_key;
  operation.request_hash = order.request_hash;
  jobs_.push_back({operation, order.target});
  if (jobs_.size() > kJobsMax) {
    jobs_.pop_front();
  }
  busy_ = true;
  thread_ = std::thread([this, order, id] { run(order, id); });
  return {operation, false, {}};
}

void Backups::run(const BackupOrder& order, const Uuid& id) {
  storage::BackupCreation creation;
  creation.target = order.target;
  creation.id = id;
  creation.created_ms = now();
  creation.version = options_.version;
  creation.keep = order.keep;
  storage::BackupWatch watch;
  watch.cancelled = [this] { return stopping_.load(std::memory_order_relaxed); };
  std::uint64_t before = 0; // Of the databases that are done.
  std::string step;
  std::uint64_t total = 0;
  watch.progress = [&](const storage::BackupProgress& progress) {
    if (progress.step != step) {
      before += total;
      step = progress.step;
    }
    total = progress.total_bytes;
    update(id, [&](Operation& operation) { operation.done = before + progress.done_bytes; });
  };
  log::info("backup-started", "a backup is being made",
            {{"target", std::string_view(order.target)}, {"id", text_of(id)}});
  const auto made = storage::create_backup(creation, options_.databases, watch);
  if (made) {
    log::info("backup-made", "a backup is complete",
              {{"target", std::string_view(order.target)},
               {"id", text_of(id)},
               {"bytes", made->size_bytes()},
               {"new_bytes", made->new_bytes}});
  } else {
    log::error("backup-failed", "no backup was made",
               {{"target", std::string_view(order.target)},
                {"reason", std::string_view(made.error().detail)}});
  }
  update(id, [&](Operation& operation) {
    operation.finished_ms = now();
    operation.state = made                ? OperationState::succeeded
                      : watch.cancelled() ? OperationState::canceled
                                          : OperationState::failed;
    if (made) {
      operation.done = made->size_bytes();
      operation.total = operation.done;
      json::Writer out(operation.result);
      out.begin_object().member("backup", text_of(id)).member("size_bytes", made->size_bytes());
      out.member("new_bytes", made->new_bytes).end_object();
    } else {
      operation.error = made.error().detail;
    }
  });
  const std::scoped_lock lock(mutex_);
  busy_ = false;
}

void Backups::update(const Uuid& id, const std::function<void(Operation&)>& change) {
  const std::scoped_lock lock(mutex_);
  for (Job& job : jobs_) {
    if (job.operation.id == id) {
      change(job.operation);
    }
  }
}

std::optional<Operation> Backups::operation(const Uuid& id) const {
  const std::scoped_lock lock(mutex_);
  for (const Job& job : jobs_) {
    if (job.operation.id == id) {
      return job.operation;
    }
  }
  return std::nullopt;
}

void Backups::add_to(const storage::OperationQuery& query, storage::OperationPage& page) const {
  if (query.type && *query.type != storage::OperationType::backup_create) {
    return;
  }
  {
    const std::scoped_lock lock(mutex_);
    for (const Job& job : jobs_) {
      const bool wanted =
          query.states.empty() || std::find(query.states.begin(), query.states.end(),
                                            job.operation.state) != query.states.end();
      if (wanted && (!query.before || job.operation.id < *query.before)) {
        page.operations.push_back(job.operation);
      }
    }
  }
  std::sort(page.operations.begin(), page.operations.end(),
            [](const Operation& a, const Operation& b) { return a.id > b.id; });
  if (page.operations.size() > query.limit) {
    page.operations.resize(query.limit);
    page.more = true;
  }
}

Result<std::vector<Backups::Entry>> Backups::list() const {
  // Before the disk is read: one that becomes complete meanwhile is then in one of both at least.
  std::deque<Job> jobs;
  {
    const std::scoped_lock lock(mutex_);
    jobs = jobs_;
  }
  std::vector<Entry> out;
  const std::string root = normal(fs::absolute(options_.directory));
  std::vector<std::string> targets;
  std::error_code error;
  if (fs::exists(root, error)) { // Else the first backup is still to make it.
    targets.push_back(root);
  }
  for (fs::directory_iterator each(root, error), end; !error && each != end;
       each.increment(error)) {
    if (fs::exists(each->path() / "manifests", error)) {
      targets.push_back(each->path().string());
    }
  }
  for (const std::string& target : targets) {
    auto backups = storage::list_backups(target);
    if (!backups) {
      return fail(std::move(backups.error()));
    }
    for (storage::BackupInfo& info : *backups) {
      out.push_back({std::move(info), destination_of(target), {}, {}});
    }
  }
  for (const Job& job : jobs) {
    const Operation& operation = job.operation;
    if (operation.state == OperationState::succeeded) {
      continue; // It is on disk, or was removed since.
    }
    Entry entry{{}, destination_of(job.target), operation.error, {}};
    entry.info.id = operation.id;
    entry.info.created_ms = operation.created_ms;
    if (!operation.ended()) {
      entry.running = operation;
    }
    // On disk it may be complete already.
    if (std::none_of(out.begin(), out.end(),
                     [&](const Entry& other) { return other.info.id == operation.id; })) {
      out.push_back(std::move(entry));
    }
  }
  std::sort(out.begin(), out.end(),
            [](const Entry& a, const Entry& b) { return a.info.id > b.info.id; });
  return out;
}

void Backups::stop() {
  stopping_ = true;
  std::thread ended;
  {
    const std::scoped_lock lock(mutex_);
    ended.swap(thread_);
  }
  if (ended.joinable()) {
    ended.join();
  }
}

http::Response read_backups(const Services& services, const PageContext& page, std::size_t limit,
                            const std::optional<Uuid>& before) {
  const auto all = services.backups->list();
  if (!all) {
    return unreadable(all.error(), page.problem);
  }
  http::Response response = json_response();
  json::Writer out(response.body);
  out.begin_object().key("items").begin_array();
  std::size_t listed = 0;
  std::optional<std::string> position;
  for (const Backups::Entry& entry : *all) {
    if (before && !(entry.info.id < *before)) {
      continue;
    }
    if (listed == limit) {
      break;
    }
    write_backup(out, entry);
    ++listed;
    position =
        &entry == &all->back() ? std::nullopt : std::optional(std::string(entry.info.id.view()));
  }
  out.end_array();
  finish_page(out, response, page, position);
  out.end_object();
  return response;
}

http::Response read_backup(const Services& services, std::string_view id,
                           const ProblemContext& context) {
  const auto all = services.backups->list();
  if (!all) {
    return unreadable(all.error(), context);
  }
  for (const Backups::Entry& entry : *all) {
    if (text_of(entry.info.id) == id) {
      http::Response response = json_response();
      json::Writer out(response.body);
      write_backup(out, entry);
      return response;
    }
  }
  return problem_response(
      {"not-found", "There is no backup '" + std::string(id.substr(0, 64)) + "'.", {}, {}},
      context);
}

} // namespace spate::api
