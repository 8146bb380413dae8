#include "api/export.hpp"

#include <algorithm>
#include <utility>

#include "api/csv.hpp"
#include "api/json_parts.hpp"
#include "api/store_problem.hpp"
#include "engine/base/percent.hpp"

namespace spate::api {

namespace {

using Then = http::PartWriter::Then;
using storage::AggregateValue;
using storage::Function;

void append_value(std::string& out, const model::Value& value) {
  if (const auto* decimal = std::get_if<model::Decimal>(&value)) {
    model::append_text(out, *decimal);
  } else if (const auto* text = std::get_if<model::NumberText>(&value)) {
    out.append(text->text);
  } else if (const auto* flag = std::get_if<bool>(&value)) {
    out.append(*flag ? "true" : "false");
  } else {
    append_csv(out, std::get<std::string_view>(value));
  }
}

void append_value(std::string& out, const AggregateValue& value) {
  if (value.kind == AggregateValue::Kind::boolean) {
    out.append(value.boolean ? "true" : "false");
  } else if (value.kind == AggregateValue::Kind::number) {
    out.append(value.text);
  } else if (value.kind == AggregateValue::Kind::string) {
    append_csv(out, value.text);
  }
}

/// "avg(temp)"
std::string column_name(Function function, std::string_view field) {
  std::string name(name_of(function));
  return name.append("(").append(field).append(")");
}

} // namespace

/// Reads what comes next and appends its lines.
class Export::Lines {
public:
  virtual ~Lines() = default;
  /// Before the first line. Errors as Store::scan().
  virtual Result<void> begin(std::string& out) = 0;
  /// Some lines; true: there is more. Errors as Store::scan().
  virtual Result<bool> add(std::string& out) = 0;
};

class Export::RecordLines final : public Lines {
public:
  RecordLines(const Services& services, ExportQuery& query)
      : services_(services), scan_(query.scan), csv_(query.format == ExportFormat::csv),
        columns_(csv_ ? query.fields.columns() : std::vector<std::string>{}),
        records_(query.fields, query.names, false) {
    scan_.bytes_max = kPartBytes;
    scan_.cancelled = [limit = query.page.limit] { return limit->over(); };
    scan_.accepts = [this](const model::Shape& shape) {
      return columns_.empty() ? records_.accepts(shape) : !cells_of(shape).empty();
    };
  }

  Result<void> begin(std::string& out) override {
    if (!csv_) {
      return {};
    }
    out.append("ts");
    if (columns_.empty()) {
      out.append(",field,value");
    }
    for (const std::string& column : columns_) {
      out.push_back(',');
      append_csv(out, column);
    }
    out.push_back('\n');
    return {};
  }

  Result<bool> add(std::string& out) override {
    scan_.limit = part_.records();
    auto page = services_.store.scan(scan_);
    if (!page) {
      return fail(std::move(page.error()));
    }
    const std::size_t before = out.size();
    json::Writer writer(out);
    for (const storage::StoredRecord& record : page->records) {
      const std::size_t line = out.size();
      bool whole = true;
      if (!csv_) {
        whole = records_.write(writer, record);
        out.push_back('\n');
      } else {
        whole = columns_.empty() ? add_long(out, record) : add_row(out, record);
      }
      if (!whole) {
        out.resize(line); // Nothing of it is shown.
        return fail(Errc::storage_corrupt, "a row does not fit its shape");
      }
      scan_.after = storage::ScanPosition{record.time_ns, record.tie};
    }
    part_.learn(page->records.size(), out.size() - before);
    return page->more && !page->records.empty();
  }

private:
  /// For each field of the shape its columns: a field may be asked for under two names.
  using Cells = std::vector<std::vector<std::size_t>>;

  /// Empty: the shape has none of the columns.
  const Cells& cells_of(const model::Shape& shape) {
    const auto [found, added] = cells_.try_emplace(&shape);
    if (added) {
      std::vector<std::string_view> paths;
      for (const model::Field& field : shape.fields()) {
        paths.push_back(field.path);
      }
      Cells cells(paths.size());
      bool any = false;
      for (std::size_t i = 0; i < columns_.size(); ++i) {
        if (const auto field = field_of_column(columns_[i], paths, records_.view_of(shape).names)) {
          cells[*field].push_back(i);
          any = true;
        }
      }
      if (any) {
        found->second = std::move(cells);
      }
    }
    return found->second;
  }

  /// `ts,` and one cell a column.
  bool add_row(std::string& out, const storage::StoredRecord& record) {
    const Cells& cells = cells_of(*record.shape);
    row_.resize(columns_.size());
    for (std::string& cell : row_) {
      cell.clear();
    }
    model::RowReader reader(*record.shape, record.values);
    model::Value value;
    while (reader.next(value)) {
      for (const std::size_t column : cells[reader.field()]) {
        append_value(row_[column], value);
      }
    }
    out.append(std::to_string(floor_ms(record.time_ns)));
    for (const std::string& cell : row_) {
      out.append(",").append(cell);
    }
    out.push_back('\n');
    return !reader.corrupt();
  }

  /// One line a value.
  bool add_long(std::string& out, const storage::StoredRecord& record) {
    const ShapeView& view = records_.view_of(*record.shape);
    const std::string time = std::to_string(floor_ms(record.time_ns));
    model::RowReader reader(*record.shape, record.values);
    model::Value value;
    while (reader.next(value)) {
      if (view.selected[reader.field()]) {
        out.append(time).push_back(',');
        append_csv(out, view.names[reader.field()]);
        out.push_back(',');
        append_value(out, value);
        out.push_back('\n');
      }
    }
    return !reader.corrupt();
  }

  const Services& services_;
  storage::ScanRequest scan_;
  const bool csv_;
  const std::vector<std::string> columns_;
  RecordWriter records_;
  PartSize part_ = PartSize::of_scan(kPartBytes);
  std::unordered_map<const model::Shape*, Cells> cells_;
  std::vector<std::string> row_;
};

class Export::BucketLines final : public Lines {
public:
  BucketLines(const Services& services, ExportQuery& query)
      : csv_(query.format == ExportFormat::csv),
        columns_(csv_ ? query.fields.columns() : std::vector<std::string>{}),
        functions_(query.buckets.functions), fields_(query.names, functions_),
        reader_(services.store, query.buckets, *query.page.limit) {}

  Result<void> begin(std::string& out) override {
    if (auto resolved = reader_.resolve(); !resolved) {
      return resolved;
    }
    if (csv_) {
      out.append("ts");
      if (columns_.empty()) {
        out.append(",field,value");
      }
      for (const std::string& column : columns_) {
        for (const Function function : functions_) {
          out.push_back(',');
          append_csv(out, column_name(function, column));
        }
      }
      out.push_back('\n');
    }
    return {};
  }

  Result<bool> add(std::string& out) override {
    auto page = reader_.next(kFirstBuckets);
    if (!page) {
      return fail(std::move(page.error()));
    }
    json::Writer writer(out);
    for (const storage::AggregateBucket& bucket : page->buckets) {
      if (!fields_.any(bucket)) {
        continue;
      }
      if (csv_) {
        columns_.empty() ? add_long(out, bucket) : add_row(out, bucket);
      } else {
        fields_.write(writer, bucket, false);
        out.push_back('\n');
      }
    }
    return page->more && !page->buckets.empty();
  }

private:
  void add_row(std::string& out, const storage::AggregateBucket& bucket) {
    const std::vector<std::string>& names = fields_.names_of(bucket);
    std::vector<std::string_view> paths;
    for (const storage::FieldAggregate& field : bucket.fields) {
      paths.push_back(field.path);
    }
    out.append(std::to_string(floor_ms(bucket.start_ns)));
    for (const std::string& column : columns_) {
      const auto field = field_of_column(column, paths, names);
      for (const Function function : functions_) {
        out.push_back(',');
        if (field) {
          append_value(out, bucket.fields[*field].values[static_cast<std::size_t>(function)]);
        }
      }
    }
    out.push_back('\n');
  }

  void add_long(std::string& out, const storage::AggregateBucket& bucket) {
    const std::vector<std::string>& names = fields_.names_of(bucket);
    const std::string time = std::to_string(floor_ms(bucket.start_ns));
    for (std::size_t i = 0; i < bucket.fields.size(); ++i) {
      for (const Function function : functions_) {
        const AggregateValue& value = bucket.fields[i].values[static_cast<std::size_t>(function)];
        if (value.kind != AggregateValue::Kind::none) {
          out.append(time).push_back(',');
          append_csv(out, column_name(function, names[i]));
          out.push_back(',');
          append_value(out, value);
          out.push_back('\n');
        }
      }
    }
  }

  const bool csv_;
  const std::vector<std::string> columns_;
  const std::vector<Function> functions_;
  BucketFields fields_;
  BucketReader reader_;
};

Export::Export(const Services& services, ExportQuery query)
    : services_(services), query_(std::move(query)) {
  if (query_.buckets.functions.empty()) {
    lines_ = std::make_unique<RecordLines>(services_, query_);
  } else {
    lines_ = std::make_unique<BucketLines>(services_, query_);
  }
}

Export::~Export() = default;

http::Response Export::header() const {
  const bool csv = query_.format == ExportFormat::csv;
  const char* const ending = csv ? "csv" : "ndjson";
  http::Response response;
  response.content_type = csv ? "text/csv; charset=utf-8" : "application/x-ndjson";
  // A device id may hold what a quoted file name may not.
  response.headers.emplace_back("Content-Disposition",
                                std::string("attachment; filename=\"telemetry.") + ending +
                                    "\"; filename*=UTF-8''" + percent_encode(query_.scan.device) +
                                    "." + ending);
  return response;
}

ExportPart Export::failed(const Error& error) {
  failure_ = error;
  if (error.code == Errc::device_unknown) {
    failure_->detail = "no device '" + query_.scan.device + "' is known";
  }
  http::Response problem = read_problem(error, query_.page, query_.scan.device);
  ExportPart part;
  part.then = Then::abort;
  if (query_.format == ExportFormat::ndjson) {
    part.bytes = "{\"error\":" + problem.body + "}\n";
  }
  if (!begun_) {
    part.refusal = std::move(problem);
  }
  return part;
}

ExportPart Export::next() {
  const SteadyTime start = std::chrono::steady_clock::now();
  if (begun_) {
    query_.page.limit->restart(start + services_.limits.query_time_max);
  }
  ExportPart part;
  if (!begun_) {
    if (auto begun = lines_->begin(part.bytes); !begun) {
      return failed(begun.error());
    }
  }
  bool more = true;
  while (more && part.bytes.size() < kPartBytes) {
    auto added = lines_->add(part.bytes);
    if (!added) {
      ExportPart last = failed(added.error());
      if (begun_) { // What was read before is good.
        last.bytes.insert(0, part.bytes);
      }
      return last;
    }
    more = *added;
    if (std::chrono::steady_clock::now() - start > kPartTime) {
      break;
    }
  }
  if (more && query_.page.limit->over()) {
    return failed({Errc::storage_unavailable, {}});
  }
  begun_ = true;
  part.then = more ? Then::more : Then::end;
  return part;
}

} // namespace spate::api
