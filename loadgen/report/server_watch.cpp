#include "loadgen/report/server_watch.hpp"

#include <algorithm>
#include <chrono>

#include "engine/base/clock.hpp"
#include "engine/base/thread.hpp"

namespace spate::loadgen {

namespace {

/// The figure at `at_ns`, on the line between the samples around it; nothing outside of them.
template <class Figure>
std::optional<double> at(const std::vector<ServerSample>& samples, std::int64_t at_ns,
                         Figure figure) {
  const auto after =
      std::lower_bound(samples.begin(), samples.end(), at_ns,
                       [](const ServerSample& s, std::int64_t ns) { return s.at_ns < ns; });
  if (after == samples.end() || (after == samples.begin() && after->at_ns != at_ns)) {
    return std::nullopt;
  }
  if (after->at_ns == at_ns) {
    return figure(*after);
  }
  const ServerSample& before = *(after - 1);
  const double part =
      static_cast<double>(at_ns - before.at_ns) / static_cast<double>(after->at_ns - before.at_ns);
  return figure(before) + part * (figure(*after) - figure(before));
}

template <class Figure>
std::optional<double> between(const ServerFigures& figures, Figure figure) {
  if (figures.begin_ns == 0 || figures.end_ns <= figures.begin_ns) {
    return std::nullopt;
  }
  const auto from = at(figures.samples, figures.begin_ns, figure);
  const auto until = at(figures.samples, figures.end_ns, figure);
  // Less than before: the server began anew.
  return from && until && *until >= *from ? std::optional(*until - *from) : std::nullopt;
}

} // namespace

std::optional<double> ServerFigures::cpu_s() const {
  return between(*this, [](const ServerSample& sample) { return sample.cpu_s; });
}

std::optional<std::uint64_t> ServerFigures::rss_bytes_max() const {
  std::uint64_t most = 0;
  for (const ServerSample& sample : samples) {
    most = std::max(most, sample.rss_bytes);
  }
  return most == 0 ? std::nullopt : std::optional(most);
}

std::uint64_t ServerFigures::open_fds_max() const {
  std::uint64_t most = 0;
  for (const ServerSample& sample : samples) {
    most = std::max(most, sample.open_fds);
  }
  return most;
}

std::optional<double> ServerFigures::grown(const std::string& counter) const {
  return between(*this, [&counter](const ServerSample& sample) {
    const auto found = sample.counters.find(counter);
    return found == sample.counters.end() ? 0.0 : found->second;
  });
}

ServerWatch::ServerWatch(std::unique_ptr<ServerProbe> probe) : probe_(std::move(probe)) {
  figures_.source = probe_->source();
}

Result<std::unique_ptr<ServerWatch>> ServerWatch::start(std::unique_ptr<ServerProbe> probe) {
  std::unique_ptr<ServerWatch> watch(new ServerWatch(std::move(probe)));
  watch->look();
  if (watch->figures_.samples.empty()) {
    return fail(Errc::connect_failed, "the server can not be watched: " + watch->figures_.fault);
  }
  watch->thread_ = std::thread([raw = watch.get()] { raw->run(); });
  return watch;
}

ServerWatch::~ServerWatch() {
  (void)finish();
}

void ServerWatch::look() {
  auto sample = probe_->sample();
  const std::int64_t now_ns = steady_ns();
  const std::lock_guard lock(mutex_);
  if (!sample) {
    ++figures_.failed;
    figures_.fault = sample.error().detail;
    return;
  }
  sample->at_ns = now_ns;
  if (figures_.samples.size() < kSamplesMax) {
    figures_.samples.push_back(std::move(*sample));
  }
}

void ServerWatch::run() {
  name_this_thread("server-watch");
  std::unique_lock lock(mutex_);
  for (;;) {
    wake_.wait_for(lock, std::chrono::seconds(1), [this] { return stop_ || look_now_; });
    if (stop_ && !look_now_) {
      return;
    }
    look_now_ = false; // One more look than asked for does no harm; one less would.
    lock.unlock();
    look();
    lock.lock();
  }
}

void ServerWatch::begin() {
  const std::lock_guard lock(mutex_);
  if (figures_.begin_ns == 0) {
    figures_.begin_ns = steady_ns();
    look_now_ = true;
    wake_.notify_one();
  }
}

void ServerWatch::end() {
  const std::lock_guard lock(mutex_);
  if (figures_.begin_ns != 0 && figures_.end_ns == 0) {
    figures_.end_ns = steady_ns();
    look_now_ = true;
    wake_.notify_one();
  }
}

std::optional<std::pair<ServerSample, ServerSample>> ServerWatch::last_two() const {
  const std::lock_guard lock(mutex_);
  const std::size_t count = figures_.samples.size();
  if (count < 2) {
    return std::nullopt;
  }
  return std::pair(figures_.samples[count - 2], figures_.samples[count - 1]);
}

ServerFigures ServerWatch::finish() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
    wake_.notify_one();
  }
  if (thread_.joinable()) {
    thread_.join();
  }
  return std::move(figures_);
}

} // namespace spate::loadgen
