#include "loadgen/commands/commander.hpp"

#include <algorithm>
#include <mutex>
#include <thread>

#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <curl/curl.h>

#include "engine/base/clock.hpp"
#include "engine/base/percent.hpp"
#include "loadgen/fleet/thread_times.hpp"

namespace spate::loadgen {

namespace {

constexpr std::size_t kAnswerBytesMax = 256u << 10; // A result has 64 KiB.
constexpr std::int64_t kPreciseNs = 1'000'000;
constexpr int kPollMsMax = 100;
constexpr int kPriority = -15; // Nice value.
constexpr long kConnectTimeoutMs = 10'000;

/// One request; its easy handle is used again.
struct Transfer {
  CURL* easy = nullptr;
  CommandPost post;
  std::string answer;
  char fault[CURL_ERROR_SIZE] = {};
};

std::size_t take(char* bytes, std::size_t size, std::size_t count, void* transfer) {
  std::string& answer = static_cast<Transfer*>(transfer)->answer;
  if (answer.size() + size * count > kAnswerBytesMax) {
    return 0; // Ends the transfer as failed.
  }
  answer.append(bytes, size * count);
  return size * count;
}

} // namespace

class Commander::Worker final : private CommandPort {
public:
  explicit Worker(CommanderPlan plan)
      : plan_(std::move(plan)), load_(plan_.load, *this), multi_(curl_multi_init()),
        timer_(timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK)) {
    headers_ = curl_slist_append(headers_, "Content-Type: application/json");
    headers_ =
        curl_slist_append(headers_, ("Prefer: wait=" + std::to_string(plan_.wait_s)).c_str());
    headers_ = curl_slist_append(headers_, "Accept:");
    if (multi_ != nullptr) {
      curl_multi_setopt(multi_, CURLMOPT_MAXCONNECTS, static_cast<long>(plan_.connections_max));
      curl_multi_setopt(multi_, CURLMOPT_PIPELINING, CURLPIPE_NOTHING);
    }
  }

  ~Worker() override {
    release();
    for (const auto& transfer : transfers_) {
      curl_multi_remove_handle(multi_, transfer->easy);
      curl_easy_cleanup(transfer->easy);
    }
    curl_multi_cleanup(multi_);
    curl_slist_free_all(headers_);
    if (timer_ >= 0) {
      ::close(timer_);
    }
  }

  Result<void> open();

  void begin(std::int64_t start_ns, std::int64_t measure_from_ns, std::int64_t end_ns,
             Expecting& expecting) {
    expecting_ = &expecting;
    load_.begin(start_ns, measure_from_ns);
    start_ns_ = start_ns;
    end_ns_ = end_ns;
    thread_ = std::thread([this] { run(); });
  }
  void stop(std::int64_t end_ns) {
    end_ns_ = end_ns;
    curl_multi_wakeup(multi_);
  }
  [[nodiscard]] bool drained() const { return drained_ || !thread_.joinable(); }
  [[nodiscard]] Progress progress() const noexcept {
    return {posted_.load(), succeeded_.load(), failed_.load(), in_flight_.load()};
  }
  void release();
  CommanderResult finish();

private:
  void run();
  void turn();
  void read_answers();
  void count_out(Transfer& transfer, const CommandReply& reply);
  void sleep();
  void tell();
  Transfer* make_transfer();

  [[nodiscard]] bool can_post() const override {
    return !free_.empty() || transfers_.size() < plan_.connections_max;
  }
  void post(const CommandPost& post) override;

  const CommanderPlan plan_;
  CommandLoad load_;
  CURLM* const multi_;
  const int timer_;
  curl_slist* headers_ = nullptr;
  std::vector<std::unique_ptr<Transfer>> transfers_;
  std::vector<Transfer*> free_; ///< The one that was used last is taken first.
  std::string url_;
  CommanderResult result_;
  Expecting* expecting_ = nullptr;
  std::int64_t start_ns_ = 0;
  bool ended_ = false;
  ThreadTimes times_;
  std::atomic<std::int64_t> end_ns_{Load::kNever};
  std::atomic<bool> quit_{false};
  std::atomic<bool> drained_{false};
  std::atomic<std::uint64_t> posted_{0}, succeeded_{0}, failed_{0}, in_flight_{0};
  std::thread thread_;
};

Transfer* Commander::Worker::make_transfer() {
  auto made = std::make_unique<Transfer>();
  made->easy = curl_easy_init();
  if (made->easy == nullptr) {
    return nullptr;
  }
  CURL* easy = made->easy;
  curl_easy_setopt(easy, CURLOPT_PRIVATE, made.get());
  curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, &take);
  curl_easy_setopt(easy, CURLOPT_WRITEDATA, made.get());
  curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, made->fault);
  curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(easy, CURLOPT_TCP_NODELAY, 1L);
  curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
  curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http");
  curl_easy_setopt(easy, CURLOPT_NOPROXY, "*");
  curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, kConnectTimeoutMs);
  curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, plan_.wait_s * 1000L + kConnectTimeoutMs);
  transfers_.push_back(std::move(made));
  return transfers_.back().get();
}

Result<void> Commander::Worker::open() {
  if (multi_ == nullptr || timer_ < 0) {
    return fail(Errc::connect_failed, "libcurl or a timer can not be made");
  }
  // All at once, so that each has a connection of its own.
  const std::string url = plan_.base + "/livez";
  for (std::uint32_t i = 0; i < plan_.connections; ++i) {
    Transfer* transfer = make_transfer();
    if (transfer == nullptr) {
      return fail(Errc::connect_failed, "libcurl makes no more handles");
    }
    curl_easy_setopt(transfer->easy, CURLOPT_URL, url.c_str());
    curl_multi_add_handle(multi_, transfer->easy);
  }
  std::string fault;
  int running = 0;
  do {
    curl_multi_perform(multi_, &running);
    int left = 0;
    while (const CURLMsg* message = curl_multi_info_read(multi_, &left)) {
      Transfer* transfer = nullptr;
      CURL* easy = message->easy_handle;
      const CURLcode code = message->data.result;
      curl_easy_getinfo(easy, CURLINFO_PRIVATE, &transfer);
      curl_multi_remove_handle(multi_, easy);
      if (code != CURLE_OK) {
        fault = transfer->fault[0] != '\0' ? transfer->fault : curl_easy_strerror(code);
      }
      transfer->answer.clear();
      free_.push_back(transfer);
    }
    if (running != 0) {
      curl_multi_poll(multi_, nullptr, 0, kPollMsMax, nullptr);
    }
  } while (running != 0);
  for (const auto& transfer : transfers_) { // From here on they post commands.
    curl_easy_setopt(transfer->easy, CURLOPT_HTTPHEADER, headers_);
  }
  if (!fault.empty()) {
    return fail(Errc::connect_failed, "no node answers at " + plan_.base + ": " + fault);
  }
  result_.connections = plan_.connections;
  return {};
}

void Commander::Worker::post(const CommandPost& post) {
  Transfer* transfer = nullptr;
  if (free_.empty()) {
    transfer = make_transfer();
    if (transfer == nullptr) {
      load_.on_reply(post, {0, {}, "libcurl makes no more handles"}, steady_ns());
      return;
    }
    curl_easy_setopt(transfer->easy, CURLOPT_HTTPHEADER, headers_);
  } else {
    transfer = free_.back();
    free_.pop_back();
  }
  transfer->post = post;
  transfer->answer.clear();
  transfer->fault[0] = '\0';
  url_ = plan_.base;
  url_ += "/api/v1/devices/";
  url_ += percent_encode(plan_.devices[post.device]);
  url_ += "/commands";
  curl_easy_setopt(transfer->easy, CURLOPT_URL, url_.c_str()); // Copied.
  curl_easy_setopt(transfer->easy, CURLOPT_POSTFIELDSIZE, static_cast<long>(plan_.body.size()));
  curl_easy_setopt(transfer->easy, CURLOPT_POSTFIELDS, plan_.body.c_str()); // Borrowed.
  expecting_->expect(post.device, true);
  curl_multi_add_handle(multi_, transfer->easy);
}

void Commander::Worker::count_out(Transfer& transfer, const CommandReply& reply) {
  load_.on_reply(transfer.post, reply, steady_ns());
  if (expecting_ != nullptr) {
    expecting_->expect(transfer.post.device, false);
  }
  free_.push_back(&transfer);
}

void Commander::Worker::read_answers() {
  int left = 0;
  while (const CURLMsg* message = curl_multi_info_read(multi_, &left)) {
    Transfer* transfer = nullptr;
    CURL* easy = message->easy_handle;
    const CURLcode code = message->data.result;
    long status = 0;
    long connects = 0;
    curl_easy_getinfo(easy, CURLINFO_PRIVATE, &transfer);
    curl_easy_getinfo(easy, CURLINFO_NUM_CONNECTS, &connects);
    result_.connections += static_cast<std::uint64_t>(connects);
    if (code == CURLE_OK) {
      curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
    }
    curl_multi_remove_handle(multi_, easy);
    const char* fault = transfer->fault[0] != '\0' ? transfer->fault : curl_easy_strerror(code);
    count_out(*transfer, {status, transfer->answer, fault});
  }
}

void Commander::Worker::turn() {
  load_.stop(end_ns_.load());
  load_.tick(steady_ns());
  int running = 0;
  curl_multi_perform(multi_, &running);
  read_answers();
  tell();
}

void Commander::Worker::sleep() {
  const std::int64_t now_ns = steady_ns();
  const std::int64_t due_ns = load_.next_ns();
  const bool spin = due_ns <= now_ns || (plan_.precise && due_ns < now_ns + kPreciseNs);
  // curl_multi_poll() counts in milliseconds; the timer does not.
  itimerspec at{};
  if (!spin && due_ns != Load::kNever) {
    at.it_value.tv_sec = due_ns / 1'000'000'000;
    at.it_value.tv_nsec = due_ns % 1'000'000'000;
  }
  timerfd_settime(timer_, TFD_TIMER_ABSTIME, &at, nullptr);
  curl_waitfd extra{timer_, CURL_WAIT_POLLIN, 0};
  curl_multi_poll(multi_, &extra, 1, spin ? 0 : kPollMsMax, nullptr);
}

void Commander::Worker::tell() {
  const CommandStats& stats = load_.stats();
  std::uint64_t answered = 0;
  for (const auto& [status, count] : stats.statuses) {
    answered += count;
  }
  posted_ = stats.posted;
  succeeded_ = stats.succeeded;
  failed_ = answered - stats.succeeded + stats.lost;
  in_flight_ = load_.in_flight();
  const bool ended = end_ns_.load() != Load::kNever && steady_ns() >= end_ns_.load();
  if (ended && !ended_) {
    ended_ = true;
    result_.cpu_s = times_.cpu_s();
    result_.wait_s = times_.wait_s();
    result_.seconds = static_cast<double>(end_ns_.load() - start_ns_) / 1e9;
  }
  drained_ = ended_ && load_.drained();
}

void Commander::Worker::run() {
  // The threads of a flood want all cores all the time; this one wants little, but at its time.
  result_.raised =
      setpriority(PRIO_PROCESS, static_cast<id_t>(syscall(SYS_gettid)), kPriority) == 0;
  times_.start();
  while (!quit_) {
    turn();
    sleep();
  }
}

void Commander::Worker::release() {
  quit_ = true;
  if (thread_.joinable()) {
    curl_multi_wakeup(multi_);
    thread_.join();
  }
  expecting_ = nullptr;
}

CommanderResult Commander::Worker::finish() {
  release();
  std::vector<const Transfer*> idle(free_.begin(), free_.end());
  std::sort(idle.begin(), idle.end());
  for (const auto& transfer : transfers_) {
    if (!std::binary_search(idle.begin(), idle.end(), transfer.get())) {
      curl_multi_remove_handle(multi_, transfer->easy);
      count_out(*transfer, {0, {}, "not answered until the end"});
    }
  }
  load_.finish();
  result_.stats = load_.stats();
  return result_;
}

Commander::Commander(CommanderPlan plan) {
  static const CURLcode ready = curl_global_init(CURL_GLOBAL_DEFAULT);
  (void)ready; // If it failed, no handle can be made, and open() says so.
  worker_ = std::make_unique<Worker>(std::move(plan));
}
Commander::~Commander() = default;

Result<void> Commander::open() {
  return worker_->open();
}
void Commander::begin(std::int64_t start_ns, std::int64_t measure_from_ns, std::int64_t end_ns,
                      Expecting& expecting) {
  worker_->begin(start_ns, measure_from_ns, end_ns, expecting);
}
void Commander::release() {
  worker_->release();
}
void Commander::stop(std::int64_t end_ns) {
  worker_->stop(end_ns);
}
bool Commander::drained() const {
  return worker_->drained();
}
CommanderResult Commander::finish() {
  return worker_->finish();
}
Commander::Progress Commander::progress() const noexcept {
  return worker_->progress();
}

} // namespace spate::loadgen
