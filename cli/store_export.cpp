// `spate store export`: a device's records into a file, from a running node or offline.
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <memory>
#include <utility>

#include <unistd.h>

#include "cli/command_door.hpp"
#include "cli/http_client.hpp"
#include "cli/json_object.hpp"
#include "cli/progress.hpp"
#include "cli/store_verbs.hpp"
#include "cli/table.hpp"
#include "engine/base/percent.hpp"

namespace spate::cli {

namespace {

constexpr std::size_t kTailBytes = 8192;

/// A file that gets its name when it is whole, or the standard output.
class Output {
public:
  explicit Output(const std::string& file) : name_(file == "-" ? "" : file) {
    if (name_.empty()) {
      file_ = stdout;
    } else {
      file_ = std::fopen(part().c_str(), "wb");
      failed_ = file_ == nullptr;
      errno_ = errno;
    }
  }
  ~Output() {
    if (!name_.empty() && file_ != nullptr) {
      std::fclose(file_);
    }
  }
  Output(const Output&) = delete;
  Output& operator=(const Output&) = delete;

  bool write(std::string_view bytes) {
    if (failed_ || std::fwrite(bytes.data(), 1, bytes.size(), file_) != bytes.size()) {
      note_failure();
      return false;
    }
    written_ += bytes.size();
    if (bytes.size() >= kTailBytes) {
      tail_ = bytes.substr(bytes.size() - kTailBytes);
    } else {
      tail_.append(bytes);
      tail_.erase(0, tail_.size() - std::min(tail_.size(), kTailBytes));
    }
    return true;
  }
  /// False if it could not be written to the end.
  bool finish() {
    if (!failed_ && std::fflush(file_) != 0) {
      note_failure();
    }
    if (failed_ || name_.empty()) {
      return !failed_;
    }
    if (fsync(fileno(file_)) != 0 || std::fclose(std::exchange(file_, nullptr)) != 0 ||
        std::rename(part().c_str(), name_.c_str()) != 0) {
      note_failure();
    }
    return !failed_;
  }
  /// Takes an empty file away; what came is kept.
  void give_up() {
    if (!name_.empty() && written_ == 0 && !failed_) {
      std::remove(part().c_str());
    }
  }

  [[nodiscard]] bool failed() const noexcept { return failed_; }
  [[nodiscard]] Error error() const {
    return {Errc::file_unreadable,
            (name_.empty() ? std::string("the standard output") : part()) + ": " +
                std::strerror(errno_)};
  }
  [[nodiscard]] std::uint64_t written() const noexcept { return written_; }
  [[nodiscard]] std::string where() const { return name_.empty() ? "the output" : part(); }
  /// What the node said at last, in NDJSON: the detail of its error. Empty if it said nothing.
  [[nodiscard]] std::string last_words() const {
    if (tail_.empty() || tail_.back() != '\n') {
      return {};
    }
    const std::size_t before = tail_.rfind('\n', tail_.size() - 2);
    const auto line =
        JsonObject::parse(tail_.substr(before == std::string::npos ? 0 : before + 1));
    const auto error = line ? JsonObject::parse(line->raw("error"))
                            : Result<JsonObject>(fail(Errc::malformed_payload));
    if (!error) {
      return {};
    }
    return error->text("detail").empty() ? error->text("title") : error->text("detail");
  }

private:
  [[nodiscard]] std::string part() const { return name_ + ".part"; }
  void note_failure() {
    if (!failed_) {
      errno_ = errno;
      failed_ = true;
    }
  }

  const std::string name_;
  std::FILE* file_ = nullptr;
  std::uint64_t written_ = 0;
  std::string tail_;
  bool failed_ = false;
  int errno_ = 0;
};

int broke_off(const Error& error, const Output& output) {
  std::string detail = error.detail;
  if (output.written() != 0) {
    const std::string why = output.last_words();
    detail = "the export broke off after " + bytes_text(output.written()) + ": " +
             (why.empty() ? detail : why) + " What came is in " + output.where() + ".";
  }
  complain({error.code, detail});
  return kExitFailed;
}

} // namespace

std::string export_target(const StoreVerbOptions& options) {
  std::string target =
      "/api/v1/devices/" + percent_encode(options.device) + "/telemetry:export";
  char separator = '?';
  const auto add = [&](std::string_view name, const std::string& value) {
    if (!value.empty()) {
      target.push_back(std::exchange(separator, '&'));
      target.append(name).append("=").append(percent_encode(value));
    }
  };
  add("format", options.format);
  add("from", options.from);
  add("to", options.to);
  for (const std::string& fields : options.fields) {
    add("fields", fields);
  }
  add("names", options.names);
  add("agg", options.agg);
  add("step", options.step);
  return target;
}

int export_store(const StoreVerbOptions& options, const OfflineStore& offline) {
  if (options.offline() && !offline.export_range) {
    complain({Errc::usage, "this program can not export without a running node; give --url "
                           "instead of --data-dir"});
    return kExitUsage;
  }
  std::unique_ptr<HttpClient> client;
  if (!options.offline()) {
    auto opened = HttpClient::open(options.url);
    if (!opened) {
      complain(opened.error());
      return exit_code_of(opened.error());
    }
    client = std::move(*opened);
  }
  Output output(options.file);
  if (output.failed()) {
    complain(output.error());
    return kExitUsage;
  }
  const auto start = std::chrono::steady_clock::now();
  ProgressLine line(ProgressLine::on_terminal(), start);
  const auto write = [&](std::string_view bytes) {
    const bool written = output.write(bytes);
    line.bytes("Exported", output.written(), std::chrono::steady_clock::now());
    return written;
  };
  HttpAnswer refusal{200, {}};
  const std::string target = export_target(options);
  Result<void> done;
  if (options.offline()) {
    done = offline.export_range(options.data_dirs, target, write);
  } else if (auto answer = client->download(target, write)) {
    refusal = std::move(*answer);
  } else {
    done = fail(std::move(answer.error()));
  }
  line.clear();
  if (output.failed()) {
    complain(output.error());
    return kExitFailed;
  }
  if (!done || refusal.status != 200) {
    output.give_up();
    CommandOptions about;
    about.url = options.url;
    about.device = options.device;
    return done ? complain(refusal, about) : broke_off(done.error(), output);
  }
  if (!output.finish()) {
    complain(output.error());
    return kExitFailed;
  }
  const auto us = std::chrono::duration_cast<std::chrono::microseconds>(
      std::chrono::steady_clock::now() - start);
  std::fprintf(stderr, "Exported %s in %s.\n", bytes_text(output.written()).c_str(),
               duration_text(us.count()).c_str());
  return kExitOk;
}

} // namespace spate::cli
