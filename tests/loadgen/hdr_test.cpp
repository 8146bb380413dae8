#include "loadgen/base/hdr_codec.hpp"

#include <doctest/doctest.h>

#include "loadgen/base/base64.hpp"
#include "loadgen/base/hdr_log.hpp"
#include "loadgen/base/random.hpp"

using namespace spate;
using namespace spate::loadgen;

namespace {

Histogram random_times(std::uint64_t seed, int count) {
  Random random(seed);
  Histogram made;
  for (int i = 0; i < count; ++i) {
    made.record(random.next() >> (22 + random.next() % 40), 1 + random.next() % 1000);
  }
  return made;
}

/// What HdrHistogram for Java 2.1.11 wrote: (2^42 - 1, 2 digits) with 1, 255, 256, 1000000 twice
/// and 2^42 - 1; and (1000 to 2^40, 3 digits) with 1000, 123456789 five times.
constexpr std::string_view kSameLayout =
    "HISTFAAAACp42pNpmSzMwMDAwwABTFCakYGB+T8I2H+AyfxkZmJ6Ks4yWYcJAN6gCkY=";
constexpr std::string_view kOtherLayout =
    "HISTFAAAACR42pNpmSzMwMDAxgABzFDqBQMDI5hl/wEqw7Sxl5ELAGN9BLY=";

} // namespace

TEST_CASE("base64 is that of RFC 4648, and nothing else is read") {
  const char* const pairs[][2] = {{"", ""},
                                  {"f", "Zg=="},
                                  {"fo", "Zm8="},
                                  {"foo", "Zm9v"},
                                  {"foob", "Zm9vYg=="},
                                  {"fooba", "Zm9vYmE="},
                                  {"foobar", "Zm9vYmFy"}};
  std::string out;
  for (const auto& [bytes, text] : pairs) {
    CHECK(to_base64(bytes) == text);
    CHECK(from_base64(text, out));
    CHECK(out == bytes);
  }
  for (const char* bad : {"Z", "Zg=", "Zh==", "Zg=a", "Z g=", "====", "Zg==Zg==", "Zm9\xff"}) {
    CAPTURE(bad);
    CHECK_FALSE(from_base64(bad, out));
  }
}

TEST_CASE("a histogram comes back from its encoding with every count") {
  for (const int count : {0, 1, 2, 100, 20'000}) {
    const Histogram before = random_times(7, count);
    const auto after = read_hdr_base64(hdr_base64(before));
    REQUIRE(after);
    CHECK(after->buckets() == before.buckets());
    CHECK(after->count() == before.count());
    CHECK(after->mean() == doctest::Approx(before.mean()).epsilon(0.01));
    for (const double q : {0.5, 0.9, 0.99, 0.999}) {
      // Of the largest value only the bucket is known.
      CHECK(Histogram::bucket_of(after->quantile(q)) == Histogram::bucket_of(before.quantile(q)));
    }
  }
  Histogram many;
  many.record(5, (std::uint64_t{1} << 62) + 12345); // Nine bytes.
  CHECK(read_hdr_base64(hdr_base64(many)).value().count() == many.count());
}

TEST_CASE("what HdrHistogram itself wrote is read, of our precision exactly") {
  const auto same = read_hdr_base64(kSameLayout);
  REQUIRE(same);
  Histogram expected;
  for (const std::uint64_t value : {1u, 255u, 256u, 1'000'000u, 1'000'000u}) {
    expected.record(value);
  }
  expected.record(Histogram::kLargest);
  CHECK(same->buckets() == expected.buckets());

  const auto other = read_hdr_base64(kOtherLayout);
  REQUIRE(other);
  CHECK(other->count() == 6);
  CHECK(other->quantile(0.1) == doctest::Approx(1000).epsilon(0.6)); // Its unit is 512.
  CHECK(other->quantile(0.9) == doctest::Approx(123'456'789).epsilon(0.01));
}

TEST_CASE("damaged, cut off and oversized histograms are refused") {
  const std::string good = hdr_bytes(random_times(3, 500));
  for (std::size_t size = 0; size < good.size(); ++size) {
    CHECK_FALSE(read_hdr_bytes(std::string_view(good).substr(0, size)));
  }
  CHECK_FALSE(read_hdr_bytes(good + "x"));
  for (std::size_t at = 0; at < good.size(); ++at) {
    std::string bad = good;
    bad[at] = static_cast<char>(bad[at] ^ 0x55);
    CHECK_FALSE(read_hdr_bytes(bad)); // zlib's checksum finds what the headers do not.
  }
  CHECK_FALSE(read_hdr_base64("HISTFAAA"));
  CHECK_FALSE(read_hdr_base64(std::string(kHdrTextBytesMax + 4, 'A')));
}

TEST_CASE("an interval log is read as it was written") {
  const Histogram first = random_times(1, 100);
  const Histogram second = random_times(2, 100);
  std::string log = hdr_log_header(1'700'000'000'123, "spate-loadgen run\nsteady");
  put_hdr_interval(log, "", 0, 1, first.max(), hdr_base64(first));
  put_hdr_interval(log, "a,b c", 1, 0.5, second.max(), hdr_base64(second));
  HdrLogReader reader;
  HdrInterval interval;
  std::vector<HdrInterval> found;
  for (std::size_t at = 0; at < log.size();) {
    const std::size_t end = log.find('\n', at);
    const auto read = reader.line(std::string_view(log).substr(at, end - at), interval);
    REQUIRE(read);
    if (*read) {
      found.push_back(interval);
    }
    at = end + 1;
  }
  CHECK(reader.start_epoch_s() == doctest::Approx(1'700'000'000.123).epsilon(1e-12));
  REQUIRE(found.size() == 2);
  CHECK(found[0].tag.empty());
  CHECK(found[0].values.buckets() == first.buckets());
  CHECK(found[1].tag == "a_b_c");
  CHECK(found[1].start_s == 1);
  CHECK(found[1].length_s == 0.5);
  CHECK(found[1].values.buckets() == second.buckets());
}

TEST_CASE("lines that are no interval of a log are errors, comments and titles are not") {
  HdrLogReader reader;
  HdrInterval interval;
  for (const char* fine : {"", "# text", "\"StartTimestamp\",\"Interval_Length\"", "\r\n"}) {
    CHECK(reader.line(fine, interval).value() == false);
  }
  const std::string text = hdr_base64(random_times(1, 3));
  CHECK(reader.line("0,1,2," + text + "\r\n", interval).value() == true);
  for (const std::string& bad :
       {"0,1," + text, "x,1,2," + text, "0,nan,2," + text, "-1,1,2," + text, std::string("Tag=a"),
        "Tag=" + std::string(300, 'a') + ",0,1,2," + text, std::string("0,1,2,HIST"),
        std::string("#[StartTime: soon]")}) {
    CAPTURE(bad);
    CHECK_FALSE(reader.line(bad, interval));
  }
}
