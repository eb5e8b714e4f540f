// A loop for tests of the store: posted tasks and fake timers run on the test's thread; the store's
// own threads are real. Waiting is for a condition, with a limit that only a failure reaches.
#pragma once

#include <catch2/catch.hpp>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "daemon/base/clock.h"
#include "daemon/base/metrics.h"
#include "daemon/base/timers.h"
#include "daemon/store/store.h"

namespace tg::store {

class TempDir {
 public:
  TempDir() {
    std::string pattern =
        (std::filesystem::temp_directory_path() / "tidegate-store-XXXXXX").string();
    REQUIRE(::mkdtemp(pattern.data()) != nullptr);
    path = pattern;
  }
  ~TempDir() { std::filesystem::remove_all(path); }
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;

  std::filesystem::path path;
};

class TestLoop {
 public:
  using Limit = std::chrono::steady_clock::time_point;

  [[nodiscard]] Post post() {
    return [inbox = inbox_](Task task) {
      {
        const std::lock_guard lock(inbox->mutex);
        inbox->tasks.push_back(std::move(task));
      }
      inbox->ready.notify_all();
    };
  }

  // Runs tasks and due timers until the condition holds.
  void run_until(const std::function<bool()>& condition) {
    const Limit limit = from_now();
    while (!condition()) {
      timers.advance_ms(0);
      if (condition()) return;
      run_task(limit);
    }
  }
  // The next one alone.
  void run_task(Limit limit = from_now()) {
    wait_for_task(limit);
    Task task;
    {
      const std::lock_guard lock(inbox_->mutex);
      task = std::move(inbox_->tasks.front());
      inbox_->tasks.pop_front();
    }
    task();
  }
  void wait_for_task(Limit limit = from_now()) {
    std::unique_lock lock(inbox_->mutex);
    const bool got =
        inbox_->ready.wait_until(lock, limit, [this] { return !inbox_->tasks.empty(); });
    REQUIRE(got);
  }

  void advance_ms(std::int64_t ms) {
    clock.advance_ms(ms);
    timers.advance_ms(ms);
  }

  FakeClock clock;
  FakeTimers timers;
  Metrics metrics;

 private:
  static Limit from_now() { return std::chrono::steady_clock::now() + std::chrono::seconds(20); }

  struct Inbox {
    std::mutex mutex;
    std::condition_variable ready;
    std::deque<Task> tasks;
  };
  std::shared_ptr<Inbox> inbox_ = std::make_shared<Inbox>();
};

// A store on a directory, with what it told kept for the test to look at.
class OpenStore {
 public:
  OpenStore(TestLoop& loop, StoreOptions options) : loop_(loop) {
    auto opened =
        Store::open(std::move(options), loop.clock, loop.timers, loop.post(), loop.metrics);
    INFO((opened ? std::string() : opened.error().message));
    REQUIRE(opened);
    store_ = std::move(*opened);
    Store::Events events;
    events.on_committed = [this](std::span<const Token> tokens) {
      committed.insert(committed.end(), tokens.begin(), tokens.end());
    };
    events.on_room = [this] { ++rooms; };
    events.on_advanced = [this](StreamId stream) { advanced.push_back(stream); };
    events.on_health = [this](Health health, std::string_view) { healths.push_back(health); };
    store_->set_events(std::move(events));
  }

  Store* operator->() { return store_.get(); }
  Store& operator*() { return *store_; }

  Seq append(StreamId stream, std::string_view topic, std::string_view payload) {
    Record record;
    record.publisher = "device";
    record.topic = topic;
    record.payload = payload;
    record.qos = 1;
    record.received = loop_.clock.now();
    return store_->append(stream, record);
  }

  // Appends, waits for the commit.
  Seq put(StreamId stream, std::string_view payload) {
    const Seq seq = append(stream, "t", payload);
    flush();
    return seq;
  }

  // Waits until all that was appended and advanced so far is durable.
  void flush() {
    bool done = false;
    store_->after_commit([&done] { done = true; });
    loop_.advance_ms(2000);
    loop_.run_until([&done] { return done; });
  }

  Chunk read(StreamId stream, Seq from, std::size_t max_bytes = 1 << 20) {
    std::unique_ptr<Result<Chunk>> answer;
    store_->read(stream, from, max_bytes, [&answer](Result<Chunk> chunk) {
      answer = std::make_unique<Result<Chunk>>(std::move(chunk));
    });
    loop_.run_until([&answer] { return answer != nullptr; });
    REQUIRE(*answer);
    return std::move(**answer);
  }

  std::vector<std::string> payloads(StreamId stream, Seq from) {
    std::vector<std::string> all;
    for (;;) {
      const Chunk chunk = read(stream, from);
      for (const auto& record : chunk.records) all.emplace_back(record.payload);
      if (chunk.end() <= from) return all;
      from = chunk.end();
    }
  }

  void close() { store_.reset(); }

  std::vector<Token> committed;
  std::vector<StreamId> advanced;
  std::vector<Health> healths;
  int rooms = 0;

 private:
  TestLoop& loop_;
  std::unique_ptr<Store> store_;
};

inline StreamOptions stream(std::string name) {
  StreamOptions options;
  options.name = std::move(name);
  return options;
}

inline StoreOptions one_stream(const TempDir& dir) {
  StoreOptions options;
  options.directory = dir.path;
  options.streams = {stream("telemetry")};
  return options;
}

}  // namespace tg::store
