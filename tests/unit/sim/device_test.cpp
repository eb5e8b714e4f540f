#include "tests/sim/device.h"

#include <arpa/inet.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <catch2/catch.hpp>

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>

#include "daemon/base/unique_fd.h"

using namespace tg::sim;

namespace {

constexpr std::uint16_t kId = 9;
constexpr std::string_view kReading = R"({"device":"d000","n":1,"t":1})";

// Device 1 reads dt/d000/temperature; all at QoS 2. The gateway is this test's: bytes on a socket.
class Fixture {
 public:
  Fixture() : plan_(make_plan({2, "d", QosMix::kAll2, "one-to-one"})) {
    listener_.reset(::socket(AF_INET, SOCK_STREAM, 0));
    fleet.gateway.sin_family = AF_INET;
    fleet.gateway.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    auto* address = reinterpret_cast<sockaddr*>(&fleet.gateway);
    socklen_t size = sizeof fleet.gateway;
    REQUIRE(::bind(listener_.get(), address, size) == 0);
    REQUIRE(::listen(listener_.get(), 1) == 0);
    REQUIRE(::getsockname(listener_.get(), address, &size) == 0);
    epoll_.reset(::epoll_create1(0));
    fleet.epoll = epoll_.get();
    fleet.ledger = &ledger_;
    fleet.made.resize(plan_.tracks.size());
  }

  // Up to CONNACK, and SUBACK in a new session.
  void connect(Device& device, bool session_present) {
    now_us_ += 10'000'000;
    device.on_tick(now_us_);
    connection_.reset(::accept(listener_.get(), nullptr, nullptr));
    framer_.reset();
    expect(device, wire::Type::kConnect);
    send({'\x20', 2, static_cast<char>(session_present), 0});
    if (session_present) return;
    CHECK(expect(device, wire::Type::kSubscribe).back() == 2);  // QoS
    send("\x90\x03\xff\xff\x02");
  }
  void lose(Device& device) {
    connection_.reset();
    while (device.is_up()) step(device);
  }
  void sample(Device& device) {
    for (const Track& track : plan_.tracks) {
      if (track.publisher == 1) return device.sample(track, 20, now_us_);
    }
  }
  void deliver(bool dup) {
    std::string bytes;
    wire::put_publish(bytes, {"dt/d000/temperature", kReading, 2, dup, kId});
    send(bytes);
  }
  void answer(wire::Type type, std::uint16_t id) {
    std::string bytes;
    wire::put_answer(bytes, type, id);
    send(bytes);
  }
  // The body of the next packet, which is of this type.
  std::string expect(Device& device, wire::Type type) {
    for (int i = 0; i < 100; ++i) {
      if (const auto packet = framer_.next()) {
        CHECK(packet->type == type);
        return std::string(packet->body);
      }
      step(device);
      char buffer[1024];
      const auto got = ::recv(connection_.get(), buffer, sizeof buffer, MSG_DONTWAIT);
      if (got > 0) framer_.feed({buffer, static_cast<std::size_t>(got)});
    }
    FAIL("no packet came");
    return {};
  }
  void step(Device& device) {
    epoll_event event = {};
    if (::epoll_wait(epoll_.get(), &event, 1, 100) == 1) device.on_event(event.events, now_us_);
    device.flush(now_us_);
  }
  [[nodiscard]] const Plan& plan() const { return plan_; }

  FleetState fleet;

 private:
  void send(std::string_view bytes) {
    REQUIRE(::send(connection_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL) ==
            static_cast<ssize_t>(bytes.size()));
  }
  void send(std::initializer_list<char> bytes) { send({bytes.begin(), bytes.size()}); }

  Plan plan_;
  DevicesLedger ledger_{LedgerFile()};
  tg::UniqueFd listener_;
  tg::UniqueFd connection_;
  tg::UniqueFd epoll_;
  wire::Framer framer_;
  std::int64_t now_us_ = 0;
};

// Packet ids as they stand in a packet.
const std::string kFirst{0, 1};
const std::string kDelivered{0, kId};

}  // namespace

TEST_CASE("a device goes on with its QoS 2 message where the connection broke") {
  Fixture f;
  Device device(f.plan(), 1, f.fleet, 1);
  f.sample(device);
  f.connect(device, false);
  f.expect(device, wire::Type::kPublish);
  f.lose(device);
  f.connect(device, true);
  f.expect(device, wire::Type::kPublish);
  CHECK(f.fleet.acknowledged == 0);
  f.answer(wire::Type::kPubRec, 1);
  CHECK(f.expect(device, wire::Type::kPubRel) == kFirst);
  CHECK(f.fleet.acknowledged == 1);
  CHECK(f.fleet.unacknowledged == 1);
  f.lose(device);
  f.connect(device, true);
  CHECK(f.expect(device, wire::Type::kPubRel) == kFirst);
  f.answer(wire::Type::kPubComp, 1);
  while (f.fleet.unacknowledged > 0) f.step(device);
  CHECK(f.fleet.acknowledged == 1);
}

TEST_CASE("a device takes a QoS 2 delivery once, however often it is sent before PUBREL") {
  Fixture f;
  Device device(f.plan(), 1, f.fleet, 1);
  f.connect(device, false);
  f.deliver(false);
  CHECK(f.expect(device, wire::Type::kPubRec) == kDelivered);
  f.lose(device);
  f.connect(device, true);
  f.deliver(true);
  CHECK(f.expect(device, wire::Type::kPubRec) == kDelivered);
  f.answer(wire::Type::kPubRel, kId);
  CHECK(f.expect(device, wire::Type::kPubComp) == kDelivered);
  CHECK(f.fleet.local[0].received == 1);
  CHECK(f.fleet.local[0].is_clean());
  f.deliver(false);  // the id is free again: another message
  f.expect(device, wire::Type::kPubRec);
  CHECK(f.fleet.local[0].received == 2);
  CHECK(f.fleet.local[0].repeated_qos2 == 1);
}
