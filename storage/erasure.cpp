#include <algorithm>

#include "engine/base/bytes.hpp"
#include "storage/blocks_view.hpp"

namespace spate::storage {

void encode(const Erasure& erasure, std::string& out) {
  put_be(out, erasure.device);
  put_be(out, ordered(erasure.from_ns));
  put_be(out, ordered(erasure.to_ns));
  put_be(out, erasure.sequence);
}

Result<Erasure> decode_erasure(std::uint32_t number, std::string_view bytes) {
  ByteReader reader(bytes);
  Erasure erasure;
  erasure.number = number;
  erasure.device = reader.be<std::uint32_t>();
  erasure.from_ns = time_of(reader.be<std::uint64_t>());
  erasure.to_ns = time_of(reader.be<std::uint64_t>());
  erasure.sequence = reader.be<std::uint64_t>();
  if (!reader.ok() || !reader.empty()) {
    return fail(Errc::storage_corrupt, "an erasure can not be read");
  }
  return erasure;
}

Hidden::Hidden(const std::vector<Erasure>& all, std::uint32_t device,
               std::uint32_t erased_through) {
  for (const Erasure& erasure : all) {
    if (erasure.device == device && erasure.number > erased_through) {
      erasures_.push_back(erasure);
    }
  }
}

bool Hidden::touches(std::uint64_t order, std::int64_t first_time_ns,
                     std::int64_t last_time_ns) const noexcept {
  return std::any_of(erasures_.begin(), erasures_.end(), [&](const Erasure& erasure) {
    return erasure.touches(order, first_time_ns, last_time_ns);
  });
}

} // namespace spate::storage
