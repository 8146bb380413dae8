// Spate - fuzzes what the command log reads back from disk. Whatever the bytes are, nothing is read
// beyond them; what decodes is written back and decodes to the same.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "storage/command_codec.hpp"
#include "storage/command_keys.hpp"

namespace {

using namespace spate;
using namespace spate::storage;

void check(bool holds) {
  if (!holds) {
    std::abort();
  }
}

void read_values(std::string_view bytes) {
  if (const auto read = decode_command(bytes)) {
    const auto again = decode_command(encode_command(read->command, read->idempotency_key));
    check(again && again->command == read->command &&
          again->idempotency_key == read->idempotency_key);
  }
  if (const auto read = decode_progress(bytes)) {
    const auto again = decode_progress(encode_progress(*read));
    check(again && again->progress == read->progress && again->priority == read->priority &&
          again->expires_ms == read->expires_ms);
  }
  if (const auto read = decode_key(bytes)) {
    const auto again = decode_key(encode_key(*read));
    check(again && again->id == read->id && again->device == read->device);
  }
  if (const auto read = decode_totals(bytes)) {
    const auto again = decode_totals(encode_totals(*read));
    check(again && again->open == read->open && again->history == read->history);
  }
  if (const auto read = decode_count(bytes)) {
    check(decode_count(encode_count(*read)) == read);
  }
  if (const auto read = decode_format(bytes)) {
    check(encode_format(*read) == bytes);
  }
}

void read_keys(std::string_view bytes) {
  if (const auto key = command_keys::parse_timed(bytes)) {
    check(command_keys::timed(bytes[0], key->time_ms, key->device, key->id) == bytes);
  }
  if (const auto key = command_keys::parse_open(bytes)) {
    const auto made = command_keys::open("d", key->priority, key->id);
    check(std::string_view(made).substr(made.size() - bytes.size()) == bytes);
  }
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  read_values(bytes);
  read_keys(bytes);
  return 0;
}
