// Spate - folds that meet damage, and what becomes of it when its device is erased.
#include <filesystem>
#include <fstream>

#include "tests/storage/fold_rows.hpp"

namespace spate::storage::test {

namespace {

/// Writes over the middle of the only file of a family, and opens the database again.
void damage_middle(Fold& fold, rocksdb::ColumnFamilyHandle* family) {
  rocksdb::ColumnFamilyMetaData meta;
  fold.host.database().GetColumnFamilyMetaData(family, &meta);
  std::vector<std::string> names;
  for (const auto& level : meta.levels) {
    for (const auto& file : level.files) {
      names.push_back(file.name);
    }
  }
  REQUIRE(names.size() == 1);
  const std::string path = fold.dir.path() + "/db" + names[0];
  fold.host.close();
  {
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(static_cast<std::streamoff>(std::filesystem::file_size(path) / 2));
    file.write("damaged!", 8);
  }
  fold.host.open();
}

/// A block of device 1 whose checksum does not hold, in the active generation. Sealed by
/// `sequence`.
std::string put_damaged(FoldHost& host, std::uint64_t sequence) {
  std::string block = host.encoded(kNumbers, numbers(kStart + 1'000'000, 1'000, 50));
  block[block.size() / 2] ^= 0x10;
  REQUIRE(
      host.database()
          .Put({}, host.blocks()->generations.back()->handle(),
               block_key({1, kNumbers, BlockKind::main, kStart + 1'049'000, order_of(sequence)}),
               block)
          .ok());
  return block;
}

} // namespace

TEST_CASE("a damaged block is set aside and the rest is folded") {
  Fold fold;
  FoldHost& host = fold.host;
  REQUIRE(host.seal(1, kNumbers, numbers(kStart, 1'000, 50)));
  REQUIRE(host.seal(2, kNumbers, numbers(kStart, 1'000, 50)));
  // Damaged before it came to the database: its checksums hold, the block's does not.
  const std::string block = put_damaged(host, 2);
  auto* active = host.blocks()->generations.back()->handle();
  REQUIRE(host.database()
              .Put({}, active, block_key({7, 9, BlockKind::late, kStart, order_of(100)}), block)
              .ok()); // No such shape.
  REQUIRE(host.freeze());
  REQUIRE(host.run_all());
  host.check_all();
  CHECK(host.maintenance->counts().damaged_blocks == 2);
  std::ifstream file(fold.dir.path() + "/quarantine/1.block", std::ios::binary);
  CHECK(std::string(std::istreambuf_iterator<char>(file), {}) == block);
  std::ifstream note(fold.dir.path() + "/quarantine/1.txt");
  const std::string text(std::istreambuf_iterator<char>(note), {});
  CHECK(text.find("device: 1\n") != std::string::npos);
  CHECK(text.find("last_time_ns: " + std::to_string(kStart + 1'049'000)) != std::string::npos);
  host.open();
  CHECK(host.maintenance->counts().damaged_blocks == 2);
  host.erase(1, 0, INT64_MAX); // The device's bytes are gone from there too.
  REQUIRE(host.run_all());
  CHECK(host.maintenance->counts().damaged_blocks == 1);
  CHECK_FALSE(std::filesystem::exists(fold.dir.path() + "/quarantine/1.block"));
}

TEST_CASE("a part of a file that can not be read is passed over up to the next good device") {
  Fold fold;
  FoldHost& host = fold.host;
  for (std::uint32_t device = 1; device <= 400; ++device) {
    REQUIRE(host.seal(device, kNumbers, numbers(kStart, 1'234'567, 60, static_cast<int>(device))));
  }
  REQUIRE(host.freeze());
  REQUIRE(host.database().Flush({}, host.blocks()->generations[0]->handle()).ok());
  auto* const family = host.blocks()->generations[0]->handle(); // No view may outlive the database.
  damage_middle(fold, family);
  REQUIRE(host.run_all());
  std::size_t whole = 0;
  for (std::uint32_t device = 1; device <= 400; ++device) {
    const auto found = host.found({device, kNumbers});
    CHECK((found.rows.empty() || found.rows == host.expected({device, kNumbers})));
    whole += found.rows.empty() ? 0 : 1;
  }
  CHECK(whole < 400);
  CHECK(whole >= 300); // One block of the file holds so many devices.
  CHECK(host.maintenance->counts().damaged_blocks == 1);
}

TEST_CASE("a damaged block of an erased device is not kept, whenever it is found") {
  for (const bool came_later : {false, true}) {
    CAPTURE(came_later);
    Fold fold;
    FoldHost& host = fold.host;
    REQUIRE(host.seal(1, kNumbers, numbers(kStart, 1'000, 50)));
    REQUIRE(host.seal(2, kNumbers, numbers(kStart, 1'000, 50)));
    put_damaged(host, came_later ? 99 : 1);
    host.erase(1, 0, INT64_MAX);
    // The quarantine is searched before the fold comes to the block.
    REQUIRE(host.run_all());
    CHECK(host.maintenance->erased_through(1));
    REQUIRE(host.freeze());
    REQUIRE(host.run_all());
    host.check_all();
    CHECK(host.maintenance->counts().damaged_blocks == (came_later ? 1 : 0));
    host.open(); // The erasure is still on: what came later stays after a restart, too.
    REQUIRE(host.run_all());
    CHECK(host.maintenance->counts().damaged_blocks == (came_later ? 1 : 0));
  }
}

TEST_CASE("an erasure is not done before the quarantine was searched for it") {
  Fold fold;
  FoldHost& host = fold.host;
  put_damaged(host, 0);
  REQUIRE(host.freeze());
  REQUIRE(host.run_all());
  CHECK(host.run_list().empty());
  CHECK(host.maintenance->counts().damaged_blocks == 1);
  host.erase(1, 0, INT64_MAX);
  CHECK_FALSE(host.maintenance->erased_through(1));
  REQUIRE(host.run_all());
  CHECK(host.maintenance->erased_through(1));
  CHECK(host.maintenance->counts().damaged_blocks == 0);
}

TEST_CASE("a run whose part with an erased device can not be read is rewritten") {
  Fold fold;
  FoldHost& host = fold.host;
  for (std::uint32_t device = 1; device <= 400; ++device) {
    REQUIRE(host.seal(device, kNumbers, numbers(kStart, 1'234'567, 60, static_cast<int>(device))));
  }
  REQUIRE(host.freeze());
  REQUIRE(host.run_all());
  REQUIRE(host.run_list().size() == 1);
  damage_middle(fold, host.runs_family());
  std::uint32_t lost = 0;
  for (std::uint32_t device = 1; device <= 400; ++device) {
    lost = lost == 0 && !host.readable(device) ? device : lost;
  }
  REQUIRE(lost != 0);
  const std::uint32_t before = host.run_list()[0].number;
  host.erase(lost, 0, INT64_MAX);
  REQUIRE(host.run_all());
  REQUIRE(host.run_list().size() == 1);
  CHECK(host.run_list()[0].number != before);
  CHECK(host.maintenance->counts().damaged_blocks == 1);
}

} // namespace spate::storage::test
