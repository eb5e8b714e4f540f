#include "daemon/app/record_tail.h"

#include <catch2/catch.hpp>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/base/bytes.h"
#include "daemon/store/record.h"
#include "local-broker/mqtt/properties.h"

using namespace std::string_literals;
using namespace tg;
using mqtt::Property;
using store::Tag;

namespace {

std::string tail_of(std::string_view properties, std::optional<std::uint32_t> expiry_s = {}) {
  const broker::ClientInfo client;
  std::string tail;
  app::append_properties(tail, {client, "t", "x", properties, 1, false, false, expiry_s});
  return tail;
}

// "tag=value" of each, as they stand.
std::vector<std::string> tags_of(const std::string& tail) {
  std::vector<std::string> out;
  store::TagCursor cursor(tail);
  Tag tag{};
  for (std::string_view value; cursor.next(tag, value);) {
    out.push_back(std::to_string(static_cast<int>(tag)) + "=" + std::string(value));
  }
  CHECK_FALSE(cursor.failed());
  return out;
}

std::string pair_of(std::string_view name, std::string_view value) {
  std::string out;
  put_str(out, name);
  put_str(out, value);
  return out;
}

void put_user(std::string& list, std::string_view name, std::string_view value) {
  list.push_back('\x26');
  for (const auto text : {name, value}) {
    list.push_back('\0');
    list.push_back(static_cast<char>(text.size()));
    list.append(text);
  }
}

}  // namespace

TEST_CASE("A publish without properties leaves no tail") { CHECK(tail_of("").empty()); }

TEST_CASE("Every property of a publish is read back from the tail, user properties in order") {
  std::string list;
  mqtt::put_property(list, Property::kPayloadFormat, std::uint8_t{1});
  put_user(list, "b", "1");
  mqtt::put_property(list, Property::kContentType, std::string_view("text/plain"));
  mqtt::put_property(list, Property::kResponseTopic, std::string_view("answers"));
  put_user(list, "a", "");
  mqtt::put_property(list, Property::kCorrelationData, std::string_view("\0\xFF"s));
  put_user(list, "b", "1");
  std::string expiry;
  put_varint(expiry, 300);
  CHECK(tags_of(tail_of(list, 300)) ==
        std::vector<std::string>{"3=" + expiry, "6=\x01", "2=" + pair_of("b", "1"), "1=text/plain",
                                 "4=answers", "2=" + pair_of("a", ""), "5=\0\xFF"s,
                                 "2=" + pair_of("b", "1")});
}

TEST_CASE("A message expiry of 0 is an expiry") {
  CHECK(tags_of(tail_of("", 0)) == std::vector<std::string>{"3=\0"s});
}
