// Any bytes: the reader agrees with another parser about what is JSON and what it says, and never
// reads what it should not. Known differences stand in differential.hpp.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string_view>

#include "tests/json/differential.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static spate::json::Reader reader;
  const std::string_view document(reinterpret_cast<const char*>(data), size);
  const std::string differs = spate::json::test::difference(reader, document);
  if (!differs.empty()) {
    std::fprintf(stderr, "%s\n", differs.c_str());
    std::abort();
  }
  return 0;
}
