#include "local-broker/broker/transport/address.h"

#include <sys/un.h>

#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "local-broker/broker/transport/listener.h"

using namespace tg::broker;
using Catch::Matchers::Contains;

TEST_CASE("Addresses read as they are written") {
  for (const char* text : {"127.0.0.1:1883", "[::1]:8883", "[::]:0", "unix:/run/x.sock"}) {
    const auto address = parse_address(text);
    REQUIRE(address);
    CHECK(address_text(address->storage) == text);
  }
  CHECK(address_text(parse_address("localhost:1")->storage) == "127.0.0.1:1");
  sockaddr_storage peer{};
  peer.ss_family = AF_UNIX;
  CHECK(address_text(peer) == "unix");
}

TEST_CASE("What is no address is refused") {
  for (const std::string& text :
       {std::string("127.0.0.1"), std::string("host.example:1883"), std::string("unix:"),
        std::string("unix:relative"), "unix:/" + std::string(200, 'x')}) {
    INFO(text);
    CHECK_FALSE(parse_address(text));
  }
}

TEST_CASE("A Unix socket takes the place of a dead one only") {
  std::string pattern = std::filesystem::temp_directory_path() / "tidegate-socket-XXXXXX";
  REQUIRE(::mkdtemp(pattern.data()) != nullptr);
  const std::filesystem::path folder = pattern;
  const std::string path = folder / "s";
  {
    auto first = Listener::open("unix:" + path);
    REQUIRE(first);
    CHECK((std::filesystem::status(path).permissions() & std::filesystem::perms::others_all) ==
          std::filesystem::perms::none);
    const auto second = Listener::open("unix:" + path);
    REQUIRE_FALSE(second);
    CHECK_THAT(second.error().message, Contains("somebody listens there already"));
    // What stands there at the end is not ours any more.
    std::filesystem::remove(path);
    std::ofstream(path) << "other";
  }
  CHECK(std::filesystem::is_regular_file(path));
  CHECK_THAT(Listener::open("unix:" + path).error().message, Contains("something else"));
  std::filesystem::remove(path);
  const int left = ::socket(AF_UNIX, SOCK_STREAM, 0);
  const auto address = parse_address("unix:" + path);
  REQUIRE(::bind(left, reinterpret_cast<const sockaddr*>(&address->storage), address->length) == 0);
  ::close(left);
  REQUIRE(std::filesystem::exists(path));
  { CHECK(Listener::open("unix:" + path)); }
  CHECK_FALSE(std::filesystem::exists(path));
  std::filesystem::remove_all(folder);
}
