// A link, a stream and a clock that do only what the test says.
#pragma once

#include <algorithm>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "daemon/base/clock.h"
#include "daemon/base/metrics.h"
#include "daemon/base/timers.h"
#include "daemon/cloud/link.h"
#include "daemon/uplink/exporter.h"
#include "daemon/uplink/source.h"

namespace tg::uplink {

class FakeLink final : public cloud::Link {
 public:
  void set_events(cloud::LinkEvents to) override { events = std::move(to); }
  cloud::Generation open(cloud::LinkOptions options) override {
    opened.push_back(options);
    open_ = true;
    return ++generation;
  }
  [[nodiscard]] bool is_open() const override { return open_; }
  bool publish(cloud::OutgoingPublish publish) override {
    if (refusals > 0) {
      --refusals;
      return false;
    }
    sent.push_back(std::move(publish));
    return true;
  }
  void close() override { ++closes; }
  void probe(cloud::LinkOptions options, std::function<void(cloud::Down)> done) override {
    probed.push_back(std::move(options));
    done(obstacle);
  }

  // What the cloud does.
  void connect(std::uint16_t receive_maximum = 65535) {
    events.on_connected(generation, {false, receive_maximum});
  }
  void down(const std::string& reason = "gone",
            cloud::DownCause cause = cloud::DownCause::kUnreachable) {
    events.on_down(generation, {cause, reason});
  }
  void closed() {
    open_ = false;
    events.on_closed(generation);
  }
  void lose() {
    down();
    closed();
  }
  // As AWS does with a publish that a policy denies.
  void close_by_peer() {
    down("closed by the peer", cloud::DownCause::kClosed);
    closed();
  }
  void refuse(std::uint64_t id, const std::string& reason, bool for_ever) {
    events.on_refused(generation, id, {reason, for_ever});
  }
  void ack(std::uint64_t id) { events.on_acked(generation, id); }
  // Acknowledges the publish that was sent as the n-th of all.
  void ack_nth(std::size_t n) { ack(sent.at(n).id); }

  cloud::LinkEvents events;
  std::vector<cloud::LinkOptions> opened;
  std::vector<cloud::OutgoingPublish> sent;
  cloud::Generation generation = 0;
  int closes = 0;
  std::vector<cloud::LinkOptions> probed;
  cloud::Down obstacle;  // what a probe finds
  int refusals = 0;      // publishes that find the queue full

 private:
  bool open_ = false;
};

// A stream in memory. Reads are answered by answer(), as the reader thread does: later.
class FakeSource final : public Source {
 public:
  explicit FakeSource(store::StreamId id = 0) : id_(id) {}

  [[nodiscard]] store::StreamId stream_id() const override { return id_; }
  [[nodiscard]] const std::string& epoch() const override { return current_epoch; }
  [[nodiscard]] std::uint32_t boot() const override { return current_boot; }
  [[nodiscard]] store::Seq first() const override { return oldest; }
  [[nodiscard]] store::Seq next() const override { return oldest + payloads.size(); }
  [[nodiscard]] store::Seq position() const override { return cursor; }
  void advance(store::Seq to) override { cursor = to; }
  [[nodiscard]] store::ReaderId reader_id() const override { return id_; }
  [[nodiscard]] bool is_paused() const override { return paused; }
  void read(store::Seq from, std::size_t, Done done) override {
    reads.emplace_back(from, std::move(done));
  }

  void save_ranges(const std::string& bytes) override { ranges = bytes; }
  void load_ranges(std::function<void(const std::string&)> done) override { done(ranges); }

  void append(const std::string& payload) { payloads.push_back(payload); }
  void append_count(std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) append(std::to_string(next()));
  }
  // The oldest go by retention.
  void evict(std::size_t count) {
    payloads.erase(payloads.begin(), payloads.begin() + static_cast<std::ptrdiff_t>(count));
    oldest += count;
  }
  // Answers every read there is, and those that come of it.
  void answer() {
    while (!reads.empty()) {
      auto [from, done] = std::move(reads.front());
      reads.pop_front();
      done(chunk(from));
    }
  }

  std::deque<std::pair<store::Seq, Done>> reads;
  std::deque<std::string> payloads;
  store::Seq oldest = 1;
  store::Seq cursor = 1;
  bool paused = false;
  std::size_t chunk_records = 1000;
  std::string ranges;
  std::string current_epoch = "0011223344556677";
  std::string topic = "dt/a/t";  // of every record, as the next
  std::string tail;
  Timestamp received;
  std::uint32_t boot_of_records = 1;
  std::uint32_t current_boot = 1;

 private:
  [[nodiscard]] store::Chunk chunk(store::Seq from) const {
    store::Chunk chunk;
    chunk.asked = from;
    chunk.first = std::max(from, oldest);
    if (chunk.first > from) chunk.gap_reason = "max_size";
    const std::size_t end = std::min(next() - oldest, chunk.first - oldest + chunk_records);
    for (std::size_t i = chunk.first - oldest; i < end; ++i) chunk.segments.push_back(payloads[i]);
    for (const std::string& payload : chunk.segments) {
      store::Record record;
      record.tail = tail;
      record.received = received;
      record.boot = boot_of_records;
      record.topic = topic;
      record.publisher = "a";
      record.payload = payload;
      chunk.records.push_back(record);
    }
    return chunk;
  }

  const store::StreamId id_;
};

// Dead letters as "seq reason attempts payload".
struct FakeLetters {
  std::vector<std::string> all;
  bool has_room = true;

  [[nodiscard]] Letters take() {
    return [this](const pipeline::Cause& cause, const store::Record& record) {
      if (!has_room) return false;
      all.push_back(std::to_string(cause.seq) + ' ' + cause.reason + ' ' +
                    std::to_string(cause.attempts) + ' ' +
                    std::string(record.payload.substr(0, 8)));
      return true;
    };
  }
};

// Clock and timers that move together.
struct FakeTime {
  FakeClock clock;
  FakeTimers timers;
  void advance_ms(std::int64_t ms) {
    for (; ms > 0; --ms) {
      clock.advance_ms(1);
      timers.advance_ms(1);
    }
  }
};

}  // namespace tg::uplink
