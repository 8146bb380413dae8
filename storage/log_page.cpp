#include <algorithm>
#include <array>
#include <charconv>
#include <map>
#include <utility>

#include "storage/kept_log.hpp"
#include "storage/live_directory.hpp"
#include "storage/log_codec.hpp"

namespace spate::storage {

namespace {

/// Commits that one page looks at, whether it finds something in them or not.
constexpr std::size_t kLookedAtBytesMax = 64u << 20;

/// One page being filled.
class PageReader {
public:
  PageReader(const LiveDirectory& live, const LogRequest& request)
      : live_(live), request_(request), erasures_(live.blocks().erasures()),
        expected_(request.after.commit) {
    page_.next = request.after;
    page_.hint = request.hint;
  }

  Result<LogPage> read(const KeptLog& log) {
    const std::uint64_t last = log.last_commit();
    const LogPosition& after = request_.after;
    if (after.commit > last + 1 || (after.commit == last + 1 && after.row != 0)) {
      return fail(Errc::cursor_invalid, "position " + text_of(after) +
                                            " is not reached yet: the last commit is " +
                                            std::to_string(last));
    }
    auto read = log.read(after.commit, request_.hint,
                         [this](const KeptLog::Commit& commit) { return add(commit); });
    if (!read || error_) {
      return fail(std::move(error_ ? *error_ : read.error()));
    }
    if (!page_.more && expected_ <= last && page_.records.empty() && !page_.gap && last != 0 &&
        !looked_at_) {
      // All that was asked for is gone, and nothing came after it.
      skip_to(last + 1, false);
      page_.hint = {};
    }
    return std::move(page_);
  }

private:
  void skip_to(std::uint64_t commit, bool damaged) {
    const LogPosition first{request_.after.directory, commit, 0};
    if (expected_ != 0) {
      page_.gap = LogGap{page_.next, first, damaged};
    }
    page_.next = first;
    expected_ = commit;
  }

  bool add(const KeptLog::Commit& commit) {
    if (request_.cancelled && request_.cancelled()) {
      error_ = Error{Errc::storage_unavailable, "the read was given up"};
      return false;
    }
    if (looked_at_ && commit.sequence != expected_) {
      page_.more = true; // The gap begins the next page.
      return false;
    }
    if (!looked_at_ && commit.sequence != expected_) {
      skip_to(commit.sequence, commit.damaged);
    }
    looked_at_ = true;
    looked_at_bytes_ += commit.bytes.size();
    page_.hint = commit.here;
    if (!add_rows(commit)) {
      return false;
    }
    expected_ = commit.sequence + 1;
    page_.next = {request_.after.directory, expected_, 0};
    page_.hint = commit.behind;
    page_.more = full() || looked_at_bytes_ > kLookedAtBytesMax;
    return !page_.more;
  }

  [[nodiscard]] bool full() const noexcept {
    return page_.records.size() >= request_.limit ||
           (bytes_ > request_.bytes_max && !page_.records.empty());
  }

  bool add_rows(const KeptLog::Commit& commit) {
    LogDecoder decoder;
    bool sound = decoder.begin(commit.bytes);
    for (SealRecord seal; sound && decoder.next_seal(seal);) {
    }
    LogRow row;
    LogPosition at{request_.after.directory, commit.sequence, 0};
    for (; sound && decoder.next_row(row);) {
      ++at.row;
      if (at <= request_.after) {
        continue;
      }
      if (full()) {
        page_.more = true;
        return false;
      }
      add_row(at, row);
      page_.next = at;
    }
    if (!sound || !decoder.complete()) {
      error_ = Error{Errc::storage_corrupt,
                     "commit " + std::to_string(commit.sequence) + " in the log can not be read"};
      return false;
    }
    return true;
  }

  void add_row(const LogPosition& at, const LogRow& row) {
    const bool hidden =
        std::any_of(erasures_.begin(), erasures_.end(), [&](const Erasure& erasure) {
          return erasure.device == row.device && at.commit < erasure.sequence &&
                 erasure.covers(row.row.time_ns);
        });
    const Owner& owner = owner_of(row.device, row.series);
    if (hidden || owner.shape == nullptr || (request_.device && owner.device != *request_.device)) {
      return;
    }
    page_.records.push_back({at, owner.device, row.row.time_ns, row.row.received_ms, row.row.source,
                             owner.shape, page_.arena.keep(row.row.values)});
    bytes_ += row.row.values.size();
  }

  struct Owner {
    std::string_view device;
    const model::Shape* shape = nullptr;
  };
  /// Each is asked for once, since commits wait meanwhile.
  const Owner& owner_of(std::uint32_t device, std::uint32_t series) {
    const auto [at, added] = owners_.try_emplace({device, series});
    if (added) {
      const BlockOwner found = live_.owner(device, series);
      at->second = {page_.arena.keep(found.device), found.shape};
    }
    return at->second;
  }

  const LiveDirectory& live_;
  const LogRequest& request_;
  const std::vector<Erasure> erasures_; ///< Before any file is looked at: see long_work.cpp.
  std::map<std::pair<std::uint32_t, std::uint32_t>, Owner> owners_;
  LogPage page_;
  std::uint64_t expected_; ///< 0: whatever comes first.
  bool looked_at_ = false;
  std::size_t looked_at_bytes_ = 0;
  std::size_t bytes_ = 0;
  std::optional<Error> error_;
};

} // namespace

std::string text_of(const LogPosition& position) {
  return std::to_string(position.directory) + "." + std::to_string(position.commit) + "." +
         std::to_string(position.row);
}

Result<LogPosition> parse_log_position(std::string_view text) {
  std::array<std::uint64_t, 3> parts{};
  const char* at = text.data();
  const char* const end = at + text.size();
  bool sound = true;
  for (std::size_t i = 0; i < parts.size() && sound; ++i) {
    const auto parsed = std::from_chars(at, end, parts[i]);
    const bool last = i + 1 == parts.size();
    sound = parsed.ec == std::errc() &&
            (last ? parsed.ptr == end : parsed.ptr != end && *parsed.ptr == '.');
    at = parsed.ptr + (sound && !last ? 1 : 0);
  }
  if (!sound || parts[0] > UINT16_MAX || parts[1] == UINT64_MAX || parts[2] > UINT32_MAX ||
      (parts[1] == 0 && parts[2] != 0)) {
    return fail(Errc::cursor_invalid,
                "a position is the number of a data directory, of a commit and of a row in it, "
                "like 0.4711.3");
  }
  return LogPosition{static_cast<std::uint16_t>(parts[0]), parts[1],
                     static_cast<std::uint32_t>(parts[2])};
}

Result<LogPage> LiveDirectory::log(const LogRequest& request) const {
  if (kept_log_ == nullptr) {
    return fail(Errc::usage, "the log is not kept: set store.log_retention_bytes");
  }
  if (request.device && !knows(*request.device)) {
    return fail(Errc::device_unknown, "no device " + *request.device);
  }
  return PageReader(*this, request).read(*kept_log_);
}

} // namespace spate::storage
