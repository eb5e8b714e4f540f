#include "daemon/app/reloader.h"

#include <catch2/catch.hpp>
#include <condition_variable>
#include <deque>
#include <mutex>

#include "tests/unit/daemon/config/folder.h"

namespace tg::app {
namespace {

using config::Folder;

// Posted tasks run when the test runs them.
class Inbox {
 public:
  Post post() {
    return [this](Task task) {
      {
        const std::lock_guard lock(mutex_);
        tasks_.push_back(std::move(task));
      }
      ready_.notify_all();
    };
  }
  void run_until(const std::function<bool()>& condition) {
    while (!condition()) {
      std::unique_lock lock(mutex_);
      REQUIRE(ready_.wait_for(lock, std::chrono::seconds(20), [this] { return !tasks_.empty(); }));
      const Task task = std::move(tasks_.front());
      tasks_.pop_front();
      lock.unlock();
      task();
    }
  }

 private:
  std::mutex mutex_;
  std::condition_variable ready_;
  std::deque<Task> tasks_;
};

// A reloader over one file, with parts that write down what they do.
class Bench {
 public:
  explicit Bench(const std::string& text)
      : file(folder.write("t.yaml", with_data_dir(text))),
        reloader(ConfigOrigin{file, config::load(file), {}}, clock, inbox.post()) {}

  std::string with_data_dir(const std::string& text) const {
    return "gateway: { id: g, data_dir: " + folder.folder("data").string() + " }\n" + text;
  }

  void add(const std::string& name, bool fails = false) {
    reloader.add(name, [this, name, fails](const config::Config& next) {
      did += "prepare " + name + " " + next.log_level + "; ";
      if (fails) return Result<Reloader::TakeOver>(fail(ErrorCode::kIo, name + " cannot"));
      return Result<Reloader::TakeOver>([this, name](const Task& done) {
        did += "take " + name + "; ";
        done();
      });
    });
  }

  Reloader::Outcome reload(const std::string& text) {
    folder.write("t.yaml", with_data_dir(text));
    std::optional<Reloader::Outcome> outcome;
    reloader.reload([&outcome](Reloader::Outcome got) { outcome = std::move(got); });
    inbox.run_until([&outcome] { return outcome.has_value(); });
    return *outcome;
  }

  Folder folder;
  Inbox inbox;
  FakeClock clock;
  std::filesystem::path file;
  std::string did;
  Reloader reloader;
};

}  // namespace

TEST_CASE("all parts prepare, then all take over, in their order") {
  Bench bench("");
  bench.add("a");
  bench.add("b");
  const auto outcome = bench.reload("log: { level: debug }\n");
  CHECK(outcome.is_applied);
  CHECK(bench.did == "prepare a debug; prepare b debug; take a; take b; ");
  CHECK(bench.reloader.config().log_level == "debug");
  REQUIRE(outcome.changes.size() == 1);
  CHECK(outcome.changes[0].path == "log.level");
  CHECK(bench.reloader.restart_keys().empty());
}

TEST_CASE("an error in the file reaches no part") {
  Bench bench("");
  bench.add("a");
  const auto outcome = bench.reload("surprise: 1\n");
  CHECK_FALSE(outcome.is_applied);
  CHECK_FALSE(outcome.is_valid);
  REQUIRE(outcome.errors.size() == 1);
  CHECK(outcome.errors[0].place.line == 2);
  CHECK(bench.did.empty());
  CHECK(bench.reloader.problem().find("surprise") != std::string::npos);
  CHECK(bench.reload("").is_applied);
  CHECK(bench.reloader.problem().empty());
}

TEST_CASE("one part that cannot stops all of it, and the next reload works") {
  Bench bench("");
  bench.add("a");
  bench.add("log", true);
  const auto outcome = bench.reload("log: { level: debug }\n");
  CHECK_FALSE(outcome.is_applied);
  CHECK(outcome.is_valid);
  REQUIRE(outcome.errors.size() == 1);
  CHECK(outcome.errors[0].path == "log");
  CHECK(outcome.errors[0].place.line == 2);
  CHECK(bench.did == "prepare a debug; prepare log debug; ");
  CHECK(bench.reloader.config().log_level == "info");
}

TEST_CASE("what only a restart changes is named until it is taken back") {
  Bench bench("");
  CHECK(bench.reload("broker: { limits: { max_queued: 5 } }\n").is_applied);
  CHECK(bench.reloader.restart_keys() == std::vector<std::string>{"broker.limits.max_queued"});
  CHECK(bench.reload("log: { level: debug }\n").is_applied);
  CHECK(bench.reloader.restart_keys().empty());
}

TEST_CASE("what only a restart changes stays what it is until then, whoever asks") {
  Bench bench("broker: { persistence: false }\n");
  std::vector<std::string> seen;
  bench.reloader.add("log", [&seen](const config::Config& next) {
    seen.push_back(next.gateway_id + " " + next.data_dir + " " + next.canary.topic);
    return Result<Reloader::TakeOver>([](const Task& done) { done(); });
  });
  const std::string data = bench.folder.path / "data";
  bench.folder.write("t.yaml", "gateway: { id: other, data_dir: " + data +
                                   "2 }\nlog: { level: debug }\n"
                                   "canary: { topic: \"c/${gateway.id}\" }\n");
  std::optional<Reloader::Outcome> outcome;
  bench.reloader.reload([&outcome](Reloader::Outcome got) { outcome = std::move(got); });
  bench.inbox.run_until([&outcome] { return outcome.has_value(); });
  CHECK(outcome->is_applied);
  CHECK(outcome->changes.size() == 5);
  CHECK(seen == std::vector<std::string>{"g " + data + " c/g"});
  CHECK(bench.reloader.config().log_level == "debug");
  CHECK(bench.reloader.config().data_dir == data);
  CHECK_FALSE(bench.reloader.config().persistence);
  CHECK(config::find_path(bench.reloader.tree(), "gateway.id")->scalar == "g");
  CHECK(config::find_path(bench.reloader.tree(), "broker.persistence")->scalar == "false");
  CHECK(bench.reloader.restart_keys() ==
        std::vector<std::string>{"gateway.id", "gateway.data_dir", "broker.persistence"});
}

TEST_CASE("a check tells what a reload would do and does nothing") {
  Bench bench("");
  bench.add("a");
  bench.folder.write("t.yaml", bench.with_data_dir("log: { level: debug }\n"));
  std::optional<Reloader::Outcome> outcome;
  bench.reloader.check([&outcome](Reloader::Outcome got) { outcome = std::move(got); });
  bench.inbox.run_until([&outcome] { return outcome.has_value(); });
  CHECK(outcome->is_valid);
  CHECK_FALSE(outcome->is_applied);
  CHECK(outcome->changes.size() == 1);
  CHECK(bench.did.empty());
  CHECK(bench.reloader.config().log_level == "info");
}

TEST_CASE("reloads wait for each other, and none begins after the end") {
  Bench bench("");
  bench.add("a");
  int done = 0;
  bool ended = false;
  bench.reloader.reload([&done](const Reloader::Outcome&) { ++done; });
  bench.reloader.reload([&done](const Reloader::Outcome&) { ++done; });
  bench.inbox.run_until([&done] { return done == 2; });
  bench.reloader.after_current([&ended] { ended = true; });
  bench.reloader.reload([&done](const Reloader::Outcome& outcome) {
    CHECK_FALSE(outcome.is_applied);
    ++done;
  });
  CHECK(done == 3);
  bench.inbox.run_until([&ended] { return ended; });
}

TEST_CASE("a reload leaves the last good copy behind") {
  Bench bench("");
  CHECK(bench.reload("log: { level: debug }\n").is_applied);
  bench.inbox.run_until(
      [&bench] { return std::filesystem::exists(bench.folder.path / "data/last-good/origin"); });
}

}  // namespace tg::app
