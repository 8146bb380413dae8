#include "engine/columnar/strings.hpp"

#include <unordered_map>

#include "engine/columnar/integers.hpp"

namespace spate::columnar {

namespace {

constexpr std::uint8_t kAllPlain = 0; ///< All lengths, all bytes.
constexpr std::uint8_t kWords = 1;    ///< How many words; lengths, bytes; the word of each row.

void put_words(IntegerEncoder& integers, const std::string_view* words, std::size_t count,
               Effort effort, std::string& out) {
  std::vector<std::int64_t> lengths(count);
  for (std::size_t i = 0; i < count; ++i) {
    lengths[i] = static_cast<std::int64_t>(words[i].size());
  }
  integers.encode(lengths.data(), count, effort, out);
  for (std::size_t i = 0; i < count; ++i) {
    out.append(words[i]);
  }
}

bool read_words(ByteReader& bytes, std::size_t count, std::vector<std::string_view>& out) {
  std::vector<std::int64_t> lengths(count);
  if (!decode_integers(bytes, lengths.data(), count)) {
    return false;
  }
  out.resize(count);
  for (std::size_t i = 0; i < count; ++i) {
    out[i] = bytes.bytes(static_cast<std::uint64_t>(lengths[i]));
  }
  return bytes.ok();
}

} // namespace

void encode_strings(IntegerEncoder& integers, const std::vector<std::string_view>& values,
                    std::size_t count, Effort effort, std::string& out) {
  std::unordered_map<std::string_view, std::int64_t> known;
  std::vector<std::string_view> words;
  std::vector<std::int64_t> indexes(count);
  for (std::size_t i = 0; i < count; ++i) {
    const auto [it, added] = known.try_emplace(values[i], static_cast<std::int64_t>(words.size()));
    if (added) {
      words.push_back(values[i]);
    }
    indexes[i] = it->second;
  }
  if (words.size() * 2 > count + 1) {
    out.push_back(static_cast<char>(kAllPlain));
    put_words(integers, values.data(), count, effort, out);
    return;
  }
  out.push_back(static_cast<char>(kWords));
  put_varint(out, words.size());
  put_words(integers, words.data(), words.size(), effort, out);
  integers.encode(indexes.data(), count, effort, out);
}

bool decode_strings(ByteReader& bytes, std::size_t count, std::vector<std::string_view>& out) {
  const auto form = bytes.be<std::uint8_t>();
  if (form == kAllPlain) {
    return read_words(bytes, count, out);
  }
  const std::uint64_t size = bytes.varint();
  if (!bytes.ok() || form != kWords || size == 0 || size > count) {
    return false;
  }
  std::vector<std::string_view> words;
  std::vector<std::int64_t> indexes(count);
  if (!read_words(bytes, size, words) || !decode_integers(bytes, indexes.data(), count)) {
    return false;
  }
  out.resize(count);
  for (std::size_t i = 0; i < count; ++i) {
    const auto index = static_cast<std::uint64_t>(indexes[i]);
    if (index >= size) {
      return false;
    }
    out[i] = words[index];
  }
  return true;
}

} // namespace spate::columnar
