#include "storage/quarantine.hpp"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <unistd.h>

#include "engine/base/log.hpp"

namespace spate::storage {

namespace fs = std::filesystem;

namespace {

constexpr std::size_t kKnownMax = 10'000;

Result<void> failed(const std::string& path) {
  const int error = errno;
  return fail(error == ENOSPC || error == EDQUOT ? Errc::storage_full : Errc::storage_io,
              path + ": " + std::strerror(error));
}

Result<void> write_file(const std::string& path, std::string_view bytes) {
  const int file = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
  if (file < 0) {
    return failed(path);
  }
  while (!bytes.empty()) {
    const ssize_t written = ::write(file, bytes.data(), bytes.size());
    if (written < 0) {
      if (errno == EINTR) {
        continue;
      }
      auto error = failed(path);
      ::close(file);
      return error;
    }
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
  const bool synced = ::fdatasync(file) == 0;
  auto error = synced ? Result<void>{} : failed(path);
  ::close(file);
  return error;
}

Result<void> sync_directory(const std::string& path) {
  const int file = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (file < 0) {
    return failed(path);
  }
  auto error = ::fsync(file) == 0 ? Result<void>{} : failed(path);
  ::close(file);
  return error;
}

/// What a line `name: value` of a text says; nothing if there is none.
std::string_view value_after(std::string_view text, std::string_view name) {
  const auto at = text.find(std::string("\n").append(name).append(": "));
  if (at == std::string_view::npos) {
    return {};
  }
  text.remove_prefix(at + name.size() + 3);
  return text.substr(0, text.find('\n'));
}

template <class Number>
bool number_after(std::string_view text, std::string_view name, Number& out) {
  const std::string_view value = value_after(text, name);
  return std::from_chars(value.data(), value.data() + value.size(), out).ec == std::errc();
}

std::string text_of(const fs::path& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

} // namespace

Quarantine::Quarantine(std::string directory, std::string name)
    : directory_(std::move(directory)), name_(std::move(name)) {
  std::error_code none;
  for (const auto& entry : fs::directory_iterator(directory_, none)) {
    const std::string stem = entry.path().stem().string();
    std::uint64_t number = 0;
    std::from_chars(stem.data(), stem.data() + stem.size(), number);
    next_ = std::max(next_, number + 1);
    count_ += entry.path().extension() == ".txt" ? 1 : 0;
  }
}

std::vector<Quarantine::Entry> Quarantine::list(const std::string& directory) {
  std::vector<std::pair<std::uint64_t, Entry>> found;
  std::error_code none;
  for (const auto& file : fs::directory_iterator(directory, none)) {
    if (file.path().extension() != ".txt") {
      continue;
    }
    const std::string stem = file.path().stem().string();
    std::uint64_t number = 0;
    std::from_chars(stem.data(), stem.data() + stem.size(), number);
    const std::string text = text_of(file.path());
    Entry entry;
    entry.file = file.path().filename().string();
    entry.has_block = fs::exists(fs::path(file.path()).replace_extension(".block"), none);
    (void)number_after(text, "device", entry.device);
    entry.series = value_after(text, "series");
    entry.first_time_ns = value_after(text, "first_time_ns");
    entry.last_time_ns = value_after(text, "last_time_ns");
    entry.place = value_after(text, "place");
    entry.reason = value_after(text, "reason");
    found.emplace_back(number, std::move(entry));
  }
  std::sort(found.begin(), found.end(),
            [](const auto& a, const auto& b) { return a.first < b.first; });
  std::vector<Entry> out;
  for (auto& [number, entry] : found) {
    out.push_back(std::move(entry));
  }
  return out;
}

Result<void> Quarantine::set_aside(const Damage& damage, std::string_view block) {
  return write(damage, block, true);
}

Result<void> Quarantine::report(const Damage& damage) {
  return write(damage, {}, false);
}

Result<void> Quarantine::write(const Damage& damage, std::string_view block, bool has_block) {
  if (!known_.insert(block_key(damage.key) + damage.place).second) {
    return {};
  }
  if (known_.size() > kKnownMax) {
    known_.clear(); // Then one that comes again has a second copy.
  }
  std::error_code error;
  fs::create_directories(directory_, error);
  const std::string stem = directory_ + "/" + std::to_string(next_);
  const std::string text = "A block of Spate's store that can not be read was set aside.\n"
                           "device: " +
                           std::to_string(damage.key.device) +
                           "\nseries: " + std::to_string(damage.key.series) +
                           "\nkind: " + (damage.key.kind == BlockKind::main ? "main" : "late") +
                           "\nfirst_time_ns: " + std::to_string(damage.first_time_ns) +
                           "\nlast_time_ns: " + std::to_string(damage.key.last_time_ns) +
                           "\norder: " + std::to_string(damage.key.order) +
                           "\nplace: " + damage.place + "\nreason: " + damage.reason + "\n";
  if (has_block) {
    if (auto written = write_file(stem + ".block", block); !written) {
      return written;
    }
  }
  if (auto written = write_file(stem + ".txt", text); !written) {
    return written;
  }
  if (auto synced = sync_directory(directory_); !synced) {
    return synced;
  }
  ++next_;
  ++count_;
  log::error("block-damaged", "a damaged block is set aside and no longer served",
             {{"data_dir", std::string_view(name_)},
              {"device_number", std::uint64_t{damage.key.device}},
              {"first_time_ns", damage.first_time_ns},
              {"last_time_ns", damage.key.last_time_ns},
              {"place", std::string_view(damage.place)},
              {"reason", std::string_view(damage.reason)}});
  return {};
}

Result<void> Quarantine::erase(const Erasure& erasure) {
  std::error_code error;
  std::vector<fs::path> gone;
  for (const auto& entry : fs::directory_iterator(directory_, error)) {
    if (entry.path().extension() != ".txt") {
      continue;
    }
    const std::string text = text_of(entry.path());
    std::uint32_t device = 0;
    std::uint64_t order = 0;
    std::int64_t first = INT64_MIN;
    std::int64_t last = INT64_MAX;
    // What can not be read goes too: it might be the device's.
    const bool known =
        number_after(text, "device", device) && number_after(text, "first_time_ns", first) &&
        number_after(text, "last_time_ns", last) && number_after(text, "order", order);
    if (!known || (device == erasure.device && erasure.touches(order, first, last))) {
      gone.push_back(entry.path());
    }
  }
  for (fs::path path : gone) {
    fs::remove(path.replace_extension(".block"), error);
    fs::remove(path.replace_extension(".txt"), error);
    if (error) {
      return fail(Errc::storage_io, path.string() + ": " + error.message());
    }
    --count_;
  }
  return gone.empty() ? Result<void>{} : sync_directory(directory_);
}

} // namespace spate::storage
