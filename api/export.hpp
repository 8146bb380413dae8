// Spate - a whole range of one device as a file, made part by part.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "api/bucket_reader.hpp"
#include "api/queries.hpp"
#include "api/record_writer.hpp"
#include "engine/http/response.hpp"

namespace spate::api {

enum class ExportFormat : std::uint8_t { csv, ndjson };

struct ExportQuery {
  PageContext page;
  ExportFormat format = ExportFormat::csv;
  Names names = Names::raw;
  FieldFilter fields;
  storage::ScanRequest scan; ///< Of records,
  Buckets buckets;           ///< or of these, if there are functions.
};

/// Some bytes of the file, and what follows.
struct ExportPart {
  std::string bytes;
  http::PartWriter::Then then = http::PartWriter::Then::more;
  std::optional<http::Response> refusal; ///< Of the first part only: instead of the file.
};

/// Flow:   Server -> next() on the background thread, one job a part -> http::PartWriter
/// Thread: one at a time; the background's.
/// Limits: a part is about kPartBytes and ends after kPartTime, so that many exports and other
///         reads take turns; each part has the time limit of a query.
class Export {
public:
  /// `services` is borrowed.
  Export(const Services& services, ExportQuery query);
  Export(const Export&) = delete;
  Export& operator=(const Export&) = delete;
  ~Export();

  [[nodiscard]] ExportPart next();
  /// The header of the answer, without its body.
  [[nodiscard]] http::Response header() const;
  /// Why it was aborted.
  [[nodiscard]] const std::optional<Error>& failure() const noexcept { return failure_; }
  [[nodiscard]] bool unheard() const noexcept { return query_.page.limit->unheard(); }

private:
  static constexpr std::size_t kPartBytes = 256u << 10;
  static constexpr std::chrono::milliseconds kPartTime{50};
  static constexpr std::size_t kFirstBuckets = 1000;

  class Lines;
  class RecordLines;
  class BucketLines;
  ExportPart failed(const Error& error);

  const Services& services_;
  ExportQuery query_;
  std::unique_ptr<Lines> lines_;
  std::optional<Error> failure_;
  bool begun_ = false;
};

} // namespace spate::api
