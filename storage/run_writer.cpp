#include "storage/run_writer.hpp"

#include <algorithm>

#include "storage/rocks_options.hpp"
#include "storage/run_catalog.hpp"

namespace spate::storage {

namespace {
/// Many files are written at the same time.
constexpr std::size_t kFileBufferBytes = 128u << 10;
} // namespace

rocksdb::Options file_options(rocksdb::DB& db, rocksdb::ColumnFamilyHandle* family) {
  rocksdb::Options options = db.GetOptions(family);
  options.writable_file_max_buffer_size = kFileBufferBytes;
  options.listeners.clear(); // They hear of the database's own files.
  return options;
}

RunWriter::RunWriter(const RunFiles& files, std::uint32_t number, std::uint8_t retention_class)
    : files_(files) {
  run_.number = number;
  run_.retention_class = retention_class;
}

RunWriter::~RunWriter() {
  writer_.reset();
  for (const std::string& path : paths_) {
    (void)files_.options.env->DeleteFile(path); // Ingested files have left.
  }
}

Result<void> RunWriter::add(const BlockKey& key, std::string_view block, const BlockFacts& facts) {
  if (writer_ != nullptr && writer_->FileSize() + block.size() > files_.bytes_max) {
    if (auto closed = close_file(); !closed) {
      return closed;
    }
  }
  rocksdb::Status status;
  if (writer_ == nullptr) {
    writer_ = std::make_unique<rocksdb::SstFileWriter>(rocksdb::EnvOptions(files_.options),
                                                       files_.options);
    paths_.push_back(files_.directory + "/" + std::to_string(run_.number) + "-" +
                     std::to_string(paths_.size()) + ".sst");
    status = writer_->Open(paths_.back());
  }
  if (status.ok()) {
    key_ = run_prefix(run_.number);
    append_block_key(key_, key);
    status = writer_->Put(key_, {block.data(), block.size()});
  }
  if (!status.ok()) {
    return fail(error_of(status));
  }
  if (run_.blocks++ == 0) {
    run_.first_time_ns = facts.first_time_ns;
    run_.last_time_ns = key.last_time_ns;
    run_.last_received_ms = facts.last_received_ms;
  }
  run_.first_time_ns = std::min(run_.first_time_ns, facts.first_time_ns);
  run_.last_time_ns = std::max(run_.last_time_ns, key.last_time_ns);
  run_.last_received_ms = std::max(run_.last_received_ms, facts.last_received_ms);
  run_.last_sequence = std::max(run_.last_sequence, sequence_of(key.order));
  run_.late_blocks += key.kind == BlockKind::late ? 1 : 0;
  run_.rows += facts.rows;
  run_.readings += facts.rows * facts.fields;
  return {};
}

Result<void> RunWriter::close_file() {
  rocksdb::ExternalSstFileInfo info;
  const auto status = writer_->Finish(&info); // Syncs the file.
  writer_.reset();
  if (!status.ok()) {
    return fail(error_of(status));
  }
  run_.bytes += info.file_size;
  return {};
}

Result<void> RunWriter::finish() {
  return writer_ == nullptr ? Result<void>{} : close_file();
}

std::uint64_t RunWriter::bytes() const noexcept {
  return run_.bytes + (writer_ == nullptr ? 0 : writer_->FileSize());
}

} // namespace spate::storage
