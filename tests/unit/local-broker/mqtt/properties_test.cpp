#include "local-broker/mqtt/properties.h"

#include <catch2/catch.hpp>

using namespace std::literals;
using namespace tg::mqtt;

namespace {

Fault publish_fault(std::string_view bytes) {
  PublishProperties properties;
  return read_publish_properties(bytes, properties);
}

Fault connect_fault(std::string_view bytes) {
  ConnectProperties properties;
  return read_connect_properties(bytes, properties);
}

}  // namespace

TEST_CASE("The properties of CONNECT") {
  ConnectProperties properties;
  REQUIRE(read_connect_properties("\x11\0\0\1\0\x21\0\x0A\x27\0\1\0\0\x22\0\5\x17\0"sv,
                                  properties) == Fault::kNone);
  CHECK(properties.session_expiry_s == 256);
  CHECK(properties.receive_maximum == 10);
  CHECK(properties.max_packet_size == 65'536);
  CHECK(properties.topic_alias_maximum == 5);
  CHECK_FALSE(properties.problem_information);
  CHECK(connect_fault("\x21\0\0"sv) == Fault::kPropertyValue);             // receive maximum 0
  CHECK(connect_fault("\x27\0\0\0\0"sv) == Fault::kPropertyValue);         // packet size 0
  CHECK(connect_fault("\x17\2"sv) == Fault::kPropertyValue);               // neither 0 nor 1
  CHECK(connect_fault("\x16\0\1x"sv) == Fault::kPropertyValue);            // data without method
  CHECK(connect_fault("\x23\0\1"sv) == Fault::kProperty);                  // not of CONNECT
  CHECK(connect_fault("\x11\0\0\1"sv) == Fault::kProperty);                // cut off
  CHECK(connect_fault("\x21\0\1\x21\0\1"sv) == Fault::kPropertyValue);     // twice
  CHECK(connect_fault("\x26\0\1a\0\1b\x26\0\1a\0\1b"sv) == Fault::kNone);  // user properties may
}

TEST_CASE("The properties of PUBLISH") {
  PublishProperties properties;
  REQUIRE(read_publish_properties("\2\0\0\0\x3C\x23\0\7\1\1"sv, properties) == Fault::kNone);
  CHECK(properties.expiry_s == 60);
  CHECK(properties.topic_alias == 7);
  CHECK_FALSE(properties.verbatim);
  CHECK(publish_fault("\1\2"sv) == Fault::kPropertyValue);
  CHECK(publish_fault("\x0B\1"sv) == Fault::kPropertyValue);  // a client has none to send
  CHECK(publish_fault("\x08\0\3a/#"sv) == Fault::kTopic);
  CHECK(publish_fault("\x03\0\1\xFF"sv) == Fault::kProperty);
  CHECK(publish_fault("\x18\0\0\0\1"sv) == Fault::kProperty);  // a will's
  CHECK(publish_fault("\x7F\0"sv) == Fault::kProperty);
}

TEST_CASE("Receivers get the publisher's properties in order, without what is the server's") {
  const auto list = "\x26\0\1a\0\1b\2\0\0\0\1\x09\0\2\0\1\x23\0\1\x26\0\1a\0\1c"sv;
  REQUIRE(publish_fault(list) == Fault::kNone);
  std::string out;
  append_passed_on(out, list);
  CHECK(out == "\x26\0\1a\0\1b\x09\0\2\0\1\x26\0\1a\0\1c"sv);
}

TEST_CASE("What is put is read") {
  std::string out;
  put_property(out, Property::kSessionExpiry, std::uint32_t{70'000});
  put_property(out, Property::kReceiveMaximum, std::uint16_t{9});
  put_property(out, Property::kRequestProblemInformation, std::uint8_t{0});
  put_property(out, Property::kAuthenticationMethod, "m"sv);
  ConnectProperties properties;
  REQUIRE(read_connect_properties(out, properties) == Fault::kNone);
  CHECK(properties.session_expiry_s == 70'000);
  CHECK(properties.receive_maximum == 9);
  CHECK(properties.has_authentication);
  out.clear();
  put_subscription_id(out, 300);
  std::uint32_t id = 0;
  REQUIRE(read_subscribe_properties(out, id) == Fault::kNone);
  CHECK(id == 300);
  CHECK(read_subscribe_properties("\x0B\0"sv, id) == Fault::kPropertyValue);
}
