#include "engine/columnar/strings.hpp"

#include <unordered_map>

#include "engine/columnar/integers.hpp"

namespace spate::columnar {

namespace {

constexpr std::uint8_t kPlain = 0;      ///< All lengths, all bytes.
constexpr std::uint8_t kDictionary = 1; ///< How many words; lengths, bytes; the word of each row.

void put_words(const std::vector<std::string_view>& words, std::string& out) {
  std::vector<std::int64_t> lengths;
  for (const std::string_view word : words) {
    lengths.push_back(static_cast<std::int64_t>(word.size()));
  }
  encode_integers(lengths.data(), lengths.size(), out);
  for (const std::string_view word : words) {
    out.append(word);
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

void encode_strings(const std::vector<std::string_view>& values, std::string& out) {
  std::unordered_map<std::string_view, std::int64_t> known;
  std::vector<std::string_view> words;
  std::vector<std::int64_t> indexes;
  for (const std::string_view value : values) {
    const auto [it, added] = known.try_emplace(value, static_cast<std::int64_t>(words.size()));
    if (added) {
      words.push_back(value);
    }
    indexes.push_back(it->second);
  }
  if (words.size() * 2 > values.size() + 1) {
    out.push_back(static_cast<char>(kPlain));
    put_words(values, out);
    return;
  }
  out.push_back(static_cast<char>(kDictionary));
  put_varint(out, words.size());
  put_words(words, out);
  encode_integers(indexes.data(), indexes.size(), out);
}

bool decode_strings(ByteReader& bytes, std::size_t count, std::vector<std::string_view>& out) {
  const auto form = bytes.be<std::uint8_t>();
  if (form == kPlain) {
    return read_words(bytes, count, out);
  }
  const std::uint64_t size = bytes.varint();
  if (!bytes.ok() || form != kDictionary || size == 0 || size > count) {
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
