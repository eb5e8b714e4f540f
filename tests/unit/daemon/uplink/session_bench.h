// A session with a fake link, fake time and two senders.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "daemon/uplink/session.h"
#include "tests/unit/daemon/uplink/fakes.h"

namespace tg::uplink {

// Has `waiting` publishes to send; its topic is its name.
struct FakeSender final : Sender {
  explicit FakeSender(std::string name) : topic(std::move(name)) {}
  [[nodiscard]] bool is_ready() const override { return up && waiting > 0; }
  cloud::OutgoingPublish take(std::uint64_t id) override {
    --waiting;
    cloud::OutgoingPublish publish;
    publish.id = id;
    publish.topic = topic;
    publish.payload = payload;
    return publish;
  }
  void untake(std::uint64_t) override { ++waiting; }
  void acked(std::uint64_t id) override { acks.push_back(id); }
  void link_grew(std::size_t bytes) override { batch_bytes = bytes; }
  void link_up(std::size_t bytes) override {
    up = true;
    batch_bytes = bytes;
  }
  void link_closed(const LinkEnd& end) override {
    up = false;
    ++closed;
    ends.push_back(end);
  }
  bool refused(std::uint64_t id, const std::string&) override {
    refusals.push_back(id);
    return takes_refusal;
  }
  void isolate(bool on) override { isolated = on; }
  [[nodiscard]] bool is_suspect() const override { return suspect; }
  [[nodiscard]] bool may_use_expensive() const override { return expensive; }
  [[nodiscard]] bool is_backlog() const override { return backlog; }

  std::string topic;
  std::string payload;
  int waiting = 0;
  bool up = false;
  int closed = 0;
  std::vector<std::uint64_t> acks;
  std::vector<LinkEnd> ends;
  std::vector<std::uint64_t> refusals;
  bool takes_refusal = true;
  bool isolated = false;
  bool suspect = false;
  bool expensive = false;
  bool backlog = false;
  std::size_t batch_bytes = 0;
};

inline cloud::Endpoint endpoint(const std::string& host) {
  cloud::Endpoint endpoint;
  endpoint.host = host;
  return endpoint;
}

inline SessionOptions default_options() {
  SessionOptions options;
  options.name = "cloud";
  options.endpoints = {endpoint("one"), endpoint("two"), endpoint("three")};
  options.window = 4;
  options.ack_timeout_ms = 30'000;
  options.backoff_min_ms = 1000;
  options.backoff_max_ms = 8000;
  return options;
}

struct SessionBench {
  FakeTime time;
  Metrics metrics;
  FakeLink link;
  FakeSender low{"low"};
  FakeSender high{"high"};
  Session session;

  explicit SessionBench(const SessionOptions& options = default_options(), std::uint64_t seed = 1)
      : session(options, link, time.clock, time.timers, metrics, seed) {
    session.add_sender(low, 5);
    session.add_sender(high, 1);
  }
  void connect() {
    if (session.status().state == SessionState::kStopped) session.start();
    link.connect();
  }
  // Waits out the back-off; its length.
  std::int64_t wait_for_attempt() {
    const std::size_t attempts = link.opened.size();
    std::int64_t waited = 0;
    while (link.opened.size() == attempts && waited < 100'000) {
      time.advance_ms(1);
      ++waited;
    }
    return waited;
  }
  [[nodiscard]] SessionState state() const { return session.status().state; }
  [[nodiscard]] std::vector<std::string> topics() const {
    std::vector<std::string> out;
    for (const auto& publish : link.sent) out.push_back(publish.topic);
    return out;
  }
};

using Topics = std::vector<std::string>;

}  // namespace tg::uplink
