#include "daemon/store/unread.h"

#include <fstream>

#include "tests/unit/daemon/store/test_loop.h"

namespace tg::store {
namespace {

std::uint64_t unread(const TempDir& dir) {
  const auto count = count_unread(dir.path);
  REQUIRE(count);
  return *count;
}

}  // namespace

TEST_CASE("unread is what readers have not passed, while the store runs and afterwards") {
  TempDir dir;
  CHECK(unread(dir) == 0);
  TestLoop loop;
  auto options = one_stream(dir);
  options.readers = {{options.streams[0].name, "cloud", StartAt::kOldest},
                     {options.streams[0].name, "late", StartAt::kNow}};
  {
    OpenStore store(loop, options);
    for (int i = 1; i <= 10; ++i) store.append(0, "t", std::to_string(i));
    store.flush();
    CHECK(unread(dir) == 20);
    store->advance(0, 8);  // the first reader
    store.flush();
    CHECK(unread(dir) == 13);
  }
  CHECK(unread(dir) == 13);
}

TEST_CASE("records without a reader are not unread") {
  TempDir dir;
  TestLoop loop;
  OpenStore store(loop, one_stream(dir));
  store.put(0, "x");
  CHECK(unread(dir) == 0);
}

TEST_CASE("a directory whose database is none is an error") {
  TempDir dir;
  std::ofstream(dir.path / "streams.db") << "this is no database, but long enough to be looked at";
  CHECK_FALSE(count_unread(dir.path));
}

}  // namespace tg::store
