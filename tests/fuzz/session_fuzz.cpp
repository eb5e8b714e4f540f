// The broker whole, with a few clients over real sockets and a clock that the input moves.
//
//   input := { op:u8 }*, op = client:2 bits, action:3 bits (see Action), then what the action takes
//
// Whatever they say: the broker lives, what it sends are whole packets of a server, its memory is
// bounded, and when all have gone it has no connection and forgets its sessions in time.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "daemon/base/clock.h"
#include "daemon/base/log.h"
#include "daemon/base/metrics.h"
#include "daemon/base/unique_fd.h"
#include "local-broker/broker/broker.h"
#include "local-broker/mqtt/decode.h"

namespace {

using tg::broker::AckToken;
using tg::broker::Intake;

constexpr std::size_t kClients = 4;
constexpr std::size_t kTotalMemory = 1 << 20;
constexpr std::chrono::seconds kPatience{5};

enum Action : std::uint8_t {
  kSend = 0,      // length:u8, bytes; 0 to 3
  kDrop = 4,      // the connection, without DISCONNECT
  kAdvance = 5,   // quarters of a second:u8
  kIntake = 6,    // what the store answers from now on:u8
  kComplete = 7,  // what was pending is durable, and there is room again
};

void require(bool holds, const char* otherwise) {
  if (holds) return;
  static_cast<void>(std::fprintf(stderr, "session-fuzz: %s\n", otherwise));
  std::abort();
}

class Hooks : public tg::broker::Hooks {
 public:
  Intake on_publish(const tg::broker::Publication& publication, AckToken token) override {
    if (intake == Intake::kPending && publication.qos > 0 && !publication.is_will) {
      tokens.push_back(token);
    }
    return intake;
  }
  Intake intake = Intake::kDone;
  std::vector<AckToken> tokens;
};

tg::broker::BrokerOptions options() {
  tg::broker::BrokerOptions options;
  options.max_packet_size = 2048;
  options.receive_maximum = 5;
  options.max_inflight = 3;
  options.max_queued = 5;
  options.max_queued_bytes = 2000;
  options.total_memory = kTotalMemory;
  options.session_expiry_ms = 30'000;
  options.max_subscriptions = 6;
  options.max_topic_levels = 8;
  options.topic_alias_maximum = 2;
  options.max_retained_bytes = 4000;
  options.sys_interval_s = 5;
  return options;
}

class Client {
 public:
  [[nodiscard]] bool is_open() const { return fd_.is_open(); }
  void open(std::uint16_t port) {
    fd_ = tg::UniqueFd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    require(::connect(fd_.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0,
            std::strerror(errno));
    input_.clear();
  }
  void send(std::string_view bytes) const {
    static_cast<void>(::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT));
  }
  void drop() {
    // A reset: no port waits for a minute.
    const linger now{1, 0};
    ::setsockopt(fd_.get(), SOL_SOCKET, SO_LINGER, &now, sizeof(now));
    fd_.reset();
  }
  void read() {
    std::array<char, 65'536> buffer;
    for (;;) {
      const ssize_t got = ::recv(fd_.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
      if (got <= 0) {
        if (got == 0) drop();
        break;
      }
      input_.append(buffer.data(), static_cast<std::size_t>(got));
    }
    take_packets();
  }

 private:
  void take_packets() {
    std::size_t used = 0;
    for (;;) {
      tg::mqtt::Frame frame;
      auto fault = tg::mqtt::Fault::kNone;
      const auto rest = std::string_view(input_).substr(used);
      const auto state = tg::mqtt::split_frame(rest, 1 << 20, frame, fault);
      require(state != tg::mqtt::FrameState::kMalformed, "the broker sent a malformed packet");
      if (state == tg::mqtt::FrameState::kPartial) break;
      const auto type = static_cast<unsigned>(frame.type);
      require(type >= 2 && type != 8 && type != 10 && type != 12 && type != 15,
              "the broker sent a packet of a client");
      used += frame.size;
    }
    input_.erase(0, used);
  }

  tg::UniqueFd fd_;
  std::string input_;
};

class World {
 public:
  World() : broker_(options(), hooks_, clock_, metrics_) {
    tg::broker::ListenerOptions listener;
    listener.name = "fuzz";
    listener.address = "127.0.0.1:0";
    const auto bound = broker_.listen(listener);
    require(bound.has_value(), "it does not listen");
    port_ = *bound;
  }

  void run(std::string_view input) {
    while (!input.empty()) {
      const auto op = static_cast<std::uint8_t>(input[0]);
      input.remove_prefix(1);
      act(clients_[op & 3U], static_cast<std::uint8_t>(op >> 2U & 7U), input);
      step();
      require(broker_.stats().memory < 4 * kTotalMemory, "its memory is not bounded");
    }
  }

  void end() {
    hooks_.intake = Intake::kDone;
    broker_.resume_held();
    for (Client& client : clients_) {
      if (client.is_open()) client.drop();
    }
    // The kernel of a busy machine may hand over a reset late.
    const auto deadline = std::chrono::steady_clock::now() + kPatience;
    do {
      step();
    } while (broker_.stats().connections > 0 && std::chrono::steady_clock::now() < deadline);
    require(broker_.stats().connections == 0, "a connection outlives its client");
    for (int i = 0; i < 3; ++i) {
      clock_.advance_ms(31'000);
      step();
    }
    require(broker_.stats().sessions == 0, "a session outlives its expiry");
    require(broker_.stats().subscriptions == 0, "a subscription outlives its session");
  }

 private:
  void act(Client& client, std::uint8_t action, std::string_view& input) {
    const auto argument = [&input] {
      if (input.empty()) return std::uint8_t{0};
      const auto byte = static_cast<std::uint8_t>(input[0]);
      input.remove_prefix(1);
      return byte;
    };
    switch (action) {
      case kDrop:
        if (client.is_open()) client.drop();
        break;
      case kAdvance:
        clock_.advance_ms(argument() * 250);
        break;
      case kIntake:
        hooks_.intake = static_cast<Intake>(argument() % 4);
        break;
      case kComplete: {
        const auto tokens = std::exchange(hooks_.tokens, {});
        broker_.complete(tokens);
        broker_.resume_held();
        break;
      }
      default: {
        const auto bytes = input.substr(0, argument());
        input.remove_prefix(std::min(bytes.size(), input.size()));
        if (!client.is_open()) client.open(port_);
        client.send(bytes);
      }
    }
  }

  void step() {
    for (int i = 0; i < 2; ++i) broker_.poll(0);
    for (Client& client : clients_) {
      if (client.is_open()) client.read();
    }
  }

  tg::FakeClock clock_;
  tg::Metrics metrics_;
  Hooks hooks_;
  tg::broker::Broker broker_;
  std::uint16_t port_ = 0;
  std::array<Client, kClients> clients_;
};

}  // namespace

extern "C" int LLVMFuzzerInitialize(int*, char***) {
  tg::log::set_default_level(tg::log::Level::kError);
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  World world;
  world.run({reinterpret_cast<const char*>(data), size});
  world.end();
  return 0;
}
