#include "storage/rejection_ring.hpp"

#include <algorithm>
#include <memory>

#include "storage/keys.hpp"
#include "storage/rocks_options.hpp"

namespace spate::storage {

namespace {

constexpr std::uint8_t kFormat = 1;
constexpr std::size_t kTextBytesMax = 256;
constexpr std::size_t kSampleBytesMax = 128;
/// A ring that was made smaller shrinks by a few entries with each new one.
constexpr int kRemovedAtOnce = 16;

void append_text(std::string& out, std::string_view text, std::size_t bytes_max) {
  text = text.substr(0, bytes_max);
  put_varint(out, text.size());
  out.append(text);
}

} // namespace

void RejectionRing::encode(const model::Rejection& rejection, std::string& out) {
  out.push_back(static_cast<char>(kFormat));
  put_svarint(out, rejection.received_ms);
  out.push_back(static_cast<char>(rejection.reason));
  out.push_back(static_cast<char>(rejection.protocol));
  append_text(out, rejection.device, kTextBytesMax);
  append_text(out, rejection.topic, kTextBytesMax);
  append_text(out, rejection.detail, kTextBytesMax);
  append_text(out, rejection.sample, kSampleBytesMax);
  put_varint(out, rejection.records);
}

Result<model::Rejection> RejectionRing::decode(std::string_view bytes) {
  ByteReader reader(bytes);
  model::Rejection rejection;
  const auto format = reader.be<std::uint8_t>();
  rejection.received_ms = reader.svarint();
  const auto reason = reader.be<std::uint8_t>();
  const auto protocol = reader.be<std::uint8_t>();
  rejection.device = reader.bytes(reader.varint());
  rejection.topic = reader.bytes(reader.varint());
  rejection.detail = reader.bytes(reader.varint());
  rejection.sample = reader.bytes(reader.varint());
  rejection.records = static_cast<std::uint32_t>(reader.varint());
  if (!reader.ok() || !reader.empty() || format != kFormat || reason >= model::kRejectReasons ||
      protocol > static_cast<std::uint8_t>(model::Protocol::http)) {
    return fail(Errc::storage_corrupt, "an entry of the rejections can not be read");
  }
  rejection.reason = static_cast<model::RejectReason>(reason);
  rejection.protocol = static_cast<model::Protocol>(protocol);
  return rejection;
}

Result<void> RejectionRing::load(rocksdb::DB& db, rocksdb::ColumnFamilyHandle* family,
                                 std::uint64_t entries_max) {
  family_ = family;
  entries_max_ = std::max<std::uint64_t>(1, entries_max);
  range_ = {};
  rocksdb::ReadOptions options;
  options.total_order_seek = true;
  const std::unique_ptr<rocksdb::Iterator> at(db.NewIterator(options, family));
  at->SeekToLast();
  if (at->Valid() && at->key().size() == sizeof(std::uint64_t)) {
    range_.next = get_be<std::uint64_t>(at->key().data()) + 1;
    at->SeekToFirst();
    range_.oldest = at->Valid() ? get_be<std::uint64_t>(at->key().data()) : range_.next;
  }
  if (!at->status().ok()) {
    return fail(error_of(at->status()));
  }
  return {};
}

void RejectionRing::add(rocksdb::WriteBatch& batch, const model::Rejection& rejection) {
  std::string value;
  encode(rejection, value);
  batch.Put(family_, number_key(range_.next++), value);
  for (int i = 0; i < kRemovedAtOnce && range_.next - range_.oldest > entries_max_; ++i) {
    batch.Delete(family_, number_key(range_.oldest++));
  }
}

} // namespace spate::storage
