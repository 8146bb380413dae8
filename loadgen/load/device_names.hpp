// Spate - the names of simulated devices: by a rule, so that none of them needs memory, or listed.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace spate::loadgen {

/// The names of a cohort's devices, by number from 0. Immutable; shared by all threads.
class DeviceNames {
public:
  /// Room for a name that is written: a rule's text and a number.
  static constexpr std::size_t kNameBytesMax = 256;
  static constexpr std::string_view kPlace = "{n}";

  DeviceNames() = default;
  /// Names like "sensor-{n}", {n} counting from `first`. Without {n} the number goes to the end.
  DeviceNames(std::string_view rule, std::uint64_t first, std::uint32_t count);
  explicit DeviceNames(std::vector<std::string> listed);

  [[nodiscard]] std::uint32_t size() const noexcept { return count_; }
  /// The name of device number `device`; the view lives as long as `buffer` and this.
  [[nodiscard]] std::string_view name(std::uint32_t device,
                                      char (&buffer)[kNameBytesMax]) const noexcept;
  [[nodiscard]] std::string text(std::uint32_t device) const;

  // The rule itself, for those who write it down; listed() is empty where there is one.
  [[nodiscard]] const std::string& before() const noexcept { return before_; }
  [[nodiscard]] const std::string& after() const noexcept { return after_; }
  [[nodiscard]] std::uint64_t first() const noexcept { return first_; }
  [[nodiscard]] const std::vector<std::string>& listed() const noexcept { return listed_; }

private:
  std::string before_, after_; ///< The number stands between them.
  std::uint64_t first_ = 0;
  std::uint32_t count_ = 0;
  std::vector<std::string> listed_;
};

/// Which devices of a cohort belong to one thread, and how they share connections: connection i of
/// the group is number `first + i * stride` of the cohort, and carries `members` devices, whose
/// numbers follow each other.
struct DeviceShare {
  const DeviceNames* names = nullptr;   ///< Borrowed.
  const DeviceNames* clients = nullptr; ///< Client identifiers, by connection number. Borrowed.
  std::uint32_t connections = 0;        ///< Of the group.
  std::uint32_t members = 1;            ///< Above 1: each connection is a gateway's.
  std::uint32_t first = 0;
  std::uint32_t stride = 1;

  [[nodiscard]] std::uint32_t connection_number(std::uint32_t connection) const noexcept {
    return first + connection * stride;
  }
  /// The device's number in the cohort. The last gateway may carry fewer than `members`.
  [[nodiscard]] std::uint32_t number(std::uint32_t connection,
                                     std::uint32_t member = 0) const noexcept {
    return connection_number(connection) * members + member;
  }
  [[nodiscard]] std::string_view client(std::uint32_t connection,
                                        char (&buffer)[DeviceNames::kNameBytesMax]) const noexcept {
    return clients->name(connection_number(connection), buffer);
  }
  /// What {device} means where a whole connection is meant (credentials, a subscription): its
  /// device, or, if it is a gateway's, the client identifier.
  [[nodiscard]] std::string_view
  device_or_client(std::uint32_t connection,
                   char (&buffer)[DeviceNames::kNameBytesMax]) const noexcept {
    return members == 1 ? names->name(number(connection), buffer) : client(connection, buffer);
  }
  /// Devices behind a connection.
  [[nodiscard]] std::uint32_t members_of(std::uint32_t connection) const noexcept {
    const std::uint32_t begin = number(connection);
    return begin + members <= names->size() ? members : names->size() - begin;
  }
};

} // namespace spate::loadgen
