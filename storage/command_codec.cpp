#include "storage/command_codec.hpp"

#include "engine/base/bytes.hpp"
#include "engine/model/device_id.hpp"
#include "storage/command_keys.hpp"

namespace spate::storage {

namespace {

constexpr unsigned kNormalBit = 1;
constexpr unsigned kQueueBit = 2;
constexpr unsigned kDeliveryBit = 4;
constexpr unsigned kFlags = kNormalBit | kQueueBit | kDeliveryBit;

std::string begin_value() {
  return storage::begin_value(kCommandValueVersion);
}

bool take_version(ByteReader& in) noexcept {
  return storage::take_version(in, kCommandValueVersion);
}

} // namespace

std::string encode_command(const model::Command& command, std::string_view idempotency_key) {
  std::string out = begin_value();
  out.reserve(command.name.size() + command.args.size() + idempotency_key.size() + 32);
  out.push_back(
      static_cast<char>((command.priority == model::CommandPriority::normal ? kNormalBit : 0) |
                        (command.if_offline == model::IfOffline::queue ? kQueueBit : 0) |
                        (command.complete_on == model::CompleteOn::delivery ? kDeliveryBit : 0)));
  put_svarint(out, command.created_ms);
  put_svarint(out, command.expires_ms);
  put_text(out, command.name);
  put_text(out, command.args);
  put_text(out, idempotency_key);
  return out;
}

std::optional<StoredCommand> decode_command(std::string_view value) {
  ByteReader in(value);
  const bool ours = take_version(in);
  const auto flags = in.be<std::uint8_t>();
  StoredCommand out;
  out.command.created_ms = in.svarint();
  out.command.expires_ms = in.svarint();
  const auto name = take_text(in);
  const auto args = take_text(in);
  const auto key = take_text(in);
  // The name becomes a part of a topic.
  if (!ours || !complete(in) || flags > kFlags || !model::is_command_name(name)) {
    return std::nullopt;
  }
  out.command.priority =
      (flags & kNormalBit) != 0 ? model::CommandPriority::normal : model::CommandPriority::urgent;
  out.command.if_offline =
      (flags & kQueueBit) != 0 ? model::IfOffline::queue : model::IfOffline::fail;
  out.command.complete_on =
      (flags & kDeliveryBit) != 0 ? model::CompleteOn::delivery : model::CompleteOn::response;
  out.command.name = name;
  out.command.args = args;
  out.idempotency_key = key;
  return out;
}

std::string encode_progress(const StoredProgress& stored) {
  const model::CommandProgress& progress = stored.progress;
  std::string out = begin_value();
  out.push_back(static_cast<char>(progress.state));
  out.push_back(static_cast<char>(stored.priority));
  put_svarint(out, stored.expires_ms);
  put_svarint(out, progress.sent_ms);
  put_svarint(out, progress.delivered_ms);
  put_svarint(out, progress.completed_ms);
  put_svarint(out, progress.total_us);
  put_text(out, progress.result);
  put_text(out, progress.reason);
  return out;
}

std::optional<StoredProgress> decode_progress(std::string_view value) {
  ByteReader in(value);
  const bool ours = take_version(in);
  const auto state = in.be<std::uint8_t>();
  const auto priority = in.be<std::uint8_t>();
  StoredProgress out;
  out.expires_ms = in.svarint();
  out.progress.sent_ms = in.svarint();
  out.progress.delivered_ms = in.svarint();
  out.progress.completed_ms = in.svarint();
  out.progress.total_us = in.svarint();
  const auto result = take_text(in);
  const auto reason = take_text(in);
  if (!ours || !complete(in) || state >= model::kCommandStates || priority > 1) {
    return std::nullopt;
  }
  out.progress.state = static_cast<model::CommandState>(state);
  out.priority = static_cast<model::CommandPriority>(priority);
  out.progress.result = result;
  out.progress.reason = reason;
  return out;
}

std::string encode_key(const StoredKey& stored) {
  std::string out = begin_value();
  put_be(out, stored.request_hash);
  put_svarint(out, stored.created_ms);
  out.append(stored.id.view());
  put_text(out, stored.device);
  return out;
}

std::optional<StoredKey> decode_key(std::string_view value) {
  ByteReader in(value);
  const bool ours = take_version(in);
  StoredKey out;
  out.request_hash = in.be<std::uint64_t>();
  out.created_ms = in.svarint();
  const auto id = uuid_from_bytes(in.bytes(command_keys::kUuidBytes));
  const auto device = take_text(in);
  if (!ours || !complete(in) || !id || model::device_id_fault(device) != nullptr) {
    return std::nullopt;
  }
  out.id = *id;
  out.device = device;
  return out;
}

std::string encode_count(std::uint64_t count) {
  std::string out = begin_value();
  put_varint(out, count);
  return out;
}

std::optional<std::uint64_t> decode_count(std::string_view value) {
  ByteReader in(value);
  const bool ours = take_version(in);
  const std::uint64_t count = in.varint();
  return ours && complete(in) ? std::optional(count) : std::nullopt;
}

std::string encode_totals(const CommandTotals& totals) {
  std::string out = begin_value();
  put_varint(out, totals.open);
  put_varint(out, totals.history);
  return out;
}

std::optional<CommandTotals> decode_totals(std::string_view value) {
  ByteReader in(value);
  const bool ours = take_version(in);
  CommandTotals out;
  out.open = in.varint();
  out.history = in.varint();
  return ours && complete(in) ? std::optional(out) : std::nullopt;
}

namespace command_keys {

std::optional<Timed> parse_timed(std::string_view key) noexcept {
  ByteReader in(key);
  in.bytes(1); // The kind, which was sought.
  Timed out;
  const auto time = in.be<std::uint64_t>();
  const auto tenant = in.bytes(model::kDefaultTenant.size() + 1);
  if (!in.ok() || time > INT64_MAX || in.left() < kUuidBytes + 1 ||
      tenant.substr(0, model::kDefaultTenant.size()) != model::kDefaultTenant ||
      tenant.back() != '\0') {
    return std::nullopt;
  }
  out.time_ms = static_cast<std::int64_t>(time);
  out.device = in.bytes(in.left() - kUuidBytes - 1);
  const bool ended = in.bytes(1) == std::string_view("\0", 1);
  const auto id = uuid_from_bytes(in.bytes(kUuidBytes));
  if (!ended || !id || model::device_id_fault(out.device) != nullptr) {
    return std::nullopt;
  }
  out.id = *id;
  return out;
}

std::optional<Open> parse_open(std::string_view rest) noexcept {
  if (rest.size() != kUuidBytes + 1 || static_cast<unsigned char>(rest[0]) > 1) {
    return std::nullopt;
  }
  return Open{static_cast<model::CommandPriority>(rest[0]), *uuid_from_bytes(rest.substr(1))};
}

} // namespace command_keys

} // namespace spate::storage
