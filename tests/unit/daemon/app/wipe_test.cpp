#include "daemon/app/wipe.h"

#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>

#include "tests/unit/daemon/store/test_loop.h"

namespace tg::app {

using store::OpenStore;
using store::TempDir;
using store::TestLoop;

TEST_CASE("a wipe leaves an empty directory, the mark goes last") {
  TempDir dir;
  std::filesystem::create_directories(dir.path / "last-good/conf.d");
  std::filesystem::create_directories(dir.path / "lost+found");
  CHECK_FALSE(is_marked_for_wipe(dir.path));
  REQUIRE(mark_for_wipe(dir.path));
  CHECK(is_marked_for_wipe(dir.path));
  REQUIRE(wipe(dir.path));
  CHECK_FALSE(is_marked_for_wipe(dir.path));
  CHECK(std::filesystem::exists(dir.path / "lost+found"));
  CHECK_FALSE(std::filesystem::exists(dir.path / "last-good"));
  CHECK_FALSE(wipe(dir.path / "absent"));
}

TEST_CASE("a store that another process has open is seen") {
  TempDir dir;
  CHECK_FALSE(is_in_use(dir.path));
  TestLoop loop;
  OpenStore store(loop, store::one_stream(dir));
  store.put(0, "x");
  // Locks of one's own process are not seen: ask from another one.
  const pid_t child = ::fork();
  if (child == 0) ::_exit(is_in_use(dir.path) ? 42 : 0);
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  CHECK(WEXITSTATUS(status) == 42);
}

}  // namespace tg::app
