#include "storage/session_codec.hpp"

#include <array>
#include <limits>

namespace spate::storage {

namespace {

constexpr unsigned kConnectedBit = 1;

constexpr unsigned kQosBits = 3;
constexpr unsigned kNoLocalBit = 4;
constexpr unsigned kRetainAsPublishedBit = 8;

constexpr unsigned kRetainBit = 4;
constexpr unsigned kReceivedBit = 8;

std::string begin() {
  return begin_value(kSessionValueVersion);
}

bool take_begin(ByteReader& in) noexcept {
  return take_version(in, kSessionValueVersion);
}

std::uint32_t take_u32(ByteReader& in) noexcept {
  const std::uint64_t value = in.varint();
  if (value > std::numeric_limits<std::uint32_t>::max()) {
    in.fail();
    return 0;
  }
  return static_cast<std::uint32_t>(value);
}

unsigned qos_of(unsigned flags) noexcept {
  return flags & kQosBits;
}

void put_message(std::string& out, const model::ApplicationMessage& message) {
  out.reserve(out.size() + message.bytes() + 32);
  out.push_back(static_cast<char>(message.qos | (message.retain ? kRetainBit : 0)));
  put_svarint(out, message.expires_ms);
  put_text(out, message.topic);
  put_text(out, message.properties);
  put_text(out, message.payload);
}

/// False if it makes no sense. A topic with wildcards or U+0000 would make a malformed PUBLISH.
bool take_message(ByteReader& in, model::ApplicationMessage& message) {
  const auto flags = in.be<std::uint8_t>();
  message.expires_ms = in.svarint();
  const auto topic = take_text(in);
  const auto properties = take_text(in);
  const auto payload = take_text(in);
  constexpr std::string_view kNever("\0+#", 3);
  if (!in.ok() || flags >= 2 * kRetainBit || qos_of(flags) > 2 || topic.empty() ||
      topic.size() > std::numeric_limits<std::uint16_t>::max() ||
      topic.find_first_of(kNever) != std::string_view::npos) {
    return false;
  }
  message.qos = static_cast<std::uint8_t>(qos_of(flags));
  message.retain = (flags & kRetainBit) != 0;
  message.topic = topic;
  message.properties = properties;
  message.payload = payload;
  return true;
}

} // namespace

std::string encode_session(const StoredSession& stored) {
  std::string out = begin();
  out.push_back(static_cast<char>(stored.connected ? kConnectedBit : 0));
  put_varint(out, stored.expiry_s);
  put_svarint(out, stored.since_ms);
  put_varint(out, stored.will_delay_s ? std::uint64_t{*stored.will_delay_s} + 1 : 0);
  put_varint(out, stored.sent_through);
  put_varint(out, stored.last_sequence);
  put_varint(out, stored.queued);
  put_varint(out, stored.queued_bytes);
  return out;
}

std::optional<StoredSession> decode_session(std::string_view value) {
  ByteReader in(value);
  const bool ours = take_begin(in);
  const auto flags = in.be<std::uint8_t>();
  StoredSession out;
  out.connected = (flags & kConnectedBit) != 0;
  out.expiry_s = take_u32(in);
  out.since_ms = in.svarint();
  const std::uint64_t delay = in.varint();
  out.sent_through = in.varint();
  out.last_sequence = in.varint();
  out.queued = in.varint();
  out.queued_bytes = in.varint();
  constexpr std::uint64_t kDelayMax = std::numeric_limits<std::uint32_t>::max();
  if (!ours || !complete(in) || flags > kConnectedBit || delay > kDelayMax + 1) {
    return std::nullopt;
  }
  if (delay != 0) {
    out.will_delay_s = static_cast<std::uint32_t>(delay - 1);
  }
  return out;
}

std::string encode_number(std::uint64_t number) {
  std::string out = begin();
  put_varint(out, number);
  return out;
}

std::optional<std::uint64_t> decode_number(std::string_view value) {
  ByteReader in(value);
  const bool ours = take_begin(in);
  const std::uint64_t number = in.varint();
  return ours && complete(in) && number != 0 ? std::optional(number) : std::nullopt;
}

std::string encode_subscription(const SessionSubscription& subscription) {
  std::string out = begin();
  out.push_back(static_cast<char>(subscription.qos | (subscription.no_local ? kNoLocalBit : 0) |
                                  (subscription.retain_as_published ? kRetainAsPublishedBit : 0)));
  put_varint(out, subscription.id);
  return out;
}

std::optional<SessionSubscription> decode_subscription(std::string_view filter,
                                                       std::string_view value) {
  ByteReader in(value);
  const bool ours = take_begin(in);
  const auto flags = in.be<std::uint8_t>();
  SessionSubscription out;
  out.id = take_u32(in);
  if (!ours || !complete(in) || flags >= 2 * kRetainAsPublishedBit || qos_of(flags) > 2 ||
      filter.empty()) {
    return std::nullopt;
  }
  out.filter = filter;
  out.qos = static_cast<std::uint8_t>(qos_of(flags));
  out.no_local = (flags & kNoLocalBit) != 0;
  out.retain_as_published = (flags & kRetainAsPublishedBit) != 0;
  return out;
}

std::string encode_message(const model::ApplicationMessage& message) {
  std::string out = begin();
  put_message(out, message);
  return out;
}

std::optional<model::ApplicationMessage> decode_message(std::string_view value) {
  ByteReader in(value);
  model::ApplicationMessage out;
  if (!take_begin(in) || !take_message(in, out) || !complete(in)) {
    return std::nullopt;
  }
  return out;
}

std::string encode_queued(const StoredQueued& stored) {
  std::string out = begin();
  out.reserve(stored.message.size() + 32);
  out.push_back(static_cast<char>(stored.qos | (stored.retain ? kRetainBit : 0) |
                                  (stored.received ? kReceivedBit : 0)));
  put_varint(out, stored.subscription_ids.size());
  for (const std::uint32_t id : stored.subscription_ids) {
    put_varint(out, id);
  }
  put_varint(out, stored.bytes);
  put_svarint(out, stored.expires_ms);
  put_varint(out, stored.body);
  out.append(stored.message);
  return out;
}

std::optional<StoredQueued> decode_queued(std::string_view value) {
  ByteReader in(value);
  const bool ours = take_begin(in);
  const auto flags = in.be<std::uint8_t>();
  StoredQueued out;
  out.received = (flags & kReceivedBit) != 0;
  const std::uint64_t ids = in.varint();
  if (ids > in.left()) {
    return std::nullopt; // Each takes a byte at least.
  }
  for (std::uint64_t i = 0; i < ids; ++i) {
    out.subscription_ids.push_back(take_u32(in));
  }
  out.bytes = in.varint();
  out.expires_ms = in.svarint();
  out.body = in.varint();
  if (!ours || !in.ok() || flags >= 2 * kReceivedBit || qos_of(flags) == 0 || qos_of(flags) > 2 ||
      (out.received && (out.bytes != 0 || out.body != 0))) {
    return std::nullopt;
  }
  out.message = in.bytes(in.left());
  if (out.message.empty() != (out.received || out.body != 0)) {
    return std::nullopt;
  }
  out.qos = static_cast<std::uint8_t>(qos_of(flags));
  out.retain = (flags & kRetainBit) != 0;
  return out;
}

std::string encode_will(const SessionWill& will) {
  std::string out = begin();
  put_varint(out, will.delay_s);
  put_varint(out, will.message_expiry_s);
  put_message(out, *will.message);
  return out;
}

std::optional<StoredWill> decode_will(std::string_view value) {
  ByteReader in(value);
  const bool ours = take_begin(in);
  StoredWill out;
  out.delay_s = take_u32(in);
  out.message_expiry_s = take_u32(in);
  if (!ours || !take_message(in, out.message) || !complete(in)) {
    return std::nullopt;
  }
  return out;
}

std::string encode_outgoing(SessionNumber session, const model::ApplicationMessage& message) {
  std::string out = begin();
  put_varint(out, session);
  put_message(out, message);
  return out;
}

std::optional<StoredOutgoing> decode_outgoing(std::string_view value) {
  ByteReader in(value);
  const bool ours = take_begin(in);
  StoredOutgoing out;
  out.session = in.varint();
  if (!ours || !take_message(in, out.message) || !complete(in)) {
    return std::nullopt;
  }
  return out;
}

namespace {

/// In the order in which they stand.
template <class Totals>
auto numbers_of(Totals& totals) {
  return std::array{&totals.sessions,     &totals.subscriptions, &totals.queued,
                    &totals.queued_bytes, &totals.retained,      &totals.retained_bytes,
                    &totals.last_number,  &totals.last_body,     &totals.last_outgoing};
}

} // namespace

std::string encode_session_totals(const SessionTotals& totals) {
  std::string out = begin();
  for (const std::uint64_t* number : numbers_of(totals)) {
    put_varint(out, *number);
  }
  return out;
}

std::optional<SessionTotals> decode_session_totals(std::string_view value) {
  ByteReader in(value);
  const bool ours = take_begin(in);
  SessionTotals out;
  for (std::uint64_t* number : numbers_of(out)) {
    *number = in.varint();
  }
  return ours && complete(in) ? std::optional(out) : std::nullopt;
}

} // namespace spate::storage
