#include "tests/unit/local-broker/broker/web_client.h"

using namespace std::string_literals;
using namespace tg::broker;
using namespace tg::broker::test;

namespace {

struct Web {
  explicit Web(std::vector<std::string> origins = {}) {
    ListenerOptions options;
    options.name = "web";
    options.address = "127.0.0.1:0";
    options.web_socket = true;
    options.origins = std::move(origins);
    const auto bound = f.broker->listen(options);
    REQUIRE(bound);
    f.port = *bound;
  }
  Fixture f;
};

}  // namespace

TEST_CASE("MQTT over WebSocket: a packet a frame, many packets, packets in pieces") {
  Web w;
  for (const std::size_t piece : {0U, 1U, 7U, 1000U}) {
    INFO(piece);
    WebClient a(w.f);
    REQUIRE(a.upgrade() == 101);
    a.piece = piece;
    REQUIRE(a.connect("a") == 0);
    CHECK(a.subscribe("t") == 0);
    a.publish("t", "hello");
    CHECK(a.receive().payload == "hello");
    const std::string large(100'000, 'x');
    a.publish("t", large);
    CHECK(a.receive().payload == large);
    a.disconnect();
    CHECK(a.control().first == 8);
    CHECK(a.is_closed());
  }
}

TEST_CASE("A request that is not complete counts as memory") {
  Web w;
  const std::size_t before = w.f.broker->stats().memory;
  {
    Client slow(w.f);
    slow.send("GET / HTTP/1.1\r\nX: " + std::string(5000, 'x'));
    CHECK(w.f.broker->stats().memory > before + 5000);
  }
  w.f.run();
  CHECK(w.f.broker->stats().memory == before);
}

TEST_CASE("What goes out in one round is one frame") {
  Web w;
  WebClient a(w.f);
  REQUIRE(a.upgrade() == 101);
  REQUIRE(a.connect("a") == 0);
  CHECK(a.subscribe("t") == 0);
  WebClient b(w.f);
  REQUIRE(b.upgrade() == 101);
  REQUIRE(b.connect("b") == 0);
  a.data_frames = 0;
  std::string many;
  for (int i = 0; i < 10; ++i) many += packet(0x30, text("t") + std::to_string(i));
  b.send(many);
  CHECK(a.drain() == "t=0 t=1 t=2 t=3 t=4 t=5 t=6 t=7 t=8 t=9");
  CHECK(a.data_frames == 1);
}

TEST_CASE("A frame that the socket does not take at once goes on where it stopped") {
  Web w;
  WebClient slow(w.f);
  REQUIRE(slow.upgrade() == 101);
  REQUIRE(slow.connect("slow") == 0);
  CHECK(slow.subscribe("t") == 0);
  WebClient b(w.f);
  REQUIRE(b.upgrade() == 101);
  REQUIRE(b.connect("b") == 0);
  // More than the kernel's buffers hold, so that the broker is stopped in the middle of a frame.
  const std::string large(200'000, 'x');
  for (int i = 0; i < 100; ++i) b.publish("t", large + std::to_string(i));
  const auto dropped = w.f.broker->stats().dropped;
  int received = 0;
  for (Packet p = slow.next(); p.type != 0; p = slow.next()) {
    REQUIRE(p.type == 3);
    REQUIRE(p.body.size() > large.size());
    ++received;
  }
  CHECK(received > 5);
  CHECK(received + static_cast<int>(dropped) == 100);
  b.publish("t", "after");
  CHECK(slow.receive().payload == "after");
}

TEST_CASE("A ping is answered with its payload, also in the middle of a message") {
  Web w;
  WebClient a(w.f);
  REQUIRE(a.upgrade() == 101);
  a.raw_send(frame(9, "first"));
  CHECK(a.control() == std::pair{10, "first"s});
  REQUIRE(a.connect("a") == 0);
  const std::string publish = packet(0x32, text("t") + number(1) + "x");
  a.raw_send(frame(2, publish.substr(0, 3), false) + frame(9, "mid") + frame(0, publish.substr(3)));
  CHECK(a.control() == std::pair{10, "mid"s});
  CHECK(a.next().type == 4);
}

TEST_CASE("A ping of the WebSocket does not renew the keep-alive of MQTT") {
  Web w;
  WebClient a(w.f);
  REQUIRE(a.upgrade() == 101);
  ConnectOptions options;
  options.keep_alive_s = 10;
  REQUIRE(a.connect("a", options) == 0);
  w.f.advance_ms(10'000);
  a.raw_send(frame(9, ""));
  CHECK(a.control() == std::pair{10, ""s});
  w.f.advance_ms(6'000);
  CHECK(a.is_closed());
}

TEST_CASE("Bytes that come along with the request are not lost") {
  Web w;
  WebClient a(w.f);
  const std::string connect = packet(0x10, text("MQTT") + "\x04\x02"s + number(0) + text("early"));
  CHECK(a.upgrade("X: y\r\n") == 101);
  WebClient b(w.f);
  b.raw_send(
      "GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
      "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
      "Sec-WebSocket-Protocol: mqtt\r\n\r\n" +
      frame(2, connect));
  CHECK(w.f.hooks.events == std::vector<std::string>{"+early"});
}

TEST_CASE("A malformed frame ends that connection with code 1002 and is counted") {
  Web w;
  WebClient a(w.f);
  REQUIRE(a.upgrade() == 101);
  REQUIRE(a.connect("a") == 0);
  a.raw_send(frame(1, "text"));
  CHECK(a.control() == std::pair{8, "\x03\xea"s});
  CHECK(a.is_closed());
  CHECK(w.f.metrics.text().find("malformed_total{reason=\"websocket\"} 1") != std::string::npos);
}

TEST_CASE("An origin that may not is refused, and so is plain MQTT") {
  Web w({"https://panel.example"});
  WebClient a(w.f);
  CHECK(a.upgrade("Origin: https://evil.example\r\n") == 403);
  CHECK(a.is_closed());
  WebClient b(w.f);
  CHECK(b.upgrade("Origin: https://panel.example\r\n") == 101);
  Client c(w.f);
  CHECK(c.connect("c") == -1);
  CHECK(c.is_closed());
  const std::string text = w.f.metrics.text();
  CHECK(text.find("opening_failed_total{reason=\"origin\"} 1") != std::string::npos);
  CHECK(text.find("opening_failed_total{reason=\"not_websocket\"} 1") != std::string::npos);
}

TEST_CASE("A request that does not come to its end is closed after ten seconds") {
  Web w;
  WebClient a(w.f);
  a.raw_send("GET /mqtt HTTP/1.1\r\n");
  w.f.advance_ms(9'000);
  CHECK_FALSE(a.is_closed());
  w.f.advance_ms(2'000);
  CHECK(a.is_closed());
}
