#include "daemon/app/wipe.h"

#include <catch2/catch.hpp>

#include "tests/unit/daemon/store/test_loop.h"

namespace tg::app {

using store::TempDir;

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

}  // namespace tg::app
