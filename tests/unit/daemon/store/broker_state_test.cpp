#include "daemon/store/broker_state.h"

#include <sqlite3.h>

#include <filesystem>
#include <fstream>
#include <iterator>

#include "daemon/store/broker_tables.h"
#include "tests/unit/daemon/store/test_loop.h"

using namespace tg;
using namespace tg::store;

namespace {

// Everything that was loaded, as text; one line a row.
class Listing final : public BrokerLoader {
 public:
  void on_last_ids(BrokerId session, BrokerId message, BrokerId copy) override {
    add("last " + std::to_string(session) + " " + std::to_string(message) + " " +
        std::to_string(copy));
  }
  void on_session(const SessionRow& row) override {
    left = row.left;
    add("session " + std::to_string(row.id) + " " + row.client_id + "/" + row.identity + " v" +
        std::to_string(row.protocol) + " " + std::to_string(row.expires_after_ms) +
        (row.is_away ? " away" : ""));
  }
  void on_subscription(const SubscriptionRow& row) override {
    add("filter " + std::to_string(row.session) + " " + row.group + ":" + row.filter + " " +
        std::to_string(row.options) + " " + std::to_string(row.subscription_id));
  }
  void on_held(BrokerId session, std::uint16_t packet_id) override {
    add("held " + std::to_string(session) + " " + std::to_string(packet_id));
  }
  void on_message(const MessageRow& row) override {
    add("message " + std::to_string(row.id) + " " + std::string(row.topic) + "=" +
        std::string(row.payload) + " " + std::string(row.properties) + " " +
        std::to_string(row.qos) + " " + std::to_string(row.lifetime_ms));
  }
  void on_damaged_message(BrokerId message) override { add("damaged " + std::to_string(message)); }
  void on_retained(BrokerId message) override { add("retained " + std::to_string(message)); }
  void on_copy(const CopyRow& row) override {
    add("copy " + std::to_string(row.id) + " " + std::to_string(row.session) + "<-" +
        std::to_string(row.message) + " id" + std::to_string(row.packet_id) + " q" +
        std::to_string(row.qos) + (row.retain ? "r" : "") + " s" + std::to_string(row.step) + " " +
        std::to_string(row.subscription_id));
  }
  void add(const std::string& line) { lines.push_back(line); }

  std::vector<std::string> lines;
  StoredTime left;
};

using Lines = std::vector<std::string>;

Lines load(OpenStore& store) {
  Listing listing;
  REQUIRE(store->load_broker(listing));
  return listing.lines;
}

MessageRow message(BrokerId id, std::string_view payload) {
  MessageRow row;
  row.id = id;
  row.qos = 1;
  row.topic = "t";
  row.payload = payload;
  return row;
}

CopyRow copy(BrokerId id, BrokerId session, BrokerId of) {
  CopyRow row;
  row.id = id;
  row.session = session;
  row.message = of;
  row.qos = 1;
  return row;
}

SessionRow session(BrokerId id, std::string client_id) {
  SessionRow row;
  row.id = id;
  row.client_id = std::move(client_id);
  row.protocol = 4;
  row.expires_after_ms = 1000;
  return row;
}

void sql(const TempDir& dir, const std::string& text) {
  sqlite3* handle = nullptr;
  REQUIRE(sqlite3_open((dir.path / "streams.db").c_str(), &handle) == SQLITE_OK);
  CHECK(sqlite3_exec(handle, text.c_str(), nullptr, nullptr, nullptr) == SQLITE_OK);
  sqlite3_close(handle);
}

void overwrite(const std::filesystem::path& path, std::uint64_t at, std::size_t size) {
  std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
  file.seekp(static_cast<std::streamoff>(at));
  file << std::string(size, '\0');
  REQUIRE(file.flush());
}

// The root page of a table. The header of the WAL, whose pages have been copied, goes too, or they
// would be read instead.
void destroy(const TempDir& dir, const std::string& table) {
  auto database = Database::open(dir.path / "streams.db", Database::Mode::kReadOnly);
  REQUIRE(database);
  const auto page =
      database->query_integer("SELECT rootpage FROM sqlite_master WHERE name = '" + table + "'");
  REQUIRE(page);
  overwrite(dir.path / "streams.db", (*page - 1) * 4096, 4096);
  overwrite(dir.path / "streams.db-wal", 0, 32);
}

}  // namespace

TEST_CASE("what the broker keeps is there after a restart") {
  TempDir dir;
  TestLoop loop;
  {
    OpenStore store(loop, one_stream(dir));
    auto& changes = store->broker_changes();
    SessionRow row = session(1, "pump");
    row.identity = "thing";
    row.expires_after_ms = -1;
    row.is_away = true;
    row.left = {loop.clock.now(), store->boot()};
    changes.put_session(row);
    changes.put_session(session(2, "two"));
    changes.put_subscription({1, "a/#", "", 1, 0});
    changes.put_subscription({1, "a/#", "group", 2, 7});
    changes.hold(1, 65'535);
    changes.hold(2, 1);
    MessageRow long_lived = message(1, "x");
    long_lived.properties = "p";
    changes.put_message(long_lived);
    MessageRow short_lived = message(2, "");
    short_lived.lifetime_ms = 5000;
    short_lived.since = {loop.clock.now(), store->boot()};
    changes.put_message(short_lived);
    changes.set_retained(2, true);
    CopyRow sent = copy(1, 1, 1);
    sent.packet_id = 9;
    sent.retain = true;
    sent.step = 2;
    sent.subscription_id = 7;
    changes.put_copy(sent);
    changes.put_copy(copy(2, 2, 1));
    store.flush();
  }
  OpenStore store(loop, one_stream(dir));
  CHECK(load(store) == Lines{"last 2 2 2", "session 1 pump/thing v4 -1 away",
                             "session 2 two/ v4 1000", "filter 1 :a/# 1 0",
                             "filter 1 group:a/# 2 7", "held 1 65535", "held 2 1",
                             "message 1 t=x p 1 0", "message 2 t=  1 5000", "retained 2",
                             "copy 1 1<-1 id9 q1r s2 7", "copy 2 2<-1 id0 q1 s0 0"});
}

TEST_CASE("later groups change and erase what earlier ones wrote") {
  TempDir dir;
  TestLoop loop;
  OpenStore store(loop, one_stream(dir));
  auto* changes = &store->broker_changes();
  changes->put_session(session(1, "one"));
  changes->put_session(session(2, "two"));
  changes->put_subscription({1, "a", "", 0, 0});
  changes->put_subscription({1, "b", "", 0, 0});
  changes->put_subscription({2, "a", "", 0, 0});
  changes->hold(1, 5);
  changes->hold(2, 5);
  changes->hold(2, 6);
  for (BrokerId id = 1; id <= 3; ++id) {
    changes->put_message(message(id, "x"));
    changes->put_copy(copy(id, 2, id));
  }
  changes->set_retained(3, true);
  store.flush();
  changes = &store->broker_changes();
  changes->erase_session(1);
  changes->put_subscription({2, "a", "", 2, 9});
  changes->release(2, 5);
  CopyRow moved = copy(1, 2, 0);
  moved.packet_id = 4;
  moved.step = 2;
  changes->move_copy(moved);
  changes->erase_message(1);
  changes->move_copy(copy(2, 2, 2));
  changes->erase_copy(2);
  changes->erase_message(2);
  changes->set_retained(3, false);
  store.flush();
  CHECK(load(store) == Lines{"last 2 3 3", "session 2 two/ v4 1000", "filter 2 :a 2 9", "held 2 6",
                             "message 3 t=x  1 0", "copy 1 2<-0 id4 q1 s2 0",
                             "copy 3 2<-3 id0 q1 s0 0"});
  store->broker_changes().put_session(session(2, "gone"));
  store->broker_changes().begin_anew();
  store->broker_changes().put_session(session(3, "new"));
  store.flush();
  CHECK(load(store) == Lines{"last 3 0 0", "session 3 new/ v4 1000"});
}

TEST_CASE("what comes and goes within a group is never written") {
  BrokerChanges changes;
  const std::string payload(1000, 'x');
  for (BrokerId id = 1; id <= 1000; ++id) {
    changes.put_message(message(id, payload));
    changes.put_copy(copy(id, 1, id));
    CopyRow sent = copy(id, 1, id);
    sent.packet_id = 1;
    changes.move_copy(sent);
    if (id > 10) {
      changes.erase_copy(id - 10);
      changes.erase_message(id - 10);
    }
    CHECK(changes.bytes() < 30'000);
  }
  for (BrokerId id = 991; id <= 1000; ++id) {
    changes.erase_copy(id);
    changes.erase_message(id);
  }
  CHECK(changes.empty());
  CHECK(changes.bytes() == 0);
}

TEST_CASE("rows that went in the middle of a group are left out, their neighbours are not") {
  TempDir dir;
  TestLoop loop;
  OpenStore store(loop, one_stream(dir));
  auto& changes = store->broker_changes();
  for (BrokerId id = 1; id <= 3; ++id) {
    changes.put_message(message(id, "x"));
    changes.put_copy(copy(id, 1, id));
  }
  changes.set_retained(2, true);
  changes.set_retained(2, false);
  changes.erase_copy(2);
  changes.erase_message(2);
  store.flush();
  CHECK(load(store) == Lines{"last 0 3 3", "message 1 t=x  1 0", "message 3 t=x  1 0",
                             "copy 1 1<-1 id0 q1 s0 0", "copy 3 1<-3 id0 q1 s0 0"});
}

TEST_CASE("a session's end takes with it what it put in the same group") {
  TempDir dir;
  TestLoop loop;
  OpenStore store(loop, one_stream(dir));
  auto& changes = store->broker_changes();
  changes.put_session(session(1, "one"));
  changes.put_subscription({1, "a", "", 0, 0});
  changes.hold(1, 7);
  changes.erase_session(1);
  store.flush();
  CHECK(load(store) == Lines{"last 0 0 0"});
}

TEST_CASE("changes that nobody waits for are committed within a second, with a token at once") {
  TempDir dir;
  TestLoop loop;
  OpenStore store(loop, one_stream(dir));
  store.put(0, "x");  // the last commit is just now
  store->broker_changes().hold(1, 1);
  loop.advance_ms(21);
  CHECK(load(store) == Lines{"last 0 0 0"});
  store->await_broker(42);
  loop.advance_ms(0);
  loop.run_until([&] { return store.committed.size() == 1; });
  CHECK(load(store) == Lines{"last 0 0 0", "held 1 1"});
  store->broker_changes().hold(1, 2);
  loop.advance_ms(1001);
  loop.run_until([&] { return load(store).size() == 3; });
}

TEST_CASE("the broker's changes count as pending bytes") {
  TempDir dir;
  TestLoop loop;
  auto options = one_stream(dir);
  options.pending_bytes = 10'000;
  OpenStore store(loop, options);
  CHECK(store->admit({}, 6000) == Admission::kYes);
  store->broker_changes().put_message(message(1, std::string(6000, 'x')));
  CHECK(store->pending_bytes() >= 6000);
  CHECK(store->admit({}, 6000) == Admission::kBusy);
  loop.run_until([&] { return store.rooms == 1; });
  CHECK(store->pending_bytes() == 0);
}

TEST_CASE("a damaged message is told, the others are served") {
  TempDir dir;
  TestLoop loop;
  {
    OpenStore store(loop, one_stream(dir));
    store->broker_changes().put_message(message(1, "one"));
    store->broker_changes().put_message(message(2, "two"));
    store.flush();
  }
  sql(dir, "UPDATE broker_message SET body = zeroblob(length(body)) WHERE id = 1");
  OpenStore store(loop, one_stream(dir));
  CHECK(load(store) == Lines{"last 0 2 0", "damaged 1", "message 2 t=two  1 0"});
}

TEST_CASE("a damaged table costs what it held, and the database is replaced") {
  TempDir dir;
  TestLoop loop;
  const std::string table = GENERATE("broker_session", "broker_copy");
  {
    OpenStore store(loop, one_stream(dir));
    store->broker_changes().put_session(session(1, "pump"));
    store->broker_changes().put_message(message(2, "two"));
    store->broker_changes().put_copy(copy(3, 1, 2));
    store.append(0, "t", "a record");
    store.flush();
  }
  destroy(dir, table);
  OpenStore store(loop, one_stream(dir));
  const auto epoch = store->epoch();
  bool replaced = false;
  Store::Events events;
  events.on_replaced = [&] { replaced = true; };
  store->set_events(std::move(events));
  const Lines expected = table == "broker_session"
                             ? Lines{"message 2 t=two  1 0", "copy 3 1<-2 id0 q1 s0 0"}
                             : Lines{"session 1 pump/ v4 1000", "message 2 t=two  1 0"};
  CHECK(load(store) == expected);
  loop.run_until([&] {
    loop.advance_ms(100);
    return replaced && !store->is_salvaging();
  });
  CHECK(store->epoch() != epoch);
  CHECK(load(store) == Lines{"last 0 0 0"});
  CHECK(store.payloads(0, 1) == std::vector<std::string>{"a record"});
}

TEST_CASE("messages are encrypted with the rest, and hold their key in use") {
  TempDir dir;
  TestLoop loop;
  auto options = one_stream(dir);
  options.encrypt = true;
  options.keys = std::string(64, '1');
  {
    OpenStore store(loop, options);
    store->broker_changes().put_message(message(1, "a secret"));
    store.flush();
  }
  for (const auto& entry : std::filesystem::directory_iterator(dir.path)) {
    std::ifstream file(entry.path(), std::ios::binary);
    const std::string bytes(std::istreambuf_iterator<char>(file), {});
    CHECK(bytes.find("a secret") == std::string::npos);
  }
  {
    OpenStore store(loop, options);
    CHECK(load(store) == Lines{"last 0 1 0", "message 1 t=a secret  1 0"});
  }
  options.keys = std::string(64, '2');
  CHECK_FALSE(Store::open(options, loop.clock, loop.timers, loop.post(), loop.metrics));
  options.keys = std::string(64, '2') + "\n" + std::string(64, '1');
  { const OpenStore rekeyed(loop, options); }
  options.keys = std::string(64, '2');  // the old one is not needed any more
  OpenStore store(loop, options);
  CHECK(load(store) == Lines{"last 0 1 0", "message 1 t=a secret  1 0"});
}

TEST_CASE("a later group's changes come after those of the group that takes it in") {
  TempDir dir;
  TestLoop loop;
  OpenStore store(loop, one_stream(dir));
  BrokerChanges later;
  auto& changes = store->broker_changes();
  changes.put_session(session(1, "one"));
  changes.put_session(session(2, "two"));
  changes.put_subscription({1, "a", "", 0, 0});
  changes.put_subscription({2, "b", "", 0, 0});
  changes.hold(1, 7);
  changes.hold(1, 8);
  for (const BrokerId id : {1U, 2U, 3U}) changes.put_message(message(id, "m" + std::to_string(id)));
  changes.put_copy({1, 1, 1, 0, 0, 1, false, 0});
  changes.put_copy({2, 1, 2, 0, 0, 1, false, 0});
  changes.set_retained(3, true);

  later.put_session(session(1, "renamed"));
  later.erase_session(2);
  later.erase_subscription(1, "", "a");
  later.put_subscription({1, "c", "", 1, 0});
  later.release(1, 7);
  later.erase_copy(1);
  later.erase_message(1);
  later.move_copy({2, 1, 2, 0, 44, 1, false, 1});
  later.put_message(message(4, "m4"));
  later.put_copy({3, 1, 4, 0, 0, 1, false, 0});
  later.set_retained(3, false);
  changes.absorb(std::move(later));
  store.flush();
  CHECK(load(store) == Lines{"last 1 4 3", "session 1 renamed/ v4 1000", "filter 1 :c 1 0",
                             "held 1 8", "message 2 t=m2  1 0", "message 3 t=m3  1 0",
                             "message 4 t=m4  1 0", "copy 2 1<-2 id44 q1 s1 0",
                             "copy 3 1<-4 id0 q1 s0 0"});
}

TEST_CASE("changes that cancel each other over two groups leave nothing, and no bytes") {
  BrokerChanges changes;
  BrokerChanges later;
  changes.put_message(message(1, std::string(5000, 'x')));
  changes.put_copy({1, 1, 1, 0, 0, 1, false, 0});
  later.erase_copy(1);
  later.erase_message(1);
  changes.absorb(std::move(later));
  CHECK(changes.empty());
  CHECK(changes.bytes() == 0);
}

TEST_CASE("a change of a copy counts once, in whichever group it comes") {
  BrokerChanges once;
  once.move_copy({5, 1, 1, 0, 9, 1, false, 1});
  once.erase_message(3);
  BrokerChanges changes;
  BrokerChanges later;
  later.move_copy({5, 1, 1, 0, 9, 1, false, 1});
  later.erase_message(3);
  changes.absorb(std::move(later));
  CHECK(changes.bytes() == once.bytes());
}

TEST_CASE("a later group that clears all leaves nothing of what came before") {
  BrokerChanges changes;
  BrokerChanges later;
  changes.put_message(message(1, "x"));
  later.begin_anew();
  changes.absorb(std::move(later));
  CHECK_FALSE(changes.empty());
  CHECK(changes.bytes() == 0);
}
