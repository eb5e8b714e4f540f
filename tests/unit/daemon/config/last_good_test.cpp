#include "daemon/config/last_good.h"

#include <sys/stat.h>

#include <catch2/catch.hpp>
#include <cstdlib>

#include "tests/unit/daemon/config/folder.h"

namespace tg::config {
namespace {

const std::string kGood = "gateway: { id: good }\nstreams: { s: {} }\n";

}  // namespace

TEST_CASE("the last good configuration comes back, those of conf.d included") {
  const Folder folder;
  folder.write("conf.d/10.yaml", "streams: { extra: {} }\n");
  const auto file = folder.write("t.yaml", kGood);
  const auto data = folder.folder("data");
  REQUIRE(save_last_good(file, load(file), data));
  folder.write("t.yaml", "gateway: [");
  folder.write("conf.d/10.yaml", "surprise: 1");
  const auto back = load_last_good(file, data);
  REQUIRE(back);
  CHECK(back->config->gateway_id == "good");
  CHECK(back->config->streams.size() == 2);
  struct stat info {};
  REQUIRE(::stat((data / "last-good").c_str(), &info) == 0);
  CHECK((info.st_mode & 0777) == 0700);
}

TEST_CASE("a newer one takes its place; a file that is gone from conf.d is gone from the copy") {
  const Folder folder;
  const auto file = folder.write("t.yaml", kGood);
  const auto extra = folder.write("conf.d/10.yaml", "streams: { extra: {} }\n");
  const auto data = folder.folder("data");
  REQUIRE(save_last_good(file, load(file), data));
  std::filesystem::remove(extra);
  REQUIRE(save_last_good(file, load(file), data));
  CHECK(load_last_good(file, data)->config->streams.size() == 1);
  CHECK_FALSE(std::filesystem::exists(data / "last-good.old"));
  CHECK_FALSE(std::filesystem::exists(data / "last-good.new"));
}

TEST_CASE("nothing is written when nothing has changed") {
  const Folder folder;
  const auto file = folder.write("t.yaml", kGood);
  const auto data = folder.folder("data");
  REQUIRE(save_last_good(file, load(file), data));
  const auto inode = [&data] {
    struct stat info {};
    REQUIRE(::stat((data / "last-good/t.yaml").c_str(), &info) == 0);
    return info.st_ino;
  };
  const auto before = inode();
  REQUIRE(save_last_good(file, load(file), data));
  CHECK(inode() == before);
}

TEST_CASE("the copy of another file is not used, nor one that is not valid any more") {
  const Folder folder;
  const auto file = folder.write("t.yaml", kGood);
  const auto data = folder.folder("data");
  REQUIRE(save_last_good(file, load(file), data));
  CHECK_FALSE(load_last_good(folder.path / "other.yaml", data));
  CHECK_FALSE(load_last_good(file, folder.folder("elsewhere")));
  folder.write("data/last-good/t.yaml", "gateway: [");
  CHECK_FALSE(load_last_good(file, data));
}

TEST_CASE("after a crash between the two renames the old copy counts") {
  const Folder folder;
  const auto file = folder.write("t.yaml", kGood);
  const auto data = folder.folder("data");
  REQUIRE(save_last_good(file, load(file), data));
  std::filesystem::rename(data / "last-good", data / "last-good.old");
  CHECK(load_last_good(file, data));
}

TEST_CASE("relative names keep the meaning they have at the original's place") {
  const Folder folder;
  folder.write("pki/ca.pem", "x");
  const auto file = folder.write(
      "t.yaml", "gateway: { id: g }\ncloud: { endpoints: [\"mqtts://h:1\"], ca: pki/ca.pem }\n");
  const auto data = folder.folder("data");
  REQUIRE(save_last_good(file, load(file), data));
  const auto back = load_last_good(file, data);
  REQUIRE(back);
  CHECK(back->config->uplinks.at(0).ca == (folder.path / "pki/ca.pem").string());
}

TEST_CASE("the data directory is found in a broken file too") {
  const Folder folder;
  const auto find_in = [&folder](const std::string& text) {
    const auto file = folder.write("t.yaml", text);
    return find_data_dir(file, load(file));
  };
  CHECK(find_in("gateway: { data_dir: /a }\nsurprise: 1\n") == "/a");
  CHECK(find_in("gateway: { data_dir: b }\nsurprise: 1\n") == folder.path / "b");
  CHECK(find_in("gateway:\n  data_dir: \"/c\"  # here\nstreams: [") == "/c");
  CHECK(find_in("gateway: { id: x, data_dir: /d }\nstreams: [") == "/d");
  CHECK(find_in("# data_dir: /no\nstreams: [") == "/var/lib/tidegate");
  ::setenv("STATE_DIRECTORY", "/state", 1);
  CHECK(find_in("streams: [") == "/state");
  ::unsetenv("STATE_DIRECTORY");
}

TEST_CASE("a secret may be a credential of the unit") {
  const Folder folder;
  folder.write("credentials/cloud", "hush\n");
  const std::string text =
      "gateway: { id: g }\ncloud: { endpoints: [\"mqtt://h:1\"], password: { credential: NAME } "
      "}\n";
  const auto with = [&](const char* name) {
    std::string copy = text;
    copy.replace(copy.find("NAME"), 4, name);
    return folder.load_text(copy);
  };
  const auto outside = with("cloud");
  CHECK(outside.config);
  CHECK(all(outside.warnings).find("CREDENTIALS_DIRECTORY") != std::string::npos);
  ::setenv("CREDENTIALS_DIRECTORY", (folder.path / "credentials").c_str(), 1);
  const auto inside = with("cloud");
  const auto absent = with("absent");
  ::unsetenv("CREDENTIALS_DIRECTORY");
  REQUIRE(inside.config);
  CHECK(inside.config->uplinks.at(0).password == "hush");
  CHECK(all(absent.errors).find("cloud.password.credential") != std::string::npos);
}

}  // namespace tg::config
