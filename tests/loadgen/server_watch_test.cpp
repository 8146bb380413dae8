#include "loadgen/report/server_watch.hpp"

#include <doctest/doctest.h>
#include <unistd.h>

using namespace spate;
using namespace spate::loadgen;

namespace {

ServerSample sample(std::int64_t second, double cpu_s, std::uint64_t rss_bytes) {
  ServerSample made;
  made.at_ns = second * 1'000'000'000;
  made.cpu_s = cpu_s;
  made.rss_bytes = rss_bytes;
  made.counters["received"] = 100 * cpu_s;
  return made;
}

class Failing final : public ServerProbe {
public:
  explicit Failing(int good) : good_(good) {}
  Result<ServerSample> sample() override {
    if (good_-- > 0) {
      return ServerSample{};
    }
    return fail(Errc::connect_failed, "gone");
  }
  [[nodiscard]] std::string source() const override { return "a fake"; }

private:
  int good_;
};

} // namespace

TEST_CASE("the CPU of a run is what lies between its begin and its end") {
  ServerFigures figures;
  figures.samples = {sample(10, 5, 100), sample(11, 6, 300), sample(12, 8, 200)};
  CHECK_FALSE(figures.cpu_s()); // No load yet.
  figures.begin_ns = 10'500'000'000;
  figures.end_ns = 11'500'000'000;
  CHECK(figures.cpu_s().value() == doctest::Approx(1.5)); // 5.5 to 7.
  CHECK(figures.grown("received").value() == doctest::Approx(150));
  CHECK(figures.rss_bytes_max().value() == 300);
  figures.end_ns = 13'000'000'000; // Nobody looked after it.
  CHECK_FALSE(figures.cpu_s());
  figures.end_ns = 12'000'000'000;
  figures.samples.back().cpu_s = 1; // The server was started anew.
  CHECK_FALSE(figures.cpu_s());
  CHECK_FALSE(ServerFigures{}.rss_bytes_max());
}

TEST_CASE("the metrics of a server are read, whatever else stands beside them") {
  const std::string text = "# HELP process_cpu_seconds_total CPU\n"
                           "# TYPE process_cpu_seconds_total counter\n"
                           "process_cpu_seconds_total 12.5\n"
                           "process_resident_memory_bytes 1.048576e+06 1700000000000\n"
                           "process_open_fds 42\n"
                           "received{door=\"mq}tt\\\"\"} 5\n"
                           "received{door=\"http\"} 6\r\n"
                           "received_total 100\n"
                           "broken{\n\nx\nnan_metric NaN\n{} 5\nlast 7";
  const auto read = parse_metrics(text, {"received", "last"});
  REQUIRE(read);
  CHECK(read->cpu_s == 12.5);
  CHECK(read->rss_bytes == 1048576);
  CHECK(read->open_fds == 42);
  CHECK(read->counters.at("received") == 11);
  CHECK(read->counters.at("last") == 7);
  CHECK_FALSE(parse_metrics("", {}));
  CHECK_FALSE(parse_metrics("process_cpu_seconds_total x\n", {}));
}

TEST_CASE("a process of this machine is looked at") {
  const auto probe = probe_processes({::getpid()});
  REQUIRE(probe);
  const auto seen = (*probe)->sample();
  REQUIRE(seen);
  CHECK(seen->cpu_s > 0);
  CHECK(seen->rss_bytes > 100'000);
  CHECK(seen->open_fds >= 3);
  CHECK_FALSE(probe_processes({0}));
  CHECK_FALSE(probe_processes({}));
  CHECK(probe_processes({0x7fffffff}).error().detail == "there is no process 2147483647");
  CHECK_FALSE(probe_metrics("127.0.0.1:8080", {}));
}

TEST_CASE("a server that can not be watched is an error at once, one that goes away later is not") {
  CHECK(ServerWatch::start(std::make_unique<Failing>(0)).error().detail ==
        "the server can not be watched: gone");
  auto watch = ServerWatch::start(std::make_unique<Failing>(1));
  REQUIRE(watch);
  (*watch)->begin();
  (*watch)->end();
  const ServerFigures figures = (*watch)->finish();
  CHECK(figures.source == "a fake");
  CHECK(figures.samples.size() == 1);
  CHECK_FALSE(figures.cpu_s());
}
