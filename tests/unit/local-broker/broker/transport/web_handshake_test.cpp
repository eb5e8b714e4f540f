#include "local-broker/broker/transport/web_handshake.h"

#include <catch2/catch.hpp>
#include <map>

using namespace tg::broker;
using Catch::Matchers::Contains;
using Catch::Matchers::StartsWith;

namespace {

using Fields = std::map<std::string, std::string>;

const Fields kSound = {
    {"Host", "gw.example:9001"},           {"Upgrade", "websocket"},
    {"Connection", "keep-alive, Upgrade"}, {"Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="},
    {"Sec-WebSocket-Version", "13"},       {"Sec-WebSocket-Protocol", "chat, mqtt"}};

// A sound request but for the changes; an empty value takes the field away.
std::string request(const Fields& changes = {}, const std::string& line = "GET /mqtt HTTP/1.1") {
  Fields fields = kSound;
  for (const auto& [name, value] : changes) fields[name] = value;
  std::string text = line + "\r\n";
  for (const auto& [name, value] : fields) {
    if (!value.empty()) text += name + ": " + value + "\r\n";
  }
  return text + "\r\n";
}

}  // namespace

TEST_CASE("A sound request is answered with the key of RFC 6455's example") {
  const std::string text = request();
  const auto answer = answer_web_request(text + "frames", {});
  CHECK(answer.state == OpenState::kOpen);
  CHECK(answer.used == text.size());
  CHECK_THAT(answer.response,
             StartsWith("HTTP/1.1 101 ") &&
                 Contains("Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n") &&
                 Contains("Sec-WebSocket-Protocol: mqtt\r\n"));
}

TEST_CASE("A request may come byte by byte") {
  const std::string text = request();
  for (std::size_t size = 0; size < text.size(); ++size) {
    CHECK(answer_web_request(text.substr(0, size), {}).state == OpenState::kBlocked);
  }
}

TEST_CASE("Names of fields and values of lists are taken in any case") {
  std::string text = request({{"Upgrade", "WebSocket"}, {"Connection", "UPGRADE"}});
  text.replace(text.find("Sec-WebSocket-Key"), 17, "sec-websocket-key");
  CHECK(answer_web_request(text, {}).state == OpenState::kOpen);
}

TEST_CASE("What is no such request is refused with a status") {
  const std::pair<std::string, const char*> cases[] = {
      {"\x10\x0c MQTT", "400"},
      {request({}, "POST /mqtt HTTP/1.1"), "400"},
      {request({}, "GET /mqtt HTTP/1.0"), "400"},
      {request({{"Host", ""}}), "400"},
      {request({{"Upgrade", ""}}), "426"},
      {request({{"Connection", "close"}}), "426"},
      {request({{"Sec-WebSocket-Version", "8"}}), "426"},
      {request({{"Sec-WebSocket-Key", "short"}}), "400"},
      {request({{"Sec-WebSocket-Protocol", "chat"}}), "400"},
      {request({{"Sec-WebSocket-Protocol", ""}}), "400"},
      {request({{"host", "other.example"}}), "400"},
      {request({{"X", std::string(9000, 'x')}}), "431"}};
  for (const auto& [text, status] : cases) {
    INFO(text.substr(0, 300));
    const auto answer = answer_web_request(text, {});
    CHECK(answer.state == OpenState::kFailed);
    CHECK(answer.fault == OpenFault::kNotWebSocket);
    CHECK_THAT(answer.response, StartsWith(std::string("HTTP/1.1 ") + status));
  }
}

TEST_CASE("Without origins a page must come from the host that is asked") {
  const auto state = [](const std::string& origin, const std::string& host = "gw.example:9001") {
    return answer_web_request(request({{"Origin", origin}, {"Host", host}}), {}).state;
  };
  CHECK(state("") == OpenState::kOpen);
  CHECK(state("https://gw.example") == OpenState::kOpen);
  CHECK(state("http://GW.example:8080") == OpenState::kOpen);
  CHECK(state("http://[::1]:80", "[::1]:9001") == OpenState::kOpen);
  CHECK(state("https://gw.example.evil") == OpenState::kFailed);
  CHECK(state("https://evil.example") == OpenState::kFailed);
  CHECK(state("http://[::2]:80", "[::1]:9001") == OpenState::kFailed);
  CHECK(state("null") == OpenState::kFailed);
}

TEST_CASE("With origins a page must come from one of them") {
  const auto answer = [](const std::string& origin, const std::vector<std::string>& allowed) {
    return answer_web_request(request({{"Origin", origin}}), allowed);
  };
  const std::vector<std::string> one = {"https://panel.example:8443"};
  CHECK(answer("https://panel.example:8443", one).state == OpenState::kOpen);
  CHECK(answer("https://panel.example", one).fault == OpenFault::kOrigin);
  CHECK(answer("https://gw.example", one).fault == OpenFault::kOrigin);
  CHECK(answer("https://anything.example", {"*"}).state == OpenState::kOpen);
  CHECK_THAT(answer("https://evil.example", one).response, StartsWith("HTTP/1.1 403 "));
}
