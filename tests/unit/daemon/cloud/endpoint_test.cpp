#include <catch2/catch.hpp>

#include "daemon/cloud/link.h"

using tg::cloud::parse_endpoint;

TEST_CASE("an endpoint without a port has its scheme's") {
  const auto plain = parse_endpoint("mqtt://broker.example");
  REQUIRE(plain);
  CHECK_FALSE(plain->tls);
  CHECK(plain->host == "broker.example");
  CHECK(plain->port == 1883);

  const auto tls = parse_endpoint("mqtts://broker.example");
  REQUIRE(tls);
  CHECK(tls->tls);
  CHECK(tls->port == 8883);
}

TEST_CASE("an endpoint's port is taken from the URL") {
  const auto endpoint = parse_endpoint("mqtts://a-b_c.example:443");
  REQUIRE(endpoint);
  CHECK(endpoint->port == 443);
  CHECK(endpoint->url() == "mqtts://a-b_c.example:443");
}

TEST_CASE("an IPv6 endpoint stands in brackets") {
  const auto endpoint = parse_endpoint("mqtt://[2001:db8::1]:1884");
  REQUIRE(endpoint);
  CHECK(endpoint->host == "2001:db8::1");
  CHECK(endpoint->port == 1884);
  CHECK(endpoint->url() == "mqtt://[2001:db8::1]:1884");
  CHECK(parse_endpoint("mqtt://[::1]")->port == 1883);
}

TEST_CASE("a malformed endpoint is refused") {
  for (const char* url : {"",
                          "broker",
                          "http://broker",
                          "mqtt:/broker",
                          "mqtt://",
                          "mqtt://:1883",
                          "mqtt://b:",
                          "mqtt://b:0",
                          "mqtt://b:65536",
                          "mqtt://b:1883x",
                          "mqtt://b:-1",
                          "mqtt://b/path",
                          "mqtt://user@b",
                          "mqtt://b c",
                          "mqtt://[::1",
                          "mqtt://[::1]1883",
                          "mqtt://[]",
                          "mqtt://[host]",
                          "mqtt://::1",
                          "MQTT://b"}) {
    INFO(url);
    const auto endpoint = parse_endpoint(url);
    REQUIRE_FALSE(endpoint);
    CHECK(endpoint.error().code == tg::ErrorCode::kInvalid);
    CHECK(endpoint.error().message.find(url) != std::string::npos);
  }
}

TEST_CASE("an HTTPS endpoint has the port for client certificates") {
  const auto endpoint = parse_endpoint("https://broker.example");
  REQUIRE(endpoint);
  CHECK(endpoint->https);
  CHECK(endpoint->tls);
  CHECK(endpoint->port == 8443);
  CHECK(endpoint->url() == "https://broker.example:8443");
}

TEST_CASE("a proxy has a host and a port, and perhaps credentials") {
  for (const char* url :
       {"http://proxy:3128", "http://[::1]:3128", "http://user:p@ss@10.0.0.1:80"}) {
    INFO(url);
    const auto proxy = tg::cloud::parse_proxy(url);
    REQUIRE(proxy);
    CHECK(proxy->url() == url);
  }
  CHECK(tg::cloud::parse_proxy("http://user:p@ss@10.0.0.1:80")->credentials == "user:p@ss");
  CHECK(tg::cloud::parse_proxy("http://[::1]:3128")->host == "::1");
  for (const char* url : {"", "proxy:3128", "https://proxy:3128", "http://proxy", "http://:3128",
                          "http://proxy:0", "http://user:secret@proxy/path:80"}) {
    INFO(url);
    const auto proxy = tg::cloud::parse_proxy(url);
    REQUIRE_FALSE(proxy);
    CHECK(proxy.error().message.find("secret") == std::string::npos);
  }
}
