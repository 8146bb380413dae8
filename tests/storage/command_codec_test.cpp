#include <doctest/doctest.h>

#include "storage/command_codec.hpp"
#include "storage/command_keys.hpp"

using namespace spate;
using namespace spate::storage;

namespace {

Uuid uuid(unsigned char first) {
  Uuid out;
  out.bytes.fill(7);
  out.bytes[0] = first;
  return out;
}

/// Cut anywhere, longer, or of another version: never read.
template <class Decode>
void check_damage(const std::string& value, Decode decode) {
  REQUIRE(decode(value));
  for (std::size_t size = 0; size < value.size(); ++size) {
    CHECK_FALSE(decode(std::string_view(value).substr(0, size)));
  }
  CHECK_FALSE(decode(value + "x"));
  std::string other = value;
  other[0] = 2;
  CHECK_FALSE(decode(other));
}

} // namespace

TEST_SUITE("command codec") {
  TEST_CASE("what is written is read back, and nothing else is read") {
    model::Command command;
    command.name = "open-valve";
    command.args = "[1,2]";
    command.priority = model::CommandPriority::urgent;
    command.if_offline = model::IfOffline::queue;
    command.complete_on = model::CompleteOn::delivery;
    command.created_ms = -5;
    command.expires_ms = INT64_MAX;
    const auto value = encode_command(command, "key");
    CHECK(decode_command(value)->command == command);
    CHECK(decode_command(value)->idempotency_key == "key");
    check_damage(value, decode_command);

    StoredProgress progress;
    progress.progress = {model::CommandState::canceled, 1, 2, 3, -1, "{}", "because"};
    progress.priority = model::CommandPriority::urgent;
    progress.expires_ms = 99;
    const auto stored = decode_progress(encode_progress(progress));
    CHECK(stored->progress == progress.progress);
    CHECK(stored->priority == progress.priority);
    CHECK(stored->expires_ms == 99);
    check_damage(encode_progress(progress), decode_progress);

    const auto key = decode_key(encode_key({5, 6, uuid(1), "d"}));
    CHECK(key->request_hash == 5);
    CHECK(key->created_ms == 6);
    CHECK(key->id == uuid(1));
    CHECK(key->device == "d");
    check_damage(encode_key({5, 6, uuid(1), "d"}), decode_key);
    check_damage(encode_count(300), decode_count);
    check_damage(encode_totals({300, 7}), decode_totals);
  }

  TEST_CASE("states, priorities, flags and names that do not exist are damage") {
    StoredProgress progress;
    auto value = encode_progress(progress);
    value[1] = 9;
    CHECK_FALSE(decode_progress(value));
    value = encode_progress(progress);
    value[2] = 2;
    CHECK_FALSE(decode_progress(value));
    model::Command command;
    command.name = "a/b";
    CHECK_FALSE(decode_command(encode_command(command, {})));
    command.name = "a";
    value = encode_command(command, {});
    value[1] = 8;
    CHECK_FALSE(decode_command(value));
    CHECK_FALSE(decode_key(encode_key({1, 2, uuid(1), "a/b"})));
  }

  TEST_CASE("keys are in the order of time, and of urgency and age within a device") {
    namespace keys = command_keys;
    CHECK(keys::timed(keys::kDue, 255, "b", uuid(2)) < keys::timed(keys::kDue, 256, "a", uuid(1)));
    CHECK(keys::timed(keys::kDue, -1, "b", uuid(2)) < keys::from_time(keys::kDue, 1));
    CHECK(keys::timed(keys::kDue, INT64_MAX, "b", uuid(2)) < keys::end_of(keys::kDue));
    using model::CommandPriority;
    CHECK(keys::open("d", CommandPriority::urgent, uuid(2)) <
          keys::open("d", CommandPriority::normal, uuid(1)));
    CHECK(keys::open("d", CommandPriority::normal, uuid(1)) <
          keys::open("d", CommandPriority::normal, uuid(2)));
    CHECK(keys::open("d", CommandPriority::normal, uuid(2)) <
          keys::open("da", CommandPriority::urgent, uuid(1)));

    const auto timed = keys::timed(keys::kHistory, 77, "device", uuid(200));
    const auto parsed = keys::parse_timed(timed);
    REQUIRE(parsed);
    CHECK(parsed->time_ms == 77);
    CHECK(parsed->device == "device");
    CHECK(parsed->id == uuid(200));
    for (std::size_t size = 0; size < timed.size(); ++size) {
      CHECK_FALSE(keys::parse_timed(std::string_view(timed).substr(0, size)));
    }
    const auto open = keys::open("d", CommandPriority::normal, uuid(3));
    const auto rest = std::string_view(open).substr(keys::of_device(keys::kOpen, "d").size());
    CHECK(keys::parse_open(rest)->id == uuid(3));
    CHECK_FALSE(keys::parse_open(rest.substr(1)));
  }
}
