#include "local-broker/broker/transport/proxy_header.h"

#include <catch2/catch.hpp>
#include <string>

#include "local-broker/broker/transport/address.h"

using namespace std::string_literals;
using namespace tg::broker;
using State = ProxyHeader::State;

namespace {

const std::string kSignature = "\r\n\r\n\0\r\nQUIT\n"s;

std::string header(int version_command, int family, const std::string& rest) {
  return kSignature + static_cast<char>(version_command) + static_cast<char>(family) +
         static_cast<char>(rest.size() >> 8) + static_cast<char>(rest.size()) + rest;
}

const std::string kV4 = "\xc0\x00\x02\x07\x0a\x00\x00\x01\x13\x88\x07\x5b"s;

}  // namespace

TEST_CASE("The source of an IPv4 or IPv6 header is the peer") {
  const auto v4 = read_proxy_header(header(0x21, 0x11, kV4));
  REQUIRE(v4.state == State::kComplete);
  CHECK(v4.size == 28);
  CHECK(address_text(*v4.source) == "192.0.2.7:5000");
  const auto v6 = read_proxy_header(header(0x21, 0x21,
                                           "\x20\x01\x0d\xb8"s + std::string(11, '\0') + "\x01" +
                                               std::string(16, '\0') + "\x13\x88\x07\x5b"s));
  REQUIRE(v6.state == State::kComplete);
  CHECK(address_text(*v6.source) == "[2001:db8::1]:5000");
}

TEST_CASE("TLVs behind the addresses are skipped") {
  const auto read = read_proxy_header(header(0x21, 0x11, kV4 + "\x04\x00\x01x"s) + "MQTT");
  REQUIRE(read.state == State::kComplete);
  CHECK(read.size == 32);
  CHECK(address_text(*read.source) == "192.0.2.7:5000");
}

TEST_CASE("A local command and other families leave the peer as it is") {
  CHECK(read_proxy_header(header(0x20, 0x11, kV4)).state == State::kComplete);
  CHECK_FALSE(read_proxy_header(header(0x20, 0x11, kV4)).source);
  CHECK_FALSE(read_proxy_header(header(0x21, 0x00, "")).source);
  const auto of_unix = read_proxy_header(header(0x21, 0x31, std::string(216, 'p')));
  CHECK(of_unix.state == State::kComplete);
  CHECK_FALSE(of_unix.source);
}

TEST_CASE("A header may come byte by byte, and says how much it needs") {
  const std::string text = header(0x21, 0x11, kV4);
  for (std::size_t size = 0; size < text.size(); ++size) {
    const auto read = read_proxy_header(text.substr(0, size));
    CHECK(read.state == State::kPartial);
    CHECK(read.size == (size < 16 ? 16 : 28));
  }
}

TEST_CASE("What is no such header is malformed at once") {
  for (const std::string& text :
       {"PROXY TCP4 192.0.2.7 10.0.0.1 5000 1883\r\n"s, "\x10"s, header(0x11, 0x11, kV4),
        header(0x22, 0x11, kV4), header(0x21, 0x41, kV4), header(0x21, 0x11, "short"),
        header(0x21, 0x21, kV4), header(0x21, 0x11, std::string(3000, 'x'))}) {
    CHECK(read_proxy_header(text).state == State::kMalformed);
  }
}
