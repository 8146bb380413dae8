// Spate - what a run costs the server.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "loadgen/report/server_probe.hpp"

namespace spate::loadgen {

/// What was seen of the server while the load ran.
struct ServerFigures {
  std::string source;
  std::vector<ServerSample> samples;     ///< From before the load until after it, in order.
  std::int64_t begin_ns = 0, end_ns = 0; ///< Of the load; 0: it never began.
  std::uint64_t failed = 0;              ///< Looks that failed,
  std::string fault;                     ///< and why the last one did.

  /// CPU used between begin and end; nothing if no sample lies on both sides.
  [[nodiscard]] std::optional<double> cpu_s() const;
  [[nodiscard]] std::optional<std::uint64_t> rss_bytes_max() const;
  [[nodiscard]] std::uint64_t open_fds_max() const;
  /// By how much a counter grew.
  [[nodiscard]] std::optional<double> grown(const std::string& counter) const;
};

/// Looks at a server each second, and at begin and end of the load, on a thread of its own.
/// Thread: all calls from one thread.
class ServerWatch {
public:
  static constexpr std::size_t kSamplesMax = 90'000;

  /// Looks once at once. Error: that of the look.
  static Result<std::unique_ptr<ServerWatch>> start(std::unique_ptr<ServerProbe> probe);
  ~ServerWatch();
  ServerWatch(const ServerWatch&) = delete;
  ServerWatch& operator=(const ServerWatch&) = delete;

  /// The load begins or ends now; a second call of either does nothing.
  void begin();
  void end();
  /// The last sample but one and the last, for a live view; nothing while there are none.
  [[nodiscard]] std::optional<std::pair<ServerSample, ServerSample>> last_two() const;
  /// Ends the thread.
  ServerFigures finish();

private:
  explicit ServerWatch(std::unique_ptr<ServerProbe> probe);
  void run();
  void look();

  std::unique_ptr<ServerProbe> probe_;
  mutable std::mutex mutex_;
  std::condition_variable wake_;
  bool look_now_ = false;
  bool stop_ = false;
  ServerFigures figures_;
  std::thread thread_;
};

} // namespace spate::loadgen
