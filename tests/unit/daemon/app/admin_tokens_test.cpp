#include "daemon/app/admin_tokens.h"

#include <sys/stat.h>

#include <catch2/catch.hpp>
#include <cstdlib>
#include <fstream>

namespace tg::app {

using Catch::Matchers::Contains;

TEST_CASE("a token says who holds it and what for") {
  const auto tokens = AdminTokens::parse(
      "# tokens\n\ngrafana:read:0123456789abcdef\nops:change:fedcba9876543210:x\n");
  REQUIRE(tokens);
  const auto reader = tokens->find("0123456789abcdef");
  REQUIRE(reader);
  CHECK(reader->name == "grafana");
  CHECK(reader->access == Access::kRead);
  CHECK(tokens->find("fedcba9876543210:x")->access == Access::kChange);
  CHECK_FALSE(tokens->find("0123456789abcdeX"));
  CHECK_FALSE(tokens->find("0123456789abcde"));
  CHECK_FALSE(tokens->find(""));
  CHECK_FALSE(AdminTokens().find(""));
}

TEST_CASE("a line that is no token is named") {
  CHECK_THAT(AdminTokens::parse("a:read:0123456789abcdef\nb\n").error().message, Contains("2: "));
  CHECK_THAT(AdminTokens::parse("a:write:0123456789abcdef").error().message, Contains("write"));
  CHECK_THAT(AdminTokens::parse("a:read:short").error().message, Contains("16 characters"));
  CHECK_FALSE(AdminTokens::parse(":read:0123456789abcdef"));
}

TEST_CASE("a token file that others may read is refused") {
  std::string folder = "/tmp/tidegate-tokens-XXXXXX";
  REQUIRE(::mkdtemp(folder.data()) != nullptr);
  const std::filesystem::path file = std::filesystem::path(folder) / "tokens";
  std::ofstream(file) << "a:read:0123456789abcdef\n";
  REQUIRE(::chmod(file.c_str(), 0644) == 0);
  CHECK_THAT(AdminTokens::load(file).error().message, Contains("others may read it"));
  REQUIRE(::chmod(file.c_str(), 0640) == 0);
  CHECK(AdminTokens::load(file));
  CHECK_FALSE(AdminTokens::load(std::filesystem::path(folder) / "absent"));
  std::filesystem::remove_all(folder);
}

}  // namespace tg::app
