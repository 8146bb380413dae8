#include "storage/operation.hpp"

#include <array>

#include "engine/base/bytes.hpp"

namespace spate::storage {

namespace {

constexpr std::uint8_t kVersion = 1;
constexpr std::array<std::string_view, 4> kTypes = {"telemetry.erase", "store.compact",
                                                    "backup.create", "store.check"};
constexpr std::array<std::string_view, 5> kStates = {"QUEUED", "RUNNING", "SUCCEEDED", "FAILED",
                                                     "CANCELED"};

template <class Enum, std::size_t Size>
std::optional<Enum> find(const std::array<std::string_view, Size>& names,
                         std::string_view name) noexcept {
  for (std::size_t i = 0; i < Size; ++i) {
    if (names[i] == name) {
      return static_cast<Enum>(i);
    }
  }
  return std::nullopt;
}

void put_text(std::string& out, std::string_view text) {
  put_varint(out, text.size());
  out.append(text);
}

std::string_view take_text(ByteReader& in) noexcept {
  return in.bytes(in.varint());
}

} // namespace

std::string_view name_of(OperationType type) noexcept {
  return kTypes[static_cast<std::size_t>(type)];
}

std::string_view name_of(OperationState state) noexcept {
  return kStates[static_cast<std::size_t>(state)];
}

std::optional<OperationType> operation_type(std::string_view name) noexcept {
  return find<OperationType>(kTypes, name);
}

std::optional<OperationState> operation_state(std::string_view name) noexcept {
  return find<OperationState>(kStates, name);
}

void encode(const Operation& operation, std::string& out) {
  out.push_back(static_cast<char>(kVersion));
  out.append(operation.id.view());
  out.push_back(static_cast<char>(operation.type));
  out.push_back(static_cast<char>(operation.state));
  put_varint(out, operation.done);
  out.push_back(operation.total ? '\1' : '\0');
  put_varint(out, operation.total.value_or(0));
  put_svarint(out, operation.created_ms);
  put_svarint(out, operation.started_ms);
  put_svarint(out, operation.finished_ms);
  put_text(out, operation.result);
  put_text(out, operation.error);
  put_text(out, operation.idempotency_key);
  put_be(out, operation.request_hash);
  put_varint(out, operation.subject);
}

Result<Operation> decode_operation(std::string_view bytes) {
  ByteReader in(bytes);
  const auto version = in.be<std::uint8_t>();
  const auto id = uuid_from_bytes(in.bytes(sizeof(Uuid::bytes)));
  const auto type = in.be<std::uint8_t>();
  const auto state = in.be<std::uint8_t>();
  Operation out;
  out.done = in.varint();
  const auto has_total = in.be<std::uint8_t>();
  const std::uint64_t total = in.varint();
  out.created_ms = in.svarint();
  out.started_ms = in.svarint();
  out.finished_ms = in.svarint();
  out.result = take_text(in);
  out.error = take_text(in);
  out.idempotency_key = take_text(in);
  out.request_hash = in.be<std::uint64_t>();
  out.subject = in.varint();
  if (!in.ok() || !in.empty() || version != kVersion || !id || type >= kTypes.size() ||
      state >= kStates.size() || has_total > 1) {
    return fail(Errc::storage_corrupt, "the record of an operation can not be read");
  }
  out.id = *id;
  out.type = static_cast<OperationType>(type);
  out.state = static_cast<OperationState>(state);
  if (has_total == 1) {
    out.total = total;
  }
  return out;
}

} // namespace spate::storage
