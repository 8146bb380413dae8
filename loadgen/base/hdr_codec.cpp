#include "loadgen/base/hdr_codec.hpp"

#include <algorithm>
#include <bit>
#include <limits>

#include <zlib.h>

#include "engine/base/bytes.hpp"
#include "loadgen/base/base64.hpp"

namespace spate::loadgen {

namespace {

constexpr std::uint32_t kCookie = 0x1c849313; // V2, one word a count at most.
constexpr std::uint32_t kCookieCompressed = 0x1c849314;
constexpr std::size_t kHeaderBytes = 40;
constexpr std::uint32_t kDigits = 2; // 256 sub-buckets in the first bucket, then 128: our layout.
constexpr std::uint64_t kRatio = 0x3ff0000000000000; // 1.0

/// Zigzag LEB128 of at most nine bytes: the ninth has eight bits.
void put_count(std::string& out, std::int64_t count) {
  std::uint64_t value = zigzag(count);
  for (int i = 0; i < 8 && value >= 0x80; ++i) {
    out += static_cast<char>((value & 0x7f) | 0x80);
    value >>= 7;
  }
  out += static_cast<char>(value);
}

bool take_count(std::string_view& in, std::int64_t& count) {
  std::uint64_t value = 0;
  for (unsigned i = 0; i < 9; ++i) {
    if (i >= in.size()) {
      return false;
    }
    const auto byte = static_cast<unsigned char>(in[i]);
    value |= static_cast<std::uint64_t>(i == 8 ? byte : byte & 0x7f) << (7 * i);
    if (i == 8 || byte < 0x80) {
      in.remove_prefix(i + 1);
      count = unzigzag(value);
      return true;
    }
  }
  return false;
}

/// The buckets of any HdrHistogram.
struct Layout {
  unsigned unit_bits = 0; ///< log2 of the smallest value that is told apart from 0,
  unsigned half_bits = 0; ///< and of half the sub-buckets of a bucket.

  /// Of `digits` from 0 to 5 and a `lowest` from 1.
  static Layout of(std::uint32_t digits, std::uint64_t lowest) noexcept {
    std::uint64_t single = 2;
    for (std::uint32_t i = 0; i < digits; ++i) {
      single *= 10;
    }
    return {static_cast<unsigned>(std::bit_width(lowest)) - 1,
            std::max(static_cast<unsigned>(std::bit_width(single - 1)), 1u) - 1};
  }
  [[nodiscard]] bool is_ours() const noexcept { return unit_bits == 0 && half_bits == 7; }
  /// The largest value of a bucket; of what does not fit in 63 bits the largest that does.
  [[nodiscard]] std::uint64_t upper_bound(std::uint64_t index) const noexcept {
    const std::uint64_t half = std::uint64_t{1} << half_bits;
    const std::uint64_t octave = index >> half_bits;
    const std::uint64_t sub = index & (half - 1);
    const std::uint64_t shift = unit_bits + (octave == 0 ? 0 : octave - 1);
    const std::uint64_t base = (octave == 0 ? sub : half + sub) + 1;
    if (shift + static_cast<unsigned>(std::bit_width(base)) > 63) {
      return std::numeric_limits<std::int64_t>::max();
    }
    return (base << shift) - 1;
  }
};

Result<std::string> inflated(std::string_view bytes) {
  std::string out(std::min(kHdrCountsBytesMax, bytes.size() * 8 + 4096), '\0');
  z_stream stream{};
  if (inflateInit(&stream) != Z_OK) {
    return fail(Errc::malformed_payload, "zlib has no memory");
  }
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  stream.avail_in = static_cast<uInt>(bytes.size());
  int status = Z_OK;
  for (;;) {
    stream.next_out = reinterpret_cast<Bytef*>(out.data() + stream.total_out);
    stream.avail_out = static_cast<uInt>(out.size() - stream.total_out);
    status = inflate(&stream, Z_NO_FLUSH);
    if (status != Z_OK || stream.avail_out != 0 || out.size() == kHdrCountsBytesMax) {
      break;
    }
    out.resize(std::min(kHdrCountsBytesMax, out.size() * 2));
  }
  out.resize(stream.total_out);
  inflateEnd(&stream);
  if (status != Z_STREAM_END) {
    return fail(Errc::malformed_payload, "the histogram is cut off, damaged or too large");
  }
  return out;
}

Result<Histogram> read_counts(std::string_view counts, const Layout& layout) {
  Histogram histogram;
  std::uint64_t index = 0;
  std::uint64_t total = 0;
  const std::uint64_t index_max = std::uint64_t{64} << layout.half_bits;
  while (!counts.empty()) {
    std::int64_t count = 0;
    if (!take_count(counts, count)) {
      return fail(Errc::malformed_payload, "the histogram's counts are cut off");
    }
    if (count == std::numeric_limits<std::int64_t>::min()) {
      return fail(Errc::malformed_payload, "the histogram has more buckets than values");
    }
    const std::uint64_t steps = count < 0 ? static_cast<std::uint64_t>(-count) : 1;
    if (steps > index_max - index) {
      return fail(Errc::malformed_payload, "the histogram has more buckets than values");
    }
    if (count > 0) {
      total += static_cast<std::uint64_t>(count);
      if (total > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) {
        return fail(Errc::malformed_payload, "the histogram counts more than 2^63 values");
      }
      if (layout.is_ours() && index < Histogram::kBuckets) {
        histogram.record_bucket(static_cast<std::size_t>(index), static_cast<std::uint64_t>(count));
      } else {
        histogram.record(layout.upper_bound(index), static_cast<std::uint64_t>(count));
      }
    }
    index += steps;
  }
  return histogram;
}

} // namespace

std::string hdr_bytes(const Histogram& histogram) {
  std::string counts;
  const auto& buckets = histogram.buckets();
  const std::size_t end =
      histogram.count() == 0 ? 1 : Histogram::bucket_of(histogram.max()) + 1; // As the others do.
  for (std::size_t i = 0; i < end;) {
    if (buckets[i] != 0) {
      put_count(counts, static_cast<std::int64_t>(buckets[i++]));
      continue;
    }
    std::int64_t zeros = 0;
    for (; i < end && buckets[i] == 0; ++i) {
      ++zeros;
    }
    put_count(counts, zeros == 1 ? 0 : -zeros);
  }
  std::string plain;
  put_be<std::uint32_t>(plain, kCookie);
  put_be<std::uint32_t>(plain, static_cast<std::uint32_t>(counts.size()));
  put_be<std::uint32_t>(plain, 0); // No offset of the buckets.
  put_be<std::uint32_t>(plain, kDigits);
  put_be<std::uint64_t>(plain, 1); // The lowest value,
  put_be<std::uint64_t>(plain, Histogram::kLargest);
  put_be<std::uint64_t>(plain, kRatio);
  plain += counts;

  uLongf size = compressBound(static_cast<uLong>(plain.size()));
  std::string packed(size, '\0');
  compress(reinterpret_cast<Bytef*>(packed.data()), &size,
           reinterpret_cast<const Bytef*>(plain.data()), static_cast<uLong>(plain.size()));
  std::string out;
  put_be<std::uint32_t>(out, kCookieCompressed);
  put_be<std::uint32_t>(out, static_cast<std::uint32_t>(size));
  out.append(packed, 0, size);
  return out;
}

std::string hdr_base64(const Histogram& histogram) {
  return to_base64(hdr_bytes(histogram));
}

Result<Histogram> read_hdr_bytes(std::string_view bytes) {
  if (bytes.size() > kHdrTextBytesMax) {
    return fail(Errc::malformed_payload, "the histogram is too large");
  }
  ByteReader outer(bytes);
  const auto cookie = outer.be<std::uint32_t>();
  const auto size = outer.be<std::uint32_t>();
  if (!outer.ok() || cookie != kCookieCompressed) {
    return fail(Errc::malformed_payload, "no histogram in HdrHistogram's V2 compressed encoding");
  }
  if (size != outer.left()) {
    return fail(Errc::malformed_payload, "the histogram has another length than it says");
  }
  const auto plain = inflated(outer.bytes(size));
  if (!plain) {
    return fail(plain.error());
  }
  ByteReader header(*plain);
  const auto inner = header.be<std::uint32_t>();
  const auto counts_bytes = header.be<std::uint32_t>();
  const auto offset = header.be<std::uint32_t>();
  const auto digits = header.be<std::uint32_t>();
  const auto lowest = header.be<std::uint64_t>();
  (void)header.be<std::uint64_t>(); // The highest value: the buckets that came tell as well.
  const auto ratio = header.be<std::uint64_t>();
  if (!header.ok() || inner != kCookie || counts_bytes != header.left()) {
    return fail(Errc::malformed_payload, "the histogram's header is damaged");
  }
  // JavaScript's writes 1 for the offset, which it does not have, and the ratio as an integer.
  const bool javascript = offset == 1 && ratio == 1;
  if ((!javascript && (offset != 0 || ratio != kRatio)) || digits > 5 || lowest == 0 ||
      lowest > 1u << 30) {
    return fail(Errc::malformed_payload,
                "a histogram of shifted or fractional values, or of unknown precision");
  }
  return read_counts(std::string_view(*plain).substr(kHeaderBytes), Layout::of(digits, lowest));
}

Result<Histogram> read_hdr_base64(std::string_view text) {
  if (text.size() > kHdrTextBytesMax) {
    return fail(Errc::malformed_payload, "the histogram is too large");
  }
  std::string bytes;
  if (!from_base64(text, bytes)) {
    return fail(Errc::malformed_payload, "the histogram is not base64");
  }
  return read_hdr_bytes(bytes);
}

} // namespace spate::loadgen
