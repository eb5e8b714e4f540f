#include "daemon/app/ctl/archive.h"

#include <sys/stat.h>

#include <catch2/catch.hpp>
#include <cstdio>
#include <cstdlib>
#include <string>

namespace tg::ctl {
namespace {

std::string output_of(const std::string& command) {
  std::FILE* pipe = ::popen(command.c_str(), "r");
  REQUIRE(pipe != nullptr);
  std::string out;
  for (int c = 0; (c = std::fgetc(pipe)) != EOF;) out += static_cast<char>(c);
  CHECK(::pclose(pipe) == 0);
  return out;
}

}  // namespace

TEST_CASE("tar reads what the archive wrote") {
  std::string folder = "/tmp/tidegate-archive-XXXXXX";
  REQUIRE(::mkdtemp(folder.data()) != nullptr);
  const std::string file = folder + "/a.tar.gz";
  const std::string large(10'000, 'x');
  {
    auto archive = Archive::create(file);
    REQUIRE(archive);
    CHECK(archive->add("d/one.txt", "hello\n"));
    CHECK(archive->add("d/empty", ""));
    CHECK(archive->add("d/block", std::string(512, 'b')));
    CHECK(archive->add("d/large", large));
    CHECK(archive->finish());
  }
  CHECK(output_of("tar -tzf " + file) == "d/one.txt\nd/empty\nd/block\nd/large\n");
  CHECK(output_of("tar -xzOf " + file + " d/one.txt") == "hello\n");
  CHECK(output_of("tar -xzOf " + file + " d/large") == large);
  struct stat info {};
  REQUIRE(::stat(file.c_str(), &info) == 0);
  CHECK((info.st_mode & 0777) == 0600);
  CHECK_FALSE(Archive::create(file));
  CHECK(std::system(("rm -r " + folder).c_str()) == 0);
}

}  // namespace tg::ctl
