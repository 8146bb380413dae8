// Spate - fuzzes what the store of sessions reads back from disk. Whatever the bytes are, nothing
// is read beyond them; what decodes is written back and decodes to the same. Filters and topics are
// walked too: a skip always goes forward.
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string_view>

#include "storage/retained_filter.hpp"
#include "storage/session_codec.hpp"
#include "storage/session_keys.hpp"

namespace {

using namespace spate;
using namespace spate::storage;

void check(bool holds) {
  if (!holds) {
    std::abort();
  }
}

void read_values(std::string_view bytes) {
  if (const auto read = decode_session(bytes)) {
    check(decode_session(encode_session(*read)) == read);
  }
  if (const auto read = decode_number(bytes)) {
    check(decode_number(encode_number(*read)) == read);
  }
  if (const auto read = decode_subscription("f", bytes)) {
    check(decode_subscription("f", encode_subscription(*read)) == read);
  }
  if (const auto read = decode_message(bytes)) {
    const auto written = encode_message(*read);
    check(encode_message(*decode_message(written)) == written);
  }
  if (const auto read = decode_queued(bytes)) {
    const auto written = encode_queued(*read);
    const auto again = decode_queued(written);
    check(again && encode_queued(*again) == written);
  }
  if (const auto read = decode_will(bytes)) {
    const SessionWill will{std::make_shared<const model::ApplicationMessage>(read->message),
                           read->delay_s, read->message_expiry_s};
    check(decode_will(encode_will(will)).has_value());
  }
  if (const auto read = decode_outgoing(bytes)) {
    check(decode_outgoing(encode_outgoing(read->session, read->message)).has_value());
  }
  if (const auto read = decode_session_totals(bytes)) {
    check(decode_session_totals(encode_session_totals(*read)) == read);
  }
}

void read_keys(std::string_view bytes) {
  if (const auto part = session_keys::parse_session(bytes)) {
    check(session_keys::part(part->number, part->part, part->rest) == bytes);
  }
  if (const auto timed = session_keys::parse_timed(bytes)) {
    check(session_keys::from_time(bytes[0], timed->due_ms).append(timed->rest) == bytes);
  }
}

void walk(std::string_view bytes) {
  const std::size_t half = bytes.find('\n');
  if (half == std::string_view::npos) {
    return;
  }
  const RetainedFilter filter(bytes.substr(0, half));
  const std::string topic = session_keys::levels_of(bytes.substr(half + 1));
  std::string target;
  if (filter.look_at(topic, target) == RetainedFilter::Step::seek) {
    check(target > topic);
  }
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  read_values(bytes);
  read_keys(bytes);
  walk(bytes);
  return 0;
}
