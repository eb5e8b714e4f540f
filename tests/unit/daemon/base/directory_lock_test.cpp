#include "daemon/base/directory_lock.h"

#include <catch2/catch.hpp>
#include <filesystem>

#include "tests/unit/daemon/config/folder.h"

namespace tg {

TEST_CASE("one at a time has a folder, until the lock goes") {
  const config::Folder folder;
  {
    const auto first = DirectoryLock::take(folder.path);
    REQUIRE(first);
    const auto second = DirectoryLock::take(folder.path);
    REQUIRE_FALSE(second);
    CHECK(second.error().code == ErrorCode::kBusy);
    CHECK_THAT(second.error().message, Catch::Matchers::Contains(folder.path.string()));
  }
  CHECK(DirectoryLock::take(folder.path));
  CHECK(DirectoryLock::take(folder.path / "none").error().code == ErrorCode::kNotFound);
}

}  // namespace tg
