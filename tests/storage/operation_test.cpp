// Spate - tests of operations: their bytes, and the book that keeps them.
#include "storage/operation.hpp"

#include <thread>

#include <rocksdb/db.h>

#include "storage/operation_book.hpp"
#include "tests/storage/store_fixture.hpp"

namespace spate::storage {
namespace {

constexpr std::int64_t kNow = 1'800'000'000'000;

class Book {
public:
  explicit Book(OperationBook::Limits limits = {}) : limits_(limits) { open(); }

  Result<void> try_open() {
    book_.reset();
    db_.reset();
    rocksdb::Options options;
    options.create_if_missing = true;
    rocksdb::DB* db = nullptr;
    REQUIRE(rocksdb::DB::Open(options, dir_.sub("db"), &db).ok());
    db_.reset(db);
    auto opened = OperationBook::open(*db_, db_->DefaultColumnFamily(), limits_);
    if (!opened) {
      return fail(std::move(opened.error()));
    }
    book_ = std::move(*opened);
    return {};
  }
  void open() { REQUIRE(try_open()); }

  Operation make(OperationState state, std::int64_t created_ms = kNow) {
    Operation operation;
    operation.id = uuids_.next(created_ms);
    operation.state = state;
    operation.created_ms = created_ms;
    operation.finished_ms = operation.ended() ? created_ms + 1 : 0;
    return operation;
  }
  Operation put(Operation operation, std::int64_t now_ms = kNow) {
    REQUIRE(book_->put(operation, now_ms));
    return operation;
  }
  OperationBook* operator->() { return book_.get(); }
  rocksdb::DB& db() { return *db_; }

private:
  test::TempDir dir_;
  const OperationBook::Limits limits_;
  UuidSource uuids_{1};
  std::unique_ptr<rocksdb::DB> db_;
  std::unique_ptr<OperationBook> book_;
};

std::vector<Uuid> ids(const std::vector<Operation>& operations) {
  std::vector<Uuid> out;
  for (const Operation& operation : operations) {
    out.push_back(operation.id);
  }
  return out;
}

Operation full() {
  Operation operation;
  operation.id.bytes.fill(7);
  operation.type = OperationType::backup_create;
  operation.state = OperationState::failed;
  operation.done = 12;
  operation.total = 34;
  operation.created_ms = -1;
  operation.started_ms = kNow;
  operation.finished_ms = kNow + 5;
  operation.result = R"({"rows":1})";
  operation.error = "the disk is full";
  operation.idempotency_key = "a key";
  operation.request_hash = 0xfedcba9876543210u;
  return operation;
}

std::string bytes_of(const Operation& operation) {
  std::string out;
  encode(operation, out);
  return out;
}

TEST_CASE("an operation comes back from its bytes as it was") {
  const Operation was = full();
  const auto is = decode_operation(bytes_of(was));
  REQUIRE(is);
  CHECK(is->id == was.id);
  CHECK(is->type == was.type);
  CHECK(is->state == was.state);
  CHECK(is->done == 12);
  CHECK(is->total == 34);
  CHECK(is->created_ms == -1);
  CHECK(is->started_ms == kNow);
  CHECK(is->finished_ms == kNow + 5);
  CHECK(is->result == was.result);
  CHECK(is->error == was.error);
  CHECK(is->idempotency_key == was.idempotency_key);
  CHECK(is->request_hash == was.request_hash);
  Operation unknown_total = was;
  unknown_total.total.reset();
  CHECK_FALSE(decode_operation(bytes_of(unknown_total))->total.has_value());
}

TEST_CASE("bytes that are no operation are corrupt and never half read") {
  const std::string bytes = bytes_of(full());
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    CAPTURE(size);
    CHECK(decode_operation(bytes.substr(0, size)).error().code == Errc::storage_corrupt);
  }
  CHECK_FALSE(decode_operation(bytes + '\0'));
  for (const std::size_t at : {0, 17, 18}) { // Version, type, state.
    std::string other = bytes;
    other[at] = '\x63';
    CHECK_FALSE(decode_operation(other));
  }
}

TEST_CASE("types and states have the names of the API") {
  CHECK(name_of(OperationType::telemetry_erase) == "telemetry.erase");
  CHECK(name_of(OperationType::store_compact) == "store.compact");
  CHECK(name_of(OperationType::backup_create) == "backup.create");
  CHECK(name_of(OperationType::store_check) == "store.check");
  CHECK(operation_type("backup.create") == OperationType::backup_create);
  CHECK_FALSE(operation_type("backup"));
  CHECK(name_of(OperationState::queued) == "QUEUED");
  CHECK(operation_state("CANCELED") == OperationState::canceled);
  CHECK_FALSE(operation_state("canceled"));
}

TEST_CASE("a book gives what was interrupted to the next process, oldest first") {
  Book book;
  const Operation queued = book.put(book.make(OperationState::queued));
  const Operation done = book.put(book.make(OperationState::succeeded));
  Operation running = book.put(book.make(OperationState::queued));
  running.state = OperationState::running;
  running.done = 3;
  book.put(running);
  book.open();
  CHECK(ids(book->unfinished()) == std::vector{queued.id, running.id});
  CHECK(book->unfinished()[1].done == 3);
  CHECK(book->find(done.id, kNow)->state == OperationState::succeeded);
}

TEST_CASE("a damaged record keeps the book shut") {
  Book book;
  const Operation operation = book.put(book.make(OperationState::queued));
  const std::string key = "O" + std::string(operation.id.view());
  SUBCASE("bytes") {
    REQUIRE(book.db().Put({}, key, "?").ok());
  }
  SUBCASE("another's key") {
    std::string other = key;
    other.back() = static_cast<char>(other.back() + 1);
    REQUIRE(book.db().Put({}, other, bytes_of(operation)).ok());
  }
  CHECK(book.try_open().error().code == Errc::storage_corrupt);
}

TEST_CASE("other records of the column family are left alone") {
  Book book;
  REQUIRE(book.db().Put({}, "N", "?").ok());
  REQUIRE(book.db().Put({}, "P", "?").ok());
  book.open();
  CHECK(book->list({}, kNow).operations.empty());
}

TEST_CASE("a list is newest first, filtered, and goes on where the last page ended") {
  Book book;
  std::vector<Uuid> wanted;
  for (int i = 0; i < 10; ++i) {
    Operation operation =
        book.make(i % 2 == 0 ? OperationState::running : OperationState::succeeded);
    operation.type = i < 6 ? OperationType::store_compact : OperationType::telemetry_erase;
    book.put(operation);
    if (i % 2 == 0 && i < 6) {
      wanted.insert(wanted.begin(), operation.id);
    }
  }
  OperationQuery query;
  query.states = {OperationState::queued, OperationState::running};
  query.type = OperationType::store_compact;
  query.limit = 2;
  auto page = book->list(query, kNow);
  CHECK(ids(page.operations) == std::vector{wanted[0], wanted[1]});
  CHECK(page.more);
  query.before = page.operations.back().id;
  page = book->list(query, kNow);
  CHECK(ids(page.operations) == std::vector{wanted[2]});
  CHECK_FALSE(page.more);
  CHECK(book->list({}, kNow).operations.size() == 10);
}

TEST_CASE("an idempotency key finds the newest operation made with it for a day") {
  Book book;
  Operation operation = book.make(OperationState::succeeded);
  operation.idempotency_key = "k";
  operation.request_hash = 5;
  book.put(operation);
  CHECK_FALSE(book->find_key("other", kNow));
  CHECK_FALSE(book->find_key("", kNow));
  CHECK(book->find_key("k", kNow + kIdempotencyKeyMs - 1)->request_hash == 5);
  CHECK_FALSE(book->find_key("k", kNow + kIdempotencyKeyMs));
  Operation again = book.make(OperationState::queued, kNow + kIdempotencyKeyMs);
  again.idempotency_key = "k";
  book.put(again);
  book.put(operation); // Its progress does not make it the newest.
  CHECK(book->find_key("k", again.created_ms)->id == again.id);
  book.open();
  CHECK(book->find_key("k", again.created_ms)->id == again.id);
}

TEST_CASE("one that ended more than a week ago is gone, one that has not ended stays") {
  Book book;
  const Operation ended = book.put(book.make(OperationState::failed));
  const Operation running = book.put(book.make(OperationState::running));
  const std::int64_t last_ms = ended.finished_ms + kOperationKeptMs;
  CHECK(book->find(ended.id, last_ms));
  CHECK_FALSE(book->find(ended.id, last_ms + 1));
  CHECK(ids(book->list({}, last_ms + 1).operations) == std::vector{running.id});
  book.put(running, last_ms + 1);
  book.open();
  CHECK_FALSE(book->find(ended.id, kNow)); // From the disk too.
  CHECK(book->find(running.id, last_ms * 2));
}

TEST_CASE("of too many operations the oldest that have ended go") {
  Book book({4, 3});
  const Operation open = book.put(book.make(OperationState::running));
  std::vector<Operation> ended;
  for (int i = 0; i < 5; ++i) {
    ended.push_back(book.put(book.make(OperationState::succeeded)));
  }
  const std::vector expected{ended[4].id, ended[3].id, ended[2].id, open.id};
  CHECK(ids(book->list({}, kNow).operations) == expected);
  book.open();
  CHECK(ids(book->list({}, kNow).operations) == expected);
}

TEST_CASE("more operations than may be open are refused and leave nothing") {
  Book book({100, 2});
  Operation first = book.put(book.make(OperationState::queued));
  CHECK(book->check_room());
  book.put(book.make(OperationState::running));
  CHECK(book->check_room().error().code == Errc::storage_unavailable);
  const Operation third = book.make(OperationState::queued);
  CHECK(book->put(third, kNow).error().code == Errc::storage_unavailable);
  CHECK_FALSE(book->find(third.id, kNow));
  first.state = OperationState::running; // Progress is no new one.
  book.put(first);
  first.state = OperationState::succeeded;
  first.finished_ms = kNow;
  book.put(first);
  CHECK(book->check_room());
  book.put(third);
}

TEST_CASE("a book can be asked while it is written") {
  Book book;
  const Operation operation = book.put(book.make(OperationState::running));
  std::thread writer([&] {
    Operation progress = operation;
    for (std::uint64_t done = 1; done <= 50; ++done) {
      progress.done = done;
      CHECK(book->put(progress, kNow));
    }
  });
  std::uint64_t seen = 0;
  while (seen < 50) {
    const auto found = book->find(operation.id, kNow);
    REQUIRE(found);
    CHECK(found->done >= seen);
    seen = found->done;
    CHECK(book->list({}, kNow).operations.size() == 1);
  }
  writer.join();
}

} // namespace
} // namespace spate::storage
