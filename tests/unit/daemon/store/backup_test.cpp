// A backup that is made while commits go on, and what a store becomes that it is put in place of.
#include "daemon/store/backup.h"

#include <fstream>
#include <iterator>

#include "daemon/base/directory_lock.h"
#include "daemon/store/replace.h"
#include "daemon/store/space.h"
#include "tests/unit/daemon/store/test_loop.h"

namespace tg::store {
namespace {

using Catch::Matchers::Contains;

constexpr std::int64_t kWallMs = 1'790'000'000'000;

StoreOptions options_of(const TempDir& dir) {
  auto options = one_stream(dir);
  options.readers = {{"telemetry", "cloud", StartAt::kOldest}};
  return options;
}

std::string text_of(int number) { return std::to_string(number) + std::string(2000, 'x'); }

// It takes orders behind the group that came with them: the second group finds them done.
void wait_for_thread(OpenStore& store) {
  store.put(0, "one");
  store.put(0, "two");
}

// One record a round until the copy is ready; how many there are then.
int back_up_under_load(TestLoop& loop, OpenStore& store, int count) {
  REQUIRE(store->begin_backup());
  while (store->backup().state == BackupStatus::State::kCopying) {
    store.put(0, text_of(++count));
    loop.run_until([] { return true; });
  }
  INFO(store->backup().error);
  REQUIRE(store->backup().state == BackupStatus::State::kReady);
  return count;
}

// A backup of a store with `count` records, in a directory of its own.
std::filesystem::path make_backup(const TempDir& dir, int count) {
  TempDir work;
  TestLoop loop;
  OpenStore store(loop, options_of(work));
  for (int i = 1; i <= count; ++i) store.put(0, std::to_string(i));
  REQUIRE(store->begin_backup());
  loop.run_until([&store] { return store->backup().state != BackupStatus::State::kCopying; });
  REQUIRE(store->backup().state == BackupStatus::State::kReady);
  std::filesystem::copy(backup_file(work.path), dir.path / "copy.db");
  return dir.path / "copy.db";
}

}  // namespace

TEST_CASE("a backup holds what was committed when it became ready, commits meanwhile included") {
  TempDir dir;
  TempDir other;
  TestLoop loop;
  std::string epoch;
  int in_backup = 0;
  {
    OpenStore store(loop, options_of(dir));
    for (int i = 1; i <= 600; ++i) {
      store.append(0, "t", text_of(i));
      if (i % 20 == 0) store.flush();
    }
    store->advance(0, 5);
    store.flush();
    epoch = store->epoch();
    CHECK_FALSE(std::filesystem::exists(backup_file(dir.path)));
    in_backup = back_up_under_load(loop, store, 600);
    CHECK(in_backup > 600);
    CHECK(store->backup().copied_bytes == store->backup().bytes);
    std::filesystem::copy(backup_file(dir.path), other.path / "copy.db");
    CHECK(store.payloads(0, 1).size() >= 600);
    store->end_backup();
    wait_for_thread(store);
    CHECK_FALSE(std::filesystem::exists(backup_file(dir.path)));
  }
  const auto data = other.path / "data";
  std::filesystem::create_directory(data);
  const auto replaced = replace_database(data, other.path / "copy.db", kWallMs);
  REQUIRE(replaced);
  CHECK(replaced->old.empty());
  CHECK(replaced->epoch != epoch);
  auto options = options_of(dir);
  options.directory = data;
  OpenStore store(loop, options);
  CHECK(store->epoch() == replaced->epoch);
  const auto payloads = store.payloads(0, 5);
  REQUIRE_FALSE(payloads.empty());
  CHECK(payloads.front() == text_of(5));
  // The record that was put in the last round may have come behind the last page.
  const int last = std::stoi(payloads.back());
  CHECK((last == in_backup || last == in_backup - 1));
  CHECK(store->position(0) == 5);
}

TEST_CASE("one backup at a time; ended, it leaves nothing and another may begin") {
  TempDir dir;
  TestLoop loop;
  {
    OpenStore store(loop, options_of(dir));
    store.put(0, "x");
    REQUIRE(store->begin_backup());
    CHECK(store->begin_backup().error().code == ErrorCode::kBusy);
    store->end_backup();
    wait_for_thread(store);
    CHECK_FALSE(std::filesystem::exists(backup_file(dir.path)));
    CHECK(store->backup().state == BackupStatus::State::kNone);
    REQUIRE(store->begin_backup());
    loop.run_until([&store] { return store->backup().state == BackupStatus::State::kReady; });
    CHECK(std::filesystem::exists(backup_file(dir.path)));
    for (const char* suffix : {"-wal", "-shm", "-journal"}) {
      CHECK_FALSE(std::filesystem::exists(backup_file(dir.path).string() + suffix));
    }
  }
  CHECK_FALSE(std::filesystem::exists(backup_file(dir.path)));
}

TEST_CASE("what is told of a backup that was ended is not taken for the next one's") {
  TempDir dir;
  TestLoop loop;
  OpenStore store(loop, options_of(dir));
  store.put(0, "x");
  REQUIRE(store->begin_backup());
  loop.wait_for_task();  // that it is ready
  store->end_backup();
  REQUIRE(store->begin_backup());
  loop.run_task();
  CHECK(store->backup().state == BackupStatus::State::kCopying);
  loop.run_until([&store] { return store->backup().state == BackupStatus::State::kReady; });
}

TEST_CASE("a backup of an encrypted store is encrypted") {
  TempDir dir;
  TestLoop loop;
  auto options = options_of(dir);
  options.encrypt = true;
  options.keys = std::string(64, 'a');
  OpenStore store(loop, options);
  store.put(0, "a payload that nobody may read");
  REQUIRE(store->begin_backup());
  loop.run_until([&store] { return store->backup().state == BackupStatus::State::kReady; });
  std::ifstream file(backup_file(dir.path), std::ios::binary);
  const std::string bytes((std::istreambuf_iterator<char>(file)), {});
  CHECK(bytes.size() >= kPageBytes);
  CHECK(bytes.find("telemetry") != std::string::npos);
  CHECK(bytes.find("nobody may read") == std::string::npos);
}

TEST_CASE("a backup that nobody takes away goes after a while") {
  TempDir dir;
  TestLoop loop;
  OpenStore store(loop, options_of(dir));
  store.put(0, "x");
  REQUIRE(store->begin_backup());
  loop.run_until([&store] { return store->backup().state == BackupStatus::State::kReady; });
  loop.advance_ms(600'000);
  CHECK(store->backup().state == BackupStatus::State::kNone);
  wait_for_thread(store);
  CHECK_FALSE(std::filesystem::exists(backup_file(dir.path)));
}

TEST_CASE("a backup takes the place of a store, which lies in quarantine and is not read again") {
  TempDir dir;
  TempDir work;
  TestLoop loop;
  const auto backup = make_backup(work, 3);
  {
    OpenStore store(loop, options_of(dir));
    for (int i = 0; i < 9; ++i) store.put(0, "old");
  }
  const auto replaced = replace_database(dir.path, backup, kWallMs);
  REQUIRE(replaced);
  CHECK(std::filesystem::exists(replaced->old / "streams.db"));
  CHECK(std::filesystem::exists(backup));
  OpenStore store(loop, options_of(dir));
  CHECK_FALSE(store->is_salvaging());
  CHECK(store->epoch() == replaced->epoch);
  CHECK(store.payloads(0, 1) == std::vector<std::string>{"1", "2", "3"});
  CHECK(store.put(0, "4") == 4);
}

TEST_CASE("what is no sound store of a version that is known changes nothing") {
  TempDir dir;
  TempDir work;
  TestLoop loop;
  const auto backup = make_backup(work, 50);
  const auto bad = work.path / "bad.db";
  {
    OpenStore store(loop, options_of(dir));
    store.put(0, "old");
  }
  std::string why;
  SECTION("no database") {
    std::ofstream(bad) << std::string(10'000, 'x');
    why = "not a database";
  }
  SECTION("another program's") {
    auto other = Database::open(bad, Database::Mode::kSingleFile);
    REQUIRE(other);
    REQUIRE(other->exec("CREATE TABLE mail(text)"));
    why = "not a store of Tidegate";
  }
  SECTION("cut short") {
    std::filesystem::copy(backup, bad);
    std::filesystem::resize_file(bad, std::filesystem::file_size(bad) / 2);
    why = "bad.db: ";
  }
  SECTION("of a newer program") {
    std::filesystem::copy(backup, bad);
    auto newer = Database::open(bad, Database::Mode::kSingleFile);
    REQUIRE(newer);
    REQUIRE(newer->exec("UPDATE meta SET value = 99 WHERE key = 'schema'"));
    why = "schema version 99";
  }
  SECTION("not there") { why = "No such file"; }
  const auto replaced = replace_database(dir.path, bad, kWallMs);
  REQUIRE_FALSE(replaced);
  CHECK_THAT(replaced.error().message, Contains(why));
  CHECK_FALSE(std::filesystem::exists(dir.path / "streams.db.restored"));
  CHECK_FALSE(std::filesystem::exists(dir.path / "quarantine"));
  OpenStore store(loop, options_of(dir));
  CHECK(store.payloads(0, 1) == std::vector<std::string>{"old"});
}

TEST_CASE("a store that another process uses is not replaced") {
  TempDir dir;
  TempDir work;
  const auto backup = make_backup(work, 1);
  {
    const auto daemon = DirectoryLock::take(dir.path);
    REQUIRE(daemon);
    const auto replaced = replace_database(dir.path, backup, kWallMs);
    REQUIRE_FALSE(replaced);
    CHECK(replaced.error().code == ErrorCode::kBusy);
  }
  CHECK(replace_database(dir.path, backup, kWallMs));
}

}  // namespace tg::store
