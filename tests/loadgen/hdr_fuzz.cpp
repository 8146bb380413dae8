// Spate - histograms and interval logs from outside: what is read can be written and read again.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "loadgen/base/hdr_codec.hpp"
#include "loadgen/base/hdr_log.hpp"

using namespace spate;
using namespace spate::loadgen;

namespace {

void check_again(const Histogram& read) {
  const auto again = read_hdr_bytes(hdr_bytes(read));
  if (!again || again->buckets() != read.buckets()) {
    std::abort();
  }
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  if (const auto read = read_hdr_bytes(bytes)) {
    check_again(*read);
  }
  HdrLogReader reader;
  HdrInterval interval;
  if (const auto read = reader.line(bytes, interval); read && *read) {
    check_again(interval.values);
  }
  return 0;
}
