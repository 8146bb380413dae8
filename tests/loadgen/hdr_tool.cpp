// Spate - for hdr_interop.py: values from standard input to a histogram, and a histogram to
// figures.
#include <cstdio>
#include <iostream>
#include <string>

#include "loadgen/base/hdr_codec.hpp"
#include "loadgen/base/hdr_log.hpp"

using namespace spate;
using namespace spate::loadgen;

int main(int argc, char** argv) {
  const std::string what = argc == 2 ? argv[1] : "";
  std::string text;
  if (what == "write") { // A log of one interval.
    Histogram values;
    while (std::getline(std::cin, text)) {
      values.record(std::stoull(text));
    }
    text = hdr_log_header(0, "values");
    put_hdr_interval(text, "", 0, 1, values.max(), hdr_base64(values));
    std::fputs(text.c_str(), stdout);
    return 0;
  }
  if (what == "read") {
    HdrLogReader reader;
    HdrInterval interval;
    while (std::getline(std::cin, text)) {
      const auto read = reader.line(text, interval);
      if (!read) {
        std::fprintf(stderr, "%s\n", read.error().detail.c_str());
        return 1;
      }
      if (*read) {
        std::printf("%llu", static_cast<unsigned long long>(interval.values.count()));
        for (const double q : {0.5, 0.9, 0.99, 0.999, 1.0}) {
          std::printf(" %llu", static_cast<unsigned long long>(interval.values.quantile(q)));
        }
        std::printf("\n");
      }
    }
    return 0;
  }
  std::fprintf(stderr, "usage: loadgen_hdr_tool write|read\n");
  return 2;
}
