// Spate - what tests of the kept log do with it: read it to its end, and say what came.
#pragma once

#include <string>
#include <vector>

#include "tests/storage/store_fixture.hpp"

namespace spate::storage::test {

/// A consumer: goes on behind what it has seen.
struct Consumer {
  LogRequest request;
  std::vector<LogGap> gaps;

  explicit Consumer(LogPosition after = {}) { request.after = after; }

  /// "position device time=value" of all there is at the moment.
  std::vector<std::string> read(Store& store) {
    std::vector<std::string> out;
    for (bool more = true; more;) {
      auto page = store.log(request);
      if (!page) {
        FAIL(page.error().detail);
      }
      if (page->gap) {
        gaps.push_back(*page->gap);
      }
      for (const LogRecord& record : page->records) {
        StoredRecord stored;
        stored.shape = record.shape;
        stored.values = record.values;
        out.push_back(storage::text_of(record.position) + " " + std::string(record.device) + " " +
                      std::to_string(record.time_ns) + "=" + Fixture::text_of(stored));
      }
      request.after = page->next;
      request.hint = page->hint;
      more = page->more;
    }
    return out;
  }
};

/// The same without positions.
inline std::vector<std::string> without_positions(std::vector<std::string> lines) {
  for (std::string& line : lines) {
    line.erase(0, line.find(' ') + 1);
  }
  return lines;
}

} // namespace spate::storage::test
