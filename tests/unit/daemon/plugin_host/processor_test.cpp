#include "daemon/plugin_host/processor.h"

#include <fmt/format.h>

#include <string>
#include <vector>

#include "daemon/plugin_host/loader.h"
#include "tests/unit/daemon/plugin_host/test_plugins.h"
#include "tests/unit/daemon/store/test_loop.h"

namespace tg::plugin_host {
namespace {

using Catch::Matchers::Contains;
using store::OpenStore;
using store::TempDir;
using store::TestLoop;
using Strings = std::vector<std::string>;

store::StoreOptions two_streams(const TempDir& dir) {
  store::StoreOptions options;
  options.directory = dir.path;
  options.streams = {store::stream("in"), store::stream("out")};
  options.readers = {{"in", "numbers", store::StartAt::kOldest}};
  return options;
}

// A processor over a store, driven by the test's loop.
struct Running {
  Running(TestLoop& the_loop, OpenStore& the_store, std::string config = "{}")
      : loop(the_loop),
        store(the_store),
        processor({"numbers", "numbering", "in", "out", std::move(config), 2000}, &table,
                  *the_store, the_loop.clock, the_loop.timers, the_loop.post(), the_loop.metrics,
                  [this](const pipeline::Cause& cause, const store::Record& record) {
                    if (has_no_room) return false;
                    letters.push_back(fmt::format("{} {} {} {}", cause.seq, record.payload,
                                                  cause.reason, cause.attempts));
                    return true;
                  }) {
    processor.start();
  }

  void put(const std::string& payload) {
    store.put(0, payload);
    processor.on_advanced();
  }
  // All of them come to the plugin in one batch.
  void put_together(const std::vector<std::string>& payloads) {
    store->set_paused(0, true);
    for (const std::string& payload : payloads) put(payload);
    store.flush();
    store->set_paused(0, false);
    processor.on_advanced();
  }
  void wait_for_state(const std::string& state) {
    loop.run_until([&] {
      loop.advance_ms(10);
      return processor.status().state == state;
    });
  }
  void wait_for_position(store::Seq position) {
    loop.run_until([&] {
      loop.advance_ms(10);
      return store->position(0) >= position;
    });
    store.flush();
  }

  TestLoop& loop;
  OpenStore& store;
  bool has_no_room = false;  // for dead letters
  Strings letters;           // "seq payload reason attempts"
  tidegate_plugin table = numbering_table();
  Processor processor;
};

}  // namespace

TEST_CASE("a processor writes what its plugin emits, in order") {
  TempDir dir;
  TestLoop loop;
  OpenStore store(loop, two_streams(dir));
  Running running(loop, store);
  for (const char* payload : {"a", "b", "drop", "c"}) running.put(payload);
  running.wait_for_position(5);
  CHECK(store.payloads(1, 1) == std::vector<std::string>{"a#1", "b#2", "c#3"});
  CHECK(running.processor.status().records_in == 4);
  CHECK(running.processor.status().records_out == 3);
  CHECK(running.processor.status().backlog == 0);
}

TEST_CASE("outputs, state and position go on where they were after a restart") {
  TempDir dir;
  TestLoop loop;
  {
    OpenStore store(loop, two_streams(dir));
    Running running(loop, store);
    running.put("a");
    running.wait_for_position(2);
  }
  OpenStore store(loop, two_streams(dir));
  Running running(loop, store);
  running.put("b");
  running.wait_for_position(3);
  CHECK(store.payloads(1, 1) == std::vector<std::string>{"a#1", "b#2"});
}

TEST_CASE("a call that fails leaves nothing, and a record that fails twice is a dead letter") {
  TempDir dir;
  TestLoop loop;
  OpenStore store(loop, two_streams(dir));
  Running running(loop, store);
  running.put("a");
  running.wait_for_position(2);
  running.put("throw");
  running.wait_for_position(3);
  running.put("b");
  running.wait_for_position(4);
  CHECK(store.payloads(1, 1) == Strings{"a#1", "b#2"});
  CHECK(running.letters == Strings{"2 throw as told 2"});
  CHECK(running.processor.status().errors >= 2);
  CHECK(running.processor.status().dead_letters == 1);
  CHECK(running.processor.status().state == "running");
}

TEST_CASE("of a batch that fails twice only what fails alone is a dead letter") {
  TempDir dir;
  TestLoop loop;
  OpenStore store(loop, two_streams(dir));
  Running running(loop, store);
  running.put_together({"a", "throw", "b", "throw", "c"});
  running.wait_for_position(6);
  CHECK(store.payloads(1, 1) == Strings{"a#1", "b#2", "c#3"});
  CHECK(running.letters == Strings{"2 throw as told 3", "4 throw as told 3"});
  running.put("d");
  running.wait_for_position(7);
  CHECK(store.payloads(1, 4) == Strings{"d#4"});
}

TEST_CASE("what the plugin says it cannot handle is a dead letter, in order, and blocks nothing") {
  TempDir dir;
  TestLoop loop;
  OpenStore store(loop, two_streams(dir));
  Running running(loop, store);
  running.put_together({"bad", "a", "bad", "bad", "bad", "bad", "bad"});
  running.wait_for_position(8);
  CHECK(store.payloads(1, 1) == Strings{"a#1"});
  REQUIRE(running.letters.size() == 6);
  CHECK(running.letters.front() == "1 bad no number in it 1");
  CHECK(running.letters.back() == "7 bad no number in it 1");
  CHECK(running.processor.status().errors == 0);
  CHECK(running.processor.status().state == "running");
}

TEST_CASE(
    "five records in a row that the plugin fails at block the processor, which keeps the rest") {
  TempDir dir;
  TestLoop loop;
  OpenStore store(loop, two_streams(dir));
  Running running(loop, store);
  running.put_together({"throw", "throw", "throw", "throw", "throw", "throw", "a"});
  running.wait_for_state("blocked");
  CHECK(running.letters.size() == 5);
  running.put("b");
  store.flush();
  CHECK(store->position(0) == 6);
  CHECK_THAT(loop.metrics.text(), Contains("tidegate_processor_blocked{processor=\"numbers\"} 1"));

  Numbering::throws = false;
  running.processor.unblock();
  running.wait_for_position(9);
  Numbering::throws = true;
  CHECK(store.payloads(1, 1) == Strings{"throw#1", "a#2", "b#3"});
  CHECK(running.letters.size() == 5);
  CHECK_THAT(loop.metrics.text(), Contains("tidegate_processor_blocked{processor=\"numbers\"} 0"));
}

TEST_CASE("a timer that always fails blocks the processor, too") {
  TempDir dir;
  TestLoop loop;
  OpenStore store(loop, two_streams(dir));
  Numbering::timer_throws = true;
  Running running(loop, store, "{\"tick\":1}");
  for (int i = 1; i <= Processor::kFailuresToBlock; ++i) {
    loop.run_until([&] { return running.processor.status().errors == static_cast<unsigned>(i); });
    loop.advance_ms(1000);
  }
  CHECK(running.processor.status().state == "blocked");
  Numbering::timer_throws = false;
  running.processor.unblock();
  running.put("a");
  running.wait_for_position(2);
  CHECK(store.payloads(1, 1) == Strings{"a#1", "timer"});
}

TEST_CASE("a pause holds a processor that handles record by record") {
  TempDir dir;
  TestLoop loop;
  OpenStore store(loop, two_streams(dir));
  Running running(loop, store);
  running.put_together({"throw", "throw", "throw", "a"});
  loop.run_until([&] {
    loop.advance_ms(10);
    return running.letters.size() == 1;
  });
  store->set_paused(0, true);
  running.wait_for_state("paused");
  CHECK(running.letters.size() == 1);
  store->set_paused(0, false);
  running.processor.on_advanced();
  running.wait_for_position(5);
  CHECK(running.letters.size() == 3);
  CHECK(store.payloads(1, 1) == Strings{"a#1"});
}

TEST_CASE("a processor that is made anew is not blocked, as its metric says") {
  TempDir dir;
  TestLoop loop;
  OpenStore store(loop, two_streams(dir));
  {
    Running running(loop, store);
    running.put_together({"throw", "throw", "throw", "throw", "throw", "a"});
    running.wait_for_state("blocked");
  }
  Running running(loop, store);
  CHECK_THAT(loop.metrics.text(), Contains("tidegate_processor_blocked{processor=\"numbers\"} 0"));
  running.wait_for_position(7);
  CHECK(store.payloads(1, 1) == Strings{"a#1"});
}

TEST_CASE("a dead letter waits for room, and its record with it") {
  TempDir dir;
  TestLoop loop;
  OpenStore store(loop, two_streams(dir));
  Running running(loop, store);
  running.has_no_room = true;
  const std::string payload = GENERATE("throw", "bad");
  running.put_together({payload, "a"});
  running.wait_for_state("waiting");
  CHECK(store->position(0) == 1);
  running.has_no_room = false;
  loop.advance_ms(1000);
  running.wait_for_position(3);
  CHECK(running.letters.size() == 1);
  CHECK(store.payloads(1, 1) == Strings{"a#1"});
}

TEST_CASE("a plugin that has no room gets the same records again until it has") {
  TempDir dir;
  TestLoop loop;
  OpenStore store(loop, two_streams(dir));
  Running running(loop, store);
  running.put("a");
  running.wait_for_position(2);
  Numbering::has_no_room = true;
  running.put("block");
  loop.run_until([&] {
    loop.advance_ms(100);
    return running.processor.status().state == "waiting";
  });
  CHECK(running.processor.status().last_error == "full as told");
  const auto errors = running.processor.status().errors;
  for (int i = 0; i < 50; ++i) {  // five tries more
    loop.advance_ms(100);
    loop.run_until([&] { return running.processor.status().state != "running"; });
  }
  CHECK(running.processor.status().errors == errors);
  CHECK(store->position(0) == 2);
  Numbering::has_no_room = false;
  loop.advance_ms(1000);
  running.wait_for_position(3);
  CHECK(store.payloads(1, 1) == std::vector<std::string>{"a#1", "block#2"});
  CHECK(running.processor.status().state == "running");
}

TEST_CASE("a processor without room can be stopped, and keeps its records") {
  TempDir dir;
  TestLoop loop;
  OpenStore store(loop, two_streams(dir));
  Running running(loop, store);
  Numbering::has_no_room = true;
  running.put("block");
  loop.run_until([&] { return running.processor.status().state == "waiting"; });
  bool stopped = false;
  running.processor.stop([&stopped] { stopped = true; });
  loop.run_until([&] {
    loop.advance_ms(1);
    return stopped;
  });
  Numbering::has_no_room = false;
  CHECK(store->position(0) == 1);
}

TEST_CASE("a sink reads without an output and emits nothing") {
  TempDir dir;
  TestLoop loop;
  OpenStore store(loop, two_streams(dir));
  tidegate_plugin table = numbering_table();
  table.kind = TIDEGATE_SINK;
  REQUIRE(check_table(&table, "x.so"));
  Processor sink({"numbers", "numbering", "in", "", "{}", 2000}, &table, *store, loop.clock,
                 loop.timers, loop.post(), loop.metrics,
                 [](const auto&, const auto&) { return true; });
  sink.start();
  store.put(0, "a");
  sink.on_advanced();
  loop.run_until([&] { return store->position(0) == 2; });
  CHECK(Numbering::emitted == TIDEGATE_REJECTED);
  CHECK(sink.status().records_out == 0);
}

TEST_CASE("a plugin that refuses its configuration is failed, with its reason") {
  TempDir dir;
  TestLoop loop;
  OpenStore store(loop, two_streams(dir));
  Running running(loop, store, "{\"refuse\":1}");
  loop.run_until([&] { return running.processor.status().state == "failed"; });
  CHECK_THAT(running.processor.status().last_error, Contains("refused as told"));
  CHECK(store->position(0) == 1);
}

TEST_CASE("a processor that is stopped takes no further batch") {
  TempDir dir;
  TestLoop loop;
  OpenStore store(loop, two_streams(dir));
  Running running(loop, store);
  running.put("a");
  running.wait_for_position(2);
  bool stopped = false;
  running.processor.stop([&stopped] { stopped = true; });
  loop.run_until([&] {
    loop.advance_ms(1);
    return stopped;
  });
  CHECK(running.processor.status().state == "stopped");
}

TEST_CASE("a paused processor takes no batch, and goes on with what it held") {
  TempDir dir;
  TestLoop loop;
  OpenStore store(loop, two_streams(dir));
  Running running(loop, store);
  running.put("a");
  running.wait_for_position(2);
  store->set_paused(0, true);
  CHECK(running.processor.status().state == "paused");
  running.put("b");
  running.put("c");
  store.flush();
  CHECK(store->position(0) == 2);
  CHECK(running.processor.status().backlog == 2);
  store->set_paused(0, false);
  running.processor.on_advanced();
  running.wait_for_position(4);
  CHECK(store.payloads(1, 1) == std::vector<std::string>{"a#1", "b#2", "c#3"});
}

TEST_CASE("a library that is not there names the files that were tried") {
  const auto loaded = load_plugin("none", {"/no/where", "/else/where"});
  REQUIRE_FALSE(loaded);
  CHECK_THAT(loaded.error().message, Contains("/no/where/libtidegate_none.so"));
  CHECK_THAT(loaded.error().message, Contains("/else/where/libtidegate_none.so"));
  CHECK_FALSE(load_plugin("../evil", {"/tmp"}));
}

TEST_CASE("a table that does not fit is refused with what is wrong") {
  tidegate_plugin table = numbering_table();
  CHECK(check_table(&table, "x.so"));
  CHECK_FALSE(check_table(nullptr, "x.so"));
  SECTION("another major version") {
    table.abi_major = 2;
    CHECK_THAT(check_table(&table, "x.so").error().message, Contains("ABI 2."));
  }
  SECTION("a table that ends too early") {
    table.size = 16;
    CHECK_THAT(check_table(&table, "x.so").error().message, Contains("too small"));
  }
  SECTION("a kind that is not hosted") {
    table.kind = TIDEGATE_SOURCE;
    CHECK_THAT(check_table(&table, "x.so").error().message, Contains("not available yet"));
  }
  SECTION("no process function") {
    table.process = nullptr;
    CHECK_THAT(check_table(&table, "x.so").error().message, Contains("lacks"));
  }
}

}  // namespace tg::plugin_host
