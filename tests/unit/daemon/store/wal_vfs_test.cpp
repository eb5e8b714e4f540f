#include <sys/resource.h>

#include <csignal>
#include <fstream>
#include <string>

#include "daemon/store/sqlite.h"
#include "tests/unit/daemon/store/test_loop.h"

namespace tg::store {
namespace {

std::uint64_t write_calls() {
  std::ifstream io("/proc/self/io");
  for (std::string key; io >> key;) {
    std::uint64_t value = 0;
    io >> value;
    if (key == "syscw:") return value;
  }
  return 0;
}

Database open_writer(const std::filesystem::path& file) {
  auto database = Database::open(file, Database::Mode::kReadWrite);
  REQUIRE(database);
  REQUIRE(
      database->exec("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"
                     "CREATE TABLE IF NOT EXISTS blob(data)"));
  return std::move(*database);
}

Result<void> insert(Database& database, int bytes) {
  return database.exec("INSERT INTO blob VALUES(randomblob(" + std::to_string(bytes) + "))");
}

std::uint64_t sum_of_sizes(Database& database) {
  const auto sum = database.query_integer("SELECT sum(length(data)) FROM blob");
  REQUIRE(sum);
  return *sum;
}

// Files of this process may not grow beyond that; a write then fails and raises SIGXFSZ.
class FileLimit {
 public:
  explicit FileLimit(rlim_t bytes) {
    ::getrlimit(RLIMIT_FSIZE, &before_);
    const rlimit limit{bytes, before_.rlim_max};
    ::setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~FileLimit() {
    ::setrlimit(RLIMIT_FSIZE, &before_);
    std::signal(SIGXFSZ, handler_);
  }
  FileLimit(const FileLimit&) = delete;
  FileLimit& operator=(const FileLimit&) = delete;

 private:
  rlimit before_{};
  void (*handler_)(int) = std::signal(SIGXFSZ, SIG_IGN);
};

}  // namespace

TEST_CASE("a commit of many pages is a few writes") {
  const TempDir dir;
  Database writer = open_writer(dir.path / "db");
  const std::uint64_t before = write_calls();
  REQUIRE(insert(writer, 400'000));  // a hundred pages: two hundred pieces
  CHECK(write_calls() - before <= 6);
  auto reader = Database::open(dir.path / "db", Database::Mode::kReadOnly);
  REQUIRE(reader);
  CHECK(sum_of_sizes(*reader) == 400'000);
}

TEST_CASE("what does not fit in the cache is read back from the WAL") {
  const TempDir dir;
  Database writer = open_writer(dir.path / "db");
  REQUIRE(writer.exec("PRAGMA cache_size=10; BEGIN"));
  for (int i = 0; i < 50; ++i) REQUIRE(insert(writer, 10'000));
  CHECK(sum_of_sizes(writer) == 500'000);
  REQUIRE(writer.exec("UPDATE blob SET data = zeroblob(20000) WHERE rowid % 2; COMMIT"));
  CHECK(sum_of_sizes(writer) == 750'000);
  REQUIRE(writer.checkpoint());
  auto reader = Database::open(dir.path / "db", Database::Mode::kReadOnly);
  REQUIRE(reader);
  CHECK(sum_of_sizes(*reader) == 750'000);
  CHECK(writer.query_integer("SELECT count(*) FROM pragma_integrity_check WHERE "
                             "integrity_check = 'ok'") == std::uint64_t{1});
}

TEST_CASE("a write that fails fails the commit, and the next one is whole") {
  const TempDir dir;
  Database writer = open_writer(dir.path / "db");
  REQUIRE(insert(writer, 1000));
  REQUIRE(writer.allocate_wal(1 << 20));
  {
    const FileLimit limit(100'000);
    const auto failed = insert(writer, 400'000);
    REQUIRE_FALSE(failed);
  }
  CHECK(sum_of_sizes(writer) == 1000);
  REQUIRE(insert(writer, 2000));
  auto reader = Database::open(dir.path / "db", Database::Mode::kReadOnly);
  REQUIRE(reader);
  CHECK(sum_of_sizes(*reader) == 3000);
}

}  // namespace tg::store
