// Spate - payload -> records.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "engine/json/reader.hpp"
#include "engine/model/reject_reason.hpp"
#include "engine/model/row.hpp"
#include "engine/model/telemetry_block.hpp"
#include "engine/telemetry/field_cache.hpp"
#include "engine/telemetry/route.hpp"

namespace spate::telemetry {

/// What is taken; each has its reason when passed.
struct ParserLimits {
  std::size_t payload_bytes_max = 1u << 20; ///< payload-too-large
  std::size_t records_max = 10'000;         ///< In one payload: too-many-records.
  std::size_t fields_max = 1024;            ///< In one record: too-many-fields.
  std::size_t path_bytes_max = 512;         ///< payload-too-large
  std::size_t string_bytes_max = 64u << 10; ///< Of one value: payload-too-large.
};

/// A record that was refused.
struct RecordFault {
  std::uint32_t index = 0; ///< Position among the records of the payload, from 0.
  model::RejectReason reason = model::RejectReason::none;
  bool whole = false; ///< The payload as a whole: nothing of it was taken.
  std::string detail; ///< For people; names a field at most, never a value; at most 256 bytes.
  std::uint32_t offset = 0; ///< Where the record begins in the payload.
};

struct ParseSummary {
  std::uint32_t rows = 0;     ///< Appended to the block.
  std::uint32_t rejected = 0; ///< Faults appended; 1 for a payload that is refused as a whole.
  bool whole = false;         ///< It was.
};

/// Turns payloads into rows of a block.
///
/// Flow:   device session or HTTP body -> Parser -> model::TelemetryBlock -> shard writer
/// Thread: one a loop; keeps scratch memory and what it has learnt about shapes, all bounded: a
/// warm parser
///         allocates nothing for payloads whose keys it has seen.
/// Rules (contract.md "Data"):
///   auto  A top-level array is several records, each element an object. A bad element is a fault
///   with its
///         index, the others are taken. An object whose member `values` is an object and whose
///         other members are only the time field, `ts`, `received_ts`, `ts_source` or `device`
///         (what GET answers and exports hold, so that they can be posted again) is the record
///         form: its readings are those in `values`; `received_ts`, `ts_source` and `device` are
///         not taken over. Any other object is flattened. A bare scalar is the field `value`.
///   flat  The whole document, also an array, is one record, and nothing is consumed.
///   text  The bytes are the string `value`, as they are.
///   The time field counts only as a scalar; null is as if it was absent; anything else that is no
///   time refuses the record. Without a time the record has the receive time and TsSource::server.
///   A document that is not valid JSON to its last byte leaves nothing in the block.
class Parser {
public:
  /// `shapes` is borrowed and outlives the parser.
  explicit Parser(model::ShapeTable& shapes, ParserLimits limits = {});

  /// Appends the records of `payload` to `out.rows` and `out.values`, and what is refused to
  /// `faults`. 64 readable bytes must follow the payload (net::Connection::kPaddingBytes); what
  /// they hold is the same.
  ParseSummary parse(const Route& route, std::string_view payload, std::int64_t received_ms,
                     model::TelemetryBlock& out, std::vector<RecordFault>& faults);

  [[nodiscard]] const ParserLimits& limits() const noexcept { return limits_; }

private:
  /// A value of the record at hand, in order of arrival. Text lies in the payload or in the reader.
  struct Slot {
    const char* text;
    std::uint32_t bytes;
    std::uint8_t scale;
    bool plain; ///< A number that mantissa and scale give back.
    std::int64_t mantissa;
  };
  /// An open object or array.
  struct Frame {
    PathTree::Id node;
    PathTree::Id last; ///< The child before.
    std::uint32_t index;
    bool array;
  };
  /// What goes with the whole payload.
  struct Job {
    const Route* route;
    std::string_view time_path;
    std::int64_t received_ms;
    model::TelemetryBlock* out;
    std::vector<RecordFault>* faults;
    ParseSummary summary;
  };
  /// In a sequence beside the value classes: the key came again, all before it under this node is
  /// void.
  static constexpr std::uint32_t kReplacedMark = 3;
  enum class TimeState : std::uint8_t { absent, good, bad };

  void parse_text(Job& job, std::string_view payload);
  bool parse_array(Job& job, PathTree::Id root);
  /// One record, whose first token is `token`. False: the document is not valid.
  bool parse_record(Job& job, json::Token token, PathTree::Id root, std::uint32_t index);
  bool flatten(const Job& job, json::Token token, PathTree::Id node);
  bool skip_to(unsigned depth);

  // Each of these is false if the record is refused.
  bool take_member(Frame& frame, std::string_view key, PathTree::Id& node);
  bool take_new_member(Frame& frame, std::string_view key, PathTree::Id& node);
  bool take_repeated_key(const Job& job, PathTree::Id node);
  bool take_key(const Job& job, Frame& frame, std::string_view key, PathTree::Id& node);
  bool take_index(Frame& frame, PathTree::Id& node);
  void enter_container(const Job& job, PathTree::Id node, bool at_root, bool object);
  bool add_value(const Job& job, json::Token token, PathTree::Id node);
  bool add_slot(PathTree::Id node, std::uint32_t value_class, const Slot& slot);
  bool add_number(PathTree::Id node, const json::Number& number);
  bool add_string(PathTree::Id node, std::string_view text);
  bool refuse(model::RejectReason reason, std::string detail);
  bool refuse_path(PathTree::Id node);
  bool refuse_fields();
  bool refuse_number(PathTree::Id node, std::string_view text);
  bool refuse_string(PathTree::Id node, std::string_view text);
  void take_time(const Job& job, json::Token token);
  void begin_record();

  // record.cpp
  void finish_record(Job& job, std::uint32_t index);
  const Layout* make_layout(std::uint64_t origin);
  void find_live();
  bool is_record_form() const;
  bool settle_time(const Job& job, const Layout& layout, model::Row& row);
  void append_row(model::TelemetryBlock& out, const Layout& layout, model::Row row);
  void add_fault(Job& job, std::uint32_t index, model::RejectReason reason, std::string detail);

  model::ShapeTable& shapes_;
  const ParserLimits limits_;
  json::Reader reader_;
  PathTree tree_;
  LayoutCache layouts_;

  // The record at hand.
  std::vector<Slot> slots_;             ///< fields_max of them, `count_` in use.
  std::vector<std::uint32_t> sequence_; ///< (node << 2 | class) of each slot.
  std::uint32_t record_ = 0;            ///< Number of the record, for marks in the tree.
  std::uint32_t count_ = 0;
  std::uint64_t hash_ = 0;
  std::size_t row_bytes_max_ = 0;
  std::uint32_t record_offset_ = 0; ///< Where it begins in the payload.
  std::size_t nodes_before_ = 0;    ///< Of the tree, when the record began.
  PathTree::Id values_node_ =
      PathTree::kNone; ///< The root's member `values`, if it was an object last.
  TimeState time_state_ = TimeState::absent;
  std::int64_t time_ns_ = 0;
  model::RejectReason refusal_ = model::RejectReason::none;
  std::string refusal_detail_;

  std::string time_path_; ///< Of the route at hand, where 8 bytes behind it can be read.
  std::array<Frame, json::Reader::kDepthMax + 1> frames_{};
  std::vector<char> row_;
  std::vector<model::FieldView> fields_;
  std::vector<std::uint32_t> order_;
  std::vector<std::uint8_t> live_; ///< Of each slot: no later key has replaced it.
};

} // namespace spate::telemetry
