#include "engine/telemetry/parser.hpp"

#include <algorithm>
#include <cassert>
#include <limits>

#include "engine/json/utf8.hpp"
#include "engine/telemetry/fault_text.hpp"
#include "engine/telemetry/timestamp.hpp"

namespace spate::telemetry {

using json::Token;
using model::RejectReason;
using model::ValueClass;

namespace {

/// In the root of the record form; its length is not part of the stored paths.
constexpr std::string_view kValues = "values";
/// Members with nothing in them cost memory too.
constexpr std::size_t kMembersPerField = 4;

/// A key that 8 readable bytes follow.
constexpr char kValueKey[16] = "value";

RejectReason reason_of(json::FaultKind kind) noexcept {
  switch (kind) {
  case json::FaultKind::depth:
    return RejectReason::depth_exceeded;
  case json::FaultKind::utf8:
    return RejectReason::invalid_utf8;
  case json::FaultKind::syntax:
  case json::FaultKind::none:
    break;
  }
  return RejectReason::payload_not_json;
}

} // namespace

Parser::Parser(model::ShapeTable& shapes, ParserLimits limits)
    : shapes_(shapes), limits_(limits), tree_(limits.path_bytes_max), slots_(limits.fields_max),
      sequence_(limits.fields_max), row_(4096) {}

bool Parser::skip_to(unsigned depth) {
  while (reader_.depth() > depth) {
    if (reader_.next() == Token::fault) {
      return false;
    }
  }
  return true;
}

void Parser::begin_record() {
  // Only between records: nothing refers to nodes or layouts then.
  if (tree_.full() || record_ == std::numeric_limits<std::uint32_t>::max()) {
    tree_.clear();
    layouts_.clear();
    record_ = 0;
  } else if (layouts_.full()) {
    layouts_.clear();
  }
  ++record_;
  count_ = 0;
  hash_ = 0;
  row_bytes_max_ = 0;
  nodes_before_ = tree_.size();
  values_node_ = PathTree::kNone;
  time_state_ = TimeState::absent;
  refusal_ = RejectReason::none;
}

bool Parser::refuse(RejectReason reason, std::string detail) {
  refusal_ = reason;
  refusal_detail_ = std::move(detail);
  return false;
}

inline bool Parser::take_member(Frame& frame, std::string_view key, PathTree::Id& node) {
  node = tree_.expected_child(frame.node, frame.last, key);
  if (node == PathTree::kNone && !take_new_member(frame, key, node)) {
    return false;
  }
  frame.last = node;
  return tree_.usable(node) || refuse_path(node);
}

bool Parser::take_new_member(Frame& frame, std::string_view key, PathTree::Id& node) {
  // Members without a value are no fields, but they cost memory here.
  if (tree_.size() - nodes_before_ > kMembersPerField * limits_.fields_max) {
    return refuse(RejectReason::too_many_fields,
                  "more than " + std::to_string(kMembersPerField * limits_.fields_max) +
                      " members in one record");
  }
  if (key.size() > limits_.path_bytes_max) {
    return refuse(RejectReason::payload_too_large, long_path_text(key, limits_.path_bytes_max));
  }
  node = tree_.child(frame.node, frame.last, key);
  return true;
}

bool Parser::refuse_path(PathTree::Id node) {
  const std::string_view path = tree_.path(node);
  if (!tree_.well_formed(node)) {
    return refuse(RejectReason::payload_not_json,
                  quoted_name(path) + " is no path: `\\` may only stand before `.` or `\\`");
  }
  return refuse(RejectReason::payload_too_large, long_path_text(path, limits_.path_bytes_max));
}

bool Parser::refuse_fields() {
  return refuse(RejectReason::too_many_fields,
                "more than " + std::to_string(limits_.fields_max) + " fields in one record");
}

bool Parser::refuse_number(PathTree::Id node, std::string_view text) {
  const bool too_long = text.size() > model::kNumberTextBytesMax;
  return refuse(
      RejectReason::number_out_of_range,
      "the number of " + quoted_name(tree_.path(node)) +
          (too_long ? " has more than " + std::to_string(model::kNumberTextBytesMax) + " characters"
                    : std::string(" is beyond the range of a double")));
}

bool Parser::refuse_string(PathTree::Id node, std::string_view text) {
  return refuse(RejectReason::payload_too_large, "the text of " + quoted_name(tree_.path(node)) +
                                                     " has " + std::to_string(text.size()) +
                                                     " bytes; the limit is " +
                                                     std::to_string(limits_.string_bytes_max));
}

inline bool Parser::add_slot(PathTree::Id node, std::uint32_t value_class, const Slot& slot) {
  if (count_ == slots_.size()) {
    return refuse_fields();
  }
  const std::uint32_t item = node << 2 | value_class;
  slots_[count_] = slot;
  sequence_[count_++] = item;
  hash_ = (hash_ ^ item) * 0x9e3779b97f4a7c15;
  hash_ ^= hash_ >> 29;
  return true;
}

/// The key came before in this object: what it brought is void, the last one counts (RFC 8259
/// section 4).
bool Parser::take_repeated_key(const Job& job, PathTree::Id node) {
  const std::string_view path = tree_.path(node);
  if (job.time_path == path ||
      (job.time_path.starts_with(path) && job.time_path.substr(path.size()).starts_with('.'))) {
    time_state_ = TimeState::absent;
  }
  return add_slot(node, kReplacedMark, {nullptr, 0, 0, false, 0});
}

inline bool Parser::take_index(Frame& frame, PathTree::Id& node) {
  // Room for the padding of keys.
  char text[24];
  std::uint32_t value = frame.index++;
  char* const end = text + 10;
  char* begin = end;
  do {
    *--begin = static_cast<char>('0' + value % 10);
    value /= 10;
  } while (value != 0);
  std::fill(end, end + PathTree::kKeyPaddingBytes, '\0');
  return take_member(frame, {begin, static_cast<std::size_t>(end - begin)}, node);
}

inline void Parser::enter_container(const Job& job, PathTree::Id node, bool at_root, bool object) {
  const std::string_view path = tree_.path(node);
  if (path == job.time_path) {
    time_state_ = TimeState::bad;
  }
  if (at_root && path == kValues && job.route->format == Format::automatic) {
    values_node_ = object ? node : PathTree::kNone;
  }
}

inline bool Parser::add_number(PathTree::Id node, const json::Number& number) {
  const bool plain = number.plain && number.scale <= model::kScaleMax &&
                     !(number.negative && number.mantissa == 0);
  const std::string_view text = number.text;
  if (!plain && (text.size() > model::kNumberTextBytesMax || !fits_double(text))) {
    return refuse_number(node, text);
  }
  const auto magnitude = static_cast<std::int64_t>(number.mantissa);
  row_bytes_max_ += plain ? model::kDecimalBytesMax : model::kTextHeadBytesMax + text.size();
  return add_slot(node, static_cast<std::uint32_t>(ValueClass::number),
                  {text.data(), static_cast<std::uint32_t>(text.size()),
                   static_cast<std::uint8_t>(number.scale), plain,
                   number.negative ? -magnitude : magnitude});
}

inline bool Parser::add_string(PathTree::Id node, std::string_view text) {
  if (text.size() > limits_.string_bytes_max) {
    return refuse_string(node, text);
  }
  row_bytes_max_ += model::kTextHeadBytesMax + text.size();
  return add_slot(node, static_cast<std::uint32_t>(ValueClass::string),
                  {text.data(), static_cast<std::uint32_t>(text.size()), 0, false, 0});
}

inline void Parser::take_time(const Job& job, Token token) {
  const TimeUnit unit = job.route->time_unit;
  bool good = false;
  switch (token) {
  case Token::null_value:
    time_state_ = TimeState::absent;
    return;
  case Token::number:
    good = time_of_number(reader_.number(), unit, time_ns_);
    break;
  case Token::string:
    good = time_of_text(reader_.text(), unit, time_ns_);
    break;
  default:
    break;
  }
  time_state_ = good ? TimeState::good : TimeState::bad;
}

inline bool Parser::take_key(const Job& job, Frame& frame, std::string_view key,
                             PathTree::Id& node) {
  return take_member(frame, key, node) &&
         (tree_.mark_seen(node, record_) || take_repeated_key(job, node));
}

inline bool Parser::add_value(const Job& job, Token token, PathTree::Id node) {
  if (tree_.has_path(node, job.time_path) && !job.time_path.empty()) {
    take_time(job, token);
    if (job.route->format == Format::automatic) {
      return true;
    }
  }
  switch (token) {
  case Token::number:
    return add_number(node, reader_.number());
  case Token::string:
    return add_string(node, reader_.text());
  case Token::true_value:
  case Token::false_value:
    ++row_bytes_max_;
    return add_slot(node, static_cast<std::uint32_t>(ValueClass::boolean),
                    {nullptr, 0, 0, false, token == Token::true_value ? 1 : 0});
  default: // null
    return true;
  }
}

/// False: the document is not valid, or the record is refused (refusal_ says which).
bool Parser::flatten(const Job& job, Token token, PathTree::Id node) {
  std::size_t open = 0;
  for (;;) {
    switch (token) {
    case Token::object_begin:
    case Token::array_begin:
      if (open != 0) {
        enter_container(job, node, open == 1, token == Token::object_begin);
      }
      frames_[open++] = {node, PathTree::kNone, 0, token == Token::array_begin};
      break;
    case Token::object_end:
    case Token::array_end:
      --open;
      break;
    case Token::fault:
      return false;
    default:
      if (!add_value(job, token, node)) {
        return false;
      }
      break;
    }
    if (open == 0) {
      return true;
    }
    Frame& frame = frames_[open - 1];
    if (frame.array) {
      token = reader_.next_element();
      if (token != Token::array_end && token != Token::fault && !take_index(frame, node)) {
        return false;
      }
    } else {
      token = reader_.next_member();
      if (token == Token::key) {
        if (!take_key(job, frame, reader_.text(), node)) {
          return false;
        }
        token = reader_.next_value();
      }
    }
  }
}

void Parser::parse_text(Job& job, std::string_view payload) {
  begin_record();
  if (!json::is_utf8(payload)) {
    job.summary.whole = true;
    add_fault(job, 0, RejectReason::invalid_utf8, "the text is not UTF-8");
    return;
  }
  if (payload.empty()) {
    add_fault(job, 0, RejectReason::no_values, "the payload is empty");
    return;
  }
  add_string(tree_.child(PathTree::kRawRoot, PathTree::kNone, {kValueKey, 5}), payload);
  finish_record(job, 0);
}

bool Parser::parse_array(Job& job, PathTree::Id root) {
  std::uint32_t index = 0;
  for (;; ++index) {
    const Token token = reader_.next();
    if (token == Token::array_end) {
      break;
    }
    if (token == Token::fault) {
      return false;
    }
    if (index == limits_.records_max) {
      // Not one of them is taken: the device would not know which.
      job.faults->resize(job.faults->size() - job.summary.rejected);
      job.summary = {0, 0, true};
      add_fault(job, 0, RejectReason::too_many_records,
                "more than " + std::to_string(limits_.records_max) + " records in one payload");
      return false;
    }
    record_offset_ = static_cast<std::uint32_t>(reader_.offset());
    if (token == Token::object_begin) {
      if (!parse_record(job, token, root, index)) {
        return false;
      }
      continue;
    }
    add_fault(job, index, RejectReason::no_values,
              "the element is no object, so its values have no names");
    if (!skip_to(1)) {
      return false;
    }
  }
  if (index == 0) {
    add_fault(job, 0, RejectReason::no_values, "the array is empty");
  }
  return true;
}

bool Parser::parse_record(Job& job, Token token, PathTree::Id root, std::uint32_t index) {
  const bool container = token == Token::object_begin || token == Token::array_begin;
  const unsigned depth = reader_.depth() - (container ? 1 : 0);
  begin_record();
  const PathTree::Id node = container ? root : tree_.child(root, PathTree::kNone, {kValueKey, 5});
  if (!flatten(job, token, node) && (refusal_ == RejectReason::none || !skip_to(depth))) {
    return false;
  }
  finish_record(job, index);
  return true;
}

ParseSummary Parser::parse(const Route& route, std::string_view payload, std::int64_t received_ms,
                           model::TelemetryBlock& out, std::vector<RecordFault>& faults) {
  if (time_path_ != route.time_path()) {
    time_path_ = route.time_path();
  }
  Job job{&route, time_path_, received_ms, &out, &faults, {}};
  record_offset_ = 0;
  if (payload.size() > limits_.payload_bytes_max) {
    job.summary.whole = true;
    add_fault(job, 0, RejectReason::payload_too_large,
              "the payload has " + std::to_string(payload.size()) + " bytes; the limit is " +
                  std::to_string(limits_.payload_bytes_max));
    return job.summary;
  }
  if (route.format == Format::text) {
    parse_text(job, payload);
    return job.summary;
  }
  const std::size_t rows_before = out.rows.size();
  const std::size_t values_before = out.values.size();
  const std::size_t faults_before = faults.size();
  const Token first = reader_.open(payload);
  const PathTree::Id root = route.names_are_paths ? PathTree::kPathRoot : PathTree::kRawRoot;
  bool valid = false;
  if (first == Token::array_begin && route.format == Format::automatic) {
    valid = parse_array(job, root);
  } else {
    valid = first != Token::fault && parse_record(job, first, root, 0);
  }
  if (job.summary.whole || !valid || reader_.next() != Token::end) {
    out.rows.resize(rows_before);
    out.values.resize(values_before);
    faults.resize(faults_before + (job.summary.whole ? 1 : 0));
    if (!job.summary.whole) {
      job.summary = {0, 0, true};
      add_fault(job, 0, reason_of(reader_.fault_kind()), reader_.fault_detail());
    }
  }
  return job.summary;
}

void Parser::add_fault(Job& job, std::uint32_t index, RejectReason reason, std::string detail) {
  constexpr std::size_t kDetailBytesMax = 256;
  if (detail.size() > kDetailBytesMax) {
    detail.resize(kDetailBytesMax);
  }
  job.faults->push_back({index, reason, job.summary.whole, std::move(detail),
                         job.summary.whole ? 0 : record_offset_});
  ++job.summary.rejected;
}

} // namespace spate::telemetry
