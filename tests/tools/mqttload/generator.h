// The clients of a run, and the loop that moves their messages. One thread, one epoll.
//
// Closed loop: publishes are sent while the window has room; what is lost does not close it for
// good. Paced (--rate): publishes are sent at their times, and latency counts from those.
#pragma once

#include <sys/epoll.h>

#include <array>
#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/base/unique_fd.h"
#include "tests/tools/mqttload/histogram.h"
#include "tests/tools/mqttload/link.h"
#include "tests/tools/mqttload/options.h"
#include "tests/tools/mqttload/packets.h"
#include "tests/tools/mqttload/scenario.h"

namespace tg::load {

enum class Role : std::uint8_t { kPublisher, kSubscriber, kIdle };

struct Counts {
  std::uint64_t sent = 0;
  std::uint64_t received = 0;
  std::uint64_t fewest = 0;  // deliveries that are owed; with overlapping filters up to `most`
  std::uint64_t most = 0;
  std::uint64_t acknowledged = 0;
  std::uint64_t gaps = 0;  // sequence errors of a publisher at a subscriber
  std::uint64_t reordered = 0;
  std::uint64_t forgiven = 0;  // given up, to open the window again
  std::uint64_t ready = 0;
  std::uint64_t failed = 0;   // while opening
  std::uint64_t dropped = 0;  // by the broker, later
};

class Generator {
 public:
  Generator(const Options& options, const Scenario& scenario);

  // Opens all clients of a role. False when one failed or the time for it is over.
  bool open(Role role);
  void publish(double seconds);
  // Receives until nothing is owed any more, or nothing has come for a second.
  void drain();
  // Receives only.
  void idle(double seconds);

  // Latencies are taken of messages sent from now on.
  void start_measuring();
  [[nodiscard]] const Counts& counts() const { return counts_; }
  [[nodiscard]] const Wire& wire() const { return wire_; }
  [[nodiscard]] const Histogram& latency_ns() const { return latency_ns_; }
  [[nodiscard]] const Histogram& connect_us() const { return connect_us_; }

 private:
  enum class State : std::uint8_t { kOpening, kConnack, kSuback, kReady, kClosed };

  struct Client {
    Client(Wire& wire, Role its_role, unsigned its_number)
        : link(wire), role(its_role), number(its_number) {}
    Link link;
    Role role;
    State state = State::kOpening;
    bool stalled = false;
    unsigned number;
    std::string partial;  // of a packet
    std::uint64_t started_ns = 0;
    std::uint16_t subacks = 0;  // outstanding
    // A publisher's.
    std::vector<PublishForm> forms;  // by topic
    std::size_t turn = 0;
    std::uint32_t sequence = 0;
    std::uint16_t packet_id = 0;
    unsigned in_flight = 0;
    // A subscriber's: the next sequence number, by publisher.
    std::vector<std::uint32_t> next;
  };

  Client& add(Role role, unsigned number);
  std::deque<Client>& group(Role role);
  void start(Client& client);
  void wait(std::uint64_t nanoseconds);
  void on_event(Client& client, std::uint32_t events);
  bool advance(Client& client);
  void receive(Client& client);
  bool handle(Client& client, const Packet& packet);
  bool on_connack(Client& client, const Packet& packet);
  void on_ready(Client& client);
  void count(Client& client, const Delivery& delivery);
  void lose(Client& client);
  void pump();
  void pump_paced();
  void reopen_window();
  void put_message(Client& client, std::uint64_t time_ns);
  [[nodiscard]] std::int64_t room() const;
  [[nodiscard]] bool may_send(const Client& client) const;

  const Options& options_;
  const Scenario& scenario_;
  Wire wire_;
  UniqueFd epoll_;
  std::deque<Client> publishers_;
  std::deque<Client> subscribers_;
  std::deque<Client> idle_;
  int opening_ = 0;
  std::size_t turn_ = 0;  // of the publishers
  std::uint64_t next_due_ns_ = 0;
  std::uint64_t progress_ = 0;  // what had come when something last came
  std::uint64_t progress_ns_ = 0;
  std::uint64_t received_ns_ = 0;  // of the input at hand
  std::uint64_t measure_from_ns_ = 0;
  Counts counts_;
  Histogram latency_ns_;
  Histogram connect_us_;
  std::string input_;  // scratch
  std::array<epoll_event, 1024> events_{};
};

}  // namespace tg::load
