#include "daemon/app/session_store.h"

#include "daemon/store/sqlite.h"
#include "tests/unit/daemon/store/test_loop.h"

using namespace tg;
using namespace tg::app;
using store::OpenStore;
using store::TempDir;
using store::TestLoop;

namespace {

class Listing final : public broker::SessionStore::Visitor {
 public:
  void on_last_ids(broker::StoredId, broker::StoredId, broker::StoredId) override {}
  void on_session(const broker::StoredSession& session) override {
    client_id = session.client_id;
    is_away = session.is_away;
    away_ms = session.away_ms;
    expires_after_ms = session.expires_after_ms;
  }
  void on_subscription(broker::StoredId, const mqtt::FilterRequest& request,
                       std::uint32_t subscription_id) override {
    filter = std::string(request.group) + ":" + std::string(request.filter) + " " +
             std::to_string(request.options) + " " + std::to_string(subscription_id);
  }
  void on_held(broker::StoredId, std::uint16_t packet_id) override { held = packet_id; }
  void on_message(broker::StoredId, const broker::MessageFields& fields) override {
    message = std::string(fields.topic) + " " + std::string(fields.payload) + " " +
              std::string(fields.properties) + " " + std::to_string(fields.qos);
    expires_at_ms = fields.expires_at_ms;
  }
  void on_retained(broker::StoredId id) override { retained = id; }
  void on_copy(const broker::StoredCopy& row) override { copy = row; }

  std::string client_id;
  bool is_away = false;
  std::int64_t away_ms = 0;
  std::int64_t expires_after_ms = 0;
  std::string filter;
  int held = 0;
  std::string message;
  std::int64_t expires_at_ms = 0;
  broker::StoredId retained = 0;
  broker::StoredCopy copy;
};

broker::StoredSession session() {
  broker::StoredSession session;
  session.id = 1;
  session.client_id = "pump";
  session.expires_after_ms = 60'000;
  session.is_away = true;
  return session;
}

}  // namespace

TEST_CASE("what the broker tells comes back, with ages by the clock") {
  TempDir dir;
  TestLoop loop;
  {
    OpenStore open(loop, store::one_stream(dir));
    SessionStore sessions(*open, loop.clock);
    CHECK(sessions.keeps());
    CHECK(sessions.admit(1000) == broker::Intake::kDone);
    sessions.put_session(session());
    sessions.put_subscription(1, {"a/#", "g", 2}, 7);
    sessions.hold(1, 5);
    broker::MessageFields fields{"t", "x", "p", 1, loop.clock.mono_ms() + 10'000};
    sessions.put_message(1, fields);
    sessions.set_retained(1, true);
    broker::StoredCopy copy;
    copy.id = copy.session = copy.message = 1;
    copy.packet_id = 9;
    copy.qos = 2;
    copy.retain = true;
    copy.step = 1;
    copy.subscription_id = 7;
    sessions.put_copy(copy);
    sessions.await(42);
    open.flush();
    CHECK(open.committed == std::vector<store::Token>{42});
  }
  loop.advance_ms(3000);
  OpenStore open(loop, store::one_stream(dir));
  SessionStore sessions(*open, loop.clock);
  Listing listing;
  REQUIRE(sessions.load(listing));
  CHECK(listing.client_id == "pump");
  CHECK(listing.is_away);
  CHECK(listing.away_ms == 5000);  // with the flush's two seconds
  CHECK(listing.expires_after_ms == 60'000);
  CHECK(listing.filter == "g:a/# 2 7");
  CHECK(listing.held == 5);
  CHECK(listing.message == "t x p 1");
  CHECK(listing.expires_at_ms == loop.clock.mono_ms() + 5000);
  CHECK(listing.retained == 1);
  CHECK(listing.copy.packet_id == 9);
  CHECK(listing.copy.qos == 2);
  CHECK(listing.copy.retain);
  CHECK(listing.copy.step == 1);
  CHECK(listing.copy.subscription_id == 7);
}

TEST_CASE("what is told after a new beginning is all there is, with the absence so far") {
  TempDir dir;
  TestLoop loop;
  {
    OpenStore open(loop, store::one_stream(dir));
    SessionStore sessions(*open, loop.clock);
    sessions.put_session(session());
    sessions.hold(1, 5);
    open.flush();
    sessions.begin_anew();
    broker::StoredSession again = session();
    again.id = 2;
    again.away_ms = 30'000;
    sessions.put_session(again);
    sessions.put_subscription(2, {"a/#", "", 1}, 0);
    open.flush();
  }
  OpenStore open(loop, store::one_stream(dir));
  SessionStore sessions(*open, loop.clock);
  Listing listing;
  REQUIRE(sessions.load(listing));
  CHECK(listing.client_id == "pump");
  CHECK(listing.away_ms == 32'000);
  CHECK(listing.filter == ":a/# 1 0");
  CHECK(listing.held == 0);
}

TEST_CASE("absence since an earlier boot counts when the clock is synchronised") {
  TempDir dir;
  TestLoop loop;
  const auto options = store::one_stream(dir);
  {
    OpenStore open(loop, options);
    SessionStore sessions(*open, loop.clock);
    sessions.put_session(session());
    open.flush();
  }
  {
    // As if the machine had been started again.
    auto database =
        store::Database::open(dir.path / "streams.db", store::Database::Mode::kReadWrite);
    REQUIRE(database);
    REQUIRE(database->exec("UPDATE broker_session SET left_boot = 99"));
  }
  loop.advance_ms(48'000);
  loop.clock.set_quality(ClockQuality::kUnsynchronised);
  OpenStore open(loop, options);
  SessionStore sessions(*open, loop.clock);
  broker::BrokerOptions broker_options;
  broker_options.sys_interval_s = 0;
  broker::Hooks hooks;
  broker::Broker broker(broker_options, hooks, loop.clock, loop.metrics, &sessions);
  REQUIRE(broker.restore());
  CHECK(broker.stats().sessions == 1);
  loop.advance_ms(11'000);
  broker.poll(0);
  sessions.check_clock(broker);
  broker.poll(0);
  CHECK(broker.stats().sessions == 1);
  loop.clock.set_quality(ClockQuality::kSynchronised);
  sessions.check_clock(broker);
  loop.advance_ms(1000);
  broker.poll(0);
  CHECK(broker.stats().sessions == 0);
}
