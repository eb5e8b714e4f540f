// Changes of the configuration while the store runs.
#include "tests/unit/daemon/store/test_loop.h"

namespace tg::store {
namespace {

void reconfigure(TestLoop& loop, OpenStore& store, const StoreOptions& next) {
  bool done = false;
  store->reconfigure(next, [&done] { done = true; });
  loop.run_until([&done] { return done; });
}

StoreOptions with_reader(const TempDir& dir) {
  auto options = one_stream(dir);
  options.readers.push_back({"telemetry", "reader", StartAt::kOldest});
  return options;
}

}  // namespace

TEST_CASE("a stream and a reader that are added work at once, and after a restart") {
  TempDir dir;
  TestLoop loop;
  auto options = with_reader(dir);
  {
    OpenStore store(loop, options);
    store.put(0, "before");
    options.streams.push_back(stream("alarms"));
    options.readers.push_back({"alarms", "late", StartAt::kOldest});
    options.readers.push_back({"telemetry", "now", StartAt::kNow});
    reconfigure(loop, store, options);
    REQUIRE(store->find_stream("alarms") == 1);
    store.put(1, "alarm");
    store.put(0, "after");
    CHECK(store.payloads(1, 1) == std::vector<std::string>{"alarm"});
    CHECK(store.payloads(0, 1) == std::vector<std::string>{"before", "after"});
    CHECK(store->position(*store->find_reader("alarms", "late")) == 1);
    CHECK(store->position(*store->find_reader("telemetry", "now")) == 2);
    store->advance(*store->find_reader("telemetry", "now"), 3);
    store.flush();
  }
  OpenStore again(loop, options);
  CHECK(again.payloads(1, 1) == std::vector<std::string>{"alarm"});
  CHECK(again->position(*again->find_reader("telemetry", "now")) == 3);
}

TEST_CASE("what is appended while the change is being committed is neither lost nor late") {
  TempDir dir;
  TestLoop loop;
  auto options = with_reader(dir);
  OpenStore store(loop, options);
  options.streams.push_back(stream("alarms"));
  options.readers.push_back({"alarms", "late", StartAt::kOldest});
  store.append(0, "t", "same group");
  store->await(1);
  bool done = false;
  store->reconfigure(options, [&done] { done = true; });
  loop.timers.advance_ms(0);  // the group is handed over
  store.append(0, "t", "next group");
  store->await(2);
  store->advance(0, 2);
  loop.run_until([&done] { return done; });
  store.append(1, "t", "new stream");
  store->await(3);
  loop.advance_ms(2000);
  loop.run_until([&store] { return store.committed.size() == 3; });
  CHECK(store.payloads(0, 2) == std::vector<std::string>{"next group"});
  CHECK(store.payloads(1, 1) == std::vector<std::string>{"new stream"});
  CHECK(store->position(0) == 2);
}

TEST_CASE("a lower limit evicts with the next record") {
  TempDir dir;
  TestLoop loop;
  auto options = one_stream(dir);
  OpenStore store(loop, options);
  const std::string record(40'000, 'x');
  for (int i = 0; i < 20; ++i) store.put(0, record);
  CHECK(store->status(0).evicted == 0);
  options.streams[0].max_size = 200'000;
  reconfigure(loop, store, options);
  store.put(0, record);
  CHECK(store->status(0).evicted > 0);
  CHECK(store->status(0).bytes <= 200'000);
}

TEST_CASE("a reader that is taken away is detached and holds its records; it may come back") {
  TempDir dir;
  TestLoop loop;
  const auto options = with_reader(dir);
  OpenStore store(loop, options);
  store.put(0, "a");
  reconfigure(loop, store, one_stream(dir));
  REQUIRE(store->readers().size() == 1);
  CHECK(store->readers()[0].detached);
  store.put(0, "b");
  CHECK(store.payloads(0, 1).size() == 2);
  reconfigure(loop, store, options);
  CHECK_FALSE(store->readers()[0].detached);
  CHECK(store->position(0) == 1);
}

TEST_CASE("a stream that held records before the start comes back with them") {
  TempDir dir;
  TestLoop loop;
  auto options = one_stream(dir);
  options.streams.push_back(stream("old"));
  options.readers.push_back({"old", "reader", StartAt::kOldest});
  {
    OpenStore store(loop, options);
    store.put(1, "kept");
  }
  OpenStore store(loop, one_stream(dir));
  reconfigure(loop, store, options);
  CHECK(store.payloads(1, 1) == std::vector<std::string>{"kept"});
  CHECK(store.put(1, "more") == 2);
  for (const auto& reader : store->readers()) CHECK_FALSE(reader.detached);
}

}  // namespace tg::store
