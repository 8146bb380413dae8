#include "loadgen/proof/ledger_reader.hpp"

#include <cerrno>
#include <cstring>
#include <utility>
#include <vector>

#include "engine/base/hash.hpp"
#include "engine/base/utf8.hpp"

namespace spate::loadgen {

namespace {

constexpr std::size_t kRecordBytesMin = 10;

tl::unexpected<Error> wrong(const char* what) {
  return fail(Errc::malformed_payload, what);
}

std::string_view text_of(ByteReader& body) {
  const std::string_view text = body.bytes(body.varint());
  if (text.size() > kLedgerNameBytesMax || !is_utf8(text)) {
    body.fail();
    return {};
  }
  return text;
}

} // namespace

Result<void> LedgerDecoder::take(char type, std::string_view body) {
  if (ended_) {
    return wrong("a block after the end block");
  }
  switch (static_cast<LedgerBlockType>(type)) {
  case LedgerBlockType::cohort:
    return take_cohort(ByteReader(body));
  case LedgerBlockType::rule:
    return take_rule(ByteReader(body));
  case LedgerBlockType::listed:
    return take_listed(ByteReader(body));
  case LedgerBlockType::records:
    return take_records(ByteReader(body), false);
  case LedgerBlockType::repeated:
    return take_records(ByteReader(body), true);
  case LedgerBlockType::end:
    return take_end(ByteReader(body));
  }
  return wrong("a block of an unknown type");
}

Result<void> LedgerDecoder::take_cohort(ByteReader body) {
  const std::uint64_t number = body.varint();
  const std::string_view name = text_of(body);
  if (!body.ok() || !body.empty()) {
    return wrong("not a cohort");
  }
  if (number != names_.cohorts() || number >= kLedgerCohortsMax) {
    return wrong("a cohort out of turn, or one too many");
  }
  names_.add_cohort(name);
  return {};
}

Result<std::uint32_t> LedgerDecoder::cohort_of(ByteReader& body) const {
  const std::uint64_t cohort = body.varint();
  if (!body.ok() || cohort >= names_.cohorts()) {
    return wrong("an unknown cohort");
  }
  return static_cast<std::uint32_t>(cohort);
}

Result<void> LedgerDecoder::take_rule(ByteReader body) {
  auto cohort = cohort_of(body);
  if (!cohort) {
    return fail(std::move(cohort.error()));
  }
  const std::uint64_t count = body.varint();
  const std::uint64_t first = body.varint();
  const std::string_view before = text_of(body);
  const std::string_view after = text_of(body);
  if (!body.ok() || !body.empty() || count == 0 ||
      before.find(DeviceNames::kPlace) != std::string_view::npos ||
      before.size() + after.size() + 20 > DeviceNames::kNameBytesMax ||
      first > ~std::uint64_t{0} - kLedgerDevicesMax) {
    return wrong("not a rule for names");
  }
  if (count > kLedgerDevicesMax - names_.devices()) {
    return wrong("too many devices");
  }
  std::string rule(before);
  rule.append(DeviceNames::kPlace).append(after);
  names_.add(*cohort, DeviceNames(rule, first, static_cast<std::uint32_t>(count)));
  return {};
}

Result<void> LedgerDecoder::take_listed(ByteReader body) {
  auto cohort = cohort_of(body);
  if (!cohort) {
    return fail(std::move(cohort.error()));
  }
  const std::uint64_t count = body.varint();
  if (count == 0 || count > body.left()) {
    return wrong("not a list of names");
  }
  if (count > kLedgerDevicesMax - names_.devices()) {
    return wrong("too many devices");
  }
  std::vector<std::string> listed;
  listed.reserve(static_cast<std::size_t>(count));
  for (std::uint64_t i = 0; i < count && body.ok(); ++i) {
    listed.emplace_back(text_of(body));
  }
  if (!body.ok() || !body.empty()) {
    return wrong("not a list of names");
  }
  names_.add(*cohort, DeviceNames(std::move(listed)));
  return {};
}

Result<void> LedgerDecoder::take_records(ByteReader body, bool repeated) {
  auto cohort = cohort_of(body);
  if (!cohort) {
    return fail(std::move(cohort.error()));
  }
  left_ = body.varint();
  if (!body.ok() || left_ == 0 || left_ > body.left() / kRecordBytesMin) {
    return wrong("fewer bytes than its records need");
  }
  body_ = body;
  last_ = {*cohort, 0, 0, 0, repeated};
  ++blocks_;
  return {};
}

Result<void> LedgerDecoder::take_end(ByteReader body) {
  const std::uint64_t records = body.varint();
  const std::uint64_t blocks = body.varint();
  if (!body.ok() || !body.empty()) {
    return wrong("not an end");
  }
  if (records != records_ || blocks != blocks_) {
    return fail(Errc::malformed_payload, "the end block counts " + std::to_string(records) +
                                             " records, the file has " + std::to_string(records_));
  }
  ended_ = true;
  return {};
}

Result<bool> LedgerDecoder::next(LedgerRecord& record) {
  if (left_ == 0) {
    return false;
  }
  const auto device =
      static_cast<std::uint64_t>(last_.device) + static_cast<std::uint64_t>(body_.svarint());
  last_.ts = static_cast<std::int64_t>(static_cast<std::uint64_t>(last_.ts) +
                                       static_cast<std::uint64_t>(body_.svarint()));
  last_.hash = body_.be<std::uint64_t>();
  --left_;
  if (!body_.ok() || (left_ == 0 && !body_.empty())) {
    return wrong("not the records that it counts");
  }
  if (device >= names_.devices(last_.cohort)) {
    return wrong("a device without a name");
  }
  last_.device = static_cast<std::uint32_t>(device);
  ++records_;
  record = last_;
  return true;
}

Result<void> LedgerReader::open() {
  file_.reset(std::fopen(path_.c_str(), "rbe"));
  if (file_ == nullptr) {
    return fail(Errc::file_unreadable, path_ + ": " + std::strerror(errno));
  }
  char head[kLedgerHead.size()];
  auto got = read(head, sizeof head);
  if (!got) {
    return fail(std::move(got.error()));
  }
  if (std::string_view(head, *got) != kLedgerHead) {
    return fail(Errc::malformed_payload,
                path_ + ": no ledger (it would begin with \"spate ledger 1\")");
  }
  at_ = *got;
  return {};
}

Result<std::size_t> LedgerReader::read(char* to, std::size_t bytes) {
  const std::size_t got = std::fread(to, 1, bytes, file_.get());
  if (got != bytes && std::ferror(file_.get()) != 0) {
    return fail(Errc::file_unreadable, path_ + ": " + std::strerror(errno));
  }
  return got;
}

Result<bool> LedgerReader::next(LedgerRecord& record) {
  for (;;) {
    auto more = decoder_.next(record);
    if (!more) {
      return bad(more.error().detail);
    }
    if (*more) {
      return true;
    }
    auto block = next_block();
    if (!block || !*block) {
      return block;
    }
  }
}

Result<bool> LedgerReader::next_block() {
  begin_ = at_;
  block_.resize(kLedgerBlockHeadBytes);
  auto got = read(block_.data(), block_.size());
  if (!got) {
    return fail(std::move(got.error()));
  }
  if (*got == 0 && decoder_.ended()) {
    return false;
  }
  if (*got != block_.size()) {
    return torn("it breaks off");
  }
  const std::size_t body_bytes = get_be<std::uint32_t>(block_.data() + 1);
  if (body_bytes > kLedgerBodyBytesMax) {
    return torn("a block above 1 MiB");
  }
  block_.resize(kLedgerBlockHeadBytes + body_bytes + kLedgerBlockTailBytes);
  got = read(block_.data() + kLedgerBlockHeadBytes, body_bytes + kLedgerBlockTailBytes);
  if (!got) {
    return fail(std::move(got.error()));
  }
  if (*got != body_bytes + kLedgerBlockTailBytes) {
    return torn("it breaks off");
  }
  const std::string_view all(block_);
  const std::string_view summed = all.substr(0, kLedgerBlockHeadBytes + body_bytes);
  if (hash_bytes(summed) != get_be<std::uint64_t>(all.data() + summed.size())) {
    return torn("the checksum does not fit");
  }
  if (auto taken = decoder_.take(block_[0], summed.substr(kLedgerBlockHeadBytes)); !taken) {
    return bad(taken.error().detail);
  }
  at_ += block_.size();
  return true;
}

Result<bool> LedgerReader::torn(const std::string& what) {
  // A kill tears only the last block; what follows a damaged one can not be found anyway.
  if (end_ == LedgerEnd::optional && !decoder_.ended()) {
    if (std::fgetc(file_.get()) == EOF) {
      return false;
    }
    return bad(what + ", and more follows: this is damage, not a file that was cut off");
  }
  return bad(what + (decoder_.ended() ? " after the end block"
                                      : ": the file was cut off, or its generator killed "
                                        "(--partial takes what is there)"));
}

tl::unexpected<Error> LedgerReader::bad(const std::string& what) const {
  return fail(Errc::malformed_payload,
              path_ + ": block at byte " + std::to_string(begin_) + ": " + what);
}

} // namespace spate::loadgen
