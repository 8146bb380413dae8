// Any bytes, in pieces of any size, never break the reader, and pieces never change what is read.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "tests/http/fakes.hpp"

namespace {

using namespace spate::http;

struct Outcome {
  std::vector<SeenRequest> seen;
  std::size_t refusals = 0;
};

Outcome read(std::string_view bytes, std::size_t piece) {
  Limits limits;
  limits.request.body_bytes_max = 4096;
  Conversation c(limits);
  for (std::size_t at = 0; at < bytes.size() && !c.transport.closed; at += piece) {
    c.send(bytes.substr(at, piece));
    if (c.left.size() > limits.request.head_bytes_max) {
      std::abort(); // Held back more than it may.
    }
  }
  return {std::move(c.handler.seen), c.handler.refusals.size()};
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 1) {
    return 0;
  }
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  const Outcome whole = read(bytes, 64u << 10);
  const Outcome torn = read(bytes, 1u + data[0]);
  if (whole.seen.size() != torn.seen.size()) {
    std::abort();
  }
  for (std::size_t i = 0; i < whole.seen.size(); ++i) {
    if (whole.seen[i].body != torn.seen[i].body || whole.seen[i].path != torn.seen[i].path) {
      std::abort();
    }
  }
  return 0;
}
