#include "local-broker/broker/transport/server_names.h"

#include <catch2/catch.hpp>
#include <string>

using namespace std::string_literals;
using namespace tg::broker;

namespace {

std::string requested(const std::string& extension) {
  return std::string(
      requested_name({reinterpret_cast<const unsigned char*>(extension.data()), extension.size()}));
}

std::string found(const ServerNames& names, const std::string& host) {
  const auto at = find_name(names, host);
  return at != names.end() ? at->first : "none";
}

}  // namespace

TEST_CASE("The name is read from the extension; one that is cut off or of another kind is none") {
  CHECK(requested("\0\x05\0\0\x02gw"s) == "gw");
  CHECK(requested("\0\x03\0\0\0"s).empty());
  for (const auto& wrong :
       {""s, "\0\x05\0\0"s, "\0\x05\0\0\x03gw"s, "\0\x05\0\xff\xffgw"s, "\0\x05\x01\0\x02gw"s}) {
    CHECK(requested(wrong).empty());
  }
}

TEST_CASE("A name of its own comes before *., which stands for one label; case does not matter") {
  const ServerNames names{{"gw.b.example", nullptr}, {"*.B.example", nullptr}};
  CHECK(found(names, "GW.b.example") == "gw.b.example");
  CHECK(found(names, "x.b.example") == "*.B.example");
  for (const char* other :
       {"", ".", "gw", "b.example", ".b.example", "x.gw.b.example", "gw.b.example."}) {
    INFO(other);
    CHECK(found(names, other) == "none");
  }
}
